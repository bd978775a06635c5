import { describeError, type Log } from '../log.ts';
import type { DeadLetterBlobs } from './dead-letter-blobs.ts';
import type { DeadLetterFile } from './dead-letters.ts';
import { deadLetterOf } from './event-output.ts';
import type { DeliverySchema } from './event-schema.ts';
import type { GivenUp, Journal, PendingEvent } from './journal.ts';
import type { Subscription, Subscriptions } from './subscriptions.ts';

export interface DeadLettering {
  /** Gives an event up for a subscription. Once it resolves, no crash can lose the letter. */
  giveUp(event: PendingEvent, subscription: Subscription, attempts: number, why: GivenUp): Promise<void>;
  /** Goes on with what was given up before the last stop. */
  resume(event: PendingEvent, subscription: string): void;
  /** Drops what waits for a subscription that no longer exists. */
  forget(subscription: string): void;
  /** How many letters are on their way to storage. */
  waiting(subscription: string): number;
  close(): Promise<void>;
}

export interface DeadLetteringOptions {
  readonly journal: Journal;
  readonly subscriptions: Subscriptions;
  readonly file: DeadLetterFile;
  /** Undefined without a storage account: then all letters go to the file. */
  readonly blobs: DeadLetterBlobs | undefined;
  readonly inputDelivery: DeliverySchema;
  readonly timeScale: number;
  readonly log: Log;
  readonly now: () => number;
}

// event-grid/delivery-and-retry: five minutes between the last attempt and the blob, so that it holds more than one
// event; dropped when storage cannot be reached for four hours.
const DELAY_MS = 5 * 60_000;
const STORAGE_DOWN_MS_MAX = 4 * 3_600_000;
const RETRY_MS = 5000;
const LETTERS_PER_BLOB_MAX = 1000;
const BLOB_BYTES_MAX = 8 * 1024 * 1024;
// setTimeout takes 31 bits.
const WAIT_MS_MAX = 2 ** 31 - 1;
const WAIT_MS_MIN = 5;

/** Brings events that were given up to where their subscription says; the journal keeps them until they are there. */
export function openDeadLettering(options: DeadLetteringOptions): DeadLettering {
  return new DeadLetterQueue(options);
}

class DeadLetterQueue implements DeadLettering {
  readonly #options: DeadLetteringOptions;
  /** By subscription; what they hold is bounded by the journal. */
  readonly #waiting = new Map<string, PendingEvent[]>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #retryAtMs = 0;
  #closed = false;

  constructor(options: DeadLetteringOptions) {
    this.#options = options;
  }

  async giveUp(
    event: PendingEvent,
    subscription: Subscription,
    attempts: number,
    why: GivenUp,
  ): Promise<void> {
    const { journal, blobs, now, timeScale } = this.#options;
    const name = subscription.name.toLowerCase();
    const dueAtMs = now() + DELAY_MS / timeScale;
    journal.postpone(event.sequence, name, { attempts, dueAtMs, givenUp: why });
    if (blobs === undefined || !subscription.properties.deadLetterDestination) {
      await this.#toFile(event, name);
      return;
    }
    this.resume(event, name);
  }

  resume(event: PendingEvent, subscription: string): void {
    const waiting = this.#waiting.get(subscription) ?? [];
    waiting.push(event);
    this.#waiting.set(subscription, waiting);
    this.#arm();
  }

  forget(subscription: string): void {
    this.#waiting.delete(subscription);
  }

  waiting(subscription: string): number {
    return this.#waiting.get(subscription)?.length ?? 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#writing;
  }

