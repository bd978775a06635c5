export const WEEKDAYS = [
  'sunday',
  'monday',
  'tuesday',
  'wednesday',
  'thursday',
  'friday',
  'saturday',
] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** A time for which more units are ready than the load would ask for: once, or every week. All times are UTC. */
export type Schedule =
  | { readonly kind: 'once'; readonly minimum: number; readonly fromMs: number; readonly untilMs: number }
  | {
      readonly kind: 'weekly';
      readonly minimum: number;
      readonly days: readonly Weekday[];
      /** After midnight. */
      readonly atMs: number;
      readonly durationMs: number;
    };

const DAY_MS = 86_400_000;
const DAYS_PER_WEEK = 7;

/** Whether the schedule holds at this moment; its end is no part of it. */
export function isActive(schedule: Schedule, nowMs: number): boolean {
  if (schedule.kind === 'once') return nowMs >= schedule.fromMs && nowMs < schedule.untilMs;
  const today = Math.floor(nowMs / DAY_MS);
  // What began some days ago may go on: a schedule is no longer than a week.
  for (let ago = 0; ago <= DAYS_PER_WEEK; ago += 1) {
    const day = today - ago;
    const sinceMs = nowMs - (day * DAY_MS + schedule.atMs);
    if (sinceMs >= 0 && sinceMs < schedule.durationMs && schedule.days.includes(weekdayOf(day))) return true;
  }
  return false;
}

/** 1970-01-01 was a Thursday. */
function weekdayOf(day: number): Weekday {
  return WEEKDAYS[(((day + 4) % DAYS_PER_WEEK) + DAYS_PER_WEEK) % DAYS_PER_WEEK] ?? 'sunday';
}
