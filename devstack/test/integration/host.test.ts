import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
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

const KEYS = {
  HEADEND_FUNCTION_KEY: 'function-key-0123456789',
  HEADEND_MASTER_KEY: 'master-key-0123456789',
  HEADEND_EVENTGRID_SYSTEM_KEY: 'system-key-0123456789',
};
const ORIGIN = 'http://127.0.0.1:8080';
const LEASE_MS = 2000;

let azurite: Azurite;
let bundles: Bundles;
let host: RunningProgram;
let queues: QueueServiceClient;
let state: string;
let recordFile: string;

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

function start(): Promise<RunningProgram> {
  const args = ['host', '--app', bundles.appDir, '--port', '0', '--state', state, '--cors', ORIGIN];
  return startProgram(bundles.program, [...args, '--queue-lease-ms', String(LEASE_MS)], {
    ...KEYS,
    AzureWebJobsStorage: azurite.connectionString,
    SAMPLE_QUEUE: 'work',
    SAMPLE_RECORD: recordFile,
  });
}

const at = (path: string) => `http://127.0.0.1:${host.port}${path}`;
const withKey = (key: string) => ({ headers: { 'x-functions-key': key } });

beforeAll(async () => {
  [azurite, bundles, state] = await Promise.all([
    startAzurite(),
    buildBundles({
      functionTimeout: '00:00:03',
      extensions: { queues: { visibilityTimeout: '00:00:01', maxDequeueCount: 2 } },
    }),
    mkdtemp(join(tmpdir(), 'headend-host-state-')),
  ]);
  recordFile = join(state, 'record.jsonl');
  queues = QueueServiceClient.fromConnectionString(azurite.connectionString);
  host = await start();
}, 90_000);

afterAll(async () => {
  await host?.stop();
  await azurite?.close();
  await bundles?.close();
  await rm(state, { recursive: true, force: true });
}, 30_000);

