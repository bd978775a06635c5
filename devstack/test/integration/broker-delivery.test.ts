import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AzureKeyCredential, EventGridPublisherClient } from '@azure/eventgrid';
import { BlobServiceClient } from '@azure/storage-blob';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import {
  type Bundles,
  buildBundles,
  eventually,
  type RunningProgram,
  startProgram,
} from '../support/programs.ts';
import { Endpoint } from '../support/webhook-endpoint.ts';

const KEY = Buffer.from('a key for publishers and no other').toString('base64');
const TOPIC = '/subscriptions/x/providers/Microsoft.Media/mediaservices/headend';

let azurite: Azurite;
let bundles: Bundles;
let dataDir: string;
let broker: RunningProgram;
let endpoint: Endpoint;

const start = (...flags: string[]) =>
  startProgram(bundles.program, ['broker', '--port', '0', '--data', dataDir, ...flags], {
    HEADEND_EVENTGRID_KEY: KEY,
    HEADEND_EVENTGRID_TOPIC: TOPIC,
    HEADEND_STORAGE: azurite.connectionString,
  });
const at = (path: string) => `http://127.0.0.1:${broker.port}${path}`;
const api = (method: string, path: string, body?: object) =>
  fetch(at(path), {
    method,
    headers: { 'aeg-sas-key': KEY, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const subscribe = (name: string, properties: object = {}, destination: object = {}) =>
  api('PUT', `/eventSubscriptions/${name}`, {
    properties: {
      destination: {
        endpointType: 'WebHook',
        properties: { endpointUrl: endpoint.url, ...destination },
      },
      ...properties,
    },
  });
const options = { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } };
const gridPublisher = () =>
  new EventGridPublisherClient(at('/api/events'), 'EventGrid', new AzureKeyCredential(KEY), options);
const cloudPublisher = () =>
  new EventGridPublisherClient(at('/api/events'), 'CloudEvent', new AzureKeyCredential(KEY), options);
const newEvent = (id: string, more: object = {}) => ({
  id,
  subject: 'liveEvent/arena',
  eventType: 'Headend.Media.LiveEventStateChanged',
  dataVersion: '1.0',
  data: { state: 'Running' },
  ...more,
});
interface Stats {
  readonly pending: number;
  readonly deadLettered: number;
  readonly subscriptions: Readonly<Record<string, { readonly pausedUntil?: string }>>;
}
const stats = async (): Promise<Stats> => JSON.parse(await (await api('GET', '/stats')).text());
const waitFor = (count: number) =>
  eventually(() => (endpoint.ids().length >= count ? endpoint.delivered : undefined));
const drained = () => eventually(async () => ((await stats()).pending === 0 ? true : undefined), 40_000);
const deadLetterTo = (container: string) => ({
  deadLetterDestination: {
    endpointType: 'StorageBlob',
    properties: { resourceId: '/subscriptions/x/storageAccounts/y', blobContainerName: container },
  },
});

interface Letter {
  readonly id: string;
  readonly [name: string]: unknown;
}

/** All dead letters of a container, in the order in which their blobs were written. */
async function readLetters(
  container: string,
): Promise<{ names: string[]; letters: Letter[]; byBlob: Letter[][] }> {
  const client = BlobServiceClient.fromConnectionString(azurite.connectionString).getContainerClient(
    container,
  );
  const blobs: { name: string; createdAt: number }[] = [];
  if (!(await client.exists())) return { names: [], letters: [], byBlob: [] };
  for await (const { name, properties } of client.listBlobsFlat()) {
    blobs.push({ name, createdAt: properties.createdOn?.getTime() ?? 0 });
  }
  blobs.sort((a, b) => a.createdAt - b.createdAt);
  const byBlob: Letter[][] = [];
  for (const { name } of blobs) {
    byBlob.push(JSON.parse((await client.getBlobClient(name).downloadToBuffer()).toString()));
  }
  return { names: blobs.map(({ name }) => name), letters: byBlob.flat(), byBlob };
}

beforeAll(async () => {
  [azurite, bundles] = await Promise.all([startAzurite(), buildBundles()]);
}, 90_000);
afterAll(async () => {
  await azurite?.close();
  await bundles?.close();
});
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'headend-broker-'));
  endpoint = new Endpoint();
  await endpoint.open();
});
afterEach(async () => {
  await broker.stop('SIGKILL');
  await endpoint.close();
  await rm(dataDir, { recursive: true, force: true });
});

