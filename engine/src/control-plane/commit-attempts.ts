import { armError } from '../resources/error-catalogue.ts';

const ATTEMPTS_MAX = 8;

/**
 * Runs a call that reads and commits until nobody else has changed what it had read: whoever loses a race answers as if
 * he had come later. Throws `TooManyChanges` when that goes on.
 */
export async function untilCommitted<T>(attempt: () => Promise<T | 'conflict'>): Promise<T> {
  for (let count = 0; count < ATTEMPTS_MAX; count += 1) {
    const result = await attempt();
    if (result !== 'conflict') return result;
  }
  throw armError('TooManyChanges');
}
