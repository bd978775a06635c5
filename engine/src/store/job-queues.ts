import {
  type DequeuedMessageItem,
  type QueueClient,
  QueueServiceClient,
  RestError,
} from '@azure/storage-queue';
import type { JobQueue } from '../control-plane/job-queue.ts';
import { JOB_PRIORITIES, JobMessage } from '../resources/encoding/job-dispatch.ts';
import type { ReceivedJob, WorkerQueue } from '../worker/worker-queue.ts';

const CALL_MS_MAX = 10_000;
/** Azure: -1 is for ever. */
const TIME_TO_LIVE_FOR_EVER = -1;
/** A message that was given out so often is no use: the upkeep looks at its job, whoever has the job at its part. */
const DELIVERIES_MAX = { job: 100, part: 10 };

type Priority = JobMessage['priority'];

export const JOB_QUEUES_PREFIX = 'headend-jobs-';
const queueName = (account: string, priority: Priority): string =>
  `${JOB_QUEUES_PREFIX}${account.toLowerCase()}-${priority.toLowerCase()}`;
export const jobQueueNames = (account: string): readonly string[] =>
  JOB_PRIORITIES.map((priority) => queueName(account, priority));

interface QueueLog {
  warn(event: string, fields?: object): void;
}

/** The queues of one account's jobs, `headend-jobs-{account}-{priority}`; they are made when they are first needed. */
export function openJobQueues(
  connectionString: string,
  accountName: string,
  log: QueueLog,
): JobQueue & WorkerQueue {
  const service = QueueServiceClient.fromConnectionString(connectionString);
  const clients = new Map(
    JOB_PRIORITIES.map((priority) => [priority, service.getQueueClient(queueName(accountName, priority))]),
  );
  const clientOf = (priority: Priority): QueueClient => {
    const client = clients.get(priority);
    if (client === undefined) throw new RangeError(priority);
    return client;
  };
  const take = async (priority: Priority, heldMs: number): Promise<ReceivedJob | undefined> => {
    const client = clientOf(priority);
    const { receivedMessageItems } = await withQueue(client, () =>
      client.receiveMessages({
        numberOfMessages: 1,
        visibilityTimeout: Math.ceil(heldMs / 1000),
        abortSignal: AbortSignal.timeout(CALL_MS_MAX),
      }),
    );
    const [item] = receivedMessageItems;
    return item === undefined ? undefined : receivedJob(client, item, log);
  };
  return {
    async send(message) {
      const client = clientOf(message.priority);
      const text = Buffer.from(JSON.stringify(message)).toString('base64');
      await withQueue(client, () =>
        client.sendMessage(text, {
          messageTimeToLive: TIME_TO_LIVE_FOR_EVER,
          abortSignal: AbortSignal.timeout(CALL_MS_MAX),
        }),
      );
    },
    async isEmpty(priority) {
      const client = clientOf(priority);
      const properties = await withQueue(client, () =>
        client.getProperties({ abortSignal: AbortSignal.timeout(CALL_MS_MAX) }),
      );
      // Never fewer than there are.
      return properties.approximateMessagesCount === 0;
    },
    async receive(heldMs) {
      for (const priority of JOB_PRIORITIES) {
        const received = await take(priority, heldMs);
        if (received !== undefined) return received;
      }
      return undefined;
    },
  };
}

async function withQueue<T>(client: QueueClient, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof RestError) || error.statusCode !== 404) throw error;
    await client.createIfNotExists();
    return call();
  }
}

async function receivedJob(
  client: QueueClient,
  item: DequeuedMessageItem,
  log: QueueLog,
): Promise<ReceivedJob | undefined> {
  let { popReceipt } = item;
  const message = parseMessage(item.messageText);
  const deliveriesMax = message?.part === undefined ? DELIVERIES_MAX.job : DELIVERIES_MAX.part;
  if (message === undefined || item.dequeueCount > deliveriesMax) {
    log.warn('job.messageDropped', { queue: client.name, deliveries: item.dequeueCount });
    await gone(client.deleteMessage(item.messageId, popReceipt));
    return undefined;
  }
  return {
    message,
    async hold(ms) {
      const answer = await client.updateMessage(item.messageId, popReceipt, undefined, Math.ceil(ms / 1000), {
        abortSignal: AbortSignal.timeout(CALL_MS_MAX),
      });
      popReceipt = answer.popReceipt ?? popReceipt;
    },
    remove: () => gone(client.deleteMessage(item.messageId, popReceipt)),
  };
}

/** Somebody else has taken or removed it meanwhile. */
async function gone(deletion: Promise<unknown>): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    const status = error instanceof RestError ? error.statusCode : undefined;
    if (status !== 404 && status !== 400) throw error;
  }
}

function parseMessage(text: string): JobMessage | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64').toString('utf8'));
    return JobMessage.safeParse(value).data;
  } catch {
    return undefined;
  }
}
