import type { LiveLog, LiveNewEvent } from './live-deps.ts';

/** Events of one process waiting for storage; beyond this the newest are dropped and said so. */
const EVENTS_WAITING_MAX = 10_000;
const RETRY_MS = 1000;
const ATTEMPTS_MAX = 120;

/** Records events in order from synchronous code, and holds on to them while storage is away. */
export class EventQueue {
  readonly #record: (events: readonly LiveNewEvent[]) => Promise<void>;
  readonly #log: LiveLog;
  readonly #waiting: LiveNewEvent[] = [];
  #draining: Promise<void> = Promise.resolve();
  #isDraining = false;

  constructor(record: (events: readonly LiveNewEvent[]) => Promise<void>, log: LiveLog) {
    this.#record = record;
    this.#log = log;
  }

  add(newEvent: LiveNewEvent): void {
    if (this.#waiting.length >= EVENTS_WAITING_MAX) {
      this.#log.error('live.eventDropped', { type: newEvent.type, waiting: this.#waiting.length });
      return;
    }
    this.#waiting.push(newEvent);
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#draining = this.#drain();
  }

  /** Resolves when everything added so far is recorded or given up. */
  async drained(): Promise<void> {
    await this.#draining;
  }

  async #drain(): Promise<void> {
    for (let attempt = 1; this.#waiting.length > 0; ) {
      const next = this.#waiting[0];
      if (next === undefined) break;
      try {
        await this.#record([next]);
        this.#waiting.shift();
        attempt = 1;
      } catch (error) {
        attempt += 1;
        this.#log.warn('live.eventNotRecorded', { type: next.type, attempt, error });
        if (attempt > ATTEMPTS_MAX) {
          this.#waiting.shift();
          attempt = 1;
        } else {
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        }
      }
    }
    this.#isDraining = false;
  }
}
