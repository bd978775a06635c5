import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { forgetExpiredTokens, tokenRowChanges } from '../../src/control-plane/access-tokens.ts';
import type { ControlEvent } from '../../src/control-plane/control-store.ts';
import {
  type LiveEventOperation,
  liveEventOperation,
} from '../../src/control-plane/live-event-operations.ts';
import type { OperationKind } from '../../src/control-plane/operation.ts';
import { OPERATION_KINDS } from '../../src/control-plane/operation-kinds.ts';
import { Operations } from '../../src/control-plane/operations.ts';
import { streamingEndpointOperation } from '../../src/control-plane/streaming-endpoint-operations.ts';
import { accountScope } from '../../src/resources/account-scope.ts';
import { armError } from '../../src/resources/error-catalogue.ts';
import { LiveEventRecord, newLiveEvent } from '../../src/resources/live-event.ts';
import { parseLiveEventBody } from '../../src/resources/live-event-body.ts';
import { liveEventIdOf } from '../../src/resources/live-event-id.ts';
import type { LiveEventState } from '../../src/resources/live-event-state.ts';
import { LiveOutputRecord, newLiveOutput, parseLiveOutputBody } from '../../src/resources/live-output.ts';
import {
  accessTokenKey,
  liveEventKey,
  liveOutputKey,
  operationKey,
  originStatusKey,
  outputOfAssetKey,
  prefixes,
  previewLocatorKey,
  streamingEndpointKey,
} from '../../src/resources/row-keys.ts';
import {
  newDefaultStreamingEndpoint,
  StreamingEndpointRecord,
} from '../../src/resources/streaming-endpoint.ts';
import { AssetContainers } from '../../src/store/asset-containers.ts';
import { EngineIndex } from '../../src/store/engine-index.ts';
import { type HeadendTable, openHeadendTable } from '../../src/store/headend-table.ts';
import { createLiveDirectory } from '../../src/store/live-directory-table.ts';
import { StorageAccounts } from '../../src/store/storage-accounts.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';

const HOUR_MS = 3_600_000;
const CALLER = { caller: { id: 'test' }, nowIso: '2026-01-01T00:00:00.000Z' };

let azurite: Azurite;
let account: string;
let table: HeadendTable;
let operations: Operations;
let events: ControlEvent[];
/** What the media side does when it is asked. */
let refresh: () => Promise<void>;
let nowMs: number;
let timing: { attemptMsMax: number; backoffMsMin: number };

/** What the work of `refusing` does, and how often it was done. */
let work: () => Promise<unknown>;
let worked: number;

const refusing: OperationKind = {
  name: 'refusing',
  type: 'thing',
  steps: [
    {
      work: () => {
        worked += 1;
        return work();
      },
    },
  ],
  failed: async (context) => [context.events.change({ type: 'given.up', subject: '', data: {} })],
};

beforeAll(async () => {
  azurite = await startAzurite();
}, 90_000);
afterAll(() => azurite?.close(), 60_000);

const openOperations = (): Operations =>
  new Operations({
    kinds: [...OPERATION_KINDS, refusing],
    scope: accountScope('/subscriptions/s/resourceGroups/g/providers/Microsoft.Media/mediaservices/a', 'x'),
    containers: new AssetContainers(StorageAccounts.ofSystem(azurite.connectionString)),
    store: table,
    events: {
      change: (event) => {
        events.push(event);
        return { kind: 'create', rowKey: `x!${randomUUID()}`, body: event };
      },
      wake: () => undefined,
    },
    liveRuntime: { refresh: () => refresh(), telemetry: async () => undefined },
    log: { warn: () => undefined, error: () => undefined },
    nowMs: () => nowMs,
    timing,
  });

beforeEach(async () => {
  account = `account${randomUUID().slice(0, 8)}`;
  table = await openHeadendTable(azurite.connectionString, account);
  events = [];
  worked = 0;
  nowMs = Date.now();
  timing = { attemptMsMax: 30_000, backoffMsMin: 5 };
  refresh = () => Promise.resolve();
  operations = openOperations();
});
afterEach(() => operations.close());

