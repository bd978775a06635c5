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
  /** This one included. */
  readonly attempt: number;
}

/**
 * Takes the job that a message is about: of several workers with messages for it, one does. `done`: the message says
 * nothing (any more). `again`: somebody changed the job at this moment.
 */
export async function takeJob(deps: HeldJobDeps, message: JobMessage): Promise<TakenJob | 'done' | 'again'> {
  const [dispatch, job, planRow] = await Promise.all([
    findDispatch(deps, message),
    findJob(deps, message),
    deps.store.find(jobPlanKey(message.transform, message.job)),
  ]);
  if (dispatch === undefined || job === undefined || planRow === undefined) return 'done';
  const nowMs = deps.nowMs();
  // Its priority was changed, and there is a message in the other queue; or somebody has it, with a message of its own.
  if (dispatch.record.priority !== message.priority || isHeld(dispatch.record, nowMs)) return 'done';
  if (isFinal(job.record.state)) return 'done';
  const nowIso = new Date(nowMs).toISOString();
  if (job.record.state === 'Canceling') return (await commitCanceled(deps, job, nowIso)) ? 'done' : 'again';
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
  if ((await deps.store.commit(changes)) === 'conflict') return 'again';
  deps.events.wake();
  return { held: new HeldJob(deps, next), plan: JobPlan.parse(planRow.body), attempt: next.attempts };
}
