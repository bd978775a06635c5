import type { FileTrack, SampleTable } from '../formats/isobmff/sample-table-reader.ts';
import { rescale, TICKS_PER_SECOND } from '../time/timescale.ts';

/** Where each fragment of a track begins: sample numbers from 0, ascending; the last one ends with the track. */
export type FragmentStarts = readonly number[];

/** What the original cut on-demand files into (reference §5.3: key frames every 2 s). */
const FRAGMENT_TICKS = 2 * TICKS_PER_SECOND;
/** A key frame this much early ends a fragment too: 48 pictures at 25 a second are 1.92 s. */
const EARLY_TICKS = TICKS_PER_SECOND / 4;

/** Pictures are cut at key frames, so a fragment is as long as what is between them, or about 2 s of several. */
export function cutAtKeyFrames({ header, samples }: FileTrack): FragmentStarts {
  const starts: number[] = [];
  let sinceTicks = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < samples.sizes.length; at += 1) {
    if (at > 0 && samples.isSync[at] !== 1) continue;
    const ticks = decodeTicksOf(samples, at, header.timescale);
    if (ticks - sinceTicks < FRAGMENT_TICKS - EARLY_TICKS) continue;
    starts.push(at);
    sinceTicks = ticks;
  }
  return starts;
}

/** Sound is cut where the picture is: at the first sample that begins no earlier. Ascending `cutTicks`. */
export function cutAtTimes({ header, samples }: FileTrack, cutTicks: readonly number[]): FragmentStarts {
  const starts: number[] = [];
  let at = 0;
  for (const ticks of cutTicks) {
    while (at < samples.sizes.length && decodeTicksOf(samples, at, header.timescale) < ticks) at += 1;
    if (at >= samples.sizes.length) break;
    if (starts.length === 0) starts.push(0);
    else if (starts.at(-1) !== at && at > 0) starts.push(at);
  }
  return starts.length === 0 && samples.sizes.length > 0 ? [0] : starts;
}

/** For sound without a picture. */
export function everyTwoSeconds({ header, samples }: FileTrack): readonly number[] {
  const first = decodeTicksOf(samples, 0, header.timescale);
  const last = decodeTicksOf(samples, samples.sizes.length - 1, header.timescale);
  const count = Math.max(1, Math.ceil((last - first) / FRAGMENT_TICKS));
  return Array.from({ length: count }, (_, at) => first + at * FRAGMENT_TICKS);
}

/** Rounded for each sample by itself, so that nothing adds up. */
export function decodeTicksOf(samples: SampleTable, at: number, timescale: number): number {
  return rescale(samples.decodeTimes[at] ?? 0, { from: timescale, to: TICKS_PER_SECOND });
}

export function endTicksOfSample(samples: SampleTable, at: number, timescale: number): number {
  if (at + 1 < samples.sizes.length) return decodeTicksOf(samples, at + 1, timescale);
  const end = (samples.decodeTimes[at] ?? 0) + (samples.durations[at] ?? 0);
  return rescale(end, { from: timescale, to: TICKS_PER_SECOND });
}

/** Samples of one fragment. */
export interface FragmentCut {
  readonly first: number;
  readonly end: number;
  /** As in `FragmentEntry`. */
  readonly discontinuity: number;
}

export function cutsFrom(starts: FragmentStarts, { samples }: FileTrack): readonly FragmentCut[] {
  return starts.map((first, at) => ({
    first,
    end: starts[at + 1] ?? samples.sizes.length,
    discontinuity: 0,
  }));
}

/** Over all of the track, at least 1. */
export function bitrateOf({ samples, header }: FileTrack): number {
  const sizeBytes = samples.sizes.reduce((sum, size) => sum + size, 0);
  const last = samples.sizes.length - 1;
  const duration =
    (samples.decodeTimes[last] ?? 0) + (samples.durations[last] ?? 0) - (samples.decodeTimes[0] ?? 0);
  return Math.max(1, Math.round((sizeBytes * 8 * header.timescale) / Math.max(1, duration)));
}
