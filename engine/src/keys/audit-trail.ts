import type { AuditRecord, Clock, KeyLog } from './key-ports.ts';

/** "Flushed within a second": what a crash can lose. */
const FLUSH_EVERY_MS = 400;
/** While storage is away this much waits; beyond it records are lost, and the log says how many. */
const WAITING_CHARS_MAX = 64 * 1024 * 1024;
/** Well below the 4 MiB of an append. */
const APPEND_CHARS_MAX = 2 * 1024 * 1024;
const SAY_LOST_EVERY_MS = 5_000;
const CLOSE_MS_MAX = 4_000;

/** Appends lines, for good, to the file of this process for an account and a day. */
export interface AuditSink {
  append(place: { readonly account: string; readonly day: string }, lines: string): Promise<void>;
}

interface Batch {
  readonly account: string;
  readonly day: string;
  lines: string;
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
  #chars = 0;
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
    if (this.#chars > WAITING_CHARS_MAX) {
      this.#lost += 1;
      return;
    }
    if (record.atMs !== this.#time.atMs) {
      this.#time = { atMs: record.atMs, text: new Date(record.atMs).toISOString() };
    }
    const at = this.#time.text;
    const line = lineOf(record, at);
    this.#chars += line.length;
    const day = at.slice(0, 10);
    const place = `${day}/${record.account}`;
    const batch = this.#open.get(place);
    if (batch !== undefined && batch.lines.length < APPEND_CHARS_MAX) batch.lines += line;
    else {
      const fresh = { account: record.account, day, lines: line };
      this.#open.set(place, fresh);
      this.#waiting.push(fresh);
    }
  }

  /** Writes what waits; what cannot be written by then is lost, and the log says how much. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const deadline = this.#clock.nowMs() + CLOSE_MS_MAX;
    do {
      this.#begin();
      await this.#flushing;
    } while (this.#waiting.length > 0 && !this.#isFailing && this.#clock.nowMs() < deadline);
    this.#lost += this.#waiting.reduce((count, { lines }) => count + lines.split('\n').length - 1, 0);
    this.#sayLost();
  }

  #begin(): void {
    if (this.#lost > 0) this.#sayLost();
    if (this.#flushing !== undefined || this.#waiting.length === 0) return;
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = undefined;
    });
  }

  /** Never rejects. In order: a batch that cannot be written holds up those behind it. */
  async #flush(): Promise<void> {
    for (let batch = this.#waiting[0]; batch !== undefined; batch = this.#waiting[0]) {
      const { account, day, lines } = batch;
      // What comes while it is written goes into the next.
      this.#open.delete(`${day}/${account}`);
      try {
        await this.#sink.append({ account, day }, lines);
      } catch (error) {
        if (!this.#isFailing) this.#log.warn('keys.auditWaits', { chars: this.#chars, error });
        this.#isFailing = true;
        return;
      }
      this.#waiting.shift();
      this.#chars -= lines.length;
      if (this.#isFailing) this.#log.info('keys.auditGoesOn', { chars: this.#chars });
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
  const line = `{"at":"${at}","account":"${account}","kid":"${kid}","kind":"${kind}","client":${JSON.stringify(client)},"outcome":"${outcome}","status":${status}`;
  return `${line}${member('reason', reason)}${member('policy', policy)}${member('option', option)}${member('optionName', optionName)}${member('token', token)}}\n`;
}

const member = (name: string, value: string | undefined): string =>
  value === undefined ? '' : `,"${name}":${JSON.stringify(value)}`;
