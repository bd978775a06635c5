import { z } from 'zod';
import type { JobState } from '../resources/encoding/job.ts';
import { isFinal } from '../resources/encoding/job-state.ts';
import { jobCountKey, prefixes } from '../resources/row-keys.ts';
import type { ControlStore, RowChange } from './control-store.ts';

/** Jobs of an account by state. */
export interface JobCounts {
  readonly queued: number;
  readonly scheduled: number;
  readonly processing: number;
  readonly canceling: number;
  /** Finished, failed and canceled ones whose record is still there. */
  readonly ended: number;
}

const NONE: JobCounts = { queued: 0, scheduled: 0, processing: 0, canceling: 0, ended: 0 };
const CountRow = z.object({
  queued: z.number(),
  scheduled: z.number(),
  processing: z.number(),
  canceling: z.number(),
  ended: z.number(),
});
/** Writers at the same time meet in one row seldom; a count is one request all the same. */
const SHARDS = 16;

/** Exact at one moment: the counts are changed in the transactions that change the jobs. One storage request. */
export async function readJobCounts(store: Pick<ControlStore, 'list'>): Promise<JobCounts> {
  const rows = await store.list(prefixes.jobCounts, { limit: SHARDS });
  return rows.reduce((sum, row) => added(sum, CountRow.parse(row.body), 1), NONE);
}

/** The row that counts a change of a job's state; undefined stands for no job. A conflict means: build it again. */
export async function countChange(
  store: Pick<ControlStore, 'find'>,
  from: JobState | undefined,
  to: JobState | undefined,
): Promise<readonly RowChange[]> {
  const [left, entered] = [counterOf(from), counterOf(to)];
  if (left === entered) return [];
  const rowKey = jobCountKey(Math.floor(Math.random() * SHARDS));
  const row = await store.find(rowKey);
  const counts = row === undefined ? NONE : CountRow.parse(row.body);
  const lower = left === undefined ? counts : added(counts, { ...NONE, [left]: 1 }, -1);
  const body = entered === undefined ? lower : added(lower, { ...NONE, [entered]: 1 }, 1);
  return [
    row === undefined ? { kind: 'create', rowKey, body } : { kind: 'replace', rowKey, body, etag: row.etag },
  ];
}

export const totalOf = (counts: JobCounts): number =>
  counts.queued + counts.scheduled + counts.processing + counts.canceling + counts.ended;

function added(left: JobCounts, right: JobCounts, sign: 1 | -1): JobCounts {
  return {
    queued: left.queued + sign * right.queued,
    scheduled: left.scheduled + sign * right.scheduled,
    processing: left.processing + sign * right.processing,
    canceling: left.canceling + sign * right.canceling,
    ended: left.ended + sign * right.ended,
  };
}

const COUNTERS = {
  Queued: 'queued',
  Scheduled: 'scheduled',
  Processing: 'processing',
  Canceling: 'canceling',
} as const satisfies Partial<Record<JobState, keyof JobCounts>>;

function counterOf(state: JobState | undefined): keyof JobCounts | undefined {
  if (state === undefined) return undefined;
  if (isFinal(state)) return 'ended';
  return Object.entries(COUNTERS).find(([name]) => name === state)?.[1];
}