describe('HTTP triggers', () => {
  it('hand the request over and the answer back as the real host does', async () => {
    const response = await fetch(at('/api/echo/7?a=1&a=2&b=x%20y'), {
      method: 'POST',
      body: 'text',
      headers: { 'X-Functions-Key': KEYS.HEADEND_FUNCTION_KEY, 'x-many': 'one', origin: ORIGIN },
    });
    expect(response.status).toBe(201);
    expect(await response.json()).toEqual({
      params: { id: '7' },
      query: { a: '1,2', b: 'x y' },
      text: 'text',
      url: at('/api/echo/7?a=1&a=2&b=x%20y'),
    });
    expect(response.headers.getSetCookie()).toEqual([
      'a=1; HttpOnly; SameSite=Lax',
      'b=2%203; Max-Age=60; Path=/',
    ]);
    expect(response.headers.get('etag')).toBe('"1"');
    expect(response.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    expect(response.headers.get('access-control-expose-headers')).toContain('Operation-Location');
  });

  it.each([
    { name: 'no key', path: '/api/echo/1', key: '', status: 401 },
    { name: 'a wrong key', path: '/api/echo/1', key: 'wrong', status: 401 },
    {
      name: 'a wrong header beside a right code',
      path: `/api/echo/1?code=${KEYS.HEADEND_FUNCTION_KEY}`,
      key: 'wrong',
      status: 401,
    },
    { name: 'a right code', path: `/api/echo/1?code=${KEYS.HEADEND_FUNCTION_KEY}`, key: '', status: 201 },
    { name: 'the master key', path: '/api/echo/1', key: KEYS.HEADEND_MASTER_KEY, status: 201 },
    {
      name: 'the system key where a function key belongs',
      path: '/api/echo/1',
      key: KEYS.HEADEND_EVENTGRID_SYSTEM_KEY,
      status: 401,
    },
    {
      name: 'a parameter that breaks its constraint',
      path: '/api/echo/x',
      key: KEYS.HEADEND_MASTER_KEY,
      status: 404,
    },
    {
      name: 'the function key at level admin',
      path: '/api/masterOnly',
      key: KEYS.HEADEND_FUNCTION_KEY,
      status: 401,
    },
    {
      name: 'the master key at level admin',
      path: '/api/masterOnly',
      key: KEYS.HEADEND_MASTER_KEY,
      status: 200,
    },
    { name: 'no key at level anonymous', path: '/api/anyone', key: '', status: 200 },
    { name: 'a function that returns nothing', path: '/api/nothing', key: '', status: 204 },
    { name: 'a function that throws', path: '/api/throwing', key: '', status: 500 },
    { name: 'no such route', path: '/api/none', key: '', status: 404 },
    {
      name: '/admin without the master key',
      path: '/admin/functions',
      key: KEYS.HEADEND_FUNCTION_KEY,
      status: 401,
    },
    { name: 'a ping', path: '/admin/host/ping', key: '', status: 200 },
  ])('answer $status to $name', async ({ path, key, status }) => {
    const response = await fetch(at(path), key === '' ? {} : withKey(key));
    expect(response.status).toBe(status);
  });

  it('treat the verb as part of the route, and take the first function by name', async () => {
    expect((await fetch(at('/api/anyone'), { method: 'DELETE' })).status).toBe(404);
    const overlap = await fetch(at('/api/overlap/exact'), withKey(KEYS.HEADEND_MASTER_KEY));
    expect(await overlap.text()).toBe('A');
  });

  it('drop chunked bodies, refuse long ones and answer preflights', async () => {
    const chunked = await new Promise<string>((resolve, reject) => {
      const outgoing = request(at('/api/echo/1'), { method: 'POST', ...withKey(KEYS.HEADEND_MASTER_KEY) });
      outgoing.on('response', (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      });
      outgoing.on('error', reject);
      outgoing.write('chunk');
      outgoing.end('chunk');
    });
    expect(JSON.parse(chunked)).toMatchObject({ text: '' });
    const tooLong = await new Promise<number | undefined>((resolve, reject) => {
      const headers = {
        'x-functions-key': KEYS.HEADEND_MASTER_KEY,
        'content-length': String(101 * 1024 * 1024),
      };
      const outgoing = request(at('/api/echo/1'), { method: 'POST', headers });
      outgoing.on('response', (response) => {
        resolve(response.statusCode);
        outgoing.destroy();
      });
      outgoing.on('error', reject);
      outgoing.flushHeaders();
    });
    expect(tooLong).toBe(413);
    const preflight = await fetch(at('/api/echo/1'), {
      method: 'OPTIONS',
      headers: {
        origin: ORIGIN,
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'x-a',
      },
    });
    expect([preflight.status, preflight.headers.get('access-control-allow-headers')]).toEqual([204, 'x-a']);
    const foreign = await fetch(at('/api/anyone'), { headers: { origin: 'http://evil.example' } });
    expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('the Event Grid webhook', () => {
  const deliver = (
    body: unknown,
    { type = 'Notification', functionName = 'onEvent', code = KEYS.HEADEND_EVENTGRID_SYSTEM_KEY } = {},
  ) =>
    fetch(at(`/runtime/webhooks/eventgrid?functionName=${functionName}&code=${code}`), {
      method: 'POST',
      headers: { 'aeg-event-type': type, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const event = (id: string, data: object = {}) => ({
    id,
    data,
    subject: 's',
    eventType: 't',
    dataVersion: '1',
    eventTime: '2026-01-01T00:00:00Z',
  });

  it('echoes the validation code', async () => {
    const response = await deliver([{ data: { validationCode: 'abc' } }], { type: 'SubscriptionValidation' });
    expect([response.status, await response.json()]).toEqual([200, { validationResponse: 'abc' }]);
  });

  it('runs the events of a delivery and answers 202', async () => {
    expect((await deliver([event('e1', { n: 1 }), event('e2')])).status).toBe(202);
    const seen = await records('event');
    expect(seen.map((entry) => entry['event'])).toEqual(
      expect.arrayContaining([event('e1', { n: 1 }), event('e2')]),
    );
  });

  it.each([
    { name: 'one event fails', body: [event('ok'), event('bad', { fail: true })], options: {}, status: 500 },
    {
      name: 'the function does not exist',
      body: [event('x')],
      options: { functionName: 'none' },
      status: 404,
    },
    {
      name: 'the function has another trigger',
      body: [event('x')],
      options: { functionName: 'echo' },
      status: 404,
    },
    {
      name: 'the key is a function key',
      body: [event('x')],
      options: { code: KEYS.HEADEND_FUNCTION_KEY },
      status: 401,
    },
    { name: 'the type is odd', body: [event('x')], options: { type: 'Odd' }, status: 400 },
    { name: 'the subscription is deleted', body: [], options: { type: 'Unsubscribe' }, status: 202 },
    { name: 'the body is no event', body: 'text', options: {}, status: 400 },
  ])('answers $status when $name', async ({ body, options, status }) => {
    expect((await deliver(body, options)).status).toBe(status);
  });
});

describe('queue triggers', () => {
  const send = (message: unknown) =>
    queues.getQueueClient('work').sendMessage(Buffer.from(JSON.stringify(message)).toString('base64'));
  const seen = async (id: string) =>
    (await records('message')).filter(
      ({ message }) =>
        typeof message === 'object' && message !== null && 'id' in message && message.id === id,
    );

  it('make the queue, run each message once and delete it', async () => {
    await send({ id: 'plain' });
    const [entry] = await eventually(async () => {
      const found = await seen('plain');
      return found.length > 0 ? found : undefined;
    });
    expect(entry?.['metadata']).toMatchObject({ dequeueCount: 1, queueTrigger: { id: 'plain' } });
    await eventually(async () => {
      const { approximateMessagesCount } = await queues.getQueueClient('work').getProperties();
      return approximateMessagesCount === 0 ? true : undefined;
    });
  });

  it('retry after the visibility timeout and then move the message to the poison queue', async () => {
    await send({ id: 'poison', fail: true });
    const poison = queues.getQueueClient('work-poison');
    const text = await eventually(async () => {
      const received = await poison.receiveMessages().catch(() => undefined);
      return received?.receivedMessageItems[0]?.messageText;
    });
    expect(JSON.parse(Buffer.from(text, 'base64').toString())).toEqual({ id: 'poison', fail: true });
    expect(await seen('poison')).toHaveLength(2);
    await poison.clearMessages();
  });

  it('move what is not base64 to the poison queue unseen', async () => {
    await queues.getQueueClient('work').sendMessage('{"not":"base64"}');
    const poison = queues.getQueueClient('work-poison');
    const text = await eventually(
      async () => (await poison.receiveMessages()).receivedMessageItems[0]?.messageText,
    );
    expect(text).toBe('{"not":"base64"}');
  });

  it('keep a message from others for longer than its lease while the function runs', async () => {
    // The lease is 2 s and functionTimeout 3 s: without renewal the message would run twice.
    await send({ id: 'long', sleepMs: LEASE_MS + 700 });
    await new Promise((resolve) => setTimeout(resolve, 2 * LEASE_MS + 1500));
    expect(await seen('long')).toHaveLength(1);
  }, 20_000);
});

describe('timers', () => {
  it('never overlap', async () => {
    const ends = await eventually(async () => {
      const found = await records('tickEnd');
      return found.length >= 2 ? found : undefined;
    });
    const starts = await records('tick');
    expect(Number(starts[1]?.['at'])).toBeGreaterThanOrEqual(Number(ends[0]?.['at']));
    expect(starts[0]?.['timer']).toMatchObject({ isPastDue: false, schedule: { adjustForDST: true } });
  });
});

describe('a worker that goes wrong', () => {
  const FUNCTION_TIMEOUT_MS = 3000;
  const restarts = () => host.stderr().split('"worker.exited"').length - 1;

  it.each([
    { name: 'process.exit in a handler', path: '/api/exiting', timesOut: false },
    { name: 'a throw in a timer callback', path: '/api/lateThrow', timesOut: false },
    { name: 'a handler that hangs for longer than functionTimeout', path: '/api/hanging', timesOut: true },
  ])(
    'fails what is in flight and is restarted after $name',
    async ({ path, timesOut }) => {
      const restartsBefore = restarts();
      const begun = performance.now();
      const inFlight = fetch(at('/api/hanging')).then(({ status }) => status);
      const crashed = await fetch(at(path));
      expect([crashed.status, await inFlight]).toEqual([500, 500]);
      expect(performance.now() - begun >= FUNCTION_TIMEOUT_MS - 50).toBe(timesOut);
      expect((await fetch(at('/api/anyone'))).status).toBe(200);
      expect(restarts()).toBe(restartsBefore + 1);
    },
    30_000,
  );

  it('does not reach the host', async () => {
    const spinning = fetch(at('/api/spinning'));
    const begun = performance.now();
    const status = await fetch(at('/admin/host/status'), withKey(KEYS.HEADEND_MASTER_KEY));
    expect(await status.json()).toMatchObject({ state: 'Running' });
    expect(performance.now() - begun).toBeLessThan(700);
    expect((await spinning).status).toBe(200);
  });
});

describe('a worker in the same process', () => {
  it('loads the same folder and answers over the same seam', async () => {
    const run = promisify(execFile);
    const { stdout } = await run(process.execPath, [bundles.program, 'in-process', bundles.appDir, 'anyone']);
    expect(JSON.parse(stdout)).toEqual({ statusCode: '200', text: 'hello', unknown: 'failure' });
  });
});

describe('stopping and starting', () => {
  it('lets requests finish, runs the terminate hooks, and makes up for a missed timer', async () => {
    const inFlight = fetch(at('/api/slow')).then((response) => response.text());
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await host.stop()).toBe(0);
    expect(await inFlight).toBe('done');
    expect(await records('terminated')).not.toHaveLength(0);
    expect(await records('yearly')).toHaveLength(0);
    const stored = { Last: null, Next: '2020-01-01T00:00:00.000Z', LastUpdated: '2019-01-01T00:00:00.000Z' };
    await writeFile(join(state, 'timers', 'yearly.json'), JSON.stringify(stored));
    host = await start();
    const [yearly] = await eventually(async () => {
      const found = await records('yearly');
      return found.length > 0 ? found : undefined;
    });
    expect(yearly?.['timer']).toMatchObject({ isPastDue: true });
    const log = host
      .stderr()
      .split('\n')
      .filter((line) => line !== '');
    for (const line of log) expect(() => JSON.parse(line)).not.toThrow();
    for (const key of Object.values(KEYS)) expect(host.stderr()).not.toContain(key);
  }, 30_000);
});
