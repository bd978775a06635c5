import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ControlEvent } from '../../src/control-plane/control-store.ts';
import type { OperationKind } from '../../src/control-plane/operation-plans.ts';
import { Operations } from '../../src/control-plane/operations.ts';
import { LiveEventRecord, newLiveEvent, parseLiveEventBody } from '../../src/resources/live-event.ts';
import type { LiveEventState } from '../../src/resources/live-event-state.ts';
import { LiveOutputRecord, newLiveOutput, parseLiveOutputBody } from '../../src/resources/live-output.ts';
import {
  accessTokenKey,
  liveEventKey,
  liveOutputKey,
  operationKey,
  outputOfAssetKey,
  prefixes,
  previewLocatorKey,
} from '../../src/resources/row-keys.ts';
import { type HeadendTable, openHeadendTable } from '../../src/store/headend-table.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';

const HOUR_MS = 3_600_000;
const CALLER = { caller: { id: 'test' }, nowIso: '2026-01-01T00:00:00.000Z' };

let azurite: Azurite;
let table: HeadendTable;
let operations: Operations;
let events: ControlEvent[];
/** What the media side does when it is asked. */
let refresh: () => Promise<void>;
let nowMs: number;
let timing: { effectMsMax: number; backoffMsMin: number };

beforeAll(async () => {
  azurite = await startAzurite();
}, 90_000);
afterAll(() => azurite?.close(), 60_000);

const openOperations = (): Operations =>
  new Operations({
    store: table,
    events: {
      change: (event) => {
        events.push(event);
        return { kind: 'create', rowKey: `x!${randomUUID()}`, body: event };
      },
      wake: () => undefined,
    },
    liveRuntime: { refresh: () => refresh() },
    log: { warn: () => undefined, error: () => undefined },
    nowMs: () => nowMs,
    timing,
  });

beforeEach(async () => {
  table = await openHeadendTable(azurite.connectionString, `account${randomUUID().slice(0, 8)}`);
  events = [];
  nowMs = Date.now();
  timing = { effectMsMax: 30_000, backoffMsMin: 5 };
  refresh = () => Promise.resolve();
  operations = openOperations();
});
afterEach(() => operations.close());

async function putLiveEvent(state: LiveEventState): Promise<LiveEventRecord> {
  const fresh = { ...CALLER, name: 'e', accessToken: 'a'.repeat(32), previewLocator: randomUUID() };
  const body = parseLiveEventBody({ properties: { input: { streamingProtocol: 'RTMP' } } });
  const record: LiveEventRecord = { ...newLiveEvent(body, fresh), state };
  await table.commit([
    { kind: 'create', rowKey: liveEventKey('e'), body: record },
    { kind: 'create', rowKey: accessTokenKey(record.input.accessToken), body: { name: 'e' } },
    { kind: 'create', rowKey: previewLocatorKey(record.preview.previewLocator), body: { name: 'e' } },
  ]);
  return record;
}

async function putLiveOutput(name: string, state: LiveOutputRecord['state']): Promise<void> {
  const body = parseLiveOutputBody({ properties: { assetName: 'a', archiveWindowLength: 'PT1H' } });
  const fresh = { ...CALLER, name, liveEventName: 'e', container: 'c', manifestName: 'm' };
  await table.commit([
    { kind: 'create', rowKey: liveOutputKey('e', name), body: { ...newLiveOutput(body, fresh), state } },
    {
      kind: 'create',
      rowKey: outputOfAssetKey({ asset: 'a', liveEvent: 'e', output: name }),
      body: { name, liveEvent: 'e' },
    },
  ]);
}

/** Begins the operation on the live event, which goes to `via` with it, and waits for its end. */
async function carryOut(kind: OperationKind, via?: LiveEventState) {
  const operation = operations.prepare(kind, 'e');
  const row = await table.find(liveEventKey('e'));
  const record = LiveEventRecord.parse(row?.body);
  const body = { ...record, state: via ?? record.state, pendingOperationId: operation.id };
  const begun = await operations.begin(operation, [
    { kind: 'replace', rowKey: liveEventKey('e'), etag: row?.etag ?? '', body },
  ]);
  expect(begun).toBe(true);
  return waitForEnd(operation.id);
}

async function waitForEnd(id: string) {
  for (;;) {
    const found = await operations.find(id);
    if (found.status !== 'InProgress') return found;
  }
}

async function liveEventNow(): Promise<LiveEventRecord | undefined> {
  const row = await table.find(liveEventKey('e'));
  return row === undefined ? undefined : LiveEventRecord.parse(row.body);
}

const stateSteps = (): string[] =>
  events
    .filter((event) => event.type === 'Headend.Media.LiveEventStateChanged')
    .map((event) => `${event.data['previousState']}>${event.data['state']}`);

