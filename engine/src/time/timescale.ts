/** Every stored and published time is an integer of this many ticks per second (100 ns, as in the original service). */
export const TICKS_PER_SECOND = 10_000_000;
export const TICKS_PER_MILLISECOND = 10_000;

/**
 * The zero of the media timeline: 2020-01-01T00:00:00Z in Unix milliseconds. Counted from here, wall-clock ticks stay
 * exact in a double (2^53 ticks are 28.5 years) until the middle of 2048; counted from 1970 they are not exact today.
 */
export const TIMELINE_EPOCH_MS = 1_577_836_800_000;

/** Rounds to the nearest tick of the other scale. Exact for every safe-integer input: no product passes 2^53. */
export function rescale(ticks: number, scales: { readonly from: number; readonly to: number }): number {
  const { from, to } = scales;
  if (from === to) return ticks;
  const wholeSeconds = Math.floor(ticks / from);
  const rest = ticks - wholeSeconds * from;
  return wholeSeconds * to + Math.round((rest * to) / from);
}

export function timelineTicksFromUnixMs(unixMs: number): number {
  return (unixMs - TIMELINE_EPOCH_MS) * TICKS_PER_MILLISECOND;
}

export function unixMsFromTimelineTicks(ticks: number): number {
  return TIMELINE_EPOCH_MS + ticks / TICKS_PER_MILLISECOND;
}
