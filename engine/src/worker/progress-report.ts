/** Reference §6: progress is told at steps of 5 % or after 30 s. */
const STEP_PERCENT = 5;
const SILENCE_MS_MAX = 30_000;

/** Tells of an output's progress now and then, one write at a time; a failed write is left to the next one. */
export class ProgressReport {
  readonly #nowMs: () => number;
  readonly #write: (percent: number) => Promise<void>;
  #told = 0;
  #toldAtMs: number;
  #writing: Promise<void> | undefined;
  #isClosed = false;

  constructor(nowMs: () => number, write: (percent: number) => Promise<void>) {
    this.#nowMs = nowMs;
    this.#write = write;
    this.#toldAtMs = nowMs();
  }

  tell(percent: number): void {
    const isStep = percent >= this.#told + STEP_PERCENT;
    const isOverdue = percent > this.#told && this.#nowMs() - this.#toldAtMs >= SILENCE_MS_MAX;
    if (this.#isClosed || this.#writing !== undefined || !(isStep || isOverdue)) return;
    this.#told = percent;
    this.#toldAtMs = this.#nowMs();
    this.#writing = this.#write(percent)
      // Whoever lost or has to cancel the job learns it where the job is held.
      .catch(() => undefined)
      .finally(() => {
        this.#writing = undefined;
      });
  }

  /** Resolves when nothing is being written any more; nothing will. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#writing;
  }
}
