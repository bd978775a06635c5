import { randomUUID } from 'node:crypto';
import { BlobServiceClient } from '@azure/storage-blob';

export interface DeadLetterBlobs {
  /** Resolves once the letters are a blob of their own in the container, which is made when there is none. */
  write(container: string, subscription: string, letters: readonly object[], at: Date): Promise<void>;
}

const WRITE_WITHIN_MS = 30_000;

/** Dead letters in a storage account, named as Event Grid names them. */
export function openDeadLetterBlobs(connectionString: string): DeadLetterBlobs {
  const service = BlobServiceClient.fromConnectionString(connectionString, {
    // The caller tries again, for hours.
    retryOptions: { maxTries: 1 },
  });
  const made = new Set<string>();
  return {
    async write(container, subscription, letters, at) {
      const client = service.getContainerClient(container);
      const abortSignal = AbortSignal.timeout(WRITE_WITHIN_MS);
      if (!made.has(container)) await client.createIfNotExists({ abortSignal });
      const text = JSON.stringify(letters);
      const blob = client.getBlockBlobClient(blobName(subscription, at));
      try {
        await blob.upload(text, Buffer.byteLength(text), {
          blobHTTPHeaders: { blobContentType: 'application/json' },
          abortSignal,
        });
        made.add(container);
      } catch (error) {
        // Somebody may have deleted it.
        made.delete(container);
        throw error;
      }
    },
  };
}

/** `SUBSCRIPTION/2026/8/31/9/{guid}.json`: year, month, day and hour in UTC, without leading zeros. */
function blobName(subscription: string, at: Date): string {
  const path = [at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate(), at.getUTCHours()].join('/');
  return `${subscription.toUpperCase()}/${path}/${randomUUID()}.json`;
}
