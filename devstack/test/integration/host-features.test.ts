import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import {
  type Bundles,
  buildBundles,
  eventually,
  type RunningProgram,
  startProgram,
} from '../support/programs.ts';
import { Endpoint } from '../support/webhook-endpoint.ts';

const KEYS = {
  HEADEND_FUNCTION_KEY: 'function-key-0123456789',
  HEADEND_MASTER_KEY: 'master-key-0123456789',
  HEADEND_EVENTGRID_SYSTEM_KEY: 'system-key-0123456789',
};
const TOPIC_KEY = Buffer.from('a key for publishers and no other').toString('base64');

let azurite: Azurite;
let bundles: Bundles;
let host: RunningProgram;
let broker: RunningProgram;
let endpoint: Endpoint;
let folder: string;
let recordFile: string;

const at = (path: string) => `http://127.0.0.1:${host.port}${path}`;
const admin = (path: string, method = 'GET', body?: object) =>
  fetch(at(`/admin/${path}`), {
    method,
    headers: { 'x-functions-key': KEYS.HEADEND_MASTER_KEY, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const queue = (name: string) =>
  QueueServiceClient.fromConnectionString(azurite.connectionString).getQueueClient(name);

interface Entry {
  readonly kind: string;
  readonly [name: string]: unknown;
}

async function records(kind: string): Promise<Entry[]> {
  const text = await readFile(recordFile, 'utf8').catch(() => '');
  const entries: Entry[] = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  return entries.filter((entry) => entry.kind === kind);
}

const recorded = (kind: string, count = 1) =>
  eventually(async () => {
    const found = await records(kind);
    return found.length >= count ? found : undefined;
  });

/** Takes messages off the queue until there are so many. */
async function receive(name: string, count: number): Promise<unknown[]> {
  const found: unknown[] = [];
  await eventually(async () => {
    const { receivedMessageItems } = await queue(name).receiveMessages({ numberOfMessages: 32 });
    for (const { messageText, messageId, popReceipt } of receivedMessageItems) {
      found.push(Buffer.from(messageText, 'base64').toString());
      await queue(name).deleteMessage(messageId, popReceipt);
    }
    return found.length >= count ? found : undefined;
  });
  return found;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-features-'));
  recordFile = join(folder, 'record.jsonl');
  endpoint = new Endpoint();
  [azurite, bundles] = await Promise.all([
    startAzurite(),
    buildBundles(
      {
        extensions: {
          http: { routePrefix: 'v1', maxConcurrentRequests: 2, maxOutstandingRequests: 4 },
          queues: { maxPollingInterval: '00:00:01' },
        },
        logging: { logLevel: { default: 'Warning', 'Function.logging.User': 'Debug' } },
      },
      'features-app.ts',
    ),
    endpoint.open(),
  ]);
  await writeFile(
    join(bundles.appDir, 'local.settings.json'),
    JSON.stringify({
      IsEncrypted: false,
      Values: {
        SUFFIX: 'here',
        SCHEDULE: '0 0 0 1 1 *',
        FROM_FILE: 'file',
        FROM_BOTH: 'file',
        'AzureWebJobs.disabledHttp.Disabled': 'true',
        'AzureWebJobs.disabledQueue.Disabled': '1',
      },
      Host: { CORS: 'http://page.example', CORSCredentials: true },
    }),
  );
  broker = await startProgram(bundles.program, ['broker', '--port', '0', '--data', join(folder, 'broker')], {
    HEADEND_EVENTGRID_KEY: TOPIC_KEY,
  });
  const args = ['host', '--app', bundles.appDir, '--port', '0', '--state', join(folder, 'state')];
  host = await startProgram(bundles.program, args, {
    ...KEYS,
    AzureWebJobsStorage: azurite.connectionString,
    SAMPLE_RECORD: recordFile,
    FROM_BOTH: 'shell',
    TOPIC_ENDPOINT: `http://127.0.0.1:${broker.port}/api/events`,
    TOPIC_KEY,
  });
}, 120_000);

afterAll(async () => {
  await host?.stop();
  await broker?.stop('SIGKILL');
  await endpoint?.close();
  await azurite?.close();
  await bundles?.close();
  await rm(folder, { recursive: true, force: true });
}, 30_000);

describe('settings', () => {
  it('come from local.settings.json, the shell wins, and %NAME% in a binding is one of them', async () => {
    const response = await fetch(at('/v1/settings/here'), { headers: { origin: 'http://page.example' } });
    expect([response.status, await response.json()]).toEqual([
      200,
      { fromFile: 'file', fromBoth: 'shell', masterKey: 'hidden' },
    ]);
    expect(response.headers.get('access-control-allow-origin')).toBe('http://page.example');
    expect(response.headers.get('access-control-allow-credentials')).toBe('true');
  });

  it('that are encrypted, or make no sense, are refused by name', async () => {
    const app = await buildBundles({ logging: { logLevel: { default: 'Loud' } } });
    try {
      const starting = startProgram(app.program, ['host', '--app', app.appDir, '--port', '0'], {});
      await expect(starting).rejects.toThrow('logLevel');
      await writeFile(join(app.appDir, 'host.json'), JSON.stringify({ version: '2.0' }));
      await writeFile(join(app.appDir, 'local.settings.json'), JSON.stringify({ IsEncrypted: true }));
      const encrypted = startProgram(app.program, ['host', '--app', app.appDir, '--port', '0'], {});
      await expect(encrypted).rejects.toThrow('IsEncrypted');
    } finally {
      await app.close();
    }
  }, 60_000);

  it('disable functions: no route, no listener, and still there to be run by hand', async () => {
    expect((await fetch(at('/v1/disabledHttp'))).status).toBe(404);
    await queue('disabled-queue').createIfNotExists();
    await queue('disabled-queue').sendMessage(Buffer.from('"ignored"').toString('base64'));
    expect((await admin('functions/disabledQueue', 'POST', { input: 'by hand' })).status).toBe(202);
    expect(await recorded('disabledQueue')).toEqual([{ kind: 'disabledQueue', message: 'by hand' }]);
    const { approximateMessagesCount } = await queue('disabled-queue').getProperties();
    expect(approximateMessagesCount).toBe(1);
  });

  it('of logging decide what reaches the log, by the longest category', async () => {
    expect((await fetch(at('/v1/logging'))).status).toBe(200);
    await eventually(() => (host.stderr().includes('a warning line') ? true : undefined));
    expect(host.stderr()).toContain('a debug line');
    expect(host.stderr()).toContain('an information line');
    // What the library says of the same invocation is of another category.
    expect(host.stderr()).not.toMatch(/"logCategory":"system"[^\n]*"category":"logging/);
  });
});

describe('limits of requests', () => {
  it('run so many at once, keep so many in line, and answer 429 to the rest', async () => {
    const call = (id: number) =>
      fetch(at(`/v1/waiting?ms=4000&id=${id}`)).then(({ status, headers }) => ({
        status,
        retryAfter: headers.get('retry-after'),
      }));
    const first = [call(1), call(2)];
    await recorded('waiting', 2);
    const inLine = [call(3), call(4)];
    await eventually(async () => {
      const status: { outstandingRequests: number } = JSON.parse(await (await admin('host/status')).text());
      return status.outstandingRequests === 4 ? true : undefined;
    });
    expect(await call(5)).toEqual({ status: 429, retryAfter: '1' });
    expect(await records('waiting')).toHaveLength(2);
    const answers = await Promise.all([...first, ...inLine]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(await records('waiting')).toHaveLength(4);
  }, 60_000);
});

describe('outputs', () => {
  it('of an HTTP function go to a queue, an Event Grid topic and a blob before it answers', async () => {
    const subscribed = await fetch(`http://127.0.0.1:${broker.port}/eventSubscriptions/to-test`, {
      method: 'PUT',
      headers: { 'aeg-sas-key': TOPIC_KEY },
      body: JSON.stringify({
        properties: { destination: { endpointType: 'WebHook', properties: { endpointUrl: endpoint.url } } },
      }),
    });
    expect(subscribed.status).toBe(201);
    const response = await fetch(at('/v1/fanOut'), { method: 'POST', body: 'hello' });
    expect([response.status, await response.text()]).toEqual([200, 'sent']);
    expect((await receive('out-here', 2)).toSorted()).toEqual(['text', '{"n":1}']);
    await eventually(() => endpoint.delivered[0]);
    expect(endpoint.ids()).toEqual(['from-a-function']);
    const container = BlobServiceClient.fromConnectionString(azurite.connectionString).getContainerClient(
      'out',
    );
    const blobs: string[] = [];
    for await (const { name } of container.listBlobsFlat()) {
      expect(name).toMatch(/^here\/[0-9a-f-]{36}\.json$/);
      blobs.push((await container.getBlobClient(name).downloadToBuffer()).toString());
    }
    expect(blobs).toEqual(['{"text":"hello"}']);
  });

  it('of a queue function are its return value', async () => {
    await queue('in-here').sendMessage(Buffer.from('{"n":2}').toString('base64'));
    expect(await receive('out-here', 1)).toEqual(['{"relayed":{"n":2}}']);
  });

  it('that cannot be written fail the invocation', async () => {
    await broker.stop('SIGKILL');
    const response = await fetch(at('/v1/fanOut'), { method: 'POST', body: 'hello' });
    expect(response.status).toBe(500);
    await receive('out-here', 1);
  });
});

describe('timers with a retry policy', () => {
  it('are run again until they succeed, and know which run it is', async () => {
    const runs = await recorded('retried', 3);
    expect(runs.map(({ retry }) => retry)).toEqual([0, 1, 2]);
    expect(Number(runs[1]?.['at']) - Number(runs[0]?.['at'])).toBeGreaterThanOrEqual(990);
  });
});

describe('an Event Grid function of cardinality many', () => {
  it('gets all events of a delivery at once', async () => {
    const events = ['1', '2'].map((id) => ({ id, data: {}, subject: 's', eventType: 't' }));
    const deliver = (functionName: string) =>
      fetch(
        at(
          `/runtime/webhooks/eventgrid?functionName=${functionName}&code=${KEYS.HEADEND_EVENTGRID_SYSTEM_KEY}`,
        ),
        { method: 'POST', headers: { 'aeg-event-type': 'Notification' }, body: JSON.stringify(events) },
      );
    expect((await deliver('manyEvents')).status).toBe(202);
    expect(await records('many')).toEqual([{ kind: 'many', events }]);
    expect((await deliver('oneEvent')).status).toBe(202);
    expect(await records('one')).toHaveLength(2);
  });
});

describe('/admin', () => {
  it('tells the keys to who has the master key', async () => {
    const read = async (path: string) => (await admin(path)).json();
    const functionKey = { name: 'default', value: KEYS.HEADEND_FUNCTION_KEY };
    const systemKey = { name: 'eventgrid_extension', value: KEYS.HEADEND_EVENTGRID_SYSTEM_KEY };
    expect(await read('host/keys')).toEqual({ keys: [functionKey] });
    expect(await read('host/functionkeys')).toEqual({ keys: [functionKey] });
    expect(await read('host/systemkeys')).toEqual({ keys: [systemKey] });
    expect(await read('host/systemkeys/eventgrid_extension')).toEqual(systemKey);
    expect(await read('host/keys/_master')).toEqual({ name: '_master', value: KEYS.HEADEND_MASTER_KEY });
    expect(await read('functions/settings/keys')).toEqual({ keys: [] });
    const refused = await fetch(at('/admin/host/keys'), {
      headers: { 'x-functions-key': KEYS.HEADEND_FUNCTION_KEY },
    });
    expect(refused.status).toBe(401);
  });

  it('describes the functions', async () => {
    const described = await (await admin('functions/settings')).json();
    expect(described).toMatchObject({
      name: 'settings',
      isDisabled: false,
      invoke_url_template: at('/v1/settings/here'),
    });
    expect(await (await admin('functions/retried')).json()).toMatchObject({
      config: { retry: { maxRetryCount: 3, retryStrategy: 'fixedDelay' } },
    });
    const all: { name: string; isDisabled: boolean }[] = JSON.parse(await (await admin('functions')).text());
    expect(all.filter(({ isDisabled }) => isDisabled).map(({ name }) => name)).toEqual([
      'disabledHttp',
      'disabledQueue',
    ]);
  });

  it.each([
    { name: 'a timer', path: 'functions/yearly', body: {}, kind: 'yearly', entry: { kind: 'yearly' } },
    {
      name: 'a queue function',
      path: 'functions/relay',
      body: { input: '{"by":"hand"}' },
      kind: 'relayed',
      entry: { kind: 'relayed', message: { by: 'hand' }, dequeueCount: 1 },
    },
    {
      name: 'an Event Grid function',
      path: 'functions/oneEvent',
      body: { input: { id: 'by hand' } },
      kind: 'one',
      entry: { kind: 'one', event: { id: 'by hand' } },
    },
  ])('runs $name by hand', async ({ path, body, kind, entry }) => {
    expect((await admin(path, 'POST', body)).status).toBe(202);
    await eventually(async () => ((await records(kind)).length > 0 ? true : undefined));
    await eventually(async () => {
      const found = await records(kind);
      return found.some((one) => JSON.stringify(one) === JSON.stringify(entry)) ? true : undefined;
    });
  });

  it.each([
    { name: 'no such function', method: 'GET', path: 'functions/none', status: 404 },
    { name: 'no such function to run', method: 'POST', path: 'functions/none', status: 404 },
    { name: 'an event that is none', method: 'POST', path: 'functions/oneEvent', status: 400 },
    { name: 'another verb', method: 'PUT', path: 'host/status', status: 405 },
    { name: 'no such key', method: 'GET', path: 'host/keys/none', status: 404 },
    { name: 'no such thing', method: 'GET', path: 'host/none', status: 404 },
  ])('answers $status to $name', async ({ method, path, status }) => {
    expect((await admin(path, method)).status).toBe(status);
  });
});
