import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { prefixes } from '../resources/row-keys.ts';
import type { EventRecorder, NewEvent } from './event-recorder.ts';

/** What the outbox needs of the store. */
export interface OutboxStore {
  list(prefix: string, options: { after?: string; limit: number }): Promise<readonly OutboxRow[]>;
  commit(changes: readonly OutboxChange[]): Promise<'committed' | 'conflict'>;
}
interface OutboxRow {
  readonly rowKey: string;
  readonly body: unknown;
}
type OutboxChange =
  | { readonly kind: 'create'; readonly rowKey: string; readonly body: unknown }
  | { readonly kind: 'upsert'; readonly rowKey: string; readonly body: unknown }
  | { readonly kind: 'delete'; readonly rowKey: string };

/** Sends a batch or throws; what is sent twice has the same `id`. */
export type SendEvents = (batch: readonly StoredEvent[]) => Promise<void>;

export interface StoredEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly eventTimeMs: number;
}

interface OutboxLog {
  warn(event: string, fields?: object): void;
  error(event: string, fields?: object): void;
}

const BATCH_MAX = 50;
const TRANSIENT_QUEUE_MAX = 200;
const SWEEP_INTERVAL_MS = 5000;
const BACKOFF_MS_MAX = 60_000;
const BACKOFF_MS_MIN = 500;
/** Event Grid's "this will never do": malformed, too large. Anything else is worth another attempt. */
const REFUSED_FOR_GOOD: readonly unknown[] = [400, 413];
/** How long a send that is on its way may keep the process from stopping; its rows stay. */
const CLOSE_MS_MAX = 2000;

/** The row of an event, to be written in the transaction that makes the event true. */
export function outboxRow(newEvent: NewEvent, nowMs: number): { rowKey: string; body: StoredEvent } {
  const id = randomUUID();
  const body = {
    id,
    type: newEvent.type,
    subject: newEvent.subject,
    data: newEvent.data,
    eventTimeMs: newEvent.eventTimeMs ?? nowMs,
  };
  return { rowKey: `${prefixes.outbox}${String(nowMs).padStart(15, '0')}-${nextSequence()}-${id}`, body };
}

let sequence = 0;
const SEQUENCE_MAX = 1_000_000;
/** Keeps the order of events that this process makes within one millisecond. */
function nextSequence(): string {
  sequence = (sequence + 1) % SEQUENCE_MAX;
  return String(sequence).padStart(6, '0');
}

/**
 * Sends what stands in the outbox, oldest first, and removes it once it is accepted. Rows are the truth: a failure or a
 * crash only means that they are sent later. Without `send` they stay.
 */
export class Outbox implements EventRecorder {
  readonly #store: OutboxStore;
  readonly #send: SendEvents | undefined;
  readonly #log: OutboxLog;
  readonly #transient: StoredEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #wanted = false;
  #closed = false;
  #backoffMs = 0;
  /** One, while the event that a receiver refuses is looked for among those it would take. */
  #batchMax = BATCH_MAX;

  constructor(deps: { store: OutboxStore; send: SendEvents | undefined; log: OutboxLog }) {
    this.#store = deps.store;
    this.#send = deps.send;
    this.#log = deps.log;
  }

  /** Begins the sweep for what an earlier process left. */
  start(): void {
    this.#schedule(0);
  }

  async record(events: readonly NewEvent[]): Promise<void> {
    const nowMs = Date.now();
    for (let start = 0; start < events.length; start += BATCH_MAX) {
      const rows = events.slice(start, start + BATCH_MAX).map((newEvent) => outboxRow(newEvent, nowMs));
      await this.#store.commit(rows.map((row) => ({ kind: 'create', ...row })));
    }
    this.wake();
  }

  emitTransient(newEvent: NewEvent): void {
    if (this.#send === undefined || this.#backoffMs > 0) return;
    if (this.#transient.length >= TRANSIENT_QUEUE_MAX) return;
    this.#transient.push(outboxRow(newEvent, Date.now()).body);
    this.wake();
  }

  /** Something was committed to the outbox: send it now, unless the receiver is being given a rest. */
  wake(): void {
    this.#wanted = true;
    if (this.#running === undefined && this.#backoffMs === 0) this.#schedule(0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await Promise.race([this.#running, sleep(CLOSE_MS_MAX, undefined, { ref: false })]);
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#closed || this.#send === undefined) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#run();
    }, delayMs);
    this.#timer.unref();
  }

  async #run(): Promise<void> {
    this.#wanted = false;
    try {
      const more = await this.#drainOnce();
      this.#backoffMs = 0;
      this.#wanted ||= more;
    } catch (error) {
      this.#transient.length = 0;
      this.#backoffMs = Math.min(Math.max(this.#backoffMs * 2, BACKOFF_MS_MIN), BACKOFF_MS_MAX);
      this.#log.warn('outbox.sendFailed', { error, retryInMs: this.#backoffMs });
    }
    this.#running = undefined;
    this.#schedule(this.#backoffMs || (this.#wanted ? 0 : SWEEP_INTERVAL_MS));
  }

  /** Returns whether there may be more. */
  async #drainOnce(): Promise<boolean> {
    const rows = await this.#store.list(prefixes.outbox, { limit: this.#batchMax });
    if (rows.length > 0) {
      if (!(await this.#sendOrDiscard(rows))) return true;
      // A conflict means that another process sent and removed some of them; the rest is found again.
      await this.#store.commit(rows.map((row) => ({ kind: 'delete', rowKey: row.rowKey })));
    }
    const transient = this.#transient.splice(0, BATCH_MAX);
    if (transient.length > 0) await this.#send?.(transient);
    const hasMore = rows.length === this.#batchMax;
    if (!hasMore) this.#batchMax = BATCH_MAX;
    return hasMore || this.#transient.length > 0;
  }

  /** One event that is refused for good must not hold up all that come after it. False: try them one by one. */
  async #sendOrDiscard(rows: readonly OutboxRow[]): Promise<boolean> {
    const batch = rows.map((row) => parseStoredEvent(row.body));
    try {
      await this.#send?.(batch);
      return true;
    } catch (error) {
      if (!REFUSED_FOR_GOOD.includes(Reflect.get(Object(error), 'statusCode'))) throw error;
      const [only] = batch;
      if (batch.length > 1 || only === undefined) {
        this.#batchMax = 1;
        return false;
      }
      this.#log.error('outbox.eventRefused', { id: only.id, type: only.type, subject: only.subject, error });
      return true;
    }
  }
}

function parseStoredEvent(body: unknown): StoredEvent {
  // Written by `outboxRow` and by nobody else: the table is the engine's own.
  return body as StoredEvent;
}
