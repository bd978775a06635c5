import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AzureKeyCredential, EventGridPublisherClient } from '@azure/eventgrid';
import { QueueServiceClient } from '@azure/storage-queue';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { childrenOf } from '../support/process-tree.ts';
import {
  type Bundles,
  buildBundles,
  eventually,
  type RunningProgram,
  startProgram,
} from '../support/programs.ts';

const KEY = Buffer.from('a key for publishers and no other').toString('base64');
const SYSTEM_KEY = 'system-key-0123456789';
const ROUNDS = 6;

let azurite: Azurite;
let bundles: Bundles;
let folder: string;
let broker: RunningProgram;
let host: RunningProgram;

const startBroker = (port = 0) =>
  startProgram(
    bundles.program,
    ['broker', '--port', String(port), '--data', join(folder, 'broker'), '--time-scale', '200'],
    { HEADEND_EVENTGRID_KEY: KEY },
  );
const record = async (kind: string): Promise<string> =>
  (await readFile(join(folder, 'record.jsonl'), 'utf8').catch(() => ''))
    .split('\n')
    .filter((line) => line.includes(`"kind":"${kind}"`))
    .join('\n');
const workerPid = () =>
  eventually(async () => {
    const children = await childrenOf(host.child.pid ?? 0);
    return children.find(({ args }) => args.includes('host-worker'))?.pid;
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-chain-'));
  [azurite, bundles] = await Promise.all([
    startAzurite(),
    buildBundles({ extensions: { queues: { maxDequeueCount: 50, maxPollingInterval: '00:00:01' } } }),
  ]);
  broker = await startBroker();
  host = await startProgram(bundles.program, ['host', '--app', bundles.appDir, '--port', '0'], {
    HEADEND_EVENTGRID_SYSTEM_KEY: SYSTEM_KEY,
    AzureWebJobsStorage: azurite.connectionString,
    SAMPLE_QUEUE: 'work',
    SAMPLE_RECORD: join(folder, 'record.jsonl'),
  });
  const endpointUrl = `http://127.0.0.1:${host.port}/runtime/webhooks/eventgrid?functionName=onEvent&code=${SYSTEM_KEY}`;
  const response = await fetch(`http://127.0.0.1:${broker.port}/eventSubscriptions/to-app`, {
    method: 'PUT',
    headers: { 'aeg-sas-key': KEY },
    body: JSON.stringify({
      properties: {
        destination: { endpointType: 'WebHook', properties: { endpointUrl, maxEventsPerBatch: 5 } },
      },
    }),
  });
  expect(response.status).toBe(201);
}, 120_000);

afterAll(async () => {
  await broker?.stop('SIGKILL');
  await host?.stop();
  await azurite?.close();
  await bundles?.close();
  await rm(folder, { recursive: true, force: true });
}, 30_000);

describe('events and messages on their way to functions', () => {
  it('reach them all when the worker or the broker is killed at random moments', async () => {
    const queue = QueueServiceClient.fromConnectionString(azurite.connectionString).getQueueClient('work');
    const acknowledged: string[] = [];
    const sent: string[] = [];
    let isOver = false;
    const publishing = (async () => {
      while (!isOver) {
        // A broker that was killed is another client's business.
        const client = new EventGridPublisherClient(
          `http://127.0.0.1:${broker.port}/api/events`,
          'EventGrid',
          new AzureKeyCredential(KEY),
          { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } },
        );
        const ids = [randomUUID(), randomUUID()];
        try {
          const event = { subject: 's', eventType: 't', dataVersion: '1', data: {} };
          await client.send(ids.map((id) => ({ ...event, id })));
          acknowledged.push(...ids);
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    })();
    const sending = (async () => {
      await queue.createIfNotExists();
      while (!isOver) {
        const id = randomUUID();
        await queue.sendMessage(Buffer.from(JSON.stringify({ id })).toString('base64'));
        sent.push(id);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    for (let round = 0; round < ROUNDS; round += 1) {
      const enough = acknowledged.length + 4;
      await eventually(() => (acknowledged.length >= enough ? true : undefined), 30_000);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 200));
      if (round % 2 === 0) process.kill(await workerPid(), 'SIGKILL');
      else {
        const { port } = broker;
        await broker.stop('SIGKILL');
        broker = await startBroker(port);
      }
    }
    isOver = true;
    await Promise.all([publishing, sending]);
    await eventually(async () => {
      const seen = await record('event');
      return acknowledged.every((id) => seen.includes(id)) ? true : undefined;
    }, 60_000);
    await eventually(async () => {
      const seen = await record('message');
      return sent.every((id) => seen.includes(id)) ? true : undefined;
    }, 60_000);
    expect(acknowledged.length).toBeGreaterThanOrEqual(4 * ROUNDS);
  }, 180_000);
});
