import { frameSeconds } from './frame-rate.ts';
import { mediaSeconds } from './media-seconds.ts';
import { overlayChains } from './overlay-graph.ts';
import { cropOf, durationOf, type PicturedClip, type PictureWork, turnOf } from './picture-work.ts';
import type { Ratio, SourceFile, SourceVideo } from './source.ts';
import { type FrameRange, zeroOf } from './timeline.ts';

/** Inputs of a run of FFmpeg, and what is done with them. */
export interface Graph {
  /** `-i` and what stands before it, in order. */
  readonly inputs: readonly (readonly string[])[];
  /** Filter chains; the last one's output is `[pictures]`. */
  readonly chains: readonly string[];
}

/** Decoders start this much before what is wanted, so that what refers to earlier pictures is whole by then. */
const PREROLL_SECONDS = 2;
/** Where key frames are not listed, FFmpeg guesses a place, after which the next key frame has to come in time. */
const UNINDEXED_PREROLL_SECONDS = 20;
/** Containers with a list of key frames: decoding can begin at exactly one of them. */
export const INDEXED = /\b(?:mp4|matroska)\b/;
const TIME_DIGITS = 6;

export const seconds = (value: number): string => String(Number(value.toFixed(TIME_DIGITS)));
const rateText = ({ numerator, denominator }: Ratio): string => `${numerator}/${denominator}`;

/**
 * The frames of a range of the time line as `[pictures]`, each with its number on the time line as its time in units of
 * one frame: whatever range a frame is made in, it is made of the same source picture in the same way.
 */
export function pictureGraph(work: PictureWork, range: FrameRange): Graph {
  const slices = work.clips.flatMap((clip) => sliceOf(clip, range));
  const inputs: (readonly string[])[] = [];
  const chains = slices.map((slice, at) => {
    const { video, fromSeconds } = slice.clip.clip;
    if (video === undefined) return `${blackPictures(work, slice.count)}[c${at}]`;
    inputs.push(fileInput(video.file, fromSeconds + frameSeconds(slice.from, work.rate), work.threads));
    return `[${inputs.length - 1}:${video.video.streamIndex}]${clipFilters(work, slice, video)}[c${at}]`;
  });
  const joined = slices.length === 1 ? 'null' : `concat=n=${slices.length}:v=1:a=0`;
  const labels = slices.map((_, at) => `[c${at}]`).join('');
  const overlays = overlayChains(work, { range, firstInput: inputs.length });
  return {
    inputs: [...inputs, ...overlays.inputs],
    chains: [
      ...chains,
      `${labels}${[joined, ...numbered(work, range)].join(',')}[o0]`,
      ...overlays.chains,
      `[o${overlays.count}]${fades(work).join(',') || 'null'}[pictures]`,
    ],
  };
}

interface Slice {
  readonly clip: PicturedClip;
  /** Frames of the clip. */
  readonly from: number;
  readonly count: number;
}

function sliceOf(clip: PicturedClip, { from, until }: FrameRange): Slice[] {
  const first = Math.max(from, clip.fromFrame) - clip.fromFrame;
  const last = Math.min(until, clip.fromFrame + clip.frameCount) - clip.fromFrame;
  return last > first ? [{ clip, from: first, count: last - first }] : [];
}

/** Reads from the key frame before a time on, with the time stamps of the file. */
export function fileInput(file: SourceFile, fromSeconds: number, threads: number): readonly string[] {
  // FFmpeg seeks from the start of the file, which may be before the first picture.
  const preroll = INDEXED.test(file.formatName) ? PREROLL_SECONDS : UNINDEXED_PREROLL_SECONDS;
  const seek = fromSeconds + zeroOf(file) - file.startSeconds - preroll;
  const decoding = ['-threads', String(threads), '-noautorotate'];
  if (seek <= 0) return [...decoding, '-i', file.path];
  return [...decoding, '-noaccurate_seek', '-ss', seconds(seek), '-i', file.path];
}

