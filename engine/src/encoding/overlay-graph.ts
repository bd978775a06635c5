import type { z } from 'zod';
import type * as contract from '../contract/encoding.ts';
import { parseIsoDurationMs } from '../resources/iso-duration.ts';
import { frameSeconds } from './frame-rate.ts';
import { lengthOf } from './picture-size.ts';
import { durationOf, type PictureWork } from './picture-work.ts';
import type { SourceFile } from './source.ts';
import { type FrameRange, zeroOf } from './timeline.ts';
import { notConfigurable, notSupported } from './unplannable.ts';

export type VideoOverlay = z.output<typeof contract.VideoOverlay>;
type Rectangle = z.output<typeof contract.Rectangle>;

export interface OverlayGraph {
  readonly inputs: readonly (readonly string[])[];
  /** From `[o0]` to `[o{count}]`. */
  readonly chains: readonly string[];
  readonly count: number;
}

const MILLISECONDS = 1000;
const PREROLL_SECONDS = 2;
const SEEKABLE = /\b(?:mp4|matroska)\b/;
const STILL = /_pipe$|^image2/;

export const secondsOf = (duration: string | null | undefined): number | undefined =>
  duration == null ? undefined : (parseIsoDurationMs(duration) ?? 0) / MILLISECONDS;

export const isStill = ({ formatName }: SourceFile): boolean => STILL.test(formatName);

/** The file of a label. Throws `Unplannable`: the job has no such input. */
export function overlayFile(overlays: PictureWork['overlays'], label: string): SourceFile {
  const found = overlays.find((one) => one.label === label);
  if (found === undefined) throw notConfigurable(`No input has the label '${label}', which an overlay uses.`);
  return found.file;
}

/** Puts pictures over pictures, in the order of the preset. */
export function overlayChains(
  work: PictureWork,
  { range, firstInput }: { readonly range: FrameRange; readonly firstInput: number },
): OverlayGraph {
  const pictured = (work.filters.overlays ?? []).flatMap((overlay) =>
    overlay['@odata.type'] === '#Microsoft.Media.VideoOverlay' ? [overlay] : [],
  );
  const fromSeconds = frameSeconds(range.from, work.rate);
  const placed = pictured.map((overlay) => placedOverlay(work, overlay));
  return {
    inputs: placed.map((overlay) => overlayInput(overlay, fromSeconds)),
    chains: placed.flatMap((overlay, at) => [
      `[${firstInput + at}:${overlay.streamIndex}]${overlayFilters(work, overlay, range)}[f${at}]`,
      `[o${at}][f${at}]overlay=${overlayOptions(overlay)}[o${at + 1}]`,
    ]),
    count: placed.length,
  };
}

interface PlacedOverlay {
  readonly overlay: VideoOverlay;
  readonly file: SourceFile;
  readonly streamIndex: number;
  readonly startSeconds: number;
  readonly endSeconds: number;
  readonly crop: Box | undefined;
  readonly left: number;
  readonly top: number;
  readonly size: { readonly width: number; readonly height: number } | undefined;
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

function placedOverlay(work: PictureWork, overlay: VideoOverlay): PlacedOverlay {
  const file = overlayFile(work.overlays, overlay.inputLabel);
  const [video] = file.video;
  if (video === undefined) throw notSupported(`'${file.name}' is put over the pictures and has none.`);
  const startSeconds = secondsOf(overlay.start) ?? 0;
  const whole = durationOf(work);
  const lasts = isStill(file) ? whole : startSeconds + video.durationSeconds;
  const crop = overlay.cropRectangle == null ? undefined : boxOf(overlay.cropRectangle, video);
  const native = crop ?? video;
  const position = overlay.position == null ? undefined : boxOf(overlay.position, work.seen);
  return {
    overlay,
    file,
    streamIndex: video.streamIndex,
    startSeconds,
    endSeconds: Math.min(whole, lasts, secondsOf(overlay.end) ?? whole),
    crop,
    left: position?.left ?? 0,
    top: position?.top ?? 0,
    size: sizeOf(overlay.position, work, native),
  };
}

/** One length alone keeps the shape; none keeps the size. */
function sizeOf(
  position: Rectangle | null | undefined,
  { seen }: PictureWork,
  native: { readonly width: number; readonly height: number },
) {
  const width = lengthOf(position?.width, seen.width);
  const height = lengthOf(position?.height, seen.height);
  if (width === undefined && height === undefined) return undefined;
  return {
    width: Math.max(1, Math.round(width ?? ((height ?? 0) * native.width) / native.height)),
    height: Math.max(1, Math.round(height ?? ((width ?? 0) * native.height) / native.width)),
  };
}

function boxOf(rectangle: Rectangle, whole: { readonly width: number; readonly height: number }): Box {
  const left = Math.round(lengthOf(rectangle.left, whole.width) ?? 0);
  const top = Math.round(lengthOf(rectangle.top, whole.height) ?? 0);
  return {
    left,
    top,
    width: Math.max(
      1,
      Math.min(Math.round(lengthOf(rectangle.width, whole.width) ?? whole.width), whole.width - left),
    ),
    height: Math.max(
      1,
      Math.min(Math.round(lengthOf(rectangle.height, whole.height) ?? whole.height), whole.height - top),
    ),
  };
}

function overlayInput({ file, startSeconds }: PlacedOverlay, fromSeconds: number): readonly string[] {
  const seek = fromSeconds - startSeconds - PREROLL_SECONDS;
  if (isStill(file) || seek <= 0 || !SEEKABLE.test(file.formatName)) return ['-i', file.path];
  return ['-noaccurate_seek', '-ss', String(Number(seek.toFixed(6))), '-i', file.path];
}

function overlayFilters(work: PictureWork, placed: PlacedOverlay, range: FrameRange): string {
  const { overlay, file, startSeconds, endSeconds, crop, size } = placed;
  const { rate } = work;
  const fadeIn = secondsOf(overlay.fadeInDuration) ?? 0;
  const fadeOut = secondsOf(overlay.fadeOutDuration) ?? 0;
  return [
    ...(crop === undefined ? [] : [`crop=${crop.width}:${crop.height}:${crop.left}:${crop.top}:exact=1`]),
    ...(size === undefined ? [] : [`scale=${size.width}:${size.height}:flags=bicubic`]),
    'setsar=1',
    'format=rgba',
    ...(overlay.opacity == null || overlay.opacity === 1 ? [] : [`colorchannelmixer=aa=${overlay.opacity}`]),
    ...(isStill(file)
      ? [
          'loop=loop=-1:size=1:start=0',
          `settb=${rate.denominator}/${rate.numerator}`,
          `setpts=N+${range.from}`,
        ]
      : [`setpts=floor(PTS-(${zeroOf(file)}-${startSeconds})/TB+0.5)`]),
    ...(fadeIn > 0 ? [`fade=t=in:st=${startSeconds}:d=${fadeIn}:alpha=1`] : []),
    ...(fadeOut > 0 ? [`fade=t=out:st=${Math.max(0, endSeconds - fadeOut)}:d=${fadeOut}:alpha=1`] : []),
  ].join(',');
}

/** The end is not part of it: a frame that begins there shows nothing any more. */
function overlayOptions({ file, left, top, startSeconds, endSeconds }: PlacedOverlay): string {
  const enable = `enable='gte(t,${startSeconds})*lt(t,${endSeconds})'`;
  const ending = isStill(file) ? 'shortest=1' : 'eof_action=pass';
  return [`x=${left}`, `y=${top}`, ending, 'format=auto', enable].join(':');
}
