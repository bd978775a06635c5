import { LRUCache } from 'lru-cache';
import { OriginError } from './origin-errors.ts';

const FOUND_MS = 1_000;
/** Something asked for all the time is looked up before it is too old, and nobody waits. */
const LOOK_AGAIN_MS = 500;
const NOT_FOUND_MS = 250;
const STALE_MS_MAX = 30_000;
const REMEMBERED_MAX = 10_000;

export interface Clock {
  nowMs(): number;
}

interface Remembered<T> {
  readonly value: T | undefined;
  /** When the look-up began: what was written later may not be in it. */
  readonly atMs: number;
}

interface LookUp<T> {
  readonly value: Promise<T | undefined>;
  readonly atMs: number;
}

/**
 * What was looked up, remembered for a second (a quarter of one when not found), each lookup shared by all who wait for
 * it. While it cannot be looked up, what was known up to 30 s ago still counts: viewers go on watching.
 */
export class LookupCache<T extends object> {
  readonly #look: (key: string) => Promise<T | undefined>;
  readonly #clock: Clock;
  readonly #remembered = new LRUCache<string, Remembered<T>>({ max: REMEMBERED_MAX });
  readonly #underway = new Map<string, LookUp<T>>();

  constructor(look: (key: string) => Promise<T | undefined>, clock: Clock) {
    this.#look = look;
    this.#clock = clock;
  }

  /** At once, when it is known and fresh, so that the hot path has no promise in it; it is kept fresh meanwhile. */
  peek(key: string): T | undefined {
    const known = this.#remembered.get(key);
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : this.#clock.nowMs() - known.atMs;
    if (known === undefined || ageMs >= FOUND_MS) return undefined;
    // Whoever waits for it later says what goes wrong.
    if (ageMs >= LOOK_AGAIN_MS && !this.#underway.has(key)) this.#lookUp(key).catch(() => {});
    return known.value;
  }

  /** Throws `MPE_STORAGE_SERVER_BUSY`. */
  async find(key: string): Promise<T | undefined> {
    const known = this.#remembered.get(key);
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : this.#clock.nowMs() - known.atMs;
    const freshMs = known?.value === undefined ? NOT_FOUND_MS : FOUND_MS;
    if (known !== undefined && ageMs < freshMs) return known.value;
    return this.#share(key, known);
  }

  /** As `find`, of a look-up that did not begin before `sinceMs`. */
  async findSince(key: string, sinceMs: number): Promise<T | undefined> {
    const earlier = this.#underway.get(key);
    if (earlier !== undefined && earlier.atMs < sinceMs) await earlier.value.catch(() => undefined);
    const known = this.#remembered.get(key);
    return known !== undefined && known.atMs >= sinceMs ? known.value : this.#share(key, known);
  }

  async #share(key: string, known: Remembered<T> | undefined): Promise<T | undefined> {
    try {
      return await (this.#underway.get(key)?.value ?? this.#lookUp(key));
    } catch (error) {
      if (known?.value !== undefined && this.#clock.nowMs() - known.atMs < STALE_MS_MAX) return known.value;
      throw new OriginError('MPE_STORAGE_SERVER_BUSY', 'the directory cannot be read', { cause: error });
    }
  }

  #lookUp(key: string): Promise<T | undefined> {
    const atMs = this.#clock.nowMs();
    const value = (async () => {
      try {
        const found = await this.#look(key);
        this.#remembered.set(key, { value: found, atMs });
        return found;
      } finally {
        this.#underway.delete(key);
      }
    })();
    this.#underway.set(key, { value, atMs });
    return value;
  }
}
