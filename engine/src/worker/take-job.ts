import { openedPlan } from '../control-plane/job-plans.ts';
import {
  changedJob,
  commitCanceled,
  findDispatch,
  findJob,
  replacedDispatch,
} from '../control-plane/job-rows.ts';
import { JobPlan } from '../resources/encoding/job.ts';
import { isHeld, type JobDispatch, type JobMessage } from '../resources/encoding/job-dispatch.ts';
import { isFinal, scheduled } from '../resources/encoding/job-state.ts';
import { jobPlanKey } from '../resources/row-keys.ts';
import { HeldJob, type HeldJobDeps } from './held-job.ts';

export interface TakenJob {
  readonly held: HeldJob;
  readonly plan: JobPlan;
  /** Why the input cannot be read by this worker. */
  readonly inputProblem?: Error;
  /** This one included. */
  readonly attempt: number;
}

/** Why a job was not taken: the message says nothing (any more); come back after a while. */
export type NotTaken = { readonly kind: 'done' } | { readonly kind: 'again'; readonly inMs: number };

/** Somebody changes the job at this moment. */
const AGAIN_MS = 1000;
const DONE: NotTaken = { kind: 'done' };

/** Takes the job that a message is about: of several workers with messages for it, one does. */
export async function takeJob(
  deps: HeldJobDeps,
  message: JobMessage,
): Promise<(TakenJob & { readonly kind: 'taken' }) | NotTaken> {
  const [dispatch, job, planRow] = await Promise.all([
    findDispatch(deps, message),
    findJob(deps, message),
    deps.store.find(jobPlanKey(message.transform, message.job)),
  ]);
  if (dispatch === undefined || job === undefined || planRow === undefined) return DONE;
  const nowMs = deps.nowMs();
  // Its priority was changed, and there is a message in the other queue.
  if (dispatch.record.priority !== message.priority || isFinal(job.record.state)) return DONE;
  // Whoever has it may have died, and this may be the only message.
  const { holder } = dispatch.record;
  if (holder !== undefined && isHeld(dispatch.record, nowMs)) {
    return { kind: 'again', inMs: holder.untilMs - nowMs };
  }
  const nowIso = new Date(nowMs).toISOString();
  const again: NotTaken = { kind: 'again', inMs: AGAIN_MS };
  if (job.record.state === 'Canceling') return (await commitCanceled(deps, job, nowIso)) ? DONE : again;
  const next: JobDispatch = {
    ...dispatch.record,
    epoch: dispatch.record.epoch + 1,
    attempts: dispatch.record.attempts + 1,
    holder: { worker: deps.worker, untilMs: nowMs + deps.leaseMs },
  };
  const changes =
    job.record.state === 'Queued'
      ? await changedJob(deps, job, scheduled(job.record, nowIso), { old: dispatch, next })
      : [replacedDispatch(dispatch, next)];
  if ((await deps.store.commit(changes)) === 'conflict') return again;
  deps.events.wake();
  const taken = { kind: 'taken', held: new HeldJob(deps, next), attempt: next.attempts } as const;
  try {
    return { ...taken, plan: openedPlan(planRow, deps.openSealed) };
  } catch (error) {
    const inputProblem = new Error('the input of the job cannot be opened', { cause: error });
    return { ...taken, plan: JobPlan.parse(planRow.body), inputProblem };
  }
}
