import type { SourceVideo } from './source.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

export type Stretch = 'None' | 'AutoSize' | 'AutoFit';

/** What a layer says: pixels, a share of the source such as `50%`, or nothing. */
export interface WantedSize {
  readonly width: string | null | undefined;
  readonly height: string | null | undefined;
}

export interface FittedSize {
  /** Of the coded picture. */
  readonly size: Size;
  /** Of what is seen in it; bars are around the rest. */
  readonly picture: Size;
}

/** 4:2:0 has one sample of colour for two pixels each way; the smallest that encoders take is a macroblock. */
const SIDE_PX_MIN = 16;
const SIDE_PX_MAX = 16_384;

export const even = (pixels: number): number =>
  Math.min(SIDE_PX_MAX, Math.max(SIDE_PX_MIN, 2 * Math.round(pixels / 2)));

/** With square pixels and turned upright, as it is seen. */
export function displaySize(
  video: Pick<SourceVideo, 'width' | 'height' | 'pixelAspect'>,
  rotationDegrees: number,
): Size {
  const aspect = video.pixelAspect.numerator / video.pixelAspect.denominator;
  // The longer way stays: nothing that was filmed is thrown away.
  const seen =
    aspect >= 1
      ? { width: Math.round(video.width * aspect), height: video.height }
      : { width: video.width, height: Math.round(video.height / aspect) };
  return rotationDegrees % 180 === 0 ? seen : { width: seen.height, height: seen.width };
}

/** So much is nobody's shape changed that it is seen: 848x480 and 432x240 are 16:9 for all that watch. */
const SHAPE_TOLERANCE = 0.015;

/** The greatest of the source's shape that fits into a box. */
export function fitInto(source: Size, box: Size): Size {
  const scale = Math.min(box.width / source.width, box.height / source.height);
  const fitted = { width: source.width * scale, height: source.height * scale };
  const isBox =
    fitted.width >= box.width * (1 - SHAPE_TOLERANCE) && fitted.height >= box.height * (1 - SHAPE_TOLERANCE);
  const { width, height } = isBox ? box : fitted;
  return { width: even(width), height: even(height) };
}

/** Specification of StretchMode. */
export function stretched(source: Size, wanted: WantedSize, stretch: Stretch): FittedSize {
  const width = lengthOf(wanted.width, source.width);
  const height = lengthOf(wanted.height, source.height);
  const box = {
    width: width ?? (height === undefined ? source.width : (source.width * height) / source.height),
    height: height ?? (width === undefined ? source.height : (source.height * width) / source.width),
  };
  const size = { width: even(box.width), height: even(box.height) };
  switch (stretch) {
    case 'None':
      return { size, picture: size };
    case 'AutoSize': {
      const picture = fitInto(source, box);
      return { size: picture, picture };
    }
    case 'AutoFit': {
      const fitted = fitInto(source, size);
      const picture = {
        width: Math.min(size.width, fitted.width),
        height: Math.min(size.height, fitted.height),
      };
      return { size, picture };
    }
  }
}

/** `1280` or `50%` of a length; undefined for nothing. */
export function lengthOf(text: string | null | undefined, whole: number): number | undefined {
  if (text == null || text === '') return undefined;
  const number = Number.parseFloat(text);
  return text.endsWith('%') ? (whole * number) / 100 : number;
}
