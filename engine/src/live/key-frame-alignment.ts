import { TICKS_PER_MILLISECOND } from '../time/timescale.ts';

const SAME_TIME_TICKS = 2 * TICKS_PER_MILLISECOND;
const STARTS_REMEMBERED = 12;
/** One key frame more at a scene change is no fault; a rhythm of its own is. */
const UNMATCHED_MIN = 2;

/** Remembers where the fragments of each video quality begin, and tells whether players can change between them there. */
export class KeyFrameAlignment {
  readonly #starts = new Map<string, number[]>();

  add(folder: string, startTicks: number): void {
    const starts = this.#starts.get(folder) ?? [];
    this.#starts.set(folder, starts);
    starts.push(startTicks);
    if (starts.length > STARTS_REMEMBERED) starts.shift();
  }

  /** Of these tracks, over the time that both of a pair have: each begins fragments where the other does not. */
  isMisaligned(folders: ReadonlySet<string>): boolean {
    const all = [...this.#starts].filter(([folder]) => folders.has(folder)).map(([, starts]) => starts);
    return all.some((left, index) =>
      all.slice(index + 1).some((right) => unmatched(left, right) && unmatched(right, left)),
    );
  }
}

function unmatched(starts: readonly number[], others: readonly number[]): boolean {
  const [from] = others;
  const to = others.at(-1);
  if (from === undefined || to === undefined) return false;
  const alone = starts.filter(
    (start) =>
      start > from && start < to && !others.some((other) => Math.abs(other - start) <= SAME_TIME_TICKS),
  );
  return alone.length >= UNMATCHED_MIN;
}
