import { setTimeout as delay } from 'node:timers/promises';
import type { DequeuedMessageItem, QueueClient, QueueServiceClient } from '@azure/storage-queue';
import { describeError, type Log } from '../log.ts';
import type { QueueSettings } from './host-settings.ts';
import type { Listener } from './timer-listener.ts';
import type { InvocationResponse, RpcTypedData } from './worker-protocol.ts';

export interface QueueListenerOptions {
  readonly queueName: string;
  readonly service: QueueServiceClient;
  readonly settings: QueueSettings;
  readonly invoke: (
    input: RpcTypedData,
    metadata: Readonly<Record<string, RpcTypedData>>,
  ) => Promise<InvocationResponse>;
  readonly log: Log;
}

const POLLING_INTERVAL_MS_MIN = 100;
const POISON_SUFFIX = '-poison';
const RENEWALS_PER_LEASE = 2;

/** Receives a storage queue's messages as QueueListener and QueueProcessor of the real host do. */
export async function openQueueListener(options: QueueListenerOptions): Promise<Listener> {
  const listener = new QueueListener(options);
  await listener.open();
  return listener;
}

class QueueListener implements Listener {
  readonly #options: QueueListenerOptions;
  readonly #queue: QueueClient;
  readonly #poison: QueueClient | undefined;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #wake: () => void = () => undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: QueueListenerOptions) {
    this.#options = options;
    const { service, queueName } = options;
    this.#queue = service.getQueueClient(queueName);
    // A poison queue has none of its own: what fails there is tried again and again.
    this.#poison = queueName.endsWith(POISON_SUFFIX)
      ? undefined
      : service.getQueueClient(`${queueName}${POISON_SUFFIX}`);
  }

  async open(): Promise<void> {
    await this.#queue.createIfNotExists();
    this.#loop = this.#poll();
  }

  /** Takes no more messages, and waits for those that run. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#loop;
    await Promise.all(this.#running);
  }

  async #poll(): Promise<void> {
    const { settings, log, queueName } = this.#options;
    let pauseMs = POLLING_INTERVAL_MS_MIN;
    while (!this.#stop.signal.aborted) {
      let found = 0;
      try {
        if (this.#running.size <= settings.newBatchThreshold) found = await this.#receive();
      } catch (error) {
        if (!this.#stop.signal.aborted) {
          log.warn('queue.receiveFailed', { queue: queueName, ...describeError(error) });
        }
      }
      if (found > 0) {
        pauseMs = POLLING_INTERVAL_MS_MIN;
        await this.#pauseWhileFull();
      } else {
        await delay(pauseMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
        pauseMs = Math.min(pauseMs * 2, settings.maxPollingIntervalMs);
      }
    }
  }

  async #pauseWhileFull(): Promise<void> {
    while (this.#running.size > this.#options.settings.newBatchThreshold && !this.#stop.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async #receive(): Promise<number> {
    const { settings } = this.#options;
    const { receivedMessageItems } = await this.#queue.receiveMessages({
      numberOfMessages: settings.batchSize,
      visibilityTimeout: Math.ceil(settings.leaseMs / 1000),
      abortSignal: this.#stop.signal,
    });
    for (const message of receivedMessageItems) {
      const run = this.#process(message).finally(() => {
        this.#running.delete(run);
        this.#wake();
      });
      this.#running.add(run);
    }
    return receivedMessageItems.length;
  }

  /** Never rejects: a message that cannot be settled comes back when its lease ends. */
  async #process(message: DequeuedMessageItem): Promise<void> {
    const { log, queueName } = this.#options;
    const lease = new Lease(this.#queue, message, this.#options);
    const fields = { queue: queueName, messageId: message.messageId, dequeueCount: message.dequeueCount };
    try {
      const text = this.#decode(message.messageText);
      const succeeded = text !== undefined && this.#mayRun(message) && (await this.#run(message, text));
      const popReceipt = await lease.end();
      if (succeeded) await this.#queue.deleteMessage(message.messageId, popReceipt);
      else if (text === undefined || this.#isSpent(message)) {
        await this.#moveToPoison(message, popReceipt);
        log.error('queue.poisoned', { ...fields, reason: text === undefined ? 'undecodable' : 'failed' });
      } else {
        const { visibilityTimeoutSeconds } = this.#options.settings;
        await this.#queue.updateMessage(
          message.messageId,
          popReceipt,
          message.messageText,
          visibilityTimeoutSeconds,
        );
      }
    } catch (error) {
      log.warn('queue.notSettled', { ...fields, ...describeError(error) });
    } finally {
      await lease.end();
    }
  }

  /** Over the limit already when received: a crash of the host kept it from being settled. */
  #mayRun(message: DequeuedMessageItem): boolean {
    return this.#poison === undefined || message.dequeueCount <= this.#options.settings.maxDequeueCount;
  }

  #isSpent(message: DequeuedMessageItem): boolean {
    return this.#poison !== undefined && message.dequeueCount >= this.#options.settings.maxDequeueCount;
  }

  async #run(message: DequeuedMessageItem, text: string): Promise<boolean> {
    try {
      const response = await this.#options.invoke({ string: text }, triggerMetadata(message, text));
      if (response.result.status === 'success') return true;
      this.#options.log.warn('queue.functionFailed', {
        queue: this.#options.queueName,
        messageId: message.messageId,
        message: response.result.exception?.message,
      });
    } catch (error) {
      this.#options.log.warn('queue.functionFailed', {
        queue: this.#options.queueName,
        messageId: message.messageId,
        ...describeError(error),
      });
    }
    return false;
  }

  async #moveToPoison(message: DequeuedMessageItem, popReceipt: string): Promise<void> {
    if (this.#poison !== undefined) {
      await this.#poison.createIfNotExists();
      await this.#poison.sendMessage(message.messageText, { messageTimeToLive: -1 });
    }
    await this.#queue.deleteMessage(message.messageId, popReceipt);
  }

  #decode(text: string): string | undefined {
    if (this.#options.settings.encoding === 'none') return text;
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return undefined;
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'base64'));
    } catch {
      return undefined;
    }
  }
}

