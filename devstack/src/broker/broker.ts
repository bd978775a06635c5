import type { Server } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readEnvironment } from '../environment.ts';
import { describeError, type Log, openLog } from '../log.ts';
import { createBrokerServer } from './broker-server.ts';
import { type BrokerSettings, readBrokerSettings } from './broker-settings.ts';
import type { DeadLetterBlobs } from './dead-letter-blobs.ts';
import { openDeadLettering } from './dead-lettering.ts';
import { openDeadLetterFile } from './dead-letters.ts';
import { openDelivery } from './delivery.ts';
import { DELIVERABLE } from './event-schema.ts';
import { openJournal } from './journal.ts';
import { openSubscriptions } from './subscriptions.ts';
import { openWebhookClient } from './webhook-client.ts';

export interface Broker {
  readonly port: number;
  close(): Promise<void>;
}

const DRAIN_MS = 3000;

/** Opens the broker over its data folder and resumes what was not delivered. */
export async function openBroker(
  settings: BrokerSettings,
  log: Log,
  onFatal: (error: unknown) => void,
): Promise<Broker> {
  const now = Date.now;
  const { timeScale, storage, dataDir, input } = settings;
  const [inputDelivery = 'EventGridSchema'] = DELIVERABLE[input.schema];
  const subscriptions = await openSubscriptions(join(dataDir, 'subscriptions.json'), (problem) =>
    log.error('subscription.unreadable', { problem }),
  );
  const file = await openDeadLetterFile(join(dataDir, 'dead-letter.jsonl'));
  const journal = await openJournal({ file: join(dataDir, 'journal.jsonl'), now, onFatal });
  const webhooks = openWebhookClient(settings.deliveryTimeoutMs, inputDelivery);
  const deadLettering = openDeadLettering({
    journal,
    subscriptions,
    file,
    blobs: storage === undefined ? undefined : openBlobsLater(storage),
    inputDelivery,
    timeScale,
    log,
    now,
  });
  const delivery = openDelivery({
    journal,
    subscriptions,
    webhooks,
    deadLettering,
    timeScale,
    log,
    now,
    random: Math.random,
  });
  const server = createBrokerServer({ settings, journal, subscriptions, delivery, webhooks, log, now });
  const port = await listen(server, settings.port);
  const pending = [...journal.pending.values()];
  if (pending.length > 0) log.info('journal.resumed', { events: pending.length });
  for (const event of pending) delivery.enqueue(event);
  return {
    port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      await delivery.close(DRAIN_MS);
      webhooks.close();
      server.closeAllConnections();
      await closed;
      await journal.close();
    },
  };
}

/** The program `devstack.mjs broker`: flags over environment, `{"ready":true,"port":…}` when it serves. */
export async function runBroker(argv: readonly string[]): Promise<void> {
  const log = openLog('broker');
  const { variables, exitWithParent } = readEnvironment();
  const die = (event: string) => (error: unknown) => {
    log.error(event, describeError(error));
    process.exit(1);
  };
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        port: { type: 'string' },
        data: { type: 'string' },
        topic: { type: 'string' },
        'input-schema': { type: 'string' },
        'input-mapping': { type: 'string' },
        'time-scale': { type: 'string' },
        'max-pending': { type: 'string' },
      },
    });
    // What is on disk is not known any more: the next start reads it.
    const broker = await openBroker(readBrokerSettings(values, variables), log, die('journal.failed'));
    process.stdout.write(`${JSON.stringify({ ready: true, port: broker.port })}\n`);
    const stop = () => {
      broker.close().then(() => process.exit(0), die('broker.notStopped'));
    };
    process.once('SIGTERM', stop).once('SIGINT', stop);
    if (exitWithParent) process.stdin.once('end', stop).once('error', stop).resume();
  } catch (error) {
    die('broker.notStarted')(error);
  }
}

/** The storage SDK costs a start 150 ms, and dead letters are rare. */
function openBlobsLater(storage: string): DeadLetterBlobs {
  let opened: Promise<DeadLetterBlobs> | undefined;
  return {
    async write(container, subscription, letters, at) {
      opened ??= import('./dead-letter-blobs.ts').then(({ openDeadLetterBlobs }) =>
        openDeadLetterBlobs(storage),
      );
      await (await opened).write(container, subscription, letters, at);
    },
  };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
