import type { FragmentEntry, PresentationIndex, TrackIndex } from '../model/presentation.ts';
import type { TrackFormat } from '../model/track.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import { shownFragments } from './fragment-window.ts';

interface TrackMeasures {
  /** Peak segment bit rate, RFC 8216bis §4.1. */
  readonly peakBps: number;
  /** Undefined before the first fragment. */
  readonly averageBps: number | undefined;
  /** Samples a second. */
  readonly sampleRate: number | undefined;
}

/** Of all tracks, and also of what was removed from them. Undefined before the first fragment. */
export function longestFragmentTicks(index: PresentationIndex): number | undefined {
  let longestTicks = 0;
  for (const { fragments, removed } of index.tracks) {
    longestTicks = Math.max(longestTicks, removed?.longestTicks ?? 0);
    for (const { durationTicks } of fragments) longestTicks = Math.max(longestTicks, durationTicks);
  }
  return longestTicks === 0 ? undefined : longestTicks;
}

/** How many bytes a fragment is delivered with. */
export type SizeOf = (entry: FragmentEntry) => number;

const storedSize: SizeOf = ({ sizeBytes }) => sizeBytes;

/** Measured over all acknowledged fragments; the declared bitrate stands in before the first. */
export function measureTrack({ track, fragments }: TrackIndex, sizeOf: SizeOf = storedSize): TrackMeasures {
  let longestTicks = 0;
  let sizeBytes = 0;
  let durationTicks = 0;
  let sampleCount = 0;
  for (const entry of fragments) {
    longestTicks = Math.max(longestTicks, entry.durationTicks);
    sizeBytes += sizeOf(entry);
    durationTicks += entry.durationTicks;
    sampleCount += entry.sampleCount;
  }
  if (durationTicks === 0) return { peakBps: track.bitrateBps, averageBps: undefined, sampleRate: undefined };
  const averageBps = bitsPerSecond(sizeBytes, durationTicks);
  const peakBps = Math.max(averageBps, peakOver(fragments, longestTicks / 2, sizeOf));
  return { peakBps, averageBps, sampleRate: (sampleCount * TICKS_PER_SECOND) / durationTicks };
}

/** Of the shortest runs of fragments that last `shortestTicks`: the stub of a session is no peak by itself. */
function peakOver(fragments: readonly FragmentEntry[], shortestTicks: number, sizeOf: SizeOf): number {
  let peakBps = 0;
  let sizeBytes = 0;
  let durationTicks = 0;
  let first = 0;
  for (const entry of fragments) {
    sizeBytes += sizeOf(entry);
    durationTicks += entry.durationTicks;
    for (
      let oldest = fragments[first];
      oldest !== undefined && durationTicks - oldest.durationTicks >= shortestTicks;
      oldest = fragments[first]
    ) {
      sizeBytes -= sizeOf(oldest);
      durationTicks -= oldest.durationTicks;
      first += 1;
    }
    if (durationTicks >= shortestTicks) peakBps = Math.max(peakBps, bitsPerSecond(sizeBytes, durationTicks));
  }
  return peakBps;
}

/** The format its newest fragment uses, else the newest known. */
export function currentFormat({ track, fragments }: TrackIndex): TrackFormat | undefined {
  const last = fragments.at(-1);
  return (last === undefined ? undefined : track.formats[last.formatIndex]) ?? track.formats.at(-1);
}

/** Every format of what a manifest shows of the track, newest use first; before the first fragment the newest known. */
export function shownFormats(index: PresentationIndex, trackIndex: TrackIndex): readonly TrackFormat[] {
  const used = new Set(shownFragments(index, trackIndex).map(({ formatIndex }) => formatIndex));
  const newest = currentFormat(trackIndex);
  const others = [...used].toReversed().map((formatIndex) => trackIndex.track.formats[formatIndex]);
  return [...new Set([newest, ...others])].filter((format) => format !== undefined);
}

function bitsPerSecond(sizeBytes: number, durationTicks: number): number {
  return Math.max(1, Math.ceil((sizeBytes * 8 * TICKS_PER_SECOND) / durationTicks));
}
