import { QueueServiceClient } from '@azure/storage-queue';

/** A queue of JSON messages, base64 as the host reads them by default; made at the first use. */
export function openJsonQueue(connectionString: string, queueName: string) {
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
    async send(message: object, delaySeconds: number): Promise<void> {
      await warm();
      const text = Buffer.from(JSON.stringify(message)).toString('base64');
      await queue.sendMessage(text, { visibilityTimeout: delaySeconds });
    },
  };
}
