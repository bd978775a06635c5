import type { AuditRecord, Clock, KeyLog } from './key-ports.ts';

/** "Flushed within a second": what a crash can lose. */
const FLUSH_EVERY_MS = 400;
/** While storage is away this much waits; beyond it records are lost, and the log says how many. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** Well below the 4 MiB of an append. */
const APPEND_BYTES_MAX = 2 * 1024 * 1024;
const FIRST_BATCH_BYTES = 8 * 1024;
const BYTES_PER_CHAR_MAX = 3;
/** What JSON has as it is. */
const PLAIN = /^[\w.:/ -]*$/;
const SAY_LOST_EVERY_MS = 5_000;
const CLOSE_MS_MAX = 4_000;

/** Appends lines, for good, to the file of this process for an account and a day. */
export interface AuditSink {
  append(place: { readonly account: string; readonly day: string }, lines: Uint8Array): Promise<void>;
}

/**
 * Lines as they will be written. As bytes: strings put together stay behind as all their parts, ten objects for each key
 * that live just long enough to be moved twice by the collection of garbage.
 */
class Batch {
  readonly account: string;
  readonly day: string;
  count = 0;
  sizeBytes = 0;
  #buffer = Buffer.allocUnsafeSlow(FIRST_BATCH_BYTES);

  constructor(account: string, day: string) {
    this.account = account;
    this.day = day;
  }

  get lines(): Uint8Array {
    return this.#buffer.subarray(0, this.sizeBytes);
  }

  /** Returns how many bytes it took. */
  add(line: string): number {
    const needed = this.sizeBytes + line.length * BYTES_PER_CHAR_MAX;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(2 * needed);
      larger.set(this.lines);
      this.#buffer = larger;
    }
    const written = this.#buffer.write(line, this.sizeBytes, 'utf8');
    this.sizeBytes += written;
    this.count += 1;
    return written;
  }
}

/**
 * Audit records on their way to storage: gathered by account and day, written within half a second, kept while storage
 * is away, lost only beyond a bound (which is said) and by a crash. A write whose answer was lost is repeated, so a
 * record may be there twice.
 */
export class AuditTrail {
  readonly #sink: AuditSink;
  readonly #clock: Clock;
  readonly #log: KeyLog;
  readonly #timer: NodeJS.Timeout;
  #waiting: Batch[] = [];
  /** The last of `#waiting` for each place, as long as it takes more. */
  readonly #open = new Map<string, Batch>();
  #time = { atMs: Number.NaN, text: '' };
  #sizeBytes = 0;
  #lost = 0;
  #saidLostAtMs = Number.NEGATIVE_INFINITY;
  #isFailing = false;
  #flushing: Promise<void> | undefined;

  constructor(sink: AuditSink, { clock, log }: { readonly clock: Clock; readonly log: KeyLog }) {
    this.#sink = sink;
    this.#clock = clock;
    this.#log = log;
    this.#timer = setInterval(() => this.#begin(), FLUSH_EVERY_MS).unref();
  }

  add(record: AuditRecord): void {
    if (this.#sizeBytes > WAITING_BYTES_MAX) {
      this.#lost += 1;
      return;
    }
    if (record.atMs !== this.#time.atMs) {
      this.#time = { atMs: record.atMs, text: new Date(record.atMs).toISOString() };
    }
    const at = this.#time.text;
    const day = at.slice(0, 10);
    const place = `${day}/${record.account}`;
    let batch = this.#open.get(place);
    if (batch === undefined || batch.sizeBytes >= APPEND_BYTES_MAX) {
      batch = new Batch(record.account, day);
      this.#open.set(place, batch);
      this.#waiting.push(batch);
    }
    this.#sizeBytes += batch.add(lineOf(record, at));
  }

  /** Writes what waits; what cannot be written by then is lost, and the log says how much. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const deadline = this.#clock.nowMs() + CLOSE_MS_MAX;
    do {
      this.#begin();
      await this.#flushing;
    } while (this.#waiting.length > 0 && !this.#isFailing && this.#clock.nowMs() < deadline);
    this.#lost += this.#waiting.reduce((sum, { count }) => sum + count, 0);
    this.#sayLost();
  }

  #begin(): void {
    if (this.#lost > 0) this.#sayLost();
    if (this.#flushing !== undefined || this.#waiting.length === 0) return;
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = undefined;
    });
  }

  /**
   * Never rejects. In order: a batch that cannot be written holds up those behind it. What comes while it writes is
   * for the next time: else it would write without end, a few records each.
   */
  async #flush(): Promise<void> {
    for (const batch of [...this.#waiting]) {
      const { account, day, lines, sizeBytes } = batch;
      // What comes while it is written goes into the next.
      this.#open.delete(`${day}/${account}`);
      try {
        await this.#sink.append({ account, day }, lines);
      } catch (error) {
        if (!this.#isFailing) this.#log.warn('keys.auditWaits', { sizeBytes: this.#sizeBytes, error });
        this.#isFailing = true;
        return;
      }
      this.#waiting.shift();
      this.#sizeBytes -= sizeBytes;
      if (this.#isFailing) this.#log.info('keys.auditGoesOn', { sizeBytes: this.#sizeBytes });
      this.#isFailing = false;
    }
  }

  #sayLost(): void {
    const nowMs = this.#clock.nowMs();
    if (this.#lost === 0 || nowMs - this.#saidLostAtMs < SAY_LOST_EVERY_MS) return;
    this.#log.error('keys.auditLost', { records: this.#lost });
    this.#lost = 0;
    this.#saidLostAtMs = nowMs;
  }
}

/** By hand for what is plain text by its form: it is written for every key. */
function lineOf(record: AuditRecord, at: string): string {
  const { account, kid, kind, client, outcome, status, reason, policy, option, optionName, token } = record;
  const line = `{"at":"${at}","account":"${account}","kid":"${kid}","kind":"${kind}","client":${quoted(client)},"outcome":"${outcome}","status":${status}`;
  return `${line}${member('reason', reason)}${member('policy', policy)}${member('option', option)}${member('optionName', optionName)}${member('token', token)}}\n`;
}

const member = (name: string, value: string | undefined): string =>
  value === undefined ? '' : `,"${name}":${quoted(value)}`;

const quoted = (text: string): string => (PLAIN.test(text) ? `"${text}"` : JSON.stringify(text));