describe('an operation that the media side cannot carry out', () => {
  it.each([
    ['startLiveEvent', 'Starting', 'Stopped', ['Starting>Running', 'Running>Stopping', 'Stopping>Stopped']],
    ['stopLiveEvent', 'Stopping', 'Running', ['Stopping>Running']],
    ['releaseLiveEvent', 'Stopping', 'Stopped', ['Stopping>Stopped']],
    ['resetLiveEvent', 'Stopping', 'Running', ['Stopping>Running']],
    ['deleteLiveEvent', 'Deleting', 'Stopped', ['Deleting>Stopped']],
    ['updateLiveEvent', 'Running', 'Running', []],
  ] as const)('%s is given up and leaves the live event free', async (kind, via, state, steps) => {
    await putLiveEvent(via);
    let asked = 0;
    refresh = async () => {
      asked += 1;
      throw new Error('the recorder is out of order');
    };
    expect(await carryOut(kind, via)).toMatchObject({ status: 'Failed' });
    expect(asked).toBe(4);
    const record = await liveEventNow();
    expect(record).toMatchObject({ state, provisioningState: 'Failed' });
    expect(record).not.toHaveProperty('pendingOperationId');
    expect(stateSteps()).toEqual(steps);
  });

  it('leaves what it began on an output to be asked for again, and the second time does it', async () => {
    await putLiveEvent('Running');
    await putLiveOutput('ending', 'Deleting');
    await putLiveOutput('recording', 'Running');
    refresh = () => Promise.reject(new Error('no'));
    expect(await carryOut('deleteLiveOutput')).toMatchObject({ status: 'Failed' });
    const ending = await table.find(liveOutputKey('e', 'ending'));
    expect(LiveOutputRecord.parse(ending?.body)).toMatchObject({
      state: 'Deleting',
      provisioningState: 'Failed',
    });
    refresh = () => Promise.resolve();
    expect(await carryOut('deleteLiveOutput')).toMatchObject({ status: 'Succeeded' });
    const left = await table.list(prefixes.liveOutputsOf('e'), { limit: 10 });
    expect(left.map((row) => LiveOutputRecord.parse(row.body))).toMatchObject([
      { name: 'recording', state: 'Running', provisioningState: 'InProgress' },
    ]);
    expect(await liveEventNow()).toMatchObject({ state: 'Running', provisioningState: 'Succeeded' });
    expect(await table.list(prefixes.outputsOfAsset('a'), { limit: 10 })).toHaveLength(1);
  });

  it('does not hold the live event when the media side never answers', async () => {
    await operations.close();
    timing = { effectMsMax: 50, backoffMsMin: 5 };
    operations = openOperations();
    await putLiveEvent('Stopping');
    refresh = () => new Promise(() => undefined);
    expect(await carryOut('stopLiveEvent', 'Stopping')).toMatchObject({ status: 'Failed' });
    expect(await liveEventNow()).toMatchObject({ state: 'Running', provisioningState: 'Failed' });
  });

  it('is tried again before it is given up', async () => {
    await putLiveEvent('Stopping');
    let asked = 0;
    refresh = async () => {
      asked += 1;
      if (asked < 3) throw new Error('not yet');
    };
    expect(await carryOut('stopLiveEvent', 'Stopping')).toMatchObject({ status: 'Succeeded' });
    expect(await liveEventNow()).toMatchObject({ state: 'Stopped', provisioningState: 'Succeeded' });
  });
});

describe('operation rows', () => {
  it('a process that stops leaves what hangs to the next one', async () => {
    await putLiveEvent('Stopping');
    refresh = () => new Promise(() => undefined);
    const operation = operations.prepare('stopLiveEvent', 'e');
    await operations.begin(operation, []);
    await operations.close();
    expect(await liveEventNow()).toMatchObject({ state: 'Stopping' });
    refresh = () => Promise.resolve();
    operations = openOperations();
    await operations.resume();
    expect(await waitForEnd(operation.id)).toMatchObject({ status: 'Succeeded', phase: 1 });
    expect(await liveEventNow()).toMatchObject({ state: 'Stopped' });
  });

  it('two processes that carry out the same operation do each phase once', async () => {
    await putLiveEvent('Starting');
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    refresh = () => released;
    const operation = operations.prepare('startLiveEvent', 'e');
    await operations.begin(operation, []);
    const second = openOperations();
    await second.resume();
    release();
    expect(await waitForEnd(operation.id)).toMatchObject({ status: 'Succeeded', phase: 2 });
    await second.close();
    expect(await table.list('x!', { limit: 10 })).toHaveLength(1);
  });

  it('a deletion takes the live event, its outputs and every index row with it', async () => {
    await putLiveEvent('Deleting');
    await putLiveOutput('o', 'Deleting');
    expect(await carryOut('deleteLiveEvent', 'Deleting')).toMatchObject({ status: 'Succeeded' });
    expect(await liveEventNow()).toBeUndefined();
    expect(await table.list('r!', { limit: 10 })).toEqual([]);
    expect(await table.list('i!', { limit: 10 })).toEqual([]);
  });

  it('are swept a day after their end, and an orphan is taken up', async () => {
    await putLiveEvent('Stopped');
    const ended = await carryOut('updateLiveEvent');
    const orphan = operations.prepare('updateLiveEvent', 'e');
    await table.commit([
      { kind: 'create', rowKey: operationKey(orphan.id), body: orphan, state: 'InProgress' },
    ]);
    await operations.sweep();
    expect((await operations.find(orphan.id)).status).toBe('InProgress');
    nowMs += HOUR_MS;
    await operations.sweep();
    expect(await waitForEnd(orphan.id)).toMatchObject({ status: 'Succeeded' });
    nowMs += 22 * HOUR_MS;
    await operations.sweep();
    expect((await operations.find(ended.id)).status).toBe('Succeeded');
    nowMs += 1.5 * HOUR_MS;
    await operations.sweep();
    await expect(operations.find(ended.id)).rejects.toMatchObject({ status: 404, code: 'NotFound' });
    expect((await operations.find(orphan.id)).status).toBe('Succeeded');
  });
});
