import type { TokenCredential } from '@azure/identity';
import type { SecretClient, SecretClientOptions } from '@azure/keyvault-secrets';
import { checkSecretName, checkSecretValue, type SecretStore } from '../../workflows/secret-store.ts';

const RETRIES_MAX = 2;
const RETRY_DELAY_MS_MAX = 1_000;
const WRITE_ATTEMPTS_MAX = 5;
const RECOVERY_POLL_MS = 500;
const CALL_WITHIN_MS = 20_000;

interface Access {
  readonly credential?: TokenCredential;
  /** For a vault that is not Azure's. */
  readonly options?: SecretClientOptions;
}

/**
 * Secrets in an Azure Key Vault (permissions get, set, delete and recover). Vaults keep what is removed and hold its name
 * for their retention period: a name that is written again is recovered first.
 */
export function keyVaultSecrets(vaultUrl: string, access: Access = {}): SecretStore {
  const client = lazyClient(vaultUrl, access);
  return {
    async put(name, value) {
      const key = checkSecretName(name);
      checkSecretValue(value);
      await told('put', async () => putRecovering(await client(), key, value));
    },
    async get(name) {
      const key = checkSecretName(name);
      return told('get', async () => {
        const secrets = await client();
        const found = await unless(404, () => secrets.getSecret(key, { abortSignal: soon() }));
        return found?.value;
      });
    },
    async remove(name) {
      const key = checkSecretName(name);
      // Gone for readers as soon as the vault answers: its own work after that need not be waited for.
      await told('remove', async () => {
        const secrets = await client();
        await unless(404, () => secrets.beginDeleteSecret(key, { abortSignal: soon() }));
      });
    },
  };
}

const soon = (): AbortSignal => AbortSignal.timeout(CALL_WITHIN_MS);

async function putRecovering(secrets: SecretClient, name: string, value: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const abortSignal = soon();
    const stored = await unless(409, () => secrets.setSecret(name, value, { abortSignal }));
    if (stored !== undefined) return;
    if (attempt === WRITE_ATTEMPTS_MAX) throw new Error('it stays deleted');
    // 409: removed and recoverable, or its removal or recovery is under way. Only the first can be recovered now.
    const recovering = await unless(404, () =>
      unless(409, () =>
        secrets.beginRecoverDeletedSecret(name, { abortSignal, intervalInMs: RECOVERY_POLL_MS }),
      ),
    );
    if (recovering === undefined) await new Promise((resolve) => setTimeout(resolve, RECOVERY_POLL_MS));
    else await recovering.pollUntilDone();
  }
}

function lazyClient(vaultUrl: string, { credential, options }: Access): () => Promise<SecretClient> {
  let opened: Promise<SecretClient> | undefined;
  const open = async (): Promise<SecretClient> => {
    const { SecretClient } = await import('@azure/keyvault-secrets');
    return new SecretClient(vaultUrl, credential ?? (await defaultCredential()), {
      retryOptions: { maxRetries: RETRIES_MAX, maxRetryDelayInMs: RETRY_DELAY_MS_MAX },
      ...options,
    });
  };
  return () => {
    opened ??= open().catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
}

async function defaultCredential(): Promise<TokenCredential> {
  const { DefaultAzureCredential } = await import('@azure/identity');
  return new DefaultAzureCredential();
}

const statusOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : undefined;

async function unless<T>(status: number, call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (statusOf(error) === status) return undefined;
    throw error;
  }
}

/** An SDK's error carries its request, and that the secret: what goes on from here says only what went wrong. */
async function told<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const status = statusOf(error);
    const name = error instanceof Error ? error.name : 'unknown';
    throw Object.assign(new Error(`the key vault failed at ${what}: ${status ?? name}`), {
      ...(typeof status === 'number' ? { statusCode: status } : {}),
    });
  }
}
