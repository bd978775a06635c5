import { parseMediaPosition } from '../resources/encoding/media-position.ts';
import { frameSeconds } from './frame-rate.ts';
import type { Ratio } from './source.ts';

const MILLISECONDS = 1000;
const PERCENT = 100;

/** A time of ISO 8601, a count of frames or a share of the whole, in seconds. What the service lets in has one of them. */
export function mediaSeconds(
  text: string,
  whole: { readonly seconds: number; readonly rate: Ratio },
): number {
  const position = parseMediaPosition(text);
  switch (position?.kind) {
    case 'time':
      return position.ms / MILLISECONDS;
    case 'frames':
      return frameSeconds(position.count, whole.rate);
    case 'percent':
      return (whole.seconds * position.percent) / PERCENT;
    case undefined:
      return 0;
  }
}
