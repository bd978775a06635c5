import { parseIsoDurationMs } from '../resources/iso-duration.ts';
import type { ClipTime, SourceClip } from './encoding-request.ts';
import { frameSeconds, framesPerSecond } from './frame-rate.ts';
import {
  type AudioTrack,
  bestVideo,
  type ClipTracks,
  selectTracks,
  type VideoTrack,
} from './input-tracks.ts';
import type { Ratio, SourceFile } from './source.ts';
import { notConfigurable, notSupported, Unplannable } from './unplannable.ts';

/** A clip with its place on the output's time line. */
export interface PlacedClip {
  readonly tracks: ClipTracks;
  readonly video: VideoTrack | undefined;
  readonly audios: readonly AudioTrack[];
  /** What the clip begins with, in the time of the picture's file, and of the others by `zeroOf`. */
  readonly fromSeconds: number;
  readonly durationSeconds: number;
  /** Of its picture, cut to the clip; 0 without one. */
  readonly pictureSeconds: number;
  readonly isWhole: boolean;
}

/** How late pictures may begin without being filled up at the front. */
const LEAD_SECONDS_MAX = 0.5;
const MILLISECONDS = 1000;
export const CLIPS_MAX = 100;
/** A clip is something. */
const CLIP_SECONDS_MIN = 0.001;

/** Throws `Unplannable` for clips that have nothing to encode or lie outside of their files. */
export function placeClip(clip: SourceClip): PlacedClip {
  const tracks = selectTracks(clip);
  const video = bestVideo(tracks.videos);
  const audios = tracks.isSelected.audio ? tracks.audios : tracks.audios.slice(0, 1);
  const [first] = clip.files;
  if (first === undefined || (video === undefined && audios.length === 0)) {
    throw new Unplannable('ContentUnsupported', `'${first?.name ?? ''}' has neither pictures nor sound.`);
  }
  const lasts = Math.max(
    ...(video === undefined ? [] : [endOf(video.file, video.video)]),
    ...audios.map(({ file, audio }) => endOf(file, audio)),
  );
  const fromSeconds = clipSeconds(clip.start, clip) ?? 0;
  const untilSeconds = Math.min(lasts, clipSeconds(clip.end, clip) ?? lasts);
  if (lasts <= 0) throw notSupported(`'${first.name}' does not say how long it lasts.`);
  if (fromSeconds < 0 || untilSeconds - fromSeconds < CLIP_SECONDS_MIN) {
    throw notConfigurable(`'${first.name}' lasts ${lasts.toFixed(3)} s: the clip lies outside of it.`);
  }
  const pictureEnd =
    video === undefined ? fromSeconds : Math.min(untilSeconds, endOf(video.file, video.video));
  return {
    tracks,
    video,
    audios,
    fromSeconds,
    durationSeconds: untilSeconds - fromSeconds,
    pictureSeconds: Math.max(0, pictureEnd - fromSeconds),
    isWhole: clip.start === undefined && untilSeconds === lasts,
  };
}

const endOf = (file: SourceFile, track: { startSeconds: number; durationSeconds: number }): number =>
  track.startSeconds + track.durationSeconds - zeroOf(file);

/**
 * The time stamp that is 0 on the time line: of the first picture, unless much was heard before it. Sound that begins a
 * frame before the picture, as it does in transport streams, must not double a picture.
 */
export function zeroOf({ startSeconds, video: [first] }: SourceFile): number {
  if (first === undefined) return startSeconds;
  return first.startSeconds - startSeconds <= LEAD_SECONDS_MAX ? first.startSeconds : startSeconds;
}

function clipSeconds(time: ClipTime | undefined, { startsAtMs, files }: SourceClip): number | undefined {
  if (time === undefined) return undefined;
  if (time['@odata.type'] === '#Microsoft.Media.AbsoluteClipTime') {
    return (parseIsoDurationMs(time.time) ?? 0) / MILLISECONDS;
  }
  if (startsAtMs === undefined) {
    const name = files[0]?.name ?? '';
    throw notConfigurable(
      `A clip by UTC time needs a recording of a live event: '${name}' does not say when it was.`,
    );
  }
  return Math.max(0, (Date.parse(time.time) - startsAtMs) / MILLISECONDS);
}

/** Of the pictures of a clip at a constant rate. */
export function frameCountOf(clip: PlacedClip, rate: Ratio): number {
  const { video } = clip;
  if (video === undefined) return 0;
  const counted = Math.round(clip.pictureSeconds * framesPerSecond(rate));
  const { frameCount, frameRate } = video.video;
  const isSameRate = frameRate.numerator * rate.denominator === rate.numerator * frameRate.denominator;
  // Durations are rounded, counts are not; a count may have pictures that an edit list hides.
  const isCounted =
    clip.isWhole && isSameRate && frameCount !== undefined && Math.abs(frameCount - counted) <= 1;
  return Math.max(1, isCounted ? frameCount : counted);
}

/** Frames of the output, `from` and those up to `until`. */
export interface FrameRange {
  readonly from: number;
  readonly until: number;
}

/** So many parts keep several workers busy to the end: who is the last has little left to do alone. */
const PARTS_WANTED = 24;
/** The rate control of an encoder finds its way anew in each part, which costs more the shorter they are. */
const PART_SECONDS_MIN = 20;
const PART_SECONDS_MAX = 60;
/** In parts: below it, a division costs more than it saves, as each part decodes from a key frame before it. */
const PARTS_WORTHWHILE = 1.5;
const PARTS_MAX = 1000;
/** What is shorter is not worth dividing, unless it is said how long parts are to be. */
const DIVIDED_SECONDS_MIN = 90;

/**
 * Parts of about `partSeconds`, or as seems best, that begin with a key frame of the output each. They cover all frames, none twice; one
 * part where it is not worth while.
 */
export function divide(
  frameCount: number,
  { rate, gopFrames, partSeconds }: { rate: Ratio; gopFrames: number; partSeconds: number | undefined },
): readonly FrameRange[] {
  const seconds = frameSeconds(frameCount, rate);
  const gops = Math.ceil(frameCount / gopFrames);
  const asSeemsBest = Math.min(PART_SECONDS_MAX, Math.max(PART_SECONDS_MIN, seconds / PARTS_WANTED));
  const worthwhile = partSeconds === undefined ? DIVIDED_SECONDS_MIN : partSeconds * PARTS_WORTHWHILE;
  const wanted = seconds < worthwhile ? 1 : Math.ceil(seconds / (partSeconds ?? asSeemsBest));
  const count = Math.max(1, Math.min(wanted, gops, PARTS_MAX));
  const cuts = Array.from({ length: count + 1 }, (_, at) =>
    Math.min(frameCount, Math.round((gops * at) / count) * gopFrames),
  );
  return cuts.slice(1).map((until, at) => ({ from: cuts[at] ?? 0, until }));
}
