import { setTimeout as delay } from 'node:timers/promises';
import { describeError, type Log } from '../log.ts';
import { WorkerGone } from './child-worker.ts';
import type { LogLevels } from './log-levels.ts';
import type {
  FunctionInfo,
  InvocationRequest,
  InvocationResponse,
  LogRecord,
  WorkerChannel,
  WorkerStart,
} from './worker-protocol.ts';

const RESTART_DELAY_MS_FIRST = 100;
const RESTART_DELAY_MS_MAX = 10_000;
/** A worker that lived this long has earned a quick restart. */
const STABLE_AFTER_MS = 30_000;
/** How long an invocation waits for a worker that is being restarted. */
const WAIT_FOR_WORKER_MS = 15_000;
const INVOCATIONS_IN_FLIGHT_MAX = 4096;
const WRITERS: Readonly<Record<string, keyof Log>> = { warning: 'warn', error: 'error', critical: 'error' };

export interface WorkerSupervisionOptions {
  readonly appDir: string;
  readonly functionTimeoutMs: number;
  readonly logLevels: LogLevels;
  readonly openWorker: () => WorkerChannel;
  readonly log: Log;
}

export interface WorkerSupervision {
  readonly functions: readonly FunctionInfo[];
  readonly restarts: number;
  readonly inFlight: number;
  invoke(request: InvocationRequest): Promise<InvocationResponse>;
  /** Kills what still runs after `drainMs`. */
  close(drainMs: number): Promise<void>;
}

/** Keeps one worker alive: restarts it with back-off, and kills it when a function takes too long. */
export async function openWorkerSupervision(options: WorkerSupervisionOptions): Promise<WorkerSupervision> {
  const supervised = new SupervisedWorker(options);
  await supervised.start();
  return supervised;
}

class SupervisedWorker implements WorkerSupervision {
  functions: readonly FunctionInfo[] = [];
  restarts = 0;
  inFlight = 0;
  readonly #options: WorkerSupervisionOptions;
  /** Resolves to a running worker. */
  #ready: Promise<WorkerChannel>;
  #current: WorkerChannel | undefined;
  #startedAtMs = 0;
  #delayMs = RESTART_DELAY_MS_FIRST;
  #closing = false;
  readonly #stopRestarting = new AbortController();

  constructor(options: WorkerSupervisionOptions) {
    this.#options = options;
    this.#ready = Promise.reject(new WorkerGone('worker was not started'));
    this.#ready.catch(() => undefined);
  }

  /** Rejects when the app does not load the first time: that is the app's fault, not a crash. */
  async start(): Promise<void> {
    const { channel, start } = await this.#launch();
    this.#ready = Promise.resolve(channel);
    this.functions = start.functions;
  }

  async invoke(request: InvocationRequest): Promise<InvocationResponse> {
    if (this.inFlight >= INVOCATIONS_IN_FLIGHT_MAX) {
      throw new Error(`${this.inFlight} invocations in flight, the limit`);
    }
    this.inFlight += 1;
    try {
      const channel = await withTimeout(this.#ready, WAIT_FOR_WORKER_MS, () => {
        throw new WorkerGone('no worker in time');
      });
      return await withTimeout(channel.invoke(request), this.#options.functionTimeoutMs, () => {
        // As on Azure a timeout takes the process with it, and what else runs there.
        this.#options.log.error('function.timeout', {
          function: request.functionId,
          invocationId: request.invocationId,
          limitMs: this.#options.functionTimeoutMs,
        });
        channel.kill?.();
        throw new Error('the function took longer than functionTimeout');
      });
    } finally {
      this.inFlight -= 1;
    }
  }

  async close(drainMs: number): Promise<void> {
    this.#closing = true;
    this.#stopRestarting.abort();
    const until = Date.now() + drainMs;
    while (this.inFlight > 0 && Date.now() < until) await delay(10);
    const worker = this.#current;
    if (worker === undefined) return;
    if (this.inFlight > 0) worker.kill?.();
    await worker.stop();
  }

  async #launch(): Promise<{ channel: WorkerChannel; start: WorkerStart }> {
    const channel = this.#options.openWorker();
    const { log, logLevels } = this.#options;
    channel.onLog = (record) => {
      if (logLevels.isEnabled(categoryOf(record), record.level)) relay(record, log);
    };
    let isUp = false;
    channel.onExit = (why) => {
      if (this.#current === channel) this.#current = undefined;
      if (isUp && !this.#closing) this.#restart(why);
    };
    this.#current = channel;
    const start = await channel.start(this.#options.appDir);
    if ('HttpUri' in start.capabilities) {
      throw new Error('app.setup({ enableHttpStream: true }) is not supported by this host');
    }
    isUp = true;
    this.#startedAtMs = Date.now();
    return { channel, start };
  }

  #restart(why: string): void {
    if (Date.now() - this.#startedAtMs > STABLE_AFTER_MS) this.#delayMs = RESTART_DELAY_MS_FIRST;
    this.restarts += 1;
    this.#options.log.error('worker.exited', { why, restarts: this.restarts });
    this.#ready = this.#relaunch();
    this.#ready.catch(() => undefined);
  }

  async #relaunch(): Promise<WorkerChannel> {
    // Bounded by the host's own life: each round waits longer, up to RESTART_DELAY_MS_MAX.
    while (!this.#closing) {
      await delay(this.#delayMs, undefined, { signal: this.#stopRestarting.signal });
      this.#delayMs = Math.min(this.#delayMs * 2, RESTART_DELAY_MS_MAX);
      try {
        const { channel } = await this.#launch();
        this.#options.log.info('worker.restarted', { restarts: this.restarts });
        return channel;
      } catch (error) {
        this.#options.log.error('worker.restartFailed', describeError(error));
      }
    }
    throw new WorkerGone('the host is stopping');
  }
}

/** The category by which host.json names it: `Function.{name}.User`, `Function.{name}` or `Worker`. */
function categoryOf({ category, logCategory }: LogRecord): string {
  const name = /^(.+)\.Invocation$/.exec(category ?? '')?.[1];
  if (name === undefined) return logCategory === 'user' ? 'Function' : 'Worker';
  return logCategory === 'user' ? `Function.${name}.User` : `Function.${name}`;
}

/** Writes what the app logged at the level that it gave; a line that was structured stays so, under `app`. */
function relay({ level, message, logCategory, category, invocationId, fields }: LogRecord, log: Log): void {
  const write = WRITERS[level] ?? 'info';
  if (fields === undefined) log[write]('function.log', { message, logCategory, category, invocationId });
  else log[write](message, { app: fields });
}

function withTimeout<T>(promise: Promise<T>, limitMs: number, onTimeout: () => never): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      try {
        onTimeout();
      } catch (error) {
        reject(error);
      }
    }, limitMs);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
