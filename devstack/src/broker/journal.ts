import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { type AnyEvent, StoredEvent } from './event-schema.ts';

/** An event that at least one subscription has not got yet. */
export interface PendingEvent {
  readonly sequence: number;
  readonly publishedAtMs: number;
  readonly event: AnyEvent;
  readonly sizeBytes: number;
  /** By subscription: what is known of its delivery. */
  readonly deliveries: Map<string, DeliveryState>;
}

export interface DeliveryState {
  readonly attempts: number;
  /** When the next attempt is due or, once it is given up, when it becomes a dead letter. */
  readonly dueAtMs: number;
  readonly givenUp?: GivenUp | undefined;
}

export interface GivenUp {
  readonly reason: string;
  readonly outcome: string;
  readonly attemptedAtMs: number;
}

export interface Journal {
  /** Everything not settled, oldest first. */
  readonly pending: ReadonlyMap<number, PendingEvent>;
  readonly pendingBytes: number;
  /** Resolves once the events are on disk; rejects when they are not, and then they are not pending either. */
  append(events: readonly NewEvent[]): Promise<PendingEvent[]>;
  /** The event needs no further delivery to the subscription. A crash may forget it: at least once. */
  settle(sequence: number, subscription: string): void;
  /** Remembers a failed attempt, and when the next is due or that there will be none. */
  postpone(sequence: number, subscription: string, state: DeliveryState): void;
  close(): Promise<void>;
}

export interface NewEvent {
  readonly event: AnyEvent;
  readonly subscriptions: readonly string[];
}

export interface JournalOptions {
  readonly file: string;
  readonly now: () => number;
  /** The disk failed in a way that leaves what is on it unknown: the process must end. */
  readonly onFatal: (error: unknown) => void;
  readonly compactAboveBytes?: number;
}

const COMPACT_ABOVE_BYTES = 32 * 1024 * 1024;
const LINE_BYTES_MAX = 4 * 1024 * 1024;
const SETTLE_FLUSH_MS = 20;

const GivenUpLine = z.object({ reason: z.string(), outcome: z.string(), attemptedAtMs: z.number() });

const Line = z.union([
  z.object({
    t: z.literal('e'),
    n: z.int(),
    at: z.number(),
    s: z.record(
      z.string(),
      z
        .tuple([z.int(), z.number()])
        .rest(GivenUpLine)
        .transform(([attempts, dueAtMs, givenUp]) => ({ attempts, dueAtMs, givenUp })),
    ),
    e: StoredEvent,
  }),
  z.object({ t: z.literal('a'), n: z.int(), s: z.string() }),
  z.object({
    t: z.literal('r'),
    n: z.int(),
    s: z.string(),
    k: z.int(),
    d: z.number(),
    x: GivenUpLine.optional(),
  }),
]);

/** Opens the journal and reads what is pending; a torn last line, which was never acknowledged, is cut off. */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  await mkdir(dirname(options.file), { recursive: true, mode: 0o700 });
  const handle = await open(options.file, 'a+', 0o600);
  const journal = new FileJournal(options, handle);
  await journal.recover();
  return journal;
}

interface Write {
  readonly text: string;
  readonly written?: { resolve(): void; reject(error: unknown): void };
}

class FileJournal implements Journal {
  readonly pending = new Map<number, PendingEvent>();
  pendingBytes = 0;
  readonly #options: JournalOptions;
  #handle: FileHandle;
  #sizeBytes = 0;
  #nextSequence = 1;
  #queue: Write[] = [];
  #flushing: Promise<void> | undefined;
  #settleTimer: NodeJS.Timeout | undefined;
  #failed: unknown;

  constructor(options: JournalOptions, handle: FileHandle) {
    this.#options = options;
    this.#handle = handle;
  }

  async recover(): Promise<void> {
    let rest = Buffer.alloc(0);
    let wholeBytes = 0;
    for await (const chunk of createReadStream(this.#options.file)) {
      rest = Buffer.concat([rest, chunk]);
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        this.#replay(rest.subarray(0, end).toString());
        wholeBytes += end + 1;
        rest = rest.subarray(end + 1);
      }
      if (rest.length > LINE_BYTES_MAX) throw new Error(`a journal line exceeds ${LINE_BYTES_MAX} bytes`);
    }
    if (rest.length > 0) {
      await this.#handle.truncate(wholeBytes);
      await this.#handle.datasync();
    }
    this.#sizeBytes = wholeBytes;
    await syncFolder(dirname(this.#options.file));
  }

  async append(events: readonly NewEvent[]): Promise<PendingEvent[]> {
    if (this.#failed !== undefined) throw new Error('the journal is closed', { cause: this.#failed });
    const now = this.#options.now();
    const added = events.map(({ event, subscriptions }): PendingEvent => {
      const sequence = this.#nextSequence;
      this.#nextSequence += 1;
      const deliveries = new Map(subscriptions.map((name) => [name, { attempts: 0, dueAtMs: now }]));
      const sizeBytes = Buffer.byteLength(JSON.stringify(event));
      return { sequence, publishedAtMs: now, event, sizeBytes, deliveries };
    });
    if (added.length === 0) return added;
    // Counted before they are written, so that the caller's limit holds for what is on its way.
    for (const event of added) this.#remember(event);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#queue.push({ text: added.map(eventLine).join(''), written: { resolve, reject } });
        this.#flush();
      });
    } catch (error) {
      for (const event of added) this.#forget(event.sequence);
      throw error;
    }
    return added;
  }

