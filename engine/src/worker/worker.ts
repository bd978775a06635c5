import type { ControlEvents, ControlStore } from '../control-plane/control-store.ts';
import { findDispatch } from '../control-plane/job-rows.ts';
import type { JobRecord } from '../resources/encoding/job.ts';
import { isHeld, type JobMessage } from '../resources/encoding/job-dispatch.ts';
import type { Encoders } from './encoders.ts';
import { EncodingUnits } from './encoding-units.ts';
import { type HeldJob, type HeldJobDeps, JobCanceling, JobLost } from './held-job.ts';
import { carryOutPart, type MakePart } from './part-messages.ts';
import { cancelHeldJob, runJob } from './run-job.ts';
import { takeJob } from './take-job.ts';
import type { ReceivedJob, WorkerQueue } from './worker-queue.ts';

export interface WorkerLog {
  info(event: string, fields?: object): void;
  warn(event: string, fields?: object): void;
  error(event: string, fields?: object): void;
}

export interface WorkerDeps {
  readonly store: ControlStore;
  readonly events: ControlEvents;
  readonly queue: WorkerQueue;
  readonly encoders: Encoders;
  readonly makePart: MakePart;
  readonly openSealed?: HeldJobDeps['openSealed'];
  /** Told apart from every other worker of the account. */
  readonly worker: string;
  /** Units that this process takes at most, and its jobs at this moment, those of other accounts included. */
  readonly unitsMax: number;
  readonly running?: RunningJobs;
  /** How long it is at most until an empty queue is looked at again. */
  readonly idleMsMax?: () => number;
  readonly log: WorkerLog;
  readonly nowMs?: () => number;
  readonly timing?: Partial<typeof TIMING>;
}

/**
 * A worker that is not heard of for `leaseMs` has lost its jobs. Clocks of workers may differ by a few seconds; who has a
 * job is decided in the table, so that nothing is ever ended twice.
 */
const TIMING = { leaseMs: 20_000, renewMs: 5000, lookMs: 1000, idleMsMin: 100, idleMsMax: 2000 };
/** By so much a message is hidden longer than its job is held: it comes back when the job can be taken. */
const OUTLASTING_MS = 1000;

/** What ends a run from outside. */
type RunEnd = JobLost | JobCanceling | WorkerStopping;

/** Counted over the workers of a process. */
export interface RunningJobs {
  count: number;
}

interface JobRun {
  readonly received: ReceivedJob;
  readonly held: HeldJob;
  readonly controller: AbortController;
}

class WorkerStopping extends Error {
  readonly code = 'WorkerStopping';
  constructor() {
    super('the worker stops');
    this.name = 'WorkerStopping';
  }
}

/** Takes the jobs of one account from its queues, as many at a time as it has encoding units, and carries them out. */
export class Worker {
  readonly #deps: WorkerDeps;
  readonly #timing: typeof TIMING;
  readonly #units: EncodingUnits;
  readonly #held: HeldJobDeps;
  readonly #running: RunningJobs;
  readonly #runs = new Map<Promise<void>, AbortController>();
  readonly #loop: Promise<void>;
  #isStopped = false;
  #refreshedAtMs = Number.NEGATIVE_INFINITY;
  #isFailing = false;
  #wake: () => void = () => undefined;
  #isWoken = false;

  constructor(deps: WorkerDeps) {
    const { store, events, worker, unitsMax, openSealed, nowMs = Date.now } = deps;
    this.#deps = deps;
    this.#running = deps.running ?? { count: 0 };
    this.#timing = { ...TIMING, ...deps.timing };
    this.#units = new EncodingUnits({ store, worker, unitsMax, nowMs, leaseMs: this.#timing.leaseMs });
    this.#held = { store, events, worker, nowMs, openSealed, leaseMs: this.#timing.leaseMs };
    this.#loop = this.#work();
  }

  /** There is a new message. */
  wake(): void {
    this.#isWoken = true;
    this.#wake();
  }

