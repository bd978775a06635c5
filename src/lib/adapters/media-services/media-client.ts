import type { AzureMediaServices } from '@azure/arm-mediaservices';

export interface MediaAccount {
  readonly endpoint: string;
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly account: string;
  readonly location: string;
}

export interface MediaClient {
  readonly sdk: AzureMediaServices;
  readonly resourceGroup: string;
  readonly account: string;
  readonly location: string;
}

const RETRIES_MAX = 1;
const RETRY_DELAY_MS_MAX = 500;

/** The SDKs are loaded at the first call, not at a cold start; the client keeps its connections and its token. */
export async function openMediaClient(account: MediaAccount): Promise<MediaClient> {
  const [{ AzureMediaServices }, { DefaultAzureCredential }] = await Promise.all([
    import('@azure/arm-mediaservices'),
    import('@azure/identity'),
  ]);
  const sdk = new AzureMediaServices(new DefaultAzureCredential(), account.subscriptionId, {
    endpoint: account.endpoint,
    $host: account.endpoint,
    credentialScopes: 'https://management.azure.com/.default',
    // What fails is asked again by the reconcile queue, not by a request that holds a claim.
    retryOptions: { maxRetries: RETRIES_MAX, maxRetryDelayInMs: RETRY_DELAY_MS_MAX },
  });
  return { sdk, resourceGroup: account.resourceGroup, account: account.account, location: account.location };
}

/** One client for the life of the process; a failed opening is tried again by the next call. */
export function lazyMediaClient(account: MediaAccount): () => Promise<MediaClient> {
  let opened: Promise<MediaClient> | undefined;
  return () => {
    opened ??= openMediaClient(account).catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
}
