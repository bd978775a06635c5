import { setTimeout as sleep } from 'node:timers/promises';
import { isPassing, statusOf } from './storage-attempts.ts';

const PATIENCE_MS_MAX = 90_000;
const BACK_OFF_MS_MIN = 200;
const BACK_OFF_MS_MAX = 3000;

/** Storage has not answered for a minute and a half (`BlobTransient`), or does not let us (`BlobRefused`). */
export class BlobUnavailable extends Error {
  readonly code: 'BlobTransient' | 'BlobRefused';
  constructor(code: BlobUnavailable['code'], options?: ErrorOptions) {
    super(code === 'BlobTransient' ? 'storage is away' : 'storage refuses', options);
    this.name = 'BlobUnavailable';
    this.code = code;
  }
}

/** How long a call has been failing: progress in between starts it anew. */
export class Patience {
  #failingSinceMs: number | undefined;
  #failures = 0;

  progressed(): void {
    this.#failingSinceMs = undefined;
    this.#failures = 0;
  }

  /** Waits before the next attempt; throws when there is to be none, or the signal's reason. */
  async failed(error: unknown, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const status = statusOf(error);
    const isRefused = status === 401 || status === 403 || !isPassing(error);
    if (isRefused) throw new BlobUnavailable('BlobRefused', { cause: error });
    this.#failingSinceMs ??= Date.now();
    if (Date.now() - this.#failingSinceMs > PATIENCE_MS_MAX) {
      throw new BlobUnavailable('BlobTransient', { cause: error });
    }
    const waitMs = Math.min(BACK_OFF_MS_MIN * 2 ** this.#failures, BACK_OFF_MS_MAX);
    this.#failures += 1;
    await sleep(waitMs, undefined, { signal }).catch(() => signal?.throwIfAborted());
  }
}

/** Repeats `once` while storage is away; each attempt gets a signal that ends it after `timeoutMs`. */
export async function patiently<T>(
  signal: AbortSignal | undefined,
  timeoutMs: number,
  once: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const patience = new Patience();
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await once(within(signal, timeoutMs));
    } catch (error) {
      await patience.failed(error, signal);
    }
  }
}

export function within(signal: AbortSignal | undefined, timeoutMs: number): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMs);
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
}
