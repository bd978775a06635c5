import { TICKS_PER_MILLISECOND, TICKS_PER_SECOND } from '../time/timescale.ts';

const FRAGMENT_DURATION_TICKS_MIN = TICKS_PER_SECOND / 2;
/** A rung whose key frames fall between the others' gets fragments of its own after this long. */
const WAIT_FOR_OTHERS_TICKS_MAX = 4 * TICKS_PER_SECOND;
/** Byte streams round the same time to RTMP's milliseconds each for itself. */
const SAME_TIME_TICKS = TICKS_PER_MILLISECOND;
const BOUNDARIES_MAX = 64;

/** Where the fragments of one live event begin: the first rung to pass a key frame decides, the others follow. */
export class CutGrid {
  readonly #boundaries: number[] = [];

  /** Whether a video fragment open for `openTicks` ends before the random access point at `timeTicks`. */
  shouldCut(timeTicks: number, openTicks: number): boolean {
    if (this.#boundaries.some((boundary) => Math.abs(boundary - timeTicks) <= SAME_TIME_TICKS)) return true;
    if (openTicks < FRAGMENT_DURATION_TICKS_MIN) return false;
    const latest = this.#boundaries.at(-1);
    const othersPassedIt = latest !== undefined && latest > timeTicks;
    return !othersPassedIt || openTicks >= WAIT_FOR_OTHERS_TICKS_MAX;
  }

  add(timeTicks: number): void {
    const latest = this.#boundaries.at(-1);
    if (latest !== undefined && timeTicks <= latest + SAME_TIME_TICKS) return;
    this.#boundaries.push(timeTicks);
    if (this.#boundaries.length > BOUNDARIES_MAX) this.#boundaries.shift();
  }

  /** The first boundary after `timeTicks`; audio is cut there. */
  firstAfter(timeTicks: number): number | undefined {
    return this.#boundaries.find((boundary) => boundary > timeTicks);
  }
}
