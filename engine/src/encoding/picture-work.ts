import type { StandardPreset } from './encoding-request.ts';
import { frameSeconds } from './frame-rate.ts';
import { displaySize, lengthOf, type Size } from './picture-size.ts';
import type { Ratio, SourceFile, SourceVideo } from './source.ts';
import type { PlacedClip } from './timeline.ts';
import { notConfigurable } from './unplannable.ts';

export type Filters = NonNullable<StandardPreset['filters']>;

/** All pictures of an output before they are made into layers. */
export interface PictureWork {
  readonly clips: readonly PicturedClip[];
  readonly filters: Filters;
  readonly overlays: readonly { readonly label: string; readonly file: SourceFile }[];
  /** What the pictures of all clips become. */
  readonly seen: Size;
  readonly rate: Ratio;
  readonly frameCount: number;
  /** Pictures come when those of the source do, not on a grid. */
  readonly isVariable: boolean;
  readonly threads: number;
}

/** A clip and the frames of the time line that it has. */
export interface PicturedClip {
  readonly clip: PlacedClip;
  readonly fromFrame: number;
  readonly frameCount: number;
}

export const durationOf = ({ frameCount, rate }: PictureWork): number => frameSeconds(frameCount, rate);

/** The degrees clockwise that pictures are turned by. */
export function turnOf({ rotationDegrees }: SourceVideo, rotation: Filters['rotation']): number {
  switch (rotation ?? 'Auto') {
    case 'Auto':
      return rotationDegrees;
    case 'None':
    case 'Rotate0':
      return 0;
    case 'Rotate90':
      return 90;
    case 'Rotate180':
      return 180;
    default:
      return 270;
  }
}

export interface CropBox extends Size {
  readonly left: number;
  readonly top: number;
}

const CROP_PX_MIN = 2;

/** What is kept of the pictures as they are stored. Throws `Unplannable` when that is nothing. */
export function cropOf(
  { width, height }: Pick<SourceVideo, 'width' | 'height'>,
  crop: Filters['crop'],
): CropBox | undefined {
  if (crop == null) return undefined;
  const left = Math.round(lengthOf(crop.left, width) ?? 0);
  const top = Math.round(lengthOf(crop.top, height) ?? 0);
  const box = {
    left,
    top,
    width: Math.min(Math.round(lengthOf(crop.width, width) ?? width), width - left),
    height: Math.min(Math.round(lengthOf(crop.height, height) ?? height), height - top),
  };
  if (box.width < CROP_PX_MIN || box.height < CROP_PX_MIN) {
    throw notConfigurable(`The crop leaves nothing of pictures of ${width}x${height} pixels.`);
  }
  return box;
}

/** What is seen of a source after its crop and rotation. */
export function seenSize(video: SourceVideo, { crop, rotation }: Filters): Size {
  const box = cropOf(video, crop) ?? video;
  const shown = { width: box.width, height: box.height, pixelAspect: video.pixelAspect };
  return displaySize(shown, turnOf(video, rotation));
}
