import type { FFmpegRun } from '../encoding/encoding-plan.ts';
import type { Interval } from './audio-chunks.ts';
import { type FrameNote, frameNotes } from './filter-metadata.ts';
import { intervalsOf } from './intervals.ts';
import { type InputPart, inputArguments } from './listening.ts';
import type { Shot, VideoFindings } from './video-findings.ts';

/** Files of the working folder. */
export const WATCHING_FILES = {
  cuts: 'cuts.txt',
  blackStarts: 'black-starts.txt',
  blackEnds: 'black-ends.txt',
  frozenStarts: 'frozen-starts.txt',
  frozenEnds: 'frozen-ends.txt',
  detail: 'detail.txt',
} as const;

/** Of the change from one frame to the next, in percent: FFmpeg's own default. */
const CUT_SCORE_MIN = 10;
const BLACK_MS_MIN = 100;
const FROZEN_SECONDS_MIN = 2;
/** Each shot's key frame is chosen among frames this far apart. */
const CANDIDATE_SECONDS = 0.5;
/** What there is to see in it does not depend on its shape. */
const CANDIDATE_SIZE = '160:90';
export const SHOTS_MAX = 10_000;
/** Of the longest shots, when there are more. */
export const THUMBNAILS_MAX = 300;
const THUMBNAIL_WIDTH_MAX = 640;
/** With square pixels, in even numbers. */
const THUMBNAIL_FILTERS = [
  `scale=w='max(2,trunc(min(${THUMBNAIL_WIDTH_MAX},iw*sar)/2)*2)'`,
  `h='max(2,trunc(min(${THUMBNAIL_WIDTH_MAX},iw*sar)/dar/2)*2)',setsar=1`,
].join(':');
const THUMBNAILS_PER_RUN = 8;
/** Frames at a time rounded to milliseconds are found from just before it. */
const SEEK_BACK_SECONDS = 0.0015;

/** One run over the picture: where it is cut, black and frozen, and how much there is to see in it. */
export function watchingRun(part: InputPart, streamIndex: number): FFmpegRun {
  const note = (key: string, file: string) => `metadata=mode=print:key=lavfi.${key}:file=${file}`;
  const filters = [
    // Microseconds: times as they are printed have six digits in all.
    'settb=1/1000000',
    `scdet=threshold=${CUT_SCORE_MIN}`,
    note('scd.time', WATCHING_FILES.cuts),
    `blackdetect=black_min_duration=${BLACK_MS_MIN / 1000}`,
    note('black_start', WATCHING_FILES.blackStarts),
    note('black_end', WATCHING_FILES.blackEnds),
    `freezedetect=noise=-60dB:duration=${FROZEN_SECONDS_MIN}`,
    note('freezedetect.freeze_start', WATCHING_FILES.frozenStarts),
    note('freezedetect.freeze_end', WATCHING_FILES.frozenEnds),
    `select='isnan(prev_selected_t)+gte(t-prev_selected_t,${CANDIDATE_SECONDS})'`,
    `scale=${CANDIDATE_SIZE}`,
    'format=gray',
    'entropy',
    note('entropy.entropy.normal.Y', WATCHING_FILES.detail),
  ];
  return {
    arguments: [
      ...inputArguments(part),
      ...[
        '-map',
        `0:${streamIndex}`,
        '-vf',
        filters.join(','),
        '-fps_mode',
        'passthrough',
        '-f',
        'null',
        '-',
      ],
    ],
    writes: [],
    texts: [],
    durationSeconds: part.durationSeconds,
  };
}

/** What a run has written, by the keys of `WATCHING_FILES`. */
export type WatchingNotes = Readonly<Record<keyof typeof WATCHING_FILES, string>>;

/** What was seen; key frames are chosen and have no thumbnails yet. */
export function readWatching(
  notes: WatchingNotes,
  { durationMs, frameMs }: { readonly durationMs: number; readonly frameMs: number },
): VideoFindings {
  const at = (text: string) => frameNotes(text).map(({ pts }) => toMs(pts));
  const told = (text: string) => frameNotes(text).map(({ value }) => Math.round(value * 1000));
  const black = intervalsOf(at(notes.blackStarts), at(notes.blackEnds), durationMs);
  return {
    shots: shotsOf(at(notes.cuts), frameNotes(notes.detail), { durationMs, frameMs }),
    black: black.filter(({ startMs, endMs }) => endMs - startMs >= BLACK_MS_MIN),
    // A picture is known to be frozen when it has been for a while: what is told then is when it began.
    frozen: intervalsOf(told(notes.frozenStarts), at(notes.frozenEnds), durationMs),
  };
}

