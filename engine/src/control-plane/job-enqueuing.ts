import type { JobQueue } from './job-queue.ts';
import { findDispatch, type JobRowsDeps, replacedDispatch } from './job-rows.ts';

interface EnqueuingDeps extends Pick<JobRowsDeps, 'store'> {
  readonly jobQueue: JobQueue;
  readonly log: { warn(event: string, fields?: object): void };
}

/**
 * Sends the message of a job that waits and notes it. What fails here or dies in between is made up for by the upkeep,
 * so that the job is never told to have failed for it.
 */
export async function enqueueJob(
  deps: EnqueuingDeps,
  name: { readonly transform: string; readonly job: string },
): Promise<void> {
  try {
    const dispatch = await findDispatch(deps, name);
    // A worker has ended it already, by an earlier message.
    if (dispatch === undefined) return;
    const { transform, job, priority } = dispatch.record;
    await deps.jobQueue.send({ transform, job, priority });
    // A conflict: a worker was faster.
    await deps.store.commit([replacedDispatch(dispatch, { ...dispatch.record, enqueuedAtMs: Date.now() })]);
  } catch (error) {
    deps.log.warn('job.notEnqueued', { ...name, error });
  }
}
