import type { TrackIndex } from '../model/presentation.ts';
import type { TrackFormat } from '../model/track.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';

export interface TrackMeasures {
  readonly peakBps: number;
  /** Undefined before the first fragment. */
  readonly averageBps: number | undefined;
  /** Samples a second. */
  readonly sampleRate: number | undefined;
}

/** Measured over all acknowledged fragments; the declared bitrate stands in before the first. */
export function measureTrack({ track, fragments }: TrackIndex): TrackMeasures {
  let peakBps = 0;
  let sizeBytes = 0;
  let durationTicks = 0;
  let sampleCount = 0;
  for (const entry of fragments) {
    if (entry.durationTicks <= 0) continue;
    peakBps = Math.max(peakBps, bitsPerSecond(entry.sizeBytes, entry.durationTicks));
    sizeBytes += entry.sizeBytes;
    durationTicks += entry.durationTicks;
    sampleCount += entry.sampleCount;
  }
  if (durationTicks === 0) return { peakBps: track.bitrateBps, averageBps: undefined, sampleRate: undefined };
  const averageBps = bitsPerSecond(sizeBytes, durationTicks);
  return { peakBps, averageBps, sampleRate: (sampleCount * TICKS_PER_SECOND) / durationTicks };
}

/** The format its newest fragment uses, else the newest known. */
export function currentFormat({ track, fragments }: TrackIndex): TrackFormat | undefined {
  const last = fragments.at(-1);
  return (last === undefined ? undefined : track.formats[last.formatIndex]) ?? track.formats.at(-1);
}

function bitsPerSecond(sizeBytes: number, durationTicks: number): number {
  return Math.max(1, Math.ceil((sizeBytes * 8 * TICKS_PER_SECOND) / durationTicks));
}
