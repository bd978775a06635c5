import { describeError, type Log } from '../log.ts';
import type { DeadLettering } from './dead-lettering.ts';
import { openEndpointHealth } from './endpoint-health.ts';
import type { Journal, PendingEvent } from './journal.ts';
import { decideRetry } from './retry-schedule.ts';
import type { Subscription, Subscriptions } from './subscriptions.ts';
import type { WebhookAnswer } from './webhook-call.ts';
import type { WebhookClient } from './webhook-client.ts';

export interface LaneOptions {
  readonly journal: Journal;
  readonly subscriptions: Subscriptions;
  readonly webhooks: WebhookClient;
  readonly deadLettering: DeadLettering;
  readonly timeScale: number;
  readonly log: Log;
  readonly now: () => number;
  readonly random: () => number;
}

export interface LaneTotals {
  delivered: number;
  failedAttempts: number;
  deadLettered: number;
}

const IN_FLIGHT_MAX = 32;
// setTimeout takes 31 bits.
const WAIT_MS_MAX = 2 ** 31 - 1;
const BYTES_PER_KILOBYTE = 1024;

/** One subscription's deliveries. Its queues hold references to what the journal bounds. */
export class Lane {
  readonly totals: LaneTotals = { delivered: 0, failedAttempts: 0, deadLettered: 0 };
  readonly #name: string;
  readonly #options: LaneOptions;
  readonly #health: ReturnType<typeof openEndpointHealth>;
  #ready: PendingEvent[] = [];
  #readyAt = 0;
  /** Sorted by when they are due. */
  #delayed: { event: PendingEvent; dueAtMs: number }[] = [];
  readonly #running = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #isStartPlanned = false;
  #closed = false;

  constructor(name: string, options: LaneOptions) {
    this.#name = name;
    this.#options = options;
    this.#health = openEndpointHealth(options);
  }

  get pausedUntilMs(): number {
    return this.#health.pausedUntilMs;
  }

  get waiting(): number {
    return this.#ready.length - this.#readyAt + this.#delayed.length;
  }

