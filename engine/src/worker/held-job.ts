import {
  changedJob,
  findDispatch,
  findJob,
  type JobRowsDeps,
  replacedDispatch,
} from '../control-plane/job-rows.ts';
import type { JobRecord } from '../resources/encoding/job.ts';
import type { JobDispatch } from '../resources/encoding/job-dispatch.ts';
import { isFinal } from '../resources/encoding/job-state.ts';

/** How often a transaction is tried again because somebody else changed a row meanwhile. */
const COMMIT_ATTEMPTS_MAX = 8;

/** Somebody else has the job now, or it is gone: this worker may not touch it any more. */
export class JobLost extends Error {
  readonly code = 'JobLost';
  constructor(options?: ErrorOptions) {
    super('another worker has the job', options);
    this.name = 'JobLost';
  }
}

/** The job is to be canceled: nothing but that may be written. */
export class JobCanceling extends Error {
  readonly code = 'JobCanceling';
  constructor() {
    super('the job is being canceled');
    this.name = 'JobCanceling';
  }
}

export interface HeldJobDeps extends JobRowsDeps {
  readonly worker: string;
  readonly nowMs: () => number;
  /** Opens what is sealed in rows, where the master keys are; throws what it does not know. */
  readonly openSealed?: ((envelope: string, identity: string) => string) | undefined;
  /** How long a job is held without being renewed. */
  readonly leaseMs: number;
}

/** A job that this worker has: every write checks that it still does, in the transaction itself. */
export class HeldJob {
  readonly #deps: HeldJobDeps;
  readonly #name: { readonly transform: string; readonly job: string };
  readonly #epoch: number;
  #hasAdvanced = false;

  constructor(deps: HeldJobDeps, dispatch: JobDispatch) {
    this.#deps = deps;
    this.#name = { transform: dispatch.transform, job: dispatch.job };
    this.#epoch = dispatch.epoch;
  }

  /** Writes what `change` makes of the job as it is now; throws `JobLost` or `JobCanceling`. */
  async write(change: (job: JobRecord) => JobRecord): Promise<JobRecord> {
    for (let attempt = 0; attempt < COMMIT_ATTEMPTS_MAX; attempt += 1) {
      const { job, dispatch } = await this.#read();
      const next = change(job.record);
      if (job.record.state === 'Canceling' && next.state !== 'Canceled') throw new JobCanceling();
      if (finishedOutputs(next) > finishedOutputs(job.record)) this.#hasAdvanced = true;
      const changes = await changedJob(this.#deps, job, next, {
        old: dispatch,
        next: this.#renewed(dispatch.record),
      });
      if ((await this.#deps.store.commit(changes)) === 'conflict') continue;
      this.#deps.events.wake();
      return next;
    }
    throw new JobLost();
  }

  /** Holds the job for another while; true when it is to be canceled. Throws `JobLost`. */
  async renew(): Promise<boolean> {
    for (let attempt = 0; attempt < COMMIT_ATTEMPTS_MAX; attempt += 1) {
      const dispatch = await this.#readDispatch();
      const change = replacedDispatch(dispatch, this.#renewed(dispatch.record));
      if ((await this.#deps.store.commit([change])) === 'committed') return dispatch.record.cancelRequested;
    }
    throw new JobLost();
  }

  /**
   * Something has been made that stays: workers that died of the job before do not count any more. True when it is to be
   * canceled. Throws `JobLost`.
   */
  advance(): Promise<boolean> {
    this.#hasAdvanced = true;
    return this.renew();
  }

  /** True when it is to be canceled. Throws `JobLost`. */
  async look(): Promise<boolean> {
    return (await this.#readDispatch()).record.cancelRequested;
  }

  /** Gives the job back, to be taken by anybody at once; that it was taken does not count. */
  async release(): Promise<void> {
    const dispatch = await this.#readDispatch();
    const { holder: _us, ...free } = dispatch.record;
    // A conflict: somebody cancels it; it is free when the lease has run out.
    await this.#deps.store.commit([
      replacedDispatch(dispatch, { ...free, attempts: Math.max(0, free.attempts - 1) }),
    ]);
  }

  async #read() {
    const [job, dispatch] = await Promise.all([findJob(this.#deps, this.#name), this.#readDispatch()]);
    if (job === undefined || isFinal(job.record.state)) throw new JobLost();
    return { job, dispatch };
  }

  async #readDispatch() {
    const dispatch = await findDispatch(this.#deps, this.#name);
    if (dispatch === undefined) throw new JobLost();
    const { epoch, holder } = dispatch.record;
    if (epoch !== this.#epoch || holder?.worker !== this.#deps.worker) throw new JobLost();
    return dispatch;
  }

  #renewed(dispatch: JobDispatch): JobDispatch {
    const untilMs = this.#deps.nowMs() + this.#deps.leaseMs;
    const holder = { worker: this.#deps.worker, untilMs };
    return { ...dispatch, attempts: this.#hasAdvanced ? 1 : dispatch.attempts, holder };
  }
}

const finishedOutputs = ({ outputs }: JobRecord): number =>
  outputs.filter(({ state }) => state === 'Finished').length;
