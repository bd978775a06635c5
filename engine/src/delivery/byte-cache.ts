import { LRUCache } from 'lru-cache';
import { OriginError } from './origin-errors.ts';

const CACHE_BYTES_MAX_DEFAULT = 256 * 1024 * 1024;
const FETCHES_AT_ONCE_MAX = 512;

/**
 * Fragments and headers by name, bounded in bytes, least recently used first out. Requests for the same bytes at the
 * same time share one fetch. What is not there (`undefined`) and what failed is not remembered.
 */
export class ByteCache {
  readonly #entries: LRUCache<string, Uint8Array>;
  readonly #fetches = new Map<string, Promise<Uint8Array | undefined>>();

  constructor(sizeBytesMax: number = CACHE_BYTES_MAX_DEFAULT) {
    this.#entries = new LRUCache({
      maxSize: sizeBytesMax,
      sizeCalculation: (bytes) => Math.max(1, bytes.byteLength),
    });
  }

  /** At once when cached, so that the hot path has no promise in it. */
  peek(name: string): Uint8Array | undefined {
    return this.#entries.get(name);
  }

  get(name: string, fetchBytes: () => Promise<Uint8Array | undefined>): Promise<Uint8Array | undefined> {
    const cached = this.#entries.get(name);
    if (cached !== undefined) return Promise.resolve(cached);
    const underway = this.#fetches.get(name);
    if (underway !== undefined) return underway;
    if (this.#fetches.size >= FETCHES_AT_ONCE_MAX) {
      const message = `${FETCHES_AT_ONCE_MAX} fetches are under way`;
      return Promise.reject(new OriginError('MPE_STORAGE_SERVER_BUSY', message));
    }
    const fetching = this.#fetch(name, fetchBytes);
    this.#fetches.set(name, fetching);
    return fetching;
  }

  async #fetch(
    name: string,
    fetchBytes: () => Promise<Uint8Array | undefined>,
  ): Promise<Uint8Array | undefined> {
    try {
      const bytes = await fetchBytes();
      if (bytes !== undefined) this.#entries.set(name, bytes);
      return bytes;
    } finally {
      this.#fetches.delete(name);
    }
  }
}
