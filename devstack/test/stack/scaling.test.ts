import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { editStream, makeStream, publish, push } from '../support/bad-streams.ts';
import { type ApiBody, rtmpUrl } from '../support/headend-api.ts';
import { type Stack, startStack } from '../support/stack.ts';

const ENDPOINT = '/streaming-endpoints/default';
const DONE_WITHIN_MS = 90_000;
/** Heartbeats come every 20 s. */
const HEARTBEATS_WITHIN_MS = 60_000;

let stack: Stack;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-scaling-'));
  stack = await startStack();
}, 120_000);

afterAll(async () => {
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function ask(path: string, units: number): Promise<ApiBody> {
  const { status, headers, body } = await stack.api.call('POST', `${path}/scale`, { units });
  expect([status, headers.get('operation-location')]).toEqual([
    202,
    `${stack.apiBase}/operations/${body.id}`,
  ]);
  return body;
}

const end = ({ id }: ApiBody): Promise<ApiBody> =>
  stack.api.until(`/operations/${id}`, ({ finishedAt }) => finishedAt !== null, DONE_WITHIN_MS);

describe('scaling by queue, in the whole stack', () => {
  it('takes a streaming endpoint up and down, and says how it goes', async () => {
    for (const units of [2, 1, 0]) {
      const operation = await end(await ask(ENDPOINT, units));
      expect(operation).toMatchObject({ status: 'Succeeded', percentComplete: 100, error: null });
      expect((await stack.api.expect(200, 'GET', ENDPOINT)).scaleUnits).toBe(units);
    }
  }, 300_000);

  it('carries out the last of several requests, and tells the others which took their place', async () => {
    const asked: ApiBody[] = [];
    for (const units of [1, 2, 1, 2]) asked.push(await ask(ENDPOINT, units));
    const ends = await Promise.all(asked.map(end));
    ends.slice(0, -1).forEach(({ status, error }, index) => {
      // One may have been carried out before the next was asked for.
      if (status === 'Succeeded') return;
      expect([status, error.code]).toEqual(['Canceled', 'superseded']);
      expect(error.message).toContain(asked[index + 1].id);
    });
    expect(ends.at(-1)).toMatchObject({ status: 'Succeeded' });
    expect((await stack.api.expect(200, 'GET', ENDPOINT)).scaleUnits).toBe(2);
    await end(await ask(ENDPOINT, 0));
  }, 300_000);

  it('reports what the media service refuses', async () => {
    const { status, error } = await end(await ask(ENDPOINT, 50));
    expect([status, error.code]).toEqual(['Failed', expect.stringMatching(/\w/)]);
    expect(error.message).toMatch(/scaleUnit/i);
  }, 120_000);

  it('scales the encoding capacity up to its limit', async () => {
    const { unitsMax } = await stack.api.expect(200, 'GET', '/encoding-capacity');
    const { status, body } = await stack.api.call('POST', '/encoding-capacity/scale', {
      units: unitsMax + 1,
    });
    expect([status, body.code]).toEqual([400, 'invalidBody']);
    expect(await end(await ask('/encoding-capacity', unitsMax))).toMatchObject({ status: 'Succeeded' });
    expect(await stack.api.expect(200, 'GET', '/encoding-capacity')).toMatchObject({ units: unitsMax });
  }, 120_000);
});

describe('heartbeats', () => {
  it('come to the app from a channel that is ill, and not from one that is well', async () => {
    const good = await makeStream(join(folder, 'good.flv'));
    const bad = await editStream(good, join(folder, 'bad.flv'), ({ kind, atMs }) =>
      kind === 'video' && atMs % 3000 < 200 ? Math.max(0, atMs - 1000) : atMs,
    );
    const senders = [push(good, await start('well')), publish(bad, await start('ill'))];
    try {
      const deadline = Date.now() + HEARTBEATS_WITHIN_MS;
      const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
      while ((await heartbeatsTaken()).length === 0 && Date.now() < deadline) await wait(1000);
      // Those of one moment come one after another.
      await wait(3000);
      const heartbeats = await heartbeatsTaken();
      expect(heartbeats.filter((line) => /\\*"channel\\*":\\*"ill/.test(line))).not.toEqual([]);
      expect(heartbeats.filter((line) => /\\*"channel\\*":\\*"well/.test(line))).toEqual([]);
    } finally {
      await Promise.all(senders.map((sender) => sender.stop()));
    }
  }, 120_000);
});

async function start(channel: string): Promise<string> {
  const at = `/channels/${channel}`;
  await stack.api.expect(201, 'PUT', at, {});
  await stack.api.expect(200, 'POST', `${at}/start`);
  return `${rtmpUrl(await stack.api.expect(200, 'GET', `${at}/stream-key`))}/main`;
}

const heartbeatsTaken = async () =>
  (await hostLog()).filter((line) => line.includes('LiveEventIngestHeartbeat'));

async function hostLog(): Promise<string[]> {
  const names = (await readdir(stack.dataDir, { recursive: true })).filter((name) => name.endsWith('.log'));
  const texts = await Promise.all(names.map((name) => readFile(join(stack.dataDir, name), 'utf8')));
  return texts.flatMap((text) => text.split('\n')).filter((line) => line.includes('event.handled'));
}
