import type { AccountScope } from '../resources/account-scope.ts';
import { jobId } from '../resources/encoding/job.ts';
import { isHeld } from '../resources/encoding/job-dispatch.ts';
import { canceling, isFinal } from '../resources/encoding/job-state.ts';
import { armError } from '../resources/error-catalogue.ts';
import {
  changedJob,
  commitCanceled,
  findDispatch,
  findJob,
  type JobRowsDeps,
  type StoredDispatch,
  type StoredJob,
} from './job-rows.ts';

/** How often a transaction is tried again because a worker changed the job meanwhile. */
const ATTEMPTS_MAX = 8;

/**
 * Moves a job to `Canceling` and, when no worker has it, on to `Canceled`; a worker that has it does so when it has
 * stopped. Throws `NotFound`, or `JobFinal` when there is nothing to cancel any more.
 */
export async function cancelJob(
  deps: CancellationDeps,
  name: { readonly transform: string; readonly job: string },
): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const [job, dispatch] = await Promise.all([findJob(deps, name), findDispatch(deps, name)]);
    if (job === undefined) throw armError('NotFound');
    const { state } = job.record;
    if (state === 'Canceled') return;
    if (isFinal(state)) throw armError('JobFinal', { name: jobId(deps.scope, job.record), state });
    // Without a dispatch row the job ended between the two reads.
    if (dispatch !== undefined && (await isDone(deps, job, dispatch))) return;
  }
  throw armError('TooManyChanges');
}

interface CancellationDeps extends JobRowsDeps {
  readonly scope: AccountScope;
}

/** False: look again, for there is a further step or a row was changed meanwhile. */
async function isDone(deps: CancellationDeps, job: StoredJob, dispatch: StoredDispatch): Promise<boolean> {
  const nowMs = Date.now();
  const nowIso = new Date(nowMs).toISOString();
  if (job.record.state === 'Canceling') {
    return isHeld(dispatch.record, nowMs) || commitCanceled(deps, job, nowIso);
  }
  const changes = await changedJob(deps, job, canceling(job.record, nowIso), {
    old: dispatch,
    next: { ...dispatch.record, cancelRequested: true },
  });
  if ((await deps.store.commit(changes)) === 'committed') deps.events.wake();
  return false;
}