async function putLiveEvent(state: LiveEventState): Promise<LiveEventRecord> {
  const fresh = { ...CALLER, name: 'e', accessToken: 'a'.repeat(32), previewLocator: randomUUID() };
  const body = parseLiveEventBody({ location: 'l', properties: { input: { streamingProtocol: 'RTMP' } } });
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
  const fresh = {
    ...{ ...CALLER, name, liveEventName: 'e', container: 'c', manifestName: 'm' },
    storageAccountName: 's',
  };
  await table.commit([
    { kind: 'create', rowKey: liveOutputKey('e', name), body: { ...newLiveOutput(body, fresh), state } },
    {
      kind: 'create',
      rowKey: outputOfAssetKey({ asset: 'a', liveEvent: 'e', output: name }),
      body: { name, liveEvent: 'e' },
    },
  ]);
}

const prepare = (kind: LiveEventOperation) =>
  operations.prepare(liveEventOperation(kind), { target: 'e', resource: 'liveevents/e' });

/** Begins the operation on the live event, which goes to `via` with it, and waits for its end. */
async function carryOut(kind: LiveEventOperation, via?: LiveEventState) {
  const operation = prepare(kind);
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
    timing = { attemptMsMax: 50, backoffMsMin: 5 };
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

describe('scaling a streaming endpoint', () => {
  const KEY = streamingEndpointKey('default');

  async function putScaling(from: number, to: number): Promise<void> {
    const endpoint = newDefaultStreamingEndpoint(CALLER);
    const body = { ...endpoint, state: 'Scaling', scaleUnits: to, scaleUnitsBefore: from };
    await table.commit([{ kind: 'create', rowKey: KEY, body }]);
  }
  const report = (origin: {
    processes: number;
    wantedUnits: number;
    processesMax?: number;
    ageMs?: number;
  }) =>
    table.commit([
      {
        kind: 'upsert',
        rowKey: originStatusKey('default'),
        body: { endpoint: 'default', processesMax: 2, atMs: nowMs - (origin.ageMs ?? 0), ...origin },
      },
    ]);
  const endpointNow = async () => StreamingEndpointRecord.parse((await table.find(KEY))?.body);
  const scale = async () => {
    const operation = operations.prepare(streamingEndpointOperation('scaleStreamingEndpoint'), {
      target: 'default',
      resource: 'streamingendpoints/default',
    });
    await operations.begin(operation, []);
    return operation;
  };
  const steps = () => events.map(({ data }) => [data['previousState'], data['state'], data['scaleUnits']]);

  it.each([
    { name: 'no origin has ever reported', origin: undefined },
    { name: 'the origin was silent for too long', origin: { processes: 1, wantedUnits: 1, ageMs: 15_001 } },
    { name: 'the origin has what is wanted', origin: { processes: 2, wantedUnits: 2 } },
    { name: 'the origin has all that it can', origin: { processes: 1, wantedUnits: 2, processesMax: 1 } },
  ])('is done at once when $name', async ({ origin }) => {
    await putScaling(1, 2);
    if (origin !== undefined) await report(origin);
    const { id } = await scale();
    expect(await waitForEnd(id)).toMatchObject({ status: 'Succeeded' });
    const endpoint = await endpointNow();
    expect(endpoint).toMatchObject({ state: 'Running', provisioningState: 'Succeeded', scaleUnits: 2 });
    expect(endpoint).not.toHaveProperty('scaleUnitsBefore');
    expect(steps()).toEqual([['Scaling', 'Running', 2]]);
  });

  it('is done when the origin has as many processes as are wanted, and not before', async () => {
    await putScaling(2, 0);
    await report({ processes: 2, wantedUnits: 2 });
    const { id } = await scale();
    expect(await operations.find(id)).toMatchObject({ status: 'InProgress' });
    await report({ processes: 2, wantedUnits: 0 });
    expect(await operations.find(id)).toMatchObject({ status: 'InProgress' });
    await report({ processes: 1, wantedUnits: 0 });
    expect(await waitForEnd(id)).toMatchObject({ status: 'Succeeded' });
  });

  it('is given up when the origin cannot, and the endpoint runs with what it had', async () => {
    await operations.close();
    timing = { attemptMsMax: 50, backoffMsMin: 5 };
    operations = openOperations();
    await putScaling(1, 2);
    await report({ processes: 1, wantedUnits: 2 });
    const { id } = await scale();
    expect(await waitForEnd(id)).toMatchObject({ status: 'Failed' });
    expect(await endpointNow()).toMatchObject({
      state: 'Running',
      provisioningState: 'Failed',
      scaleUnits: 1,
    });
    expect(steps()).toEqual([['Scaling', 'Running', 1]]);
  });

  it('goes on in the next process', async () => {
    await putScaling(1, 2);
    await report({ processes: 1, wantedUnits: 2 });
    const { id } = await scale();
    await operations.close();
    operations = openOperations();
    await operations.resume();
    expect(await operations.find(id)).toMatchObject({ status: 'InProgress' });
    await report({ processes: 2, wantedUnits: 2 });
    expect(await waitForEnd(id)).toMatchObject({ status: 'Succeeded' });
  });
});

describe('access tokens that were replaced', () => {
  const OLD = 'b'.repeat(32);

  async function putRotated(validUntilMs: number): Promise<void> {
    const record = await putLiveEvent('Running');
    const rotated: LiveEventRecord = { ...record, previousAccessToken: { token: OLD, validUntilMs } };
    const row = await table.find(liveEventKey('e'));
    await table.commit([
      { kind: 'replace', rowKey: liveEventKey('e'), etag: row?.etag ?? '', body: rotated },
      ...(await tokenRowChanges(table, record, rotated)),
    ]);
  }

  it('lead to the live event until their time is over, and are forgotten then', async () => {
    await putRotated(nowMs + 1000);
    const index = new EngineIndex(table);
    for (const id of [OLD, 'a'.repeat(32)]) await index.claim({ kind: 'accessToken', id }, account);
    const directory = createLiveDirectory(table, index);
    const previousAccessToken = { token: OLD, validUntilMs: nowMs + 1000 };
    expect(await directory.findLiveEventByAccessToken(OLD)).toMatchObject({ name: 'e', previousAccessToken });
    await forgetExpiredTokens(table, nowMs + 999);
    expect(await directory.findLiveEventByAccessToken(OLD)).toMatchObject({ name: 'e' });
    await forgetExpiredTokens(table, nowMs + 1000);
    expect(await directory.findLiveEventByAccessToken(OLD)).toBeUndefined();
    expect(await directory.findLiveEvent(liveEventIdOf(account, 'e'))).toMatchObject({
      previousAccessToken: undefined,
    });
    expect(await directory.findLiveEventByAccessToken('a'.repeat(32))).toMatchObject({ name: 'e' });
  });

  it('go with a live event that is deleted', async () => {
    await putRotated(nowMs + HOUR_MS);
    expect(await carryOut('deleteLiveEvent', 'Deleting')).toMatchObject({ status: 'Succeeded' });
    expect(await table.list('i!', { limit: 10 })).toEqual([]);
  });
});

describe('an operation of any kind', () => {
  const begun = async () => {
    const operation = operations.prepare(refusing, { target: 't', resource: 'Things/t' });
    await operations.begin(operation, []);
    return waitForEnd(operation.id);
  };

  it('that is refused fails at once, as what it was refused for', async () => {
    work = async () => {
      throw armError('ReferenceNotFound', { type: 'thing', name: 't' });
    };
    expect(await begun()).toMatchObject({
      status: 'Failed',
      resource: 'things/t',
      error: { status: 404, code: 'NotFound', message: "The thing 't' was not found." },
    });
    expect(worked).toBe(1);
    expect(events).toMatchObject([{ type: 'given.up' }]);
  });

  it('that goes wrong is tried four times and then fails as the service, and nobody is told why', async () => {
    work = () => Promise.reject(new Error('secret'));
    const failed = await begun();
    expect(failed).toMatchObject({ status: 'Failed', error: { status: 500, code: 'InternalError' } });
    expect(JSON.stringify(failed)).not.toContain('secret');
    expect(worked).toBe(4);
  });

  it('keeps what its work gave', async () => {
    work = async () => ({ value: [1] });
    expect(await begun()).toMatchObject({ status: 'Succeeded', result: { value: [1] } });
  });

  it('that this program does not know is left to one that does', async () => {
    const known = operations.prepare(refusing, { target: 't', resource: 't' });
    const rowKey = operationKey(known.id);
    const body = { ...known, kind: 'of the future' };
    await table.commit([{ kind: 'create', rowKey, body, state: 'InProgress' }]);
    await operations.resume();
    expect(await operations.find(known.id)).toMatchObject({ status: 'InProgress', phase: 0 });
  });
});

describe('operation rows', () => {
  it('a process that stops leaves what hangs to the next one', async () => {
    await putLiveEvent('Stopping');
    refresh = () => new Promise(() => undefined);
    const operation = prepare('stopLiveEvent');
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
    const operation = prepare('startLiveEvent');
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
    const orphan = prepare('updateLiveEvent');
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
