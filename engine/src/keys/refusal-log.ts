import type { Clock, KeyLog } from './key-ports.ts';

const LINES_PER_SECOND_MAX = 20;
const SECOND_MS = 1_000;

/** Refusals and failures in the log: each, up to twenty in a second, then how many more there were. */
export class RefusalLog {
  readonly #log: KeyLog;
  readonly #clock: Clock;
  #secondAtMs = 0;
  #lines = 0;
  #unsaid = 0;

  constructor(log: KeyLog, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Somebody asked for what he does not get. */
  refused(fields: object): void {
    if (this.#hasRoom()) this.#log.info('keys.refused', fields);
  }

  /** Somebody did not get what he should. */
  failed(fields: object): void {
    if (this.#hasRoom()) this.#log.warn('keys.requestFailed', fields);
  }

  #hasRoom(): boolean {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#secondAtMs >= SECOND_MS) {
      if (this.#unsaid > 0) this.#log.info('keys.linesNotShown', { count: this.#unsaid });
      this.#secondAtMs = nowMs;
      this.#lines = 0;
      this.#unsaid = 0;
    }
    if (this.#lines >= LINES_PER_SECOND_MAX) {
      this.#unsaid += 1;
      return false;
    }
    this.#lines += 1;
    return true;
  }
}
