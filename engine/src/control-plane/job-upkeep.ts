import type { AccountScope } from '../resources/account-scope.ts';
import { JOBS_KEPT_DAYS } from '../resources/encoding/job.ts';
import { isHeld, JobDispatch } from '../resources/encoding/job-dispatch.ts';
import { isFinal } from '../resources/encoding/job-state.ts';
import { endedJobKey, jobPlanKey, prefixes, resourcePrefix } from '../resources/row-keys.ts';
import type { StoredRow } from './control-store.ts';
import { enqueueJob } from './job-enqueuing.ts';
import type { JobQueue } from './job-queue.ts';
import { commitCanceled, findJob, type JobRowsDeps, removedJob } from './job-rows.ts';
import { removeTransform, TRANSFORMS } from './transform-rows.ts';

const EVERY_MS = 10_000;
/** Jobs that have not ended and are looked at in one pass; the next one goes on from there. */
const DISPATCHES_PER_PASS_MAX = 200;
const EXPIRED_PER_PASS_MAX = 100;
const TRANSFORMS_READ_MAX = 1000;
/** A message that was never noted: its sender may be at it. */
const UNSENT_MS_MAX = 5000;
/** A message that nothing came of is missed when its queue is empty, and in any case after an hour. */
const UNHEARD_MS_MAX = 30_000;
const UNHEARD_IN_BUSY_QUEUE_MS_MAX = 60 * 60_000;
/** After the lease of a worker that died: the message comes back sooner, unless it was lost. */
const UNTAKEN_MS_MAX = 10_000;
const DAY_MS = 24 * 60 * 60_000;

export interface UpkeepDeps extends JobRowsDeps {
  readonly scope: AccountScope;
  readonly jobQueue: JobQueue;
  readonly log: { warn(event: string, fields?: object): void };
  readonly nowMs?: () => number;
}

/**
 * Makes up for what crashes and lost messages leave: jobs without a message, cancelations that nobody ends, jobs of
 * transforms that are being deleted; and removes the records of jobs after 90 days. Any number of processes may do so.
 */
export class JobUpkeep {
  readonly #deps: UpkeepDeps;
  readonly #nowMs: () => number;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #after: string | undefined;
  #isClosed = false;

  constructor(deps: UpkeepDeps) {
    this.#deps = deps;
    this.#nowMs = deps.nowMs ?? Date.now;
  }

  start(): void {
    this.#schedule(0);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  /** One bounded pass. */
  async sweep(): Promise<void> {
    await this.#sweepDispatches();
    await this.#sweepTransforms();
    await this.#sweepExpired();
  }

  #schedule(delayMs: number): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#running = this.sweep()
        .catch((error: unknown) => this.#deps.log.warn('job.upkeepFailed', { error }))
        .finally(() => this.#schedule(EVERY_MS));
    }, delayMs).unref();
  }

  async #sweepDispatches(): Promise<void> {
    const rows = await this.#deps.store.list(prefixes.jobDispatches, {
      limit: DISPATCHES_PER_PASS_MAX,
      ...(this.#after === undefined ? {} : { after: this.#after }),
    });
    this.#after = rows.length < DISPATCHES_PER_PASS_MAX ? undefined : rows.at(-1)?.rowKey;
    const isEmpty = new Map<JobDispatch['priority'], Promise<boolean>>();
    for (const row of rows) {
      if (this.#isClosed) return;
      await this.#sweepDispatch(row, (priority) => {
        const answer = isEmpty.get(priority) ?? this.#deps.jobQueue.isEmpty(priority);
        isEmpty.set(priority, answer);
        return answer;
      });
    }
  }

  async #sweepDispatch(
    row: StoredRow,
    isEmpty: (priority: JobDispatch['priority']) => Promise<boolean>,
  ): Promise<void> {
    const dispatch = JobDispatch.parse(row.body);
    const nowMs = this.#nowMs();
    if (isHeld(dispatch, nowMs)) return;
    const { transform, job: name } = dispatch;
    const job = await findJob(this.#deps, { transform, job: name });
    if (job === undefined || isFinal(job.record.state)) {
      await this.#deps.store.commit([
        { kind: 'delete', rowKey: row.rowKey },
        { kind: 'delete', rowKey: jobPlanKey(transform, name) },
      ]);
      return;
    }
    if (job.record.state === 'Canceling') {
      await commitCanceled(this.#deps, job, new Date(nowMs).toISOString());
      return;
    }
    if (await isMissed(dispatch, nowMs, isEmpty)) await enqueueJob(this.#deps, { transform, job: name });
  }

  async #sweepTransforms(): Promise<void> {
    const rows = await this.#deps.store.list(resourcePrefix(TRANSFORMS.kind), { limit: TRANSFORMS_READ_MAX });
    for (const row of rows) {
      const record = TRANSFORMS.parse(row.body);
      if (record.deleting && !this.#isClosed) await removeTransform(this.#deps, { row, record });
    }
  }

  async #sweepExpired(): Promise<void> {
    const createdBeforeMs = this.#nowMs() - JOBS_KEPT_DAYS * DAY_MS;
    const rows = await this.#deps.store.list(prefixes.endedJobs, {
      before: endedJobKey({ createdMs: createdBeforeMs, transform: '', name: '' }),
      limit: EXPIRED_PER_PASS_MAX,
    });
    for (const { body } of rows) {
      if (this.#isClosed) return;
      const { transform, job: name } = JobDispatch.pick({ transform: true, job: true }).parse(body);
      const job = await findJob(this.#deps, { transform, job: name });
      // A conflict: somebody else removes it, or the next pass does.
      if (job !== undefined) await this.#deps.store.commit(await removedJob(this.#deps, job.record));
    }
  }
}

/** Whether there is no message for a job that nobody has, as far as one can tell; one too many does no harm. */
async function isMissed(
  { createdMs, enqueuedAtMs, holder, priority }: JobDispatch,
  nowMs: number,
  isEmpty: (priority: JobDispatch['priority']) => Promise<boolean>,
): Promise<boolean> {
  if (enqueuedAtMs === undefined) return nowMs - createdMs > UNSENT_MS_MAX;
  // Its worker died, and the message that should have come back has not led to another one.
  if (holder !== undefined && enqueuedAtMs < holder.untilMs) return nowMs - holder.untilMs > UNTAKEN_MS_MAX;
  const unheardMs = nowMs - enqueuedAtMs;
  return (
    unheardMs > UNHEARD_IN_BUSY_QUEUE_MS_MAX || (unheardMs > UNHEARD_MS_MAX && (await isEmpty(priority)))
  );
}