  settle(sequence: number, subscription: string): void {
    const event = this.pending.get(sequence);
    if (event === undefined || !event.deliveries.delete(subscription)) return;
    if (event.deliveries.size === 0) this.#forget(sequence);
    this.#note({ t: 'a', n: sequence, s: subscription });
  }

  postpone(sequence: number, subscription: string, state: DeliveryState): void {
    const event = this.pending.get(sequence);
    if (event?.deliveries.has(subscription) !== true) return;
    event.deliveries.set(subscription, state);
    const { attempts, dueAtMs, givenUp } = state;
    this.#note({ t: 'r', n: sequence, s: subscription, k: attempts, d: dueAtMs, x: givenUp });
  }

  async close(): Promise<void> {
    clearTimeout(this.#settleTimer);
    // A write that is just ending takes no more with it.
    while (this.#queue.length > 0 && this.#failed === undefined) {
      this.#flush();
      await this.#flushing;
    }
    await this.#flushing;
    await this.#handle.close();
  }

  /** What may be lost waits a little for company. */
  #note(line: object): void {
    this.#queue.push({ text: `${JSON.stringify(line)}\n` });
    this.#settleTimer ??= setTimeout(() => {
      this.#settleTimer = undefined;
      this.#flush();
    }, SETTLE_FLUSH_MS);
  }

  #flush(): void {
    if (this.#flushing !== undefined) return;
    this.#flushing = this.#writeAll().finally(() => {
      this.#flushing = undefined;
      if (this.#queue.some(({ written }) => written !== undefined)) this.#flush();
    });
  }

  /** Group commit: everything that came while the disk was busy goes with the next sync. */
  async #writeAll(): Promise<void> {
    while (this.#queue.length > 0 && this.#failed === undefined) {
      const batch = this.#queue;
      this.#queue = [];
      const bytes = Buffer.from(batch.map(({ text }) => text).join(''));
      try {
        await this.#handle.appendFile(bytes);
        if (batch.some(({ written }) => written !== undefined)) await this.#handle.datasync();
        this.#sizeBytes += bytes.length;
        for (const { written } of batch) written?.resolve();
        await this.#compactIfWorthIt();
      } catch (error) {
        // Half a line may be on disk, and after a failed sync nobody knows what is: start over from the file.
        this.#failed = error;
        for (const { written } of [...batch, ...this.#queue]) written?.reject(error);
        this.#queue = [];
        this.#options.onFatal(error);
      }
    }
  }

  async #compactIfWorthIt(): Promise<void> {
    const limit = this.#options.compactAboveBytes ?? COMPACT_ABOVE_BYTES;
    if (this.#sizeBytes <= limit || this.#sizeBytes < 2 * this.pendingBytes) return;
    const { file } = this.#options;
    const compacted = await open(`${file}.tmp`, 'w', 0o600);
    let sizeBytes = 0;
    try {
      // Includes events whose own write is still in the queue; replaying a line twice changes nothing.
      for (const event of [...this.pending.values()]) {
        const line = eventLine(event);
        sizeBytes += Buffer.byteLength(line);
        await compacted.appendFile(line);
      }
      await compacted.datasync();
    } finally {
      await compacted.close();
    }
    await rename(`${file}.tmp`, file);
    await syncFolder(dirname(file));
    const previous = this.#handle;
    this.#handle = await open(file, 'a+', 0o600);
    await previous.close();
    this.#sizeBytes = sizeBytes;
  }

  #replay(text: string): void {
    const parsed = Line.safeParse(parseJson(text));
    // A line that cannot be read cannot be delivered either; the others can.
    if (!parsed.success) return;
    const line = parsed.data;
    this.#nextSequence = Math.max(this.#nextSequence, line.n + 1);
    if (line.t === 'e') {
      const deliveries = new Map(Object.entries(line.s));
      const sizeBytes = Buffer.byteLength(JSON.stringify(line.e));
      this.#forget(line.n);
      this.#remember({ sequence: line.n, publishedAtMs: line.at, event: line.e, sizeBytes, deliveries });
      return;
    }
    const event = this.pending.get(line.n);
    if (event === undefined) return;
    if (line.t === 'r') {
      event.deliveries.set(line.s, { attempts: line.k, dueAtMs: line.d, givenUp: line.x });
    } else if (event.deliveries.delete(line.s) && event.deliveries.size === 0) this.#forget(line.n);
  }

  #remember(event: PendingEvent): void {
    this.pending.set(event.sequence, event);
    this.pendingBytes += event.sizeBytes;
  }

  #forget(sequence: number): void {
    const event = this.pending.get(sequence);
    if (event === undefined) return;
    this.pending.delete(sequence);
    this.pendingBytes -= event.sizeBytes;
  }
}

function eventLine({ sequence, publishedAtMs, event, deliveries }: PendingEvent): string {
  const s = Object.fromEntries(
    [...deliveries].map(([name, { attempts, dueAtMs, givenUp }]) => [
      name,
      givenUp === undefined ? [attempts, dueAtMs] : [attempts, dueAtMs, givenUp],
    ]),
  );
  return `${JSON.stringify({ t: 'e', n: sequence, at: publishedAtMs, s, e: event })}\n`;
}

/** A new name in a folder is durable only once the folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