function clipFilters(
  work: PictureWork,
  { clip, from, count }: Slice,
  { video, file }: { readonly video: SourceVideo; readonly file: SourceFile },
): string {
  const zero = seconds(zeroOf(file) + clip.clip.fromSeconds);
  const { filters, rate, seen, isVariable, clips } = work;
  const own = [
    `setpts=floor(PTS-${zero}/TB+0.5)`,
    ...deinterlacing(video, filters.deinterlace),
    ...cropping(video, filters.crop),
    ...turning(turnOf(video, filters.rotation)),
  ];
  const isUniform = clips.length === 1 && (filters.overlays ?? []).length === 0;
  const uniform = isUniform ? [] : fitted(seen);
  if (isVariable)
    return [...own, `trim=start=0:end=${seconds(clip.clip.pictureSeconds)}`, ...uniform].join(',');
  return [
    ...own,
    `fps=fps=${rateText(rate)}:start_time=${frameSeconds(from, rate)}:round=near`,
    // A source that ends before it says so shows its last picture until then.
    'tpad=stop_mode=clone:stop=-1',
    `trim=end_frame=${count}`,
    ...uniform,
  ].join(',');
}

/** For a clip of sound alone among others with pictures. */
const blackPictures = ({ seen: { width, height }, rate }: PictureWork, count: number): string =>
  `color=c=black:s=${width}x${height}:r=${rateText(rate)},trim=end_frame=${count},setsar=1,format=yuv420p`;

/** Of one size, with square pixels, bars where the shape is another. */
const fitted = ({ width, height }: { width: number; height: number }): string[] => [
  `scale=w='trunc(iw*sar)':h=ih`,
  'setsar=1',
  `scale=${width}:${height}:force_original_aspect_ratio=decrease:flags=bicubic`,
  `pad=${width}:${height}:-1:-1:color=black`,
  'setsar=1',
  'format=yuv420p',
];

/** `concat` counts microseconds: from here on, times are frame numbers again. */
function numbered({ rate, isVariable }: PictureWork, { from }: FrameRange): string[] {
  if (isVariable) return [];
  return [`settb=${rate.denominator}/${rate.numerator}`, `setpts=N+${from}`];
}

function deinterlacing(
  { isInterlaced }: SourceVideo,
  wanted: PictureWork['filters']['deinterlace'],
): string[] {
  const { mode = 'AutoPixelAdaptive', parity = 'Auto' } = wanted ?? {};
  const isForced = parity !== 'Auto' && parity !== null;
  if (mode === 'Off' || !(isInterlaced || isForced)) return [];
  const fields = { Auto: 'auto', TopFieldFirst: 'tff', BottomFieldFirst: 'bff' } as const;
  const parityText = fields[parity ?? 'Auto'];
  return [`bwdif=mode=send_frame:parity=${parityText}:deint=${isForced ? 'all' : 'interlaced'}`];
}

function cropping(video: SourceVideo, crop: PictureWork['filters']['crop']): string[] {
  const box = cropOf(video, crop);
  return box === undefined ? [] : [`crop=${box.width}:${box.height}:${box.left}:${box.top}:exact=1`];
}

function turning(degrees: number): string[] {
  switch (degrees) {
    case 90:
      return ['transpose=clock'];
    case 180:
      return ['hflip', 'vflip'];
    case 270:
      return ['transpose=cclock'];
    default:
      return [];
  }
}

/** CSS Level 1 names are FFmpeg's; `rgb(255,0,0)` is not. */
export function colorOf(text: string): string {
  const numbers = /^rgb\(([^)]*)\)$/i.exec(text)?.[1]?.split(',').map(Number);
  if (numbers === undefined) return text.replace('#', '0x');
  return `0x${numbers.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
}

function fades(work: PictureWork): string[] {
  const whole = { seconds: durationOf(work), rate: work.rate };
  const { fadeIn, fadeOut } = work.filters;
  const filters: string[] = [];
  if (fadeIn != null) {
    const start = mediaSeconds(fadeIn.start ?? 'PT0S', whole);
    filters.push(fade('in', start, mediaSeconds(fadeIn.duration, whole), fadeIn.fadeColor));
  }
  if (fadeOut != null) {
    const lasts = mediaSeconds(fadeOut.duration, whole);
    const start = fadeOut.start == null ? whole.seconds - lasts : mediaSeconds(fadeOut.start, whole);
    filters.push(fade('out', Math.max(0, start), lasts, fadeOut.fadeColor));
  }
  return filters;
}

const fade = (type: 'in' | 'out', start: number, lasts: number, color: string): string =>
  `fade=t=${type}:st=${seconds(start)}:d=${seconds(lasts)}:color=${colorOf(color)}`;
