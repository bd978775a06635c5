import { setTimeout as sleep } from 'node:timers/promises';
import { findDispatch, type JobRowsDeps, replacedDispatch } from '../control-plane/job-rows.ts';
import type { JobMessage, JobPart } from '../resources/encoding/job-dispatch.ts';
import type { HeldElsewhere } from './job-blobs.ts';
import { jobFolder } from './job-place.ts';
import type { ReceivedJob } from './worker-queue.ts';

const NOTE_ATTEMPTS_MAX = 4;

/** Makes one part of an output, whoever has its job. */
export type MakePart = (part: JobPart, signal: AbortSignal) => Promise<'made' | 'there' | HeldElsewhere>;

export interface PartTiming {
  readonly lookMs: number;
  readonly renewMs: number;
  readonly heldMs: number;
}

/** The job has ended, is canceled, or is another one by now. */
class PartUnwanted extends Error {
  readonly code = 'PartUnwanted';
  constructor() {
    super('the part is not wanted any more');
    this.name = 'PartUnwanted';
  }
}

/**
 * Makes the part that a message tells of, for as long as its job is wanted; holds the message meanwhile, so that it comes
 * back when this process dies, and as long as another one has the part, which may die. What fails is left to whoever has
 * the job, who finds the same and says so.
 */
export async function carryOutPart(
  deps: Pick<JobRowsDeps, 'store'> & { readonly makePart: MakePart; readonly timing: PartTiming },
  received: ReceivedJob,
  controller: AbortController,
): Promise<'made' | 'there' | 'held' | 'unwanted' | 'failed'> {
  const { message } = received;
  const { part } = message;
  if (part === undefined || !(await isWanted(deps, message, part))) {
    await received.remove();
    return 'unwanted';
  }
  const over = new AbortController();
  const watching = watch({ deps, received, part, controller }, over.signal);
  try {
    const end = await deps.makePart(part, controller.signal);
    if (end === 'made') await noteAdvance(deps, message);
    if (end === 'made' || end === 'there') {
      await received.remove();
      return end;
    }
    await received.hold(end.forMs);
    return 'held';
  } catch {
    if (!controller.signal.aborted || controller.signal.reason instanceof PartUnwanted) {
      await received.remove();
      return controller.signal.aborted ? 'unwanted' : 'failed';
    }
    // This worker stops: the next one goes on at once.
    await received.hold(0);
    return 'unwanted';
  } finally {
    over.abort();
    await watching;
  }
}

/** Workers that died of the job before do not count any more. Whoever has the job writes there too: that one notes it later. */
async function noteAdvance(
  { store }: Pick<JobRowsDeps, 'store'>,
  { transform, job }: JobMessage,
): Promise<void> {
  for (let attempt = 0; attempt < NOTE_ATTEMPTS_MAX; attempt += 1) {
    const dispatch = await findDispatch({ store }, { transform, job });
    if (dispatch === undefined || dispatch.record.attempts <= 1) return;
    const change = replacedDispatch(dispatch, { ...dispatch.record, attempts: 1 });
    if ((await store.commit([change])) === 'committed') return;
  }
}

async function isWanted(
  deps: Pick<JobRowsDeps, 'store'>,
  { transform, job }: JobMessage,
  { folder }: JobPart,
): Promise<boolean> {
  const dispatch = await findDispatch(deps, { transform, job });
  if (dispatch === undefined || dispatch.record.cancelRequested) return false;
  return jobFolder({ transform, job, createdMs: dispatch.record.createdMs }) === folder;
}

interface Watched {
  readonly deps: Pick<JobRowsDeps, 'store'> & { readonly timing: PartTiming };
  readonly received: ReceivedJob;
  readonly part: JobPart;
  readonly controller: AbortController;
}

async function watch({ deps, received, part, controller }: Watched, over: AbortSignal): Promise<void> {
  const { lookMs, renewMs, heldMs } = deps.timing;
  let heldAtMs = Date.now();
  for (;;) {
    await sleep(lookMs, undefined, { signal: over }).catch(() => undefined);
    if (over.aborted || controller.signal.aborted) return;
    try {
      if (!(await isWanted(deps, received.message, part))) controller.abort(new PartUnwanted());
      if (Date.now() - heldAtMs < renewMs) continue;
      await received.hold(heldMs);
      heldAtMs = Date.now();
    } catch {
      // Storage is away for a moment. At worst the message comes back, and whoever gets it finds the part claimed.
    }
  }
}