/** Keeps a message invisible while its function runs. */
class Lease {
  #popReceipt: string;
  readonly #timer: NodeJS.Timeout;
  #renewal: Promise<void> = Promise.resolve();

  constructor(
    queue: QueueClient,
    message: DequeuedMessageItem,
    { settings, log, queueName }: QueueListenerOptions,
  ) {
    this.#popReceipt = message.popReceipt;
    const renew = async () => {
      try {
        const seconds = Math.ceil(settings.leaseMs / 1000);
        const { messageId, messageText } = message;
        const renewed = await queue.updateMessage(messageId, this.#popReceipt, messageText, seconds);
        this.#popReceipt = renewed.popReceipt ?? this.#popReceipt;
      } catch (error) {
        log.warn('queue.renewalFailed', { queue: queueName, ...describeError(error) });
      }
    };
    this.#timer = setInterval(() => {
      this.#renewal = this.#renewal.then(renew);
    }, settings.leaseMs / RENEWALS_PER_LEASE);
  }

  /** Ends renewing; resolves to the receipt that settles the message. */
  async end(): Promise<string> {
    clearInterval(this.#timer);
    await this.#renewal;
    return this.#popReceipt;
  }
}

function triggerMetadata(message: DequeuedMessageItem, text: string): Record<string, RpcTypedData> {
  const json = (value: unknown): RpcTypedData => ({ json: JSON.stringify(value) });
  return {
    QueueTrigger: { string: text },
    Id: { string: message.messageId },
    PopReceipt: { string: message.popReceipt },
    DequeueCount: json(message.dequeueCount),
    InsertionTime: json(message.insertedOn),
    ExpirationTime: json(message.expiresOn),
    NextVisibleTime: json(message.nextVisibleOn),
  };
}
