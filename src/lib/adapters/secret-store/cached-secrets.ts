import { LRUCache } from 'lru-cache';
import type { SecretStore } from '../../workflows/secret-store.ts';

const SECRETS_KEPT_MAX = 500;
/** What another process changed is seen after this time at the latest. */
const SECRET_KEPT_MS = 10_000;

/** Keeps what was read for a short while; what this process writes it sees at once. */
export function cachedSecrets(store: SecretStore): SecretStore {
  const kept = new LRUCache<string, string>({ max: SECRETS_KEPT_MAX, ttl: SECRET_KEPT_MS });
  // A read that began before a write must not bring the old value back.
  let writes = 0;
  return {
    async put(name, value) {
      const key = name.toLowerCase();
      kept.delete(key);
      writes += 1;
      await store.put(name, value);
      writes += 1;
      kept.set(key, value);
    },
    async get(name) {
      const key = name.toLowerCase();
      const known = kept.get(key);
      if (known !== undefined) return known;
      const before = writes;
      const value = await store.get(name);
      if (value !== undefined && writes === before) kept.set(key, value);
      return value;
    },
    async remove(name) {
      kept.delete(name.toLowerCase());
      writes += 1;
      await store.remove(name);
      writes += 1;
      kept.delete(name.toLowerCase());
    },
  };
}
