import { setTimeout as sleep } from 'node:timers/promises';

/** What the store's long-lived parts take of a log; `server/log.ts` has it. */
export interface StoreLog {
  info(event: string, fields?: object): void;
  warn(event: string, fields?: object): void;
  error(event: string, fields?: object): void;
}

/** The owner has let go; the call may or may not have taken effect. */
export class StorageStopped extends Error {
  readonly code = 'StorageStopped';
  constructor(options?: ErrorOptions) {
    super('no further calls to storage', options);
    this.name = 'StorageStopped';
  }
}

const BACK_OFF_MS_MIN = 250;
const BACK_OFF_MS_MAX = 4000;
/** Of a long outage, every so manieth failure of one call is logged. */
const LOGGED_FAILURES = 16;
/** Client errors that pass by themselves: credentials being exchanged, time-outs, throttling. */
const PASSING_CLIENT_ERRORS: readonly unknown[] = [401, 403, 408, 429];
const ERRORS_WITHOUT_ANSWER: readonly unknown[] = ['RestError', 'AbortError'];
/** Of sockets (ECONNRESET) and of bodies that ended too early. */
const TRANSPORT_CODE = /^E[A-Z]+$|^ERR_STREAM_PREMATURE_CLOSE$/;

export function statusOf(error: unknown): unknown {
  return Reflect.get(Object(error), 'statusCode');
}

/** Whether the same call may succeed later: storage is away, slow or busy. */
export function isPassing(error: unknown): boolean {
  const status = statusOf(error);
  if (typeof status === 'number') {
    return status >= 500 || status < 400 || PASSING_CLIENT_ERRORS.includes(status);
  }
  const name: unknown = Reflect.get(Object(error), 'name');
  const code: unknown = Reflect.get(Object(error), 'code');
  return ERRORS_WITHOUT_ANSWER.includes(name) || TRANSPORT_CODE.test(String(code));
}

/** The calls to storage of one owner: each bounded in time, repeated as long as the owner is open, ended together. */
export class StorageAttempts {
  readonly #log: StoreLog;
  readonly #running = new Set<AbortController>();
  #isOpen = true;

  constructor(log: StoreLog) {
    this.#log = log;
  }

  /** One attempt; throws `StorageStopped` after `stop`. */
  async once<T>(timeoutMs: number, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (!this.#isOpen) throw new StorageStopped();
    const controller = new AbortController();
    this.#running.add(controller);
    const timer = setTimeout(() => controller.abort(), timeoutMs);
    try {
      return await call(controller.signal);
    } catch (cause) {
      if (this.#isOpen) throw cause;
      throw new StorageStopped({ cause });
    } finally {
      clearTimeout(timer);
      this.#running.delete(controller);
    }
  }

  /** Repeats what fails in passing until it succeeds or `stop` is called; other errors are the caller's. */
  async untilDone<T>(what: string, timeoutMs: number, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    for (let failures = 0; ; failures += 1) {
      try {
        return await this.once(timeoutMs, call);
      } catch (error) {
        if (error instanceof StorageStopped || !isPassing(error)) throw error;
        if (failures % LOGGED_FAILURES === 0) this.#log.warn('storage.retrying', { what, failures, error });
        await this.#pause(Math.min(BACK_OFF_MS_MIN * 2 ** failures, BACK_OFF_MS_MAX));
      }
    }
  }

  stop(): void {
    this.#isOpen = false;
    for (const controller of this.#running) controller.abort();
  }

  async #pause(ms: number): Promise<void> {
    const controller = new AbortController();
    this.#running.add(controller);
    try {
      await sleep(ms, undefined, { signal: controller.signal });
    } catch (cause) {
      throw new StorageStopped({ cause });
    } finally {
      this.#running.delete(controller);
    }
  }
}
