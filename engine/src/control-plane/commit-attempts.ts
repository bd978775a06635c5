import { setTimeout as sleep } from 'node:timers/promises';
import { armError } from '../resources/error-catalogue.ts';

const ATTEMPTS_MAX = 8;
/** Against those of another process; drawn anew each time. */
const PAUSE_MS_MAX = 20;

/** By what they all change: the end of the last call in a row of them. No longer than there are requests. */
const turns = new Map<string, Promise<unknown>>();

/**
 * Runs a call that reads and commits until nobody else has changed what it had read: whoever loses a race answers as if
 * he had come later. Throws `TooManyChanges` when that goes on.
 *
 * `shared` names what other calls change as well (the row that guards a quota, say), and must not be that of a call
 * around this one: of those, losers and whoever comes meanwhile take turns in this process. Side by side the newcomers,
 * who have not far to go, would win every time.
 */
export async function untilCommitted<T>(attempt: () => Promise<T | 'conflict'>, shared?: string): Promise<T> {
  const before = shared === undefined ? undefined : turns.get(shared);
  if (before === undefined) {
    const first = await attempt();
    if (first !== 'conflict') return first;
  }
  if (shared === undefined) return attemptAgain(attempt);
  const turn = (turns.get(shared) ?? Promise.resolve()).then(() => attemptAgain(attempt));
  const ended = turn.catch(() => undefined);
  turns.set(shared, ended);
  try {
    return await turn;
  } finally {
    if (turns.get(shared) === ended) turns.delete(shared);
  }
}

async function attemptAgain<T>(attempt: () => Promise<T | 'conflict'>): Promise<T> {
  for (let count = 0; count < ATTEMPTS_MAX; count += 1) {
    const result = await attempt();
    if (result !== 'conflict') return result;
    await sleep(Math.random() * PAUSE_MS_MAX);
  }
  throw armError('TooManyChanges');
}
