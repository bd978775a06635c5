import { QueueServiceClient } from '@azure/storage-queue';

/** Messages `{"channel": name}`, base64 as the host reads them by default. */
export function openReconcileQueue(connectionString: string, queueName: string) {
  const queue = QueueServiceClient.fromConnectionString(connectionString).getQueueClient(queueName);
  let created: Promise<unknown> | undefined;
  const warm = async (): Promise<void> => {
    created ??= queue.createIfNotExists().catch((error: unknown) => {
      created = undefined;
      throw error;
    });
    await created;
  };
  return {
    warm,
    async send(channel: string, delaySeconds: number): Promise<void> {
      await warm();
      const text = Buffer.from(JSON.stringify({ channel })).toString('base64');
      await queue.sendMessage(text, { visibilityTimeout: delaySeconds });
    },
  };
}