describe('CloudEvents', () => {
  const time = new Date('2026-01-02T03:04:05Z');
  const cloudEvent = (id: string, more: object = {}) => ({
    id,
    source: '/arena',
    type: 'Headend.Started',
    subject: 'a',
    time,
    data: { n: 1 },
    ...more,
  });

  it('go in and out with the unmodified SDK, one at a time, extension attributes and bytes included', async () => {
    broker = await start('--input-schema', 'CloudEventSchemaV1_0');
    expect((await subscribe('to-app')).status).toBe(201);
    const bytes = new Uint8Array([0, 255, 1]);
    await cloudPublisher().send([
      cloudEvent('1', { extensionAttributes: { myextension: 'x' } }),
      cloudEvent('2', { data: bytes, datacontenttype: 'application/octet-stream' }),
    ]);
    const [first, second] = (await waitFor(2)).toSorted(
      (a, b) => Number(a.events[0]?.['id']) - Number(b.events[0]?.['id']),
    );
    expect(first?.headers).toMatchObject({
      'content-type': 'application/cloudevents+json; charset=utf-8',
      'aeg-event-type': 'Notification',
      'aeg-subscription-name': 'TO-APP',
    });
    expect(first?.body).toEqual({
      specversion: '1.0',
      id: '1',
      source: '/arena',
      type: 'Headend.Started',
      subject: 'a',
      time: time.toISOString(),
      datacontenttype: 'application/json',
      myextension: 'x',
      data: { n: 1 },
    });
    expect(second?.body).toMatchObject({ id: '2', data_base64: Buffer.from(bytes).toString('base64') });
  });

  it.each([
    {
      name: 'one event in structured mode',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify({ specversion: '1.0', id: '1', source: 's', type: 't', subject: null }),
      status: 200,
    },
    {
      name: 'one in binary mode',
      headers: {
        'content-type': 'application/json',
        'ce-specversion': '1.0',
        'ce-id': '1',
        'ce-source': 's',
        'ce-type': 't',
      },
      body: '{"n":1}',
      status: 200,
    },
    {
      name: 'the Event Grid schema',
      headers: { 'content-type': 'application/json' },
      body: '[]',
      status: 400,
    },
    {
      name: 'no source',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify({ specversion: '1.0', id: '1', type: 't' }),
      status: 400,
    },
    {
      name: 'an attribute with a capital',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify({ specversion: '1.0', id: '1', source: 's', type: 't', myExtension: 1 }),
      status: 400,
    },
    {
      name: 'a batch that is none',
      headers: { 'content-type': 'application/cloudevents-batch+json' },
      body: '{}',
      status: 400,
    },
  ])('answers $status to $name', async ({ headers, body, status }) => {
    broker = await start('--input-schema', 'CloudEventSchemaV1_0');
    await subscribe('to-app');
    const response = await fetch(at('/api/events?api-version=2018-01-01'), {
      method: 'POST',
      headers: { 'aeg-sas-key': KEY, ...headers },
      body,
    });
    expect(response.status).toBe(status);
    if (status === 200) {
      const [delivered] = await waitFor(1);
      expect(delivered?.body).toMatchObject({ specversion: '1.0', id: '1', source: 's', type: 't' });
    }
  });

  it('are what a subscription to an Event Grid topic gets when it asks for them, as a batch too', async () => {
    broker = await start();
    await subscribe('cloud', { eventDeliverySchema: 'CloudEventSchemaV1_0' }, { maxEventsPerBatch: 10 });
    await gridPublisher().send([newEvent('1', { eventTime: time })]);
    const [delivered] = await waitFor(1);
    expect(delivered?.headers['content-type']).toBe('application/cloudevents-batch+json; charset=utf-8');
    expect(delivered?.body).toEqual([
      {
        specversion: '1.0',
        id: '1',
        source: TOPIC,
        type: 'Headend.Media.LiveEventStateChanged',
        subject: 'liveEvent/arena',
        time: time.toISOString(),
        dataschema: '#1.0',
        datacontenttype: 'application/json',
        data: { state: 'Running' },
      },
    ]);
  });

  it('cannot become Event Grid events', async () => {
    broker = await start('--input-schema', 'CloudEventSchemaV1_0');
    expect((await subscribe('to-app', { eventDeliverySchema: 'EventGridSchema' })).status).toBe(400);
  });
});

