import { rescale, TICKS_PER_SECOND } from '../../time/timescale.ts';

export const CLOCK_HZ = 90_000;
const WRAP = 2 ** 33;
/** Every time is this late, so that none before the first sample is negative. */
const BASE = 10 * CLOCK_HZ;

/** 90 kHz, 33 bits (ISO/IEC 13818-1 §2.4.3.7), of a time on the media timeline. */
export function timestampOf(ticks: number): number {
  return wrap(rescale(ticks, { from: TICKS_PER_SECOND, to: CLOCK_HZ }) + BASE);
}

export function wrap(timestamp: number): number {
  return ((timestamp % WRAP) + WRAP) % WRAP;
}
