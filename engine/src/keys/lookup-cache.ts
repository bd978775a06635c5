import { LRUCache } from 'lru-cache';
import type { Clock } from './key-ports.ts';

/** "Policies change → effective within 15 s"; unpublishing stops keys sooner. */
const FOUND_MS = 3_000;
/** What is asked for all the time is looked up before it is too old, and nobody waits. */
const LOOK_AGAIN_MS = 1_500;
const NOT_FOUND_MS = 500;
/** While the table cannot be read, what was known goes on for so long. */
const STALE_MS_MAX = 5 * 60_000;
/** Lookups under way; one more is refused, so that made-up ids do not pile up behind a slow storage. */
const UNDERWAY_MAX = 500;

/** The control plane's state cannot be read now. */
export class DirectoryUnavailable extends Error {
  readonly code = 'DirectoryUnavailable';
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = 'DirectoryUnavailable';
  }
}

interface Remembered<T> {
  readonly value: T | undefined;
  readonly atMs: number;
}

interface LookupCacheOptions<T> {
  /** Undefined: it is not there. */
  readonly look: (key: string) => Promise<T | undefined>;
  readonly clock: Clock;
  readonly entriesMax: number;
}

/** Lookups, remembered for 3 s and refreshed before that, each shared by all who wait for it. */
export class LookupCache<T extends object> {
  readonly #look: (key: string) => Promise<T | undefined>;
  readonly #clock: Clock;
  readonly #remembered: LRUCache<string, Remembered<T>>;
  readonly #underway = new Map<string, Promise<T | undefined>>();

  constructor({ look, clock, entriesMax }: LookupCacheOptions<T>) {
    this.#look = look;
    this.#clock = clock;
    this.#remembered = new LRUCache({ max: entriesMax });
  }

  /** At once, when it is known and fresh; undefined says nothing. */
  peek(key: string): T | undefined {
    const known = this.#remembered.get(key);
    if (known?.value === undefined) return undefined;
    const ageMs = this.#clock.nowMs() - known.atMs;
    if (ageMs >= FOUND_MS) return undefined;
    // Whoever waits for it later says what goes wrong.
    if (ageMs >= LOOK_AGAIN_MS && !this.#underway.has(key)) this.#begin(key).catch(() => undefined);
    return known.value;
  }

  /** Throws `DirectoryUnavailable`. */
  async find(key: string): Promise<T | undefined> {
    const known = this.#remembered.get(key);
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : this.#clock.nowMs() - known.atMs;
    const freshMs = known?.value === undefined ? NOT_FOUND_MS : FOUND_MS;
    if (known !== undefined && ageMs < freshMs) return known.value;
    try {
      return await (this.#underway.get(key) ?? this.#begin(key));
    } catch (cause) {
      if (known?.value !== undefined && ageMs < STALE_MS_MAX) return known.value;
      throw new DirectoryUnavailable('the directory cannot be read', { cause });
    }
  }

  async #begin(key: string): Promise<T | undefined> {
    if (this.#underway.size >= UNDERWAY_MAX) throw new DirectoryUnavailable('too many lookups are under way');
    const looking = this.#look(key).finally(() => this.#underway.delete(key));
    this.#underway.set(key, looking);
    const value = await looking;
    this.#remembered.set(key, { value, atMs: this.#clock.nowMs() });
    return value;
  }
}
