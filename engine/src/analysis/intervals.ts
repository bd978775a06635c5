import type { Interval } from './audio-chunks.ts';

/**
 * Pairs what a filter told of beginnings and ends, in order; one that has not ended does so at `untilMs`. Beginnings
 * before 0 are at 0 (a filter looks back), and what has no length is left out.
 */
export function intervalsOf(
  startsMs: readonly number[],
  endsMs: readonly number[],
  untilMs: number,
): readonly Interval[] {
  const intervals: Interval[] = [];
  let nextEnd = 0;
  for (const [index, start] of startsMs.entries()) {
    const startMs = Math.max(0, start);
    const nextStart = startsMs[index + 1] ?? Number.POSITIVE_INFINITY;
    while ((endsMs[nextEnd] ?? Number.POSITIVE_INFINITY) <= start) nextEnd += 1;
    const endMs = Math.min(endsMs[nextEnd] ?? untilMs, nextStart, untilMs);
    if (endMs > startMs) intervals.push({ startMs, endMs });
  }
  return intervals;
}
