import { Cron } from 'croner';

export interface Schedule {
  /** The first time strictly after `after`, in UTC as on Azure; undefined when there is none. */
  next(after: Date): Date | undefined;
  readonly text: string;
}

// Croner's own additions (L, W, #, ?) are not NCRONTAB.
const FIELD = /^(?:\d{1,2}|\*|[a-z]{3})(?:[,/-](?:\d{1,2}|\*|[a-z]{3}))*$/i;

/** An NCRONTAB expression of six (or five) fields, or `hh:mm:ss` as an interval. Throws for anything else. */
export function parseSchedule(text: string): Schedule {
  const span = /^(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})$/.exec(text.trim());
  if (span !== null) {
    const [days = 0, hours = 0, minutes = 0, seconds = 0] = span.slice(1).map((part) => Number(part ?? 0));
    const intervalMs = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000;
    if (intervalMs <= 0) throw new Error(`"${text}" is no interval`);
    return { text, next: (after) => new Date(after.getTime() + intervalMs) };
  }
  const fields = text.trim().split(/\s+/);
  if ((fields.length !== 5 && fields.length !== 6) || !fields.every((field) => FIELD.test(field))) {
    throw new Error(`"${text}" is not an NCRONTAB expression of 5 or 6 fields`);
  }
  const pattern = (fields.length === 5 ? ['0', ...fields] : fields).map(starForNumberWithStep).join(' ');
  // NCRONTAB wants day of month and day of week both to match; cron wants either.
  const cron = new Cron(pattern, { paused: true, timezone: 'UTC', domAndDow: true, mode: '6-part' });
  return { text, next: (after) => cron.nextRun(after) ?? undefined };
}

/** NCRONTAB has `3/10` for "from 3 in steps of 10", which croner wants as a range with the field's end. */
function starForNumberWithStep(field: string, index: number): string {
  const last = [59, 59, 23, 31, 12, 6][index];
  return field.replaceAll(/(^|,)(\d+)\/(\d+)/g, `$1$2-${last}/$3`);
}
