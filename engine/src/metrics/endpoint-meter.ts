import { cellOf, type SeriesCell, Tally } from './tally.ts';

const MS_PER_SECOND = 1_000;
const BITS_PER_BYTE = 8;
const PERCENT = 100;

/** What one serving process has done for a while. */
export interface ServedWhile {
  readonly cells: readonly SeriesCell[];
  readonly processorMs: number;
  readonly wallMs: number;
}

/** Puts together what the serving processes of a streaming endpoint report. */
export class EndpointMeter {
  #tally = new Tally();
  #bytes = 0;
  #processorMs = 0;
  #wallMs = 0;
  #takenAtMs: number;

  constructor(nowMs: number) {
    this.#takenAtMs = nowMs;
  }

  add({ cells, processorMs, wallMs }: ServedWhile): void {
    this.#tally.addAll(cells);
    for (const { metric, cell } of cells) if (metric === 'Egress') this.#bytes += cell.total;
    this.#processorMs += processorMs;
    this.#wallMs += wallMs;
  }

  /** What there is to record since the last call: with one sample each of what the endpoint sends and how busy it is. */
  take(nowMs: number): readonly SeriesCell[] {
    const seconds = (nowMs - this.#takenAtMs) / MS_PER_SECOND;
    if (seconds <= 0) return [];
    const bandwidth = cellOf((this.#bytes * BITS_PER_BYTE) / seconds);
    const cells = [
      ...this.#tally.cells(),
      { metric: 'EgressBandwidth', dimensions: [], cell: bandwidth },
      ...(this.#wallMs > 0
        ? [{ metric: 'CPU', dimensions: [], cell: cellOf((this.#processorMs / this.#wallMs) * PERCENT) }]
        : []),
    ];
    this.#tally = new Tally();
    this.#bytes = 0;
    this.#processorMs = 0;
    this.#wallMs = 0;
    this.#takenAtMs = nowMs;
    return cells;
  }
}
