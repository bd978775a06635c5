import { describeError, type Log } from '../log.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { Journal, PendingEvent } from './journal.ts';
import { decideRetry } from './retry-schedule.ts';
import type { Subscription, Subscriptions } from './subscriptions.ts';
import type { WebhookAnswer, WebhookClient } from './webhook-client.ts';

export interface DeliveryOptions {
  readonly journal: Journal;
  readonly subscriptions: Subscriptions;
  readonly webhooks: WebhookClient;
  readonly deadLetters: DeadLetters;
  readonly timeScale: number;
  readonly log: Log;
  readonly now: () => number;
  readonly random: () => number;
}

export interface Delivery {
  /** Has the event delivered to the subscriptions that its state names. */
  enqueue(event: PendingEvent): void;
  /** Gives up what waits for a subscription that no longer exists. */
  forget(subscription: string): void;
  stats(): { delivered: number; failedAttempts: number; deadLettered: number };
  /** Starts no more deliveries and waits for those that run, up to `drainMs`. */
  close(drainMs: number): Promise<void>;
}

const IN_FLIGHT_PER_SUBSCRIPTION_MAX = 32;
// setTimeout takes 31 bits.
const WAIT_MS_MAX = 2 ** 31 - 1;

/** Delivers at least once, in order of publishing as long as nothing fails. */
export function openDelivery(options: DeliveryOptions): Delivery {
  const lanes = new Map<string, Lane>();
  const totals = { delivered: 0, failedAttempts: 0, deadLettered: 0 };
  let isClosed = false;
  const laneOf = (name: string) => {
    const lane = lanes.get(name) ?? new Lane(name, options, totals);
    lanes.set(name, lane);
    return lane;
  };
  return {
    enqueue(event) {
      if (isClosed) return;
      for (const [name, { dueAtMs }] of event.deliveries) laneOf(name).add(event, dueAtMs);
    },
    forget(subscription) {
      const name = subscription.toLowerCase();
      lanes.get(name)?.clear();
      lanes.delete(name);
      for (const { sequence } of [...options.journal.pending.values()])
        options.journal.settle(sequence, name);
    },
    stats: () => ({ ...totals }),
    async close(drainMs) {
      isClosed = true;
      const drained = Promise.all([...lanes.values()].map((lane) => lane.close()));
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, drainMs);
      });
      await Promise.race([drained, late]);
      clearTimeout(timer);
    },
  };
}

/** One subscription's deliveries. Its queues hold references to what the journal bounds. */
class Lane {
  readonly #name: string;
  readonly #options: DeliveryOptions;
  readonly #totals: ReturnType<Delivery['stats']>;
  #ready: PendingEvent[] = [];
  #readyAt = 0;
  /** Sorted by when they are due. */
  #delayed: { event: PendingEvent; dueAtMs: number }[] = [];
  readonly #running = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(name: string, options: DeliveryOptions, totals: ReturnType<Delivery['stats']>) {
    this.#name = name;
    this.#options = options;
    this.#totals = totals;
  }

  add(event: PendingEvent, dueAtMs: number): void {
    if (this.#closed) return;
    if (dueAtMs <= this.#options.now()) {
      this.#ready.push(event);
      this.#startNext();
      return;
    }
    const index = this.#delayed.findLastIndex((other) => other.dueAtMs <= dueAtMs);
    this.#delayed.splice(index + 1, 0, { event, dueAtMs });
    if (index < 0) this.#arm();
  }

  clear(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#ready = [];
    this.#delayed = [];
  }

  async close(): Promise<void> {
    this.clear();
    await Promise.all(this.#running);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const first = this.#delayed[0];
    if (first === undefined || this.#closed) return;
    const waitMs = Math.min(Math.max(first.dueAtMs - this.#options.now(), 1), WAIT_MS_MAX);
    this.#timer = setTimeout(() => {
      const now = this.#options.now();
      const due = this.#delayed.findIndex(({ dueAtMs }) => dueAtMs > now);
      const ready = this.#delayed.splice(0, due < 0 ? this.#delayed.length : due);
      this.#ready.push(...ready.map(({ event }) => event));
      this.#startNext();
      this.#arm();
    }, waitMs);
  }

  #startNext(): void {
    while (this.#running.size < IN_FLIGHT_PER_SUBSCRIPTION_MAX && !this.#closed) {
      const event = this.#takeReady();
      if (event === undefined) return;
      const run = this.#deliver(event)
        .catch((error: unknown) => this.#options.log.error('delivery.failed', describeError(error)))
        .finally(() => {
          this.#running.delete(run);
          this.#startNext();
        });
      this.#running.add(run);
    }
  }

  #takeReady(): PendingEvent | undefined {
    const event = this.#ready[this.#readyAt];
    this.#readyAt += 1;
    if (event !== undefined) return event;
    this.#ready = [];
    this.#readyAt = 0;
    return undefined;
  }

  async #deliver(event: PendingEvent): Promise<void> {
    const { journal, subscriptions, webhooks, now } = this.#options;
    const state = event.deliveries.get(this.#name);
    const subscription = subscriptions.find(this.#name);
    if (state === undefined) return;
    if (subscription === undefined) {
      journal.settle(event.sequence, this.#name);
      return;
    }
    const attempts = state.attempts + 1;
    const attemptedAtMs = now();
    const answer = await webhooks.deliver(subscription, event.event, attempts);
    if (answer.status !== undefined && answer.status >= 200 && answer.status <= 204) {
      journal.settle(event.sequence, this.#name);
      this.#totals.delivered += 1;
      return;
    }
    this.#totals.failedAttempts += 1;
    await this.#handleFailure(event, subscription, { answer, attempts, attemptedAtMs });
  }

  async #handleFailure(
    event: PendingEvent,
    subscription: Subscription,
    failed: { answer: WebhookAnswer; attempts: number; attemptedAtMs: number },
  ): Promise<void> {
    const { journal, timeScale, log, now, random, deadLetters } = this.#options;
    const { answer, attempts } = failed;
    const { maxDeliveryAttempts, eventTimeToLiveInMinutes } = subscription.properties.retryPolicy;
    const decision = decideRetry({
      attempts,
      status: answer.status,
      ageMs: now() - event.publishedAtMs,
      policy: { maxDeliveryAttempts, eventTimeToLiveMinutes: eventTimeToLiveInMinutes },
      jitter: random(),
      timeScale,
    });
    const fields = {
      subscription: subscription.name,
      eventId: event.event.id,
      attempts,
      outcome: answer.outcome,
    };
    if (decision.kind === 'retry') {
      const dueAtMs = now() + decision.delayMs;
      log.warn('delivery.retried', { ...fields, delayMs: Math.round(decision.delayMs) });
      journal.postpone(event.sequence, this.#name, { attempts, dueAtMs });
      this.add(event, dueAtMs);
      return;
    }
    log.error('delivery.deadLettered', { ...fields, reason: decision.reason });
    // On disk before the journal forgets it.
    await deadLetters.append({
      ...event.event,
      deadLetterReason: decision.reason,
      deliveryAttempts: attempts,
      lastDeliveryOutcome: answer.outcome,
      publishTime: new Date(event.publishedAtMs).toISOString(),
      lastDeliveryAttemptTime: new Date(failed.attemptedAtMs).toISOString(),
      subscription: subscription.name,
    });
    this.#totals.deadLettered += 1;
    journal.settle(event.sequence, this.#name);
  }
}
