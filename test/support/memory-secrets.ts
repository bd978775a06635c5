import { checkSecretName, checkSecretValue, type SecretStore } from '../../src/lib/workflows/secret-store.ts';

/** Secrets in memory; the tests of the real stores run against it too. */
export function memorySecrets(): SecretStore {
  const kept = new Map<string, string>();
  return {
    async put(name, value) {
      const key = checkSecretName(name);
      checkSecretValue(value);
      kept.set(key, value);
    },
    get: async (name) => kept.get(checkSecretName(name)),
    remove: async (name) => {
      kept.delete(checkSecretName(name));
    },
  };
}
