import { parseIsoDurationMs } from '../iso-duration.ts';

/** Where something begins or how long it lasts in a medium that is not known yet. */
export type MediaPosition =
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'frames'; readonly count: number }
  | { readonly kind: 'percent'; readonly percent: number };

const FRAMES = /^\d{1,9}$/;
const PERCENT = /^(\d{1,3}(?:\.\d{1,4})?)%$/;
const PERCENT_MAX = 100;

/** `PT5S`, a frame count such as `10`, or a share of the whole such as `10%`; undefined for anything else. */
export function parseMediaPosition(text: string): MediaPosition | undefined {
  if (FRAMES.test(text)) return { kind: 'frames', count: Number(text) };
  const [, share] = PERCENT.exec(text) ?? [];
  if (share !== undefined) {
    const percent = Number(share);
    return percent <= PERCENT_MAX ? { kind: 'percent', percent } : undefined;
  }
  const ms = parseIsoDurationMs(text);
  return ms === undefined ? undefined : { kind: 'time', ms };
}

export function isZero(position: MediaPosition): boolean {
  switch (position.kind) {
    case 'time':
      return position.ms === 0;
    case 'frames':
      return position.count === 0;
    case 'percent':
      return position.percent === 0;
  }
}

export const POSITION_REASON =
  'an ISO 8601 duration such as PT5S, a frame count such as 10 or a percentage up to 100% is expected';

const PIXELS = /^\d{1,5}$/;
const PIXELS_MAX = 16_384;
const SCALE = /^\d{1,4}(?:\.\d{1,4})?%$/;
const SCALE_PERCENT_MAX = 1000;

/** A length of a picture: pixels such as `1280` or a share of the input such as `50%`. */
export function isPictureLength(text: string, pixelsMin: 0 | 1): boolean {
  if (PIXELS.test(text)) return Number(text) >= pixelsMin && Number(text) <= PIXELS_MAX;
  if (!SCALE.test(text)) return false;
  const percent = Number.parseFloat(text);
  return (pixelsMin === 0 || percent > 0) && percent <= SCALE_PERCENT_MAX;
}

export const PICTURE_LENGTH_REASON = `pixels up to ${PIXELS_MAX} such as 1280 or a percentage up to ${SCALE_PERCENT_MAX}% such as 50% are expected`;

const FRAME_RATE = /^(\d{1,7}(?:\.\d{1,6})?)(?:\/(\d{1,7}))?$/;
const FRAME_RATE_MAX = 300;

/** `30`, `29.97` or `30000/1001`; `0/1` is the rate of the input. */
export function isFrameRate(text: string): boolean {
  const [, numerator, denominator = '1'] = FRAME_RATE.exec(text) ?? [];
  return numerator !== undefined && Number(numerator) / Number(denominator) <= FRAME_RATE_MAX;
}

export const FRAME_RATE_REASON = `M/N such as 30000/1001 or a number such as 29.97, up to ${FRAME_RATE_MAX}, is expected`;
