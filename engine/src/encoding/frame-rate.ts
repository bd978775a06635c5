import type { Ratio } from './source.ts';

const STANDARD: readonly Ratio[] = [
  { numerator: 12, denominator: 1 },
  { numerator: 15_000, denominator: 1001 },
  { numerator: 15, denominator: 1 },
  { numerator: 24_000, denominator: 1001 },
  { numerator: 24, denominator: 1 },
  { numerator: 25, denominator: 1 },
  { numerator: 30_000, denominator: 1001 },
  { numerator: 30, denominator: 1 },
  { numerator: 48, denominator: 1 },
  { numerator: 50, denominator: 1 },
  { numerator: 60_000, denominator: 1001 },
  { numerator: 60, denominator: 1 },
];
/** 30 and 30000/1001 are 1 ‰ apart. */
const SAME_WITHIN = 0.0004;
const DECIMALS = 1000;
/** What a file claims beyond it is the clock of its container. */
export const FRAME_RATE_MAX = 120;
/** Of pictures that come as they please. */
const VARIABLE_MAX = 60;
const VARIABLE_RATIO_MAX = 2.5;

export const framesPerSecond = ({ numerator, denominator }: Ratio): number => numerator / denominator;

/**
 * The constant rate that pictures are put on: the average where it is the rate of most pictures, else the rate of most
 * pictures if it is near the average, else the next standard rate above. `most` is `r_frame_rate` of ffprobe.
 */
export function constantRate(average: Ratio, most: Ratio): Ratio {
  const [mean, mode] = [framesPerSecond(average), framesPerSecond(most)];
  if (isNear(mean, mode)) return snapped(mode <= FRAME_RATE_MAX ? most : average);
  const isPlausible = mode <= VARIABLE_MAX && mode > mean && mode / mean < VARIABLE_RATIO_MAX;
  if (isPlausible) return snapped(most);
  const above = STANDARD.find((rate) => framesPerSecond(rate) >= mean * (1 - SAME_WITHIN));
  return above ?? { numerator: VARIABLE_MAX, denominator: 1 };
}

/** Whether pictures come at the same distance all the time. */
export const isSteady = (average: Ratio, most: Ratio): boolean =>
  isNear(framesPerSecond(average), framesPerSecond(most));

/** `30000/1001`, `29.97`, `25`; undefined for `0/1`, which is the rate of the source. */
export function parseFrameRate(text: string): Ratio | undefined {
  const [numerator = 0, denominator = 1] = text.split('/').map(Number);
  if (!(numerator > 0 && denominator > 0)) return undefined;
  if (Number.isInteger(numerator)) return snapped({ numerator, denominator });
  return snapped({ numerator: Math.round(numerator * DECIMALS), denominator: denominator * DECIMALS });
}

function snapped(rate: Ratio): Ratio {
  const standard = STANDARD.find((one) => isNear(framesPerSecond(one), framesPerSecond(rate)));
  if (standard !== undefined) return standard;
  const divisor = greatestDivisor(rate.numerator, rate.denominator);
  return { numerator: rate.numerator / divisor, denominator: rate.denominator / divisor };
}

const isNear = (one: number, other: number): boolean => Math.abs(one / other - 1) < SAME_WITHIN;

/** Euclid's: the greatest that divides both. */
function greatestDivisor(one: number, other: number): number {
  return other === 0 ? one : greatestDivisor(other, one % other);
}

/** When a frame begins. */
export const frameSeconds = (frame: number, { numerator, denominator }: Ratio): number =>
  (frame * denominator) / numerator;
