import { checkSecretName, checkSecretValue, type SecretStore } from '../../src/lib/workflows/secret-store.ts';

/** Secrets in memory; the tests of the real stores run against it too. */
export function memorySecrets(
  step: () => void = () => {},
): SecretStore & { readonly kept: Map<string, string> } {
  const kept = new Map<string, string>();
  return {
    kept,
    async put(name, value) {
      step();
      const key = checkSecretName(name);
      checkSecretValue(value);
      kept.set(key, value);
      step();
    },
    get: async (name) => kept.get(checkSecretName(name)),
    remove: async (name) => {
      kept.delete(checkSecretName(name));
    },
  };
}