  #arm(): void {
    if (this.#closed || this.#writing !== undefined) return;
    clearTimeout(this.#timer);
    const due = [...this.#waiting].map(([name, events]) => this.#dueAtMs(name, events));
    if (due.length === 0) return;
    const atMs = Math.max(Math.min(...due), this.#retryAtMs);
    const waitMs = Math.min(Math.max(atMs - this.#options.now(), WAIT_MS_MIN), WAIT_MS_MAX);
    this.#timer = setTimeout(() => {
      this.#writing = this.#writeDue()
        .catch((error: unknown) => {
          const { log, now, timeScale } = this.#options;
          this.#retryAtMs = now() + RETRY_MS / timeScale;
          log.warn('deadLetter.notWritten', describeError(error));
        })
        .finally(() => {
          this.#writing = undefined;
          this.#arm();
        });
    }, waitMs);
  }

  /** All of a subscription go when its first is due: the fewer blobs, the better. */
  async #writeDue(): Promise<void> {
    const now = this.#options.now();
    for (const [name, events] of [...this.#waiting]) {
      if (this.#dueAtMs(name, events) > now) continue;
      const chunk = takeChunk(events);
      try {
        await this.#write(name, chunk);
      } catch (error) {
        const { timeScale } = this.#options;
        if (now - this.#dueAtMs(name, events) <= STORAGE_DOWN_MS_MAX / timeScale) throw error;
        // Event Grid would drop them now; here they are still worth a look.
        for (const event of chunk) await this.#toFile(event, name);
      }
      const rest = (this.#waiting.get(name) ?? []).filter((event) => !chunk.includes(event));
      if (rest.length > 0) this.#waiting.set(name, rest);
      else this.#waiting.delete(name);
    }
  }

  async #write(name: string, events: readonly PendingEvent[]): Promise<void> {
    const { subscriptions, blobs, journal, now, log } = this.#options;
    const subscription = subscriptions.find(name);
    const container = subscription?.properties.deadLetterDestination?.properties.blobContainerName;
    if (subscription === undefined || container === undefined || blobs === undefined) {
      for (const event of events) await this.#toFile(event, name);
      return;
    }
    const letters = events.flatMap((event) => this.#letter(event, name) ?? []);
    if (letters.length > 0) {
      await blobs.write(container, subscription.name, letters, new Date(now()));
      log.info('deadLetter.written', { subscription: subscription.name, events: letters.length });
    }
    for (const event of events) journal.settle(event.sequence, name);
  }

  async #toFile(event: PendingEvent, name: string): Promise<void> {
    const { file, journal } = this.#options;
    const letter = this.#letter(event, name);
    // On disk before the journal forgets it.
    if (letter !== undefined) await file.append({ ...letter, subscription: name });
    journal.settle(event.sequence, name);
  }

  #letter(event: PendingEvent, name: string): object | undefined {
    const state = event.deliveries.get(name);
    if (state?.givenUp === undefined) return undefined;
    const { subscriptions, inputDelivery } = this.#options;
    const schema = subscriptions.find(name)?.properties.eventDeliverySchema ?? inputDelivery;
    const { reason, outcome, attemptedAtMs } = state.givenUp;
    return deadLetterOf(event.event, schema, {
      deadLetterReason: reason,
      deliveryAttempts: state.attempts,
      lastDeliveryOutcome: outcome,
      publishTime: new Date(event.publishedAtMs).toISOString(),
      lastDeliveryAttemptTime: new Date(attemptedAtMs).toISOString(),
    });
  }

  #dueAtMs(name: string, events: readonly PendingEvent[]): number {
    return events.reduce(
      (first, event) => Math.min(first, event.deliveries.get(name)?.dueAtMs ?? 0),
      Number.POSITIVE_INFINITY,
    );
  }
}

/** In the order of publishing, as much as belongs into one blob. */
function takeChunk(events: readonly PendingEvent[]): PendingEvent[] {
  const sorted = [...events].sort((a, b) => a.sequence - b.sequence).slice(0, LETTERS_PER_BLOB_MAX);
  let bytes = 0;
  const end = sorted.findIndex(({ sizeBytes }, index) => {
    bytes += sizeBytes;
    return index > 0 && bytes > BLOB_BYTES_MAX;
  });
  return end < 0 ? sorted : sorted.slice(0, end);
}
