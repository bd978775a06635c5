import type { DeliveryLog, FeedClient, FeedReply, Owner, OwnershipReader } from './origin-ports.ts';

const POLL_WAIT_MS = 5_000;
const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 1_000;
/** An owner that does not wait as asked would make us spin. */
const EMPTY_ANSWER_PAUSE_MS = 100;
const READY_MS_MAX = 2_000;

export interface FeedListener {
  /** `restarted`: these lines are the owner's whole window, perhaps of another epoch, not a continuation. */
  onReply(reply: FeedReply, restarted: boolean): void;
  /** The owner answers and does not know the source. */
  onNotFound(): void;
}

export interface FeedDeps {
  readonly ownership: OwnershipReader;
  readonly feed: FeedClient;
  readonly log: DeliveryLog;
}

export interface FeedTarget {
  readonly liveEventId: string;
  /** `preview` or `output!{name}`. */
  readonly source: string;
}

type Attempt = 'connected' | 'absent';

/**
 * Follows one source of one live event at whoever owns it, by one long poll for all viewers. Reconnects with back-off
 * when the owner dies, is replaced (another epoch) or no longer has what we saw last.
 */
export class FeedSubscription {
  readonly #target: FeedTarget;
  readonly #listener: FeedListener;
  readonly #deps: FeedDeps;
  readonly #abort = new AbortController();
  #owner: Owner | undefined;
  #cursor: string | undefined;
  #isConnected = false;
  #wake: () => void = () => {};
  #attemptWaiters: (() => void)[] = [];

  constructor(target: FeedTarget, listener: FeedListener, deps: FeedDeps) {
    this.#target = target;
    this.#listener = listener;
    this.#deps = deps;
    this.#run().catch((error: unknown) => deps.log.error('origin.feedStopped', { ...target, error }));
  }

  /** Whom to ask for bytes; undefined while nobody answers. */
  get owner(): Owner | undefined {
    return this.#isConnected ? this.#owner : undefined;
  }

  /** At once when connected; else after one attempt to connect, made now. */
  ready(): Promise<void> {
    if (this.#isConnected || this.#abort.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, READY_MS_MAX);
      this.#attemptWaiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
      this.#wake();
    });
  }

  close(): void {
    this.#isConnected = false;
    this.#abort.abort();
    this.#wake();
    this.#settleAttempt();
  }

  async #run(): Promise<void> {
    let backoffMs = BACKOFF_MS_MIN;
    while (!this.#abort.signal.aborted) {
      const wasConnected = this.#isConnected;
      const attempt = await this.#attempt();
      this.#isConnected = attempt === 'connected' && !this.#abort.signal.aborted;
      this.#settleAttempt();
      if (attempt === 'connected') {
        backoffMs = BACKOFF_MS_MIN;
        continue;
      }
      if (wasConnected) this.#deps.log.warn('origin.feedLost', { ...this.#target });
      await this.#pause(backoffMs);
      backoffMs = Math.min(backoffMs * 2, BACKOFF_MS_MAX);
    }
  }

  async #attempt(): Promise<Attempt> {
    try {
      this.#owner ??= await this.#deps.ownership.find(this.#target.liveEventId);
      if (this.#owner === undefined) return 'absent';
      return await this.#poll(this.#owner);
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#deps.log.warn('origin.feedError', { ...this.#target, error });
      this.#owner = undefined;
      return 'absent';
    }
  }

  async #poll(owner: Owner): Promise<Attempt> {
    const after = this.#cursor;
    const startedAtMs = performance.now();
    const request = { ...this.#target, after, waitMs: after === undefined ? 0 : POLL_WAIT_MS };
    const outcome = await this.#deps.feed.poll(owner, request, this.#abort.signal);
    if (this.#abort.signal.aborted) return 'absent';
    if (outcome.kind === 'restart') {
      this.#cursor = undefined;
      // The window is asked for again at once; an owner that answers 410 even to that counts as absent.
      return after === undefined ? 'absent' : 'connected';
    }
    if (outcome.kind === 'notFound') {
      this.#cursor = undefined;
      this.#owner = undefined;
      this.#listener.onNotFound();
      return 'absent';
    }
    const { reply } = outcome;
    this.#cursor = reply.cursor;
    this.#listener.onReply(reply, after === undefined);
    if (reply.ended) {
      // The listener closes us when the rest is in storage; a preview may begin again.
      this.#cursor = undefined;
      this.#owner = undefined;
      return 'absent';
    }
    if (reply.lines.length === 0 && after !== undefined) await this.#checkOwner(owner, startedAtMs);
    return 'connected';
  }

  /** Nothing new for a while: the one we ask may have been replaced without noticing. */
  async #checkOwner(owner: Owner, startedAtMs: number): Promise<void> {
    const found = await this.#deps.ownership.find(this.#target.liveEventId);
    if (found !== undefined && (found.epoch !== owner.epoch || found.address !== owner.address)) {
      this.#owner = found;
      this.#cursor = undefined;
      return;
    }
    if (performance.now() - startedAtMs < EMPTY_ANSWER_PAUSE_MS) await this.#pause(EMPTY_ANSWER_PAUSE_MS);
  }

  #pause(durationMs: number): Promise<void> {
    if (this.#abort.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, durationMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #settleAttempt(): void {
    const waiters = this.#attemptWaiters;
    this.#attemptWaiters = [];
    this.#wake = () => {};
    for (const settle of waiters) settle();
  }
}