  add(event: PendingEvent, dueAtMs: number): void {
    if (this.#closed) return;
    if (dueAtMs <= this.#options.now()) {
      this.#ready.push(event);
      this.#planStart();
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
    this.#readyAt = 0;
    this.#delayed = [];
  }

  async close(): Promise<void> {
    this.clear();
    await Promise.all(this.#running);
  }

  /** What one publish request brings is there before the first batch is made of it. */
  #planStart(): void {
    if (this.#isStartPlanned) return;
    this.#isStartPlanned = true;
    queueMicrotask(() => {
      this.#isStartPlanned = false;
      this.#startNext();
    });
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const now = this.#options.now();
    const times = this.#delayed.slice(0, 1).map(({ dueAtMs }) => dueAtMs);
    if (this.#readyAt < this.#ready.length && this.#health.pausedUntilMs > now) {
      times.push(this.#health.pausedUntilMs);
    }
    if (times.length === 0) return;
    const waitMs = Math.min(Math.max(Math.min(...times) - now, 1), WAIT_MS_MAX);
    this.#timer = setTimeout(() => {
      const due = this.#delayed.findIndex(({ dueAtMs }) => dueAtMs > this.#options.now());
      const ready = this.#delayed.splice(0, due < 0 ? this.#delayed.length : due);
      this.#ready.push(...ready.map(({ event }) => event));
      this.#startNext();
      this.#arm();
    }, waitMs);
  }

  #startNext(): void {
    while (!this.#closed && this.#readyAt < this.#ready.length) {
      const isPaused = this.#health.pausedUntilMs > this.#options.now();
      if (isPaused) this.#arm();
      if (isPaused || this.#running.size >= (this.#health.isOnProbation ? 1 : IN_FLIGHT_MAX)) return;
      const run = this.#deliver(this.#takeBatch())
        .catch((error: unknown) => this.#options.log.error('delivery.failed', describeError(error)))
        .finally(() => {
          this.#running.delete(run);
          this.#startNext();
        });
      this.#running.add(run);
    }
  }

  /** As many as the subscription wants at once; a batch never waits for more to come. */
  #takeBatch(): PendingEvent[] {
    const destination = this.#options.subscriptions.find(this.#name)?.properties.destination.properties;
    const eventsMax = this.#health.isOnProbation ? 1 : (destination?.maxEventsPerBatch ?? 1);
    const bytesMax = (destination?.preferredBatchSizeInKilobytes ?? 1) * BYTES_PER_KILOBYTE;
    const batch: PendingEvent[] = [];
    let bytes = 0;
    while (batch.length < eventsMax) {
      const event = this.#ready[this.#readyAt];
      if (event === undefined) break;
      bytes += event.sizeBytes;
      // One event that is larger than the preferred size goes alone.
      if (batch.length > 0 && bytes > bytesMax) break;
      batch.push(event);
      this.#readyAt += 1;
    }
    if (this.#readyAt >= this.#ready.length) {
      this.#ready = [];
      this.#readyAt = 0;
    }
    return batch;
  }

  async #deliver(batch: readonly PendingEvent[]): Promise<void> {
    const { journal, subscriptions, webhooks, now } = this.#options;
    const subscription = subscriptions.find(this.#name);
    if (subscription === undefined) {
      for (const { sequence } of batch) journal.settle(sequence, this.#name);
      return;
    }
    const events: PendingEvent[] = [];
    for (const event of batch) {
      if (event.deliveries.get(this.#name) === undefined) continue;
      if (this.#isExpired(event, subscription)) await this.#expire(event, subscription);
      else events.push(event);
    }
    if (events.length === 0) return;
    const attempts = (event: PendingEvent) => (event.deliveries.get(this.#name)?.attempts ?? 0) + 1;
    const attemptedAtMs = now();
    const answer = await webhooks.deliver(
      subscription,
      events.map(({ event }) => event),
      Math.max(...events.map(attempts)),
    );
    if (answer.status !== undefined && answer.status >= 200 && answer.status <= 204) {
      this.#health.succeeded();
      for (const { sequence } of events) journal.settle(sequence, this.#name);
      this.totals.delivered += events.length;
      return;
    }
    this.#health.failed(answer.status);
    this.totals.failedAttempts += events.length;
    // All or none: the endpoint cannot say which of them it took.
    for (const event of events) {
      await this.#handleFailure(event, subscription, { answer, attempts: attempts(event), attemptedAtMs });
    }
  }

  /** While an endpoint is left alone its events grow old. */
  #isExpired(event: PendingEvent, subscription: Subscription): boolean {
    const { now, timeScale } = this.#options;
    const { eventTimeToLiveInMinutes } = subscription.properties.retryPolicy;
    return now() - event.publishedAtMs > (eventTimeToLiveInMinutes * 60_000) / timeScale;
  }

  #expire(event: PendingEvent, subscription: Subscription): Promise<void> {
    const attempts = event.deliveries.get(this.#name)?.attempts ?? 0;
    const answer = { status: undefined, outcome: 'Probation', headers: {}, body: '' };
    const failed = { answer, attempts, attemptedAtMs: this.#options.now() };
    return this.#giveUp(event, subscription, failed, 'EventTimeToLiveExpired');
  }

  async #handleFailure(
    event: PendingEvent,
    subscription: Subscription,
    failed: { answer: WebhookAnswer; attempts: number; attemptedAtMs: number },
  ): Promise<void> {
    const { journal, timeScale, log, now, random } = this.#options;
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
    if (decision.kind === 'deadLetter') return this.#giveUp(event, subscription, failed, decision.reason);
    const dueAtMs = now() + decision.delayMs;
    log.warn('delivery.retried', {
      subscription: subscription.name,
      eventId: event.event.id,
      attempts,
      outcome: answer.outcome,
      delayMs: Math.round(decision.delayMs),
    });
    journal.postpone(event.sequence, this.#name, { attempts, dueAtMs });
    this.add(event, dueAtMs);
  }

  async #giveUp(
    event: PendingEvent,
    subscription: Subscription,
    { answer, attempts, attemptedAtMs }: { answer: WebhookAnswer; attempts: number; attemptedAtMs: number },
    reason: string,
  ): Promise<void> {
    const { log, deadLettering } = this.#options;
    log.error('delivery.deadLettered', {
      subscription: subscription.name,
      eventId: event.event.id,
      attempts,
      outcome: answer.outcome,
      reason,
    });
    this.totals.deadLettered += 1;
    await deadLettering.giveUp(event, subscription, attempts, {
      reason,
      outcome: answer.outcome,
      attemptedAtMs,
    });
  }
}
