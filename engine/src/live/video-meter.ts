import type { Sample } from '../model/sample.ts';
import { TICKS_PER_MILLISECOND, TICKS_PER_SECOND } from '../time/timescale.ts';

/** Long enough for a key frame and a scene change to be averaged out. */
const PERIOD_TICKS = 10 * TICKS_PER_SECOND;

export interface SentVideo {
  readonly bitrateBps: number;
  readonly framesPerSecond: number;
}

/** Measures what an encoder really sends of one video track, every ten seconds of it. */
export class VideoMeter {
  #firstTicks: number | undefined;
  #newestTicks = 0;
  #sinceMs = 0;
  #frames = 0;
  #sizeBytes = 0;

  /** The measure, when a period is over. */
  add(sample: Sample, nowMs: number): SentVideo | undefined {
    const { dtsTicks, data } = sample;
    const measured = this.#measure(dtsTicks, nowMs);
    if (measured !== undefined || this.#firstTicks === undefined) this.#begin(dtsTicks, nowMs);
    this.#newestTicks = Math.max(this.#newestTicks, dtsTicks);
    this.#frames += 1;
    this.#sizeBytes += data.byteLength;
    return measured;
  }

  /**
   * Over media or wall-clock time, whichever is longer: what was held up comes in a burst, and timestamps that stand
   * still would make any rate endless.
   */
  #measure(dtsTicks: number, nowMs: number): SentVideo | undefined {
    if (this.#firstTicks === undefined) return undefined;
    const wallTicks = (nowMs - this.#sinceMs) * TICKS_PER_MILLISECOND;
    const mediaTicks = Math.max(dtsTicks, this.#newestTicks) - this.#firstTicks;
    const spanTicks = Math.max(wallTicks, mediaTicks);
    if (spanTicks < PERIOD_TICKS) return undefined;
    const perSecond = TICKS_PER_SECOND / spanTicks;
    return { bitrateBps: this.#sizeBytes * 8 * perSecond, framesPerSecond: this.#frames * perSecond };
  }

  #begin(dtsTicks: number, nowMs: number): void {
    this.#firstTicks = dtsTicks;
    this.#newestTicks = dtsTicks;
    this.#sinceMs = nowMs;
    this.#frames = 0;
    this.#sizeBytes = 0;
  }
}