  /** Takes no more jobs, gives those that it has back and its units up. */
  async close(): Promise<void> {
    this.#isStopped = true;
    this.wake();
    await this.#loop;
    for (const controller of this.#runs.values()) controller.abort(new WorkerStopping());
    await Promise.all(this.#runs.keys());
    await this.#units.close().catch((error: unknown) => this.#deps.log.warn('worker.unitsKept', { error }));
  }

  async #work(): Promise<void> {
    let idleMs = this.#timing.idleMsMin;
    while (!this.#isStopped) {
      const received = await this.#next();
      if (received !== undefined) {
        this.#start(received);
        idleMs = this.#timing.idleMsMin;
        continue;
      }
      // Units are renewed here as well.
      await this.#pause(this.#runs.size > 0 ? Math.min(idleMs, this.#timing.lookMs) : idleMs);
      idleMs = Math.min(idleMs * 2, this.#deps.idleMsMax?.() ?? this.#timing.idleMsMax);
    }
  }

  /** Undefined when there is no message or no unit for one. */
  async #next(): Promise<ReceivedJob | undefined> {
    try {
      await this.#refreshUnits();
      const isFree = this.#runs.size < this.#units.usable && this.#running.count < this.#deps.unitsMax;
      const received = isFree
        ? await this.#deps.queue.receive(this.#timing.leaseMs + OUTLASTING_MS)
        : undefined;
      this.#isFailing = false;
      return received;
    } catch (error) {
      // Said once, not with every attempt.
      if (!this.#isFailing) this.#deps.log.warn('worker.storageFailing', { error });
      this.#isFailing = true;
      return undefined;
    }
  }

  async #refreshUnits(): Promise<void> {
    const nowMs = this.#held.nowMs();
    if (nowMs - this.#refreshedAtMs < this.#timing.lookMs) return;
    await this.#units.refresh(this.#runs.size);
    this.#refreshedAtMs = nowMs;
  }

  #start(received: ReceivedJob): void {
    const controller = new AbortController();
    this.#running.count += 1;
    const run = this.#carryOut(received, controller)
      .catch((error: unknown) => this.#deps.log.warn('worker.jobLeft', { ...received.message, error }))
      .finally(() => {
        this.#runs.delete(run);
        this.#running.count -= 1;
        this.wake();
      });
    this.#runs.set(run, controller);
  }

  async #carryOut(received: ReceivedJob, controller: AbortController): Promise<void> {
    const message = await this.#jobToTake(received.message);
    if (message === undefined) return this.#carryOutPart(received, controller);
    const taken = await takeJob(this.#held, message);
    if (taken.kind === 'done') return received.remove();
    if (taken.kind === 'again') return received.hold(taken.inMs);
    const over = new AbortController();
    const watching = this.#watch({ received, held: taken.held, controller }, over.signal);
    const { log, encoders } = this.#deps;
    log.info('worker.jobTaken', { ...message, attempt: taken.attempt });
    try {
      const job = await runJob(taken, { encoders, log, nowMs: this.#held.nowMs }, controller.signal);
      log.info('worker.jobEnded', { ...message, state: job.state, attempt: taken.attempt });
      await received.remove();
      await this.#forget(job);
    } catch (error) {
      await this.#leave(asRunEnd(error), received, taken.held);
    } finally {
      over.abort();
      await watching;
    }
  }

  /** A part whose job nobody has any more leads to the job, whose own message may be behind those of many parts. */
  async #jobToTake(message: JobMessage): Promise<JobMessage | undefined> {
    if (message.part === undefined) return message;
    const { transform, job } = message;
    const dispatch = await findDispatch(this.#held, { transform, job });
    if (dispatch === undefined || isHeld(dispatch.record, this.#held.nowMs())) return undefined;
    return { transform, job, priority: dispatch.record.priority };
  }

  async #carryOutPart(received: ReceivedJob, controller: AbortController): Promise<void> {
    const { leaseMs, lookMs, renewMs } = this.#timing;
    const timing = { lookMs, renewMs, heldMs: leaseMs + OUTLASTING_MS };
    const { store, makePart, log } = this.#deps;
    const end = await carryOutPart({ store, makePart, timing }, received, controller);
    log.info('worker.partEnded', { ...received.message, end });
  }

  /** What is left is swept later. */
  async #forget(job: JobRecord): Promise<void> {
    const { encoders, log } = this.#deps;
    await encoders
      .forget?.(job)
      .catch((error: unknown) => log.warn('worker.jobNotForgotten', { job: job.name, error }));
  }

  async #leave(end: RunEnd, received: ReceivedJob, held: HeldJob): Promise<void> {
    if (end instanceof JobCanceling) {
      const job = await cancelHeldJob(held, this.#held.nowMs);
      await received.remove();
      return this.#forget(job);
    }
    if (end instanceof WorkerStopping) {
      await held.release();
      await received.hold(0);
    }
  }

  /** Keeps the job while it is carried out, and ends the run when that is not to be any more. */
  async #watch(run: JobRun, over: AbortSignal): Promise<void> {
    let renewedAtMs = this.#held.nowMs();
    for (;;) {
      await pauseUnless(over, this.#timing.lookMs);
      if (over.aborted || run.controller.signal.aborted) return;
      renewedAtMs = await this.#look(run, renewedAtMs);
    }
  }

  /** When the job was renewed last. */
  async #look({ held, received, controller }: JobRun, renewedAtMs: number): Promise<number> {
    const { leaseMs, renewMs } = this.#timing;
    const nowMs = this.#held.nowMs();
    try {
      const isDue = nowMs - renewedAtMs >= renewMs;
      const isCanceled = isDue ? await held.renew() : await held.look();
      if (isCanceled) controller.abort(new JobCanceling());
      // The row says who has the job. Somebody else may have the message by now, who keeps it for as long.
      if (isDue) await received.hold(leaseMs + OUTLASTING_MS).catch(() => undefined);
      return isDue ? nowMs : renewedAtMs;
    } catch (error) {
      // Storage may be away for a moment; after that somebody else has taken the job.
      const isLost = error instanceof JobLost || nowMs - renewedAtMs > leaseMs;
      if (isLost) controller.abort(new JobLost({ cause: error }));
      return renewedAtMs;
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#wake = () => undefined;
        this.#isWoken = false;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = done;
      if (this.#isWoken) done();
    });
  }
}

/** What is thrown in between by something else ends the run as if the job were lost: its lease runs out. */
function asRunEnd(error: unknown): RunEnd {
  if (error instanceof JobLost || error instanceof JobCanceling || error instanceof WorkerStopping)
    return error;
  throw error;
}

function pauseUnless(over: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      over.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    over.addEventListener('abort', done, { once: true });
    if (over.aborted) done();
  });
}