const toMs = (microseconds: number): number => Math.round(microseconds / 1000);

function shotsOf(
  cutsMs: readonly number[],
  candidates: readonly FrameNote[],
  { durationMs, frameMs }: { readonly durationMs: number; readonly frameMs: number },
): readonly Shot[] {
  const inside = cutsMs.filter((cutMs) => cutMs > 0 && cutMs < durationMs);
  const starts = [0, ...new Set(inside)].sort((left, right) => left - right).slice(0, SHOTS_MAX);
  let next = 0;
  return starts.flatMap((startMs, index) => {
    const endMs = starts[index + 1] ?? durationMs;
    if (endMs <= startMs) return [];
    const first = next;
    while (toMs(candidates[next]?.pts ?? Number.POSITIVE_INFINITY) < endMs) next += 1;
    const frame = keyFrameOf({ startMs, endMs }, candidates.slice(first, next), frameMs);
    return [{ startMs, endMs, keyFrames: [{ ...frame, thumbnail: undefined }] }];
  });
}

/** The one with the most to see; a shot shorter than the candidates' distance may have none, then its middle. */
function keyFrameOf(shot: Interval, candidates: readonly FrameNote[], frameMs: number): Interval {
  let best: FrameNote | undefined;
  for (const candidate of candidates) {
    if (best === undefined || candidate.value > best.value) best = candidate;
  }
  const middleMs = Math.floor((shot.startMs + shot.endMs) / 2);
  const startMs = best === undefined ? middleMs : Math.max(shot.startMs, toMs(best.pts));
  return { startMs, endMs: Math.min(shot.endMs, startMs + Math.max(1, Math.round(frameMs))) };
}

export interface Thumbnail {
  readonly name: string;
  readonly shot: number;
  readonly atMs: number;
}

/** One for each shot, or for the longest when there are too many; in order of time. */
export function thumbnailsOf(shots: readonly Shot[]): readonly Thumbnail[] {
  const wanted = shots.flatMap(({ startMs, endMs, keyFrames }, shot) => {
    const [frame] = keyFrames;
    return frame === undefined ? [] : [{ shot, atMs: frame.startMs, lengthMs: endMs - startMs }];
  });
  return [...wanted]
    .sort((left, right) => right.lengthMs - left.lengthMs || left.shot - right.shot)
    .slice(0, THUMBNAILS_MAX)
    .sort((left, right) => left.shot - right.shot)
    .map(({ shot, atMs }, index) => ({
      shot,
      atMs,
      name: `thumbnail${String(index + 1).padStart(6, '0')}.jpg`,
    }));
}

/** Runs that write a few thumbnails each: a seek to each is faster than reading all. */
export function thumbnailRuns(
  part: InputPart,
  streamIndex: number,
  thumbnails: readonly Thumbnail[],
): readonly FFmpegRun[] {
  const runs: FFmpegRun[] = [];
  for (let first = 0; first < thumbnails.length; first += THUMBNAILS_PER_RUN) {
    const some = thumbnails.slice(first, first + THUMBNAILS_PER_RUN);
    const inputs = some.flatMap(({ atMs }) => {
      const seconds = Math.max(0, part.startSeconds + atMs / 1000 - SEEK_BACK_SECONDS);
      return ['-ss', seconds.toFixed(6), '-threads', String(part.threads), '-i', part.path];
    });
    const outputs = some.flatMap(({ name }, input) => [
      ...['-map', `${input}:${streamIndex}`, '-frames:v', '1'],
      ...['-vf', THUMBNAIL_FILTERS, '-q:v', '3', '-f', 'image2'],
      ...['-update', '1', name],
    ]);
    runs.push({
      arguments: [...inputs, ...outputs],
      writes: some.map(({ name }) => name),
      texts: [],
      durationSeconds: 0,
    });
  }
  return runs;
}

/** The findings with the thumbnails that there are. */
export function withThumbnails(
  findings: VideoFindings,
  thumbnails: readonly Thumbnail[],
  isThere: (name: string) => boolean,
): VideoFindings {
  const names = new Map(thumbnails.filter(({ name }) => isThere(name)).map(({ shot, name }) => [shot, name]));
  const shots = findings.shots.map((shot, index) => ({
    ...shot,
    keyFrames: shot.keyFrames.map((frame) => ({ ...frame, thumbnail: names.get(index) })),
  }));
  return { ...findings, shots };
}