describe('a topic with a schema of its own', () => {
  it('maps fields and defaults, and delivers the event as it was or as it was mapped', async () => {
    const mapping = {
      inputSchemaMappingType: 'Json',
      properties: {
        eventType: { sourceField: 'what.kind' },
        subject: { sourceField: 'where', defaultValue: 'nowhere' },
        dataVersion: { defaultValue: '7' },
      },
    };
    broker = await start('--input-schema', 'CustomEventSchema', '--input-mapping', JSON.stringify(mapping));
    await subscribe('as-it-was', { eventDeliverySchema: 'CustomInputSchema' });
    await subscribe('mapped');
    const custom = { what: { kind: 'Started' }, n: 1 };
    const publish = (body: unknown) =>
      fetch(at('/api/events?api-version=2018-01-01'), {
        method: 'POST',
        headers: { 'aeg-sas-key': KEY, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect((await publish([custom])).status).toBe(200);
    const seen = await waitFor(2);
    const of = (name: string) =>
      seen.find(({ headers }) => headers['aeg-subscription-name'] === name)?.events;
    expect(of('AS-IT-WAS')).toEqual([custom]);
    expect(of('MAPPED')).toEqual([
      expect.objectContaining({
        eventType: 'Started',
        subject: 'nowhere',
        dataVersion: '7',
        topic: TOPIC,
        data: custom,
      }),
    ]);
    expect((await publish([{ n: 1 }])).status).toBe(400);
  });
});

describe('validation of an endpoint', () => {
  it.each([
    { name: 'an Event Grid subscription', schema: 'EventGridSchema' },
    { name: 'a CloudEvents subscription', schema: 'CloudEventSchemaV1_0' },
  ])('can be done by hand for $name that answers without proof', async ({ schema }) => {
    broker = await start();
    endpoint.validation = 'silent';
    const put = await subscribe('by-hand', { eventDeliverySchema: schema });
    expect([put.status, await put.json()]).toMatchObject([
      201,
      { properties: { provisioningState: 'AwaitingManualAction' } },
    ]);
    await gridPublisher().send([newEvent('too early')]);
    const url = endpoint.validationUrl ?? '';
    expect((await fetch(url.replace(/id=.*/, 'id=guessed'))).status).toBe(404);
    expect((await fetch(url)).status).toBe(200);
    expect((await fetch(url)).status).toBe(404);
    expect(await (await api('GET', '/eventSubscriptions/by-hand')).json()).toMatchObject({
      properties: { provisioningState: 'Succeeded' },
    });
    await gridPublisher().send([newEvent('after')]);
    await waitFor(1);
    expect(endpoint.ids()).toEqual(['after']);
  });

  it('by OPTIONS fails for an endpoint that allows another origin', async () => {
    broker = await start();
    endpoint.validation = 'wrong';
    expect((await subscribe('cloud', { eventDeliverySchema: 'CloudEventSchemaV1_0' })).status).toBe(400);
  });

  it('is over when a subscription is deleted, and the endpoint is told', async () => {
    broker = await start();
    await subscribe('to-app');
    expect((await api('DELETE', '/eventSubscriptions/to-app')).status).toBe(200);
    await eventually(() => endpoint.unsubscribed[0]);
    expect(endpoint.unsubscribed).toEqual([
      `${TOPIC}/providers/Microsoft.EventGrid/eventSubscriptions/to-app`,
    ]);
  });
});

describe('batches', () => {
  /** The ids of each, sorted by the first: they are delivered in parallel. */
  const batches = () =>
    endpoint.delivered
      .map(({ events }) => events.map(({ id }) => String(id)))
      .toSorted((a, b) => String(a[0]).localeCompare(String(b[0])));

  it('are as large as the subscription says, and never wait for more', async () => {
    broker = await start();
    await subscribe('by-count', {}, { maxEventsPerBatch: 4 });
    const ids = Array.from({ length: 10 }, (_, n) => String(n));
    await gridPublisher().send(ids.map((id) => newEvent(id)));
    await waitFor(10);
    expect(batches()).toEqual([ids.slice(0, 4), ids.slice(4, 8), ids.slice(8)]);
  });

  it('end before they exceed the preferred size; an event that is larger goes alone', async () => {
    broker = await start();
    await subscribe('by-size', {}, { maxEventsPerBatch: 100, preferredBatchSizeInKilobytes: 2 });
    const big = (id: string, size: number) => newEvent(id, { data: { text: 'x'.repeat(size) } });
    await gridPublisher().send([big('a', 700), big('b', 700), big('c', 700), big('d', 4000), big('e', 10)]);
    await waitFor(5);
    expect(batches()).toEqual([['a', 'b'], ['c'], ['d'], ['e']]);
  });

  it('come again whole when the endpoint fails', async () => {
    broker = await start('--time-scale', '1000');
    let count = 0;
    endpoint.answer = () => {
      count += 1;
      return count === 1 ? 500 : 200;
    };
    await subscribe('to-app', {}, { maxEventsPerBatch: 10 });
    await gridPublisher().send([newEvent('1'), newEvent('2'), newEvent('3')]);
    await waitFor(6);
    await drained();
    expect(endpoint.ids().slice(0, 3)).toEqual(['1', '2', '3']);
    expect(endpoint.ids().toSorted()).toEqual(['1', '1', '2', '2', '3', '3']);
  });
});

describe('dead letters', () => {
  it('become one blob in the shape and at the path of Azure, in order', async () => {
    broker = await start('--time-scale', '500');
    endpoint.answer = () => 400;
    await subscribe('My-Sub', deadLetterTo('letters'));
    await gridPublisher().send([newEvent('1'), newEvent('2'), newEvent('3')]);
    await drained();
    const { names, letters } = await readLetters('letters');
    expect(names).toHaveLength(1);
    expect(names[0]).toMatch(/^MY-SUB\/\d{4}\/\d{1,2}\/\d{1,2}\/\d{1,2}\/[0-9a-f-]{36}\.json$/);
    expect(letters.map(({ id }) => id)).toEqual(['1', '2', '3']);
    expect(letters[0]).toEqual({
      ...newEvent('1'),
      topic: TOPIC,
      metadataVersion: '1',
      eventTime: expect.any(String),
      deadLetterReason: 'BadRequest',
      deliveryAttempts: 1,
      lastDeliveryOutcome: 'BadRequest',
      publishTime: expect.any(String),
      lastDeliveryAttemptTime: expect.any(String),
    });
    expect(await readFile(join(dataDir, 'dead-letter.jsonl'), 'utf8').catch(() => '')).toBe('');
  });

  it('of a CloudEvents subscription carry their properties in lower case', async () => {
    broker = await start('--time-scale', '1000', '--input-schema', 'CloudEventSchemaV1_0');
    endpoint.answer = () => 413;
    await subscribe('cloud', deadLetterTo('cloud-letters'));
    await cloudPublisher().send([{ id: '1', source: 's', type: 't', data: {} }]);
    await drained();
    const { letters } = await readLetters('cloud-letters');
    expect(letters).toMatchObject([{ specversion: '1.0', id: '1', deadletterreason: 'PayloadTooLarge' }]);
  });

  it('wait five minutes, and are in the journal meanwhile', async () => {
    broker = await start('--time-scale', '30');
    endpoint.answer = () => 400;
    await subscribe('to-app', deadLetterTo('late-letters'));
    await gridPublisher().send([newEvent('1')]);
    await eventually(async () => ((await stats()).deadLettered === 1 ? true : undefined));
    expect(await stats()).toMatchObject({
      pending: 1,
      subscriptions: { 'to-app': { deadLettersWaiting: 1 } },
    });
    expect((await readLetters('late-letters')).letters).toEqual([]);
    await drained();
    expect((await readLetters('late-letters')).letters).toHaveLength(1);
  }, 60_000);

  it('are never lost over kills at random moments, and in order in their blobs, batches included', async () => {
    const flags = ['--time-scale', '2000'];
    broker = await start(...flags);
    await subscribe('to-app', deadLetterTo('killed-letters'), { maxEventsPerBatch: 5 });
    endpoint.answer = () => 400;
    const acknowledged: string[] = [];
    for (let round = 0; round < 6; round += 1) {
      const client = gridPublisher();
      const enough = acknowledged.length + 6;
      let isKilled = false;
      const sending = (async () => {
        while (!isKilled) {
          const ids = [randomUUID(), randomUUID(), randomUUID()];
          try {
            await client.send(ids.map((id) => newEvent(id)));
            acknowledged.push(...ids);
          } catch {
            // Not acknowledged: it may become a letter or not.
          }
        }
      })();
      await eventually(() => (acknowledged.length >= enough ? true : undefined));
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 300));
      const killed = broker.stop('SIGKILL');
      isKilled = true;
      await Promise.all([killed, sending]);
      broker = await start(...flags);
    }
    await drained();
    const { letters, byBlob } = await readLetters('killed-letters');
    // One publisher, one request at a time: what was acknowledged first was published first.
    for (const blob of byBlob) {
      const positions = blob.map(({ id }) => acknowledged.indexOf(id)).filter((position) => position >= 0);
      expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    }
    const found = new Set(letters.map(({ id }) => id));
    expect(acknowledged.filter((id) => !found.has(id))).toEqual([]);
  }, 90_000);
});

describe('an endpoint that only fails', () => {
  it('is left alone and asked with one event at a time, and gets all when it is well again', async () => {
    // Ten seconds become three: long enough to look, short enough to wait.
    broker = await start('--time-scale', '3');
    let isIll = true;
    endpoint.answer = () => (isIll ? 500 : 200);
    await subscribe('to-app');
    const ids = Array.from({ length: 12 }, (_, n) => `first-${n}`);
    await gridPublisher().send(ids.map((id) => newEvent(id)));
    await waitFor(10);
    await eventually(async () => (await stats()).subscriptions['to-app']?.pausedUntil);
    const attempts = endpoint.delivered.length;
    await gridPublisher().send([newEvent('during')]);
    expect(endpoint.ids()).not.toContain('during');
    expect(endpoint.delivered.length - attempts).toBeLessThanOrEqual(3);
    isIll = false;
    await drained();
    expect(new Set(endpoint.ids())).toEqual(new Set([...ids, 'during']));
    expect((await stats()).subscriptions['to-app']?.pausedUntil).toBeUndefined();
  }, 60_000);
});
