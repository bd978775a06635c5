/** When to ask again: a second after the last answer, less often when nothing moves or nobody looks, backing off on errors. */
export interface PollState {
  readonly failures: number;
  /** Rounds in a row in which nothing changed. */
  readonly unchanged: number;
  readonly isHidden: boolean;
}

const BUSY_MS = 1000;
const CALM_MS = 3000;
const HIDDEN_MS = 10_000;
const BACKED_OFF_MS_MAX = 15_000;
const CALM_AFTER_ROUNDS = 20;

export function nextPollMs({ failures, unchanged, isHidden }: PollState): number {
  if (failures > 0) return Math.min(BUSY_MS * 2 ** failures, BACKED_OFF_MS_MAX);
  if (isHidden) return HIDDEN_MS;
  return unchanged >= CALM_AFTER_ROUNDS ? CALM_MS : BUSY_MS;
}
