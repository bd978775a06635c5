import { LRUCache } from 'lru-cache';
import type { DeliveryDirectory, LocatorView } from './delivery-directory.ts';
import type { EndpointView } from './endpoint-view.ts';
import { OriginError } from './origin-errors.ts';

const FOUND_MS = 1_000;
/** Something asked for all the time is looked up before it is too old, and nobody waits. */
const LOOK_AGAIN_MS = 500;
const NOT_FOUND_MS = 250;
const STALE_MS_MAX = 30_000;
const LOCATORS_MAX = 10_000;

export interface Clock {
  nowMs(): number;
}

type Known = LocatorView | readonly EndpointView[];

interface Remembered<T> {
  readonly value: T | undefined;
  readonly atMs: number;
}

/**
 * The directory, remembered for a second (a quarter of one when not found), each lookup shared by all who wait for it.
 * While the table cannot be read, what was known up to 30 s ago still counts: viewers go on watching.
 */
export class DirectoryCache {
  readonly #directory: DeliveryDirectory;
  readonly #clock: Clock;
  readonly #remembered = new LRUCache<string, Remembered<Known>>({ max: LOCATORS_MAX });
  readonly #underway = new Map<string, Promise<Known | undefined>>();

  constructor(directory: DeliveryDirectory, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
  }

  /** At once, when it is known and fresh, so that the hot path has no promise in it; it is kept fresh meanwhile. */
  peekLocator(streamingLocatorId: string): LocatorView | undefined {
    const found = this.#peek(`l!${streamingLocatorId}`, () =>
      this.#directory.findLocator(streamingLocatorId),
    );
    return isEndpoints(found) ? undefined : found;
  }

  peekStreamingEndpoints(account: string | undefined): readonly EndpointView[] | undefined {
    const found = this.#peek(`e!${account ?? ''}`, () => this.#directory.streamingEndpoints(account));
    return isEndpoints(found) ? found : undefined;
  }

  async findLocator(streamingLocatorId: string): Promise<LocatorView | undefined> {
    const found = await this.#find(`l!${streamingLocatorId}`, () =>
      this.#directory.findLocator(streamingLocatorId),
    );
    return isEndpoints(found) ? undefined : found;
  }

  async streamingEndpoints(account: string | undefined): Promise<readonly EndpointView[]> {
    const found = await this.#find(`e!${account ?? ''}`, () => this.#directory.streamingEndpoints(account));
    return isEndpoints(found) ? found : [];
  }

  #peek(key: string, look: () => Promise<Known | undefined>): Known | undefined {
    const known = this.#remembered.get(key);
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : this.#clock.nowMs() - known.atMs;
    if (known === undefined || ageMs >= FOUND_MS) return undefined;
    // Whoever waits for it later says what goes wrong.
    if (ageMs >= LOOK_AGAIN_MS && !this.#underway.has(key)) this.#look(key, look).catch(() => {});
    return known.value;
  }

  async #find(key: string, look: () => Promise<Known | undefined>): Promise<Known | undefined> {
    const known = this.#remembered.get(key);
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : this.#clock.nowMs() - known.atMs;
    const freshMs = known?.value === undefined ? NOT_FOUND_MS : FOUND_MS;
    if (known !== undefined && ageMs < freshMs) return known.value;
    const underway = this.#underway.get(key) ?? this.#look(key, look);
    try {
      return await underway;
    } catch (error) {
      if (known?.value !== undefined && ageMs < STALE_MS_MAX) return known.value;
      throw new OriginError('MPE_STORAGE_SERVER_BUSY', 'the directory cannot be read', { cause: error });
    }
  }

  #look(key: string, look: () => Promise<Known | undefined>): Promise<Known | undefined> {
    const looking = (async () => {
      try {
        const value = await look();
        this.#remembered.set(key, { value, atMs: this.#clock.nowMs() });
        return value;
      } finally {
        this.#underway.delete(key);
      }
    })();
    this.#underway.set(key, looking);
    return looking;
  }
}

/** What a key beginning with `e` leads to; `Array.isArray` does not know arrays that are read-only. */
function isEndpoints(known: Known | undefined): known is readonly EndpointView[] {
  return Array.isArray(known);
}
