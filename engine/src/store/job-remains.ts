import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import type { JobRemains } from '../control-plane/account-removal.ts';
import { JOB_QUEUES_PREFIX, jobQueueNames } from './job-queues.ts';

const ACCOUNTS_MAX = 10_000;

/** What jobs of an account have in the engine's own storage account: a container of parts and the queues. */
export function createJobRemains(
  connectionString: string,
  containerOf: (account: string) => string,
): JobRemains {
  const blobs = BlobServiceClient.fromConnectionString(connectionString);
  const queues = QueueServiceClient.fromConnectionString(connectionString);
  const prefix = containerOf('');
  return {
    async accounts() {
      const found = new Set<string>();
      for await (const { name } of blobs.listContainers({ prefix })) {
        if (found.size < ACCOUNTS_MAX) found.add(name.slice(prefix.length));
      }
      for await (const { name } of queues.listQueues({ prefix: JOB_QUEUES_PREFIX })) {
        const account = /^(.*)-(?:high|normal|low)$/.exec(name.slice(JOB_QUEUES_PREFIX.length))?.[1];
        if (account !== undefined && found.size < ACCOUNTS_MAX) found.add(account);
      }
      return [...found];
    },
    async remove(account) {
      await blobs.getContainerClient(containerOf(account)).deleteIfExists();
      await Promise.all(jobQueueNames(account).map((name) => queues.getQueueClient(name).deleteIfExists()));
    },
  };
}
