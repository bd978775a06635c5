import { framesPerSecond } from './frame-rate.ts';
import { isStill } from './overlay-graph.ts';
import type { SourceFile } from './source.ts';

/** What the packets of a track say. Times are seconds, as the container counts them. */
export interface PacketTimes {
  readonly count: number;
  readonly firstSeconds: number;
  readonly lastSeconds: number;
  /** Of those that say how long they last; undefined: none does. */
  readonly endSeconds: number | undefined;
}
/** By the index of the stream. */
export type PacketsOfStreams = ReadonlyMap<number, PacketTimes>;

/** Formats that say apart from what they hold how long it lasts, or leave it to be guessed. */
const STATED_APART = /\b(?:matroska|webm|flv|mp3|aac)\b/;
const SAMPLES_LISTED = /\bmp4\b/;
/** What is said and what is there may differ by so much. */
const DIFFERENCE_SECONDS_MAX = 1;
const DIFFERENCE_SHARE_MAX = 0.02;
/** Before the stated end. */
const LOOK_BACK_SECONDS = 2;

/** `unknown`: all packets have to be read; `doubtful`: those around the stated end show whether it is right. */
export function lengthOf(source: SourceFile): 'sure' | 'doubtful' | 'unknown' {
  const { formatName, durationSeconds, video, audio } = source;
  // Stills last for as long as they are wanted.
  if (isStill(source) || video.length + audio.length === 0) return 'sure';
  if (durationSeconds <= 0) return 'unknown';
  if (STATED_APART.test(formatName)) return 'doubtful';
  const isOff = video.some(
    (track) =>
      track.frameCount !== undefined &&
      isFarFrom(track.frameCount / framesPerSecond(track.frameRate), track.durationSeconds),
  );
  return SAMPLES_LISTED.test(formatName) && isOff ? 'doubtful' : 'sure';
}

/** Where packets show whether a file ends where it says that it does, in the container's times. */
export function windowAtEnd({ startSeconds, durationSeconds }: SourceFile): {
  readonly fromSeconds: number;
  readonly untilSeconds: number;
} {
  const end = startSeconds + durationSeconds;
  return {
    fromSeconds: Math.max(0, end - LOOK_BACK_SECONDS),
    untilSeconds: end + toleranceOf(durationSeconds) + LOOK_BACK_SECONDS,
  };
}

/** Of the packets of `windowAtEnd`. */
export function endsAsStated(source: SourceFile, packets: PacketsOfStreams): boolean {
  const ends = tracksOf(source).flatMap(({ streamIndex }) => {
    const times = packets.get(streamIndex);
    return times === undefined ? [] : [endOf(times)];
  });
  if (ends.length === 0) return false;
  return !isFarFrom(Math.max(...ends) - source.startSeconds, source.durationSeconds);
}

/** The file with the lengths that all of its packets together have. */
export function withMeasuredLength(source: SourceFile, packets: PacketsOfStreams): SourceFile {
  const measured = <T extends SourceFile['video'][number] | SourceFile['audio'][number]>(track: T): T => {
    const times = packets.get(track.streamIndex);
    if (times === undefined) return { ...track, durationSeconds: 0 };
    return { ...track, durationSeconds: Math.max(0, endOf(times) - track.startSeconds) };
  };
  const video = source.video.map((track) => ({
    ...measured(track),
    frameCount: track.frameCount === undefined ? undefined : packets.get(track.streamIndex)?.count,
  }));
  const audio = source.audio.map(measured);
  const ends = [...video, ...audio].map((track) => track.startSeconds + track.durationSeconds);
  const durationSeconds = Math.max(0, ...ends.map((end) => end - source.startSeconds));
  const bitrateBps =
    durationSeconds > 0 ? Math.round((source.sizeBytes * 8) / durationSeconds) : source.bitrateBps;
  return { ...source, durationSeconds, bitrateBps, video, audio };
}

/** Where packets do not say how long they last, the last one lasts as long as the others on average. */
function endOf({ count, firstSeconds, lastSeconds, endSeconds }: PacketTimes): number {
  const average = count > 1 ? (lastSeconds - firstSeconds) / (count - 1) : 0;
  return Math.max(endSeconds ?? 0, lastSeconds + (endSeconds === undefined ? average : 0));
}

const tracksOf = ({ video, audio }: SourceFile) => [...video, ...audio];
const toleranceOf = (seconds: number): number =>
  Math.max(DIFFERENCE_SECONDS_MAX, seconds * DIFFERENCE_SHARE_MAX);
const isFarFrom = (found: number, stated: number): boolean => Math.abs(found - stated) > toleranceOf(stated);
