import uPlot from 'uplot';
import type { TrackReading } from './ingest-tracks.ts';
import { alignedSeries, bitrateText } from './plot-data.ts';

const HEIGHT_PX = 180;
const SHOWN_SECONDS = 120;
/** Told apart in both colour schemes and by people who see few colours. */
export const TRACK_COLOURS = ['#2f6fed', '#d9822b', '#2a9d72', '#b04fc4', '#c94a53', '#7a8899'] as const;

export function trackColour(index: number): string {
  return TRACK_COLOURS[index % TRACK_COLOURS.length] ?? TRACK_COLOURS[0];
}

/** Draws every track's bitrate over the last two minutes. */
export class BitratePlot {
  readonly #target: HTMLElement;
  #plot: uPlot | undefined;
  #shownTracks = '';

  constructor(target: HTMLElement) {
    this.#target = target;
    new ResizeObserver(() => this.#fit()).observe(target);
  }

  show(readings: readonly TrackReading[]): void {
    const ids = JSON.stringify(readings.map(({ track }) => track.id));
    if (ids !== this.#shownTracks) {
      this.#plot?.destroy();
      this.#plot = undefined;
      this.#shownTracks = ids;
    }
    if (readings.length === 0) return;
    this.#plot ??= new uPlot(this.#options(readings), [[]], this.#target);
    this.#plot.setData(alignedSeries(readings));
  }

  #options(readings: readonly TrackReading[]): uPlot.Options {
    const style = getComputedStyle(this.#target);
    const grid = { stroke: style.getPropertyValue('--line'), width: 1 };
    const axis = { stroke: style.color, grid, ticks: { show: false } };
    return {
      width: Math.max(200, this.#target.clientWidth),
      height: HEIGHT_PX,
      legend: { show: false },
      cursor: { drag: { x: false, y: false } },
      scales: { x: { range: (_plot, _min, max) => [max - SHOWN_SECONDS, max] }, y: { range: fromZero } },
      axes: [
        { ...axis, space: 90, values: clockTicks },
        { ...axis, size: 84, values: (_plot, ticks) => ticks.map(bitrateText) },
      ],
      series: [
        {},
        ...readings.map(({ track }, index) => ({
          label: track.title,
          stroke: trackColour(index),
          width: 2,
          spanGaps: true,
          points: { show: false },
        })),
      ],
    };
  }

  #fit(): void {
    this.#plot?.setSize({ width: Math.max(200, this.#target.clientWidth), height: HEIGHT_PX });
  }
}

function clockTicks(_plot: uPlot, seconds: number[]): string[] {
  return seconds.map((at) => new Date(at * 1000).toLocaleTimeString([], { hourCycle: 'h23' }));
}

function fromZero(_plot: uPlot, _min: number, max: number): [number, number] {
  return [0, Math.max(100_000, max * 1.15)];
}
