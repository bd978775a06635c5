import type { AzureMediaServices, LiveEvent } from '@azure/arm-mediaservices';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openHeadendTable } from '../../src/store/headend-table.ts';
import {
  ACCOUNT,
  ACCOUNT_ID,
  callArm,
  createArmClient,
  fetchToken,
  GROUP,
  type RawAnswer,
  refusal,
} from '../support/arm-client.ts';
import { EVENT_GRID_KEY, stateChanges } from '../support/arm-stack.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from '../support/engine-program.ts';
import { type EventReceiver, startEventReceiver } from '../support/event-receiver.ts';
import { openStorageGate, type StorageGate } from '../support/storage-gate.ts';

const API = 'api-version=2022-08-01';
const PASS_THROUGH: LiveEvent = { location: 'local', input: { streamingProtocol: 'RTMP' } };
const NEW_TOKEN = 'fedcba9876543210fedcba9876543210';
const FAST = { updateIntervalInMs: 20 };
/** In a table row a body is a JSON text in a JSON text. */
const inRow = (text: string): string => JSON.stringify(text).slice(1, -1);

const LIVE_EVENT = { location: 'local', properties: { input: { streamingProtocol: 'RTMP' } } };
const OUTPUT = { properties: { assetName: 'again', archiveWindowLength: 'PT1H' } };

interface Recovered {
  readonly name: string;
  readonly call: readonly [method: string, path: string, body?: object];
  /** 202 unless said otherwise. */
  readonly status?: number;
  /** What the write that is held contains. */
  readonly heldAt: string;
  readonly resource: string;
  /** Undefined: it is gone. */
  readonly outcome: object | undefined;
  readonly told: readonly [subject: string, changes: readonly string[]];
}

let azurite: Azurite;
let gate: StorageGate;
let program: EngineProgram;
let receiver: EventReceiver;
let engine: RunningEngine;
let client: AzureMediaServices;

const start = (): Promise<RunningEngine> =>
  program.start('control', {
    HEADEND_STORAGE: gate.connectionString,
    HEADEND_EVENTGRID_ENDPOINT: receiver.endpoint,
    HEADEND_EVENTGRID_KEY: EVENT_GRID_KEY,
  });

beforeAll(async () => {
  [azurite, program, receiver] = await Promise.all([
    startAzurite(),
    buildEngine(),
    startEventReceiver(EVENT_GRID_KEY),
  ]);
  gate = await openStorageGate(azurite.connectionString);
  engine = await start();
  client = createArmClient(engine, program.caPem, program.identitySecret);
}, 120_000);

afterAll(async () => {
  await program?.close();
  await gate?.close();
  await receiver?.close();
  await azurite?.close();
}, 60_000);

/** Below the account, or a path that an answer gave. */
async function ask(method: string, path: string, body?: object): Promise<RawAnswer> {
  const token = await fetchToken(engine, program.identitySecret);
  const below = path.includes('api-version') ? path : `${path}${path.includes('?') ? '&' : '?'}${API}`;
  const whole = path.startsWith('/subscriptions') ? path : ACCOUNT_ID + below;
  return callArm(engine, program.caPem, {
    method,
    path: whole,
    headers: { authorization: `Bearer ${token}`, 'x-headend-access-token-overlap': 'PT1M' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** The state changes of one subject so far, each event once. */
function changesOf(subject: string): string[] {
  const events = receiver.events.filter((event) => event.subject === subject);
  return [...new Map(events.map((event) => [event.id, event])).values()].map(
    ({ data }) => `${data['previousState']}>${data['state']}`,
  );
}

/** A live event that is carried through its states by the cases, and an endpoint that runs. */
async function prepareAgain(): Promise<void> {
  const { assets, liveEvents, streamingEndpoints } = client;
  await assets.createOrUpdate(GROUP, ACCOUNT, 'again', {});
  await liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'again', PASS_THROUGH, FAST).catch(ignoreConflict);
  const endpoint = await streamingEndpoints.get(GROUP, ACCOUNT, 'default');
  if (endpoint.resourceState === 'Stopped') {
    await streamingEndpoints.beginStartAndWait(GROUP, ACCOUNT, 'default', FAST);
    await stateChanges(receiver, 'streamingEndpoint/default', 2);
  }
}

function ignoreConflict(error: unknown): void {
  if (Reflect.get(Object(error), 'statusCode') !== 409) throw error;
}

async function restart(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
  const code = await engine.stop(signal);
  gate.open('drop');
  engine = await start();
  return code;
}

describe('while an operation runs', () => {
  it('every other one on the live event and its outputs is refused; other live events go on', async () => {
    const { liveEvents, liveOutputs, assets } = client;
    await liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'busy', PASS_THROUGH, FAST);
    await assets.createOrUpdate(GROUP, ACCOUNT, 'busy-asset', {});
    gate.hold(inRow('"state":"Running"'));
    const starting = liveEvents.beginStartAndWait(GROUP, ACCOUNT, 'busy', FAST);
    await gate.waiting();
    expect((await liveEvents.get(GROUP, ACCOUNT, 'busy')).resourceState).toBe('Starting');
    const output = { assetName: 'busy-asset', archiveWindowLength: 'PT1H' };
    const refused = [
      liveEvents.beginStart(GROUP, ACCOUNT, 'busy'),
      liveEvents.beginStop(GROUP, ACCOUNT, 'busy', {}),
      liveEvents.beginReset(GROUP, ACCOUNT, 'busy'),
      liveEvents.beginDelete(GROUP, ACCOUNT, 'busy'),
      liveEvents.beginUpdate(GROUP, ACCOUNT, 'busy', { ...PASS_THROUGH, description: 'x' }),
      liveOutputs.beginCreate(GROUP, ACCOUNT, 'busy', 'o', output),
    ];
    for (const answer of await Promise.all(refused.map(refusal))) {
      expect(answer).toEqual({
        status: 409,
        code: 'OperationInProgress',
        message: 'There is another operation already in progress on the Channel.',
      });
    }
    const other = await liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'other', PASS_THROUGH, FAST);
    expect(other.provisioningState).toBe('Succeeded');
    gate.open('pass');
    await starting;
    expect((await liveEvents.get(GROUP, ACCOUNT, 'busy')).resourceState).toBe('Running');
  }, 60_000);

  it('a lost connection to the storage is not the end of it', async () => {
    gate.hold(inRow('"state":"Stopped"'));
    const stopping = client.liveEvents.beginStopAndWait(GROUP, ACCOUNT, 'busy', {}, FAST);
    await gate.waiting();
    gate.open('drop');
    await stopping;
    expect((await client.liveEvents.get(GROUP, ACCOUNT, 'busy')).resourceState).toBe('Stopped');
  }, 60_000);
});

describe('after kill -9', () => {
  it('an operation is carried to its end by the next process, under the same address and token', async () => {
    const { liveEvents } = client;
    await liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'killed', PASS_THROUGH, FAST);
    const token = await fetchToken(engine, program.identitySecret);
    const headers = { authorization: `Bearer ${token}` };
    gate.hold(inRow('"state":"Running"'));
    const path = `${ACCOUNT_ID}/liveEvents/killed/start?${API}`;
    const begun = await callArm(engine, program.caPem, { method: 'POST', path, headers });
    expect(begun.status).toBe(202);
    await gate.waiting();
    const statusPath = new URL(String(begun.headers['azure-asyncoperation']));
    const poll = () =>
      callArm(engine, program.caPem, { path: statusPath.pathname + statusPath.search, headers });
    expect((await poll()).body).toMatchObject({ status: 'InProgress', error: { code: 'None' } });
    expect(await restart('SIGKILL')).toBeNull();
    let status: unknown;
    for (let attempt = 0; attempt < 20 && status !== 'Succeeded'; attempt += 1) {
      status = Reflect.get(Object((await poll()).body), 'status');
    }
    expect(status).toBe('Succeeded');
    expect((await liveEvents.get(GROUP, ACCOUNT, 'killed')).resourceState).toBe('Running');
    expect(await stateChanges(receiver, 'liveEvent/killed', 2)).toEqual([
      'Stopped>Starting',
      'Starting>Running',
    ]);
  }, 60_000);

  it.each([
    {
      name: 'an allocation',
      call: ['POST', '/liveEvents/again/allocate'],
      heldAt: '"state":"StandBy"',
      resource: '/liveEvents/again',
      outcome: { resourceState: 'StandBy', provisioningState: 'Succeeded' },
      told: ['liveEvent/again', ['Stopped>Allocating', 'Allocating>StandBy']],
    },
    {
      name: 'a start from standby',
      call: ['POST', '/liveEvents/again/start'],
      heldAt: '"state":"Running"',
      resource: '/liveEvents/again',
      outcome: { resourceState: 'Running', provisioningState: 'Succeeded' },
      told: ['liveEvent/again', ['StandBy>Starting', 'Starting>Running']],
    },
    {
      name: 'a change of the access token with an overlap',
      call: ['PATCH', '/liveEvents/again', { properties: { input: { accessToken: NEW_TOKEN } } }],
      heldAt: '"status":"Succeeded"',
      resource: '/liveEvents/again',
      outcome: { provisioningState: 'Succeeded', input: { accessToken: NEW_TOKEN } },
      told: ['liveEvent/again', []],
    },
    {
      name: 'a reset',
      call: ['POST', '/liveEvents/again/reset'],
      heldAt: '"state":"Running"',
      resource: '/liveEvents/again',
      outcome: { resourceState: 'Running', provisioningState: 'Succeeded' },
      told: ['liveEvent/again', ['Running>Stopping', 'Stopping>Running']],
    },
    {
      name: 'the telling of what encoders do',
      call: ['POST', '/liveEvents/again/getStatus?api-version=2022-11-01'],
      heldAt: '"status":"Succeeded"',
      resource: '/liveEvents/again',
      outcome: { resourceState: 'Running' },
      told: ['liveEvent/again', []],
    },
    {
      name: 'the creation of a live output',
      call: ['PUT', '/liveEvents/again/liveOutputs/rec', OUTPUT],
      status: 201,
      heldAt: '"status":"Succeeded"',
      resource: '/liveEvents/again/liveOutputs/rec',
      outcome: { resourceState: 'Running', provisioningState: 'Succeeded' },
      told: ['liveEvent/again/liveOutput/rec', ['Creating>Running']],
    },
    {
      name: 'the deletion of a live output',
      call: ['DELETE', '/liveEvents/again/liveOutputs/rec'],
      heldAt: '"status":"Succeeded"',
      resource: '/liveEvents/again/liveOutputs/rec',
      outcome: undefined,
      told: ['liveEvent/again/liveOutput/rec', ['Running>Deleting']],
    },
    {
      name: 'a stop',
      call: ['POST', '/liveEvents/again/stop'],
      heldAt: '"state":"Stopped"',
      resource: '/liveEvents/again',
      outcome: { resourceState: 'Stopped', provisioningState: 'Succeeded' },
      told: ['liveEvent/again', ['Running>Stopping', 'Stopping>Stopped']],
    },
    {
      name: 'the deletion of a live event',
      call: ['DELETE', '/liveEvents/again'],
      heldAt: '"status":"Succeeded"',
      resource: '/liveEvents/again',
      outcome: undefined,
      told: ['liveEvent/again', ['Stopped>Deleting']],
    },
    {
      name: 'the creation of a live event that starts',
      call: ['PUT', '/liveEvents/made?autoStart=true', LIVE_EVENT],
      status: 201,
      heldAt: '"state":"Running"',
      resource: '/liveEvents/made',
      outcome: { resourceState: 'Running', provisioningState: 'Succeeded' },
      told: ['liveEvent/made', ['Stopped>Starting', 'Starting>Running']],
    },
    {
      name: 'the creation of an endpoint',
      call: ['PUT', '/streamingEndpoints/extra', { location: 'local', properties: { scaleUnits: 0 } }],
      status: 201,
      heldAt: '"status":"Succeeded"',
      resource: '/streamingEndpoints/extra',
      outcome: { resourceState: 'Stopped', provisioningState: 'Succeeded' },
      told: ['streamingEndpoint/extra', []],
    },
    {
      name: 'the start of an endpoint',
      call: ['POST', '/streamingEndpoints/extra/start'],
      heldAt: '"state":"Running"',
      resource: '/streamingEndpoints/extra',
      outcome: { resourceState: 'Running', provisioningState: 'Succeeded' },
      told: ['streamingEndpoint/extra', ['Stopped>Starting', 'Starting>Running']],
    },
    {
      name: 'the stop of an endpoint',
      call: ['POST', '/streamingEndpoints/extra/stop'],
      heldAt: '"state":"Stopped"',
      resource: '/streamingEndpoints/extra',
      outcome: { resourceState: 'Stopped', provisioningState: 'Succeeded' },
      told: ['streamingEndpoint/extra', ['Running>Stopping', 'Stopping>Stopped']],
    },
    {
      name: 'the deletion of an endpoint',
      call: ['DELETE', '/streamingEndpoints/extra'],
      heldAt: '"status":"Succeeded"',
      resource: '/streamingEndpoints/extra',
      outcome: undefined,
      told: ['streamingEndpoint/extra', ['Stopped>Deleting']],
    },
    {
      name: 'the scaling of an endpoint',
      call: ['POST', '/streamingEndpoints/default/scale', { scaleUnit: 2 }],
      heldAt: '"state":"Running"',
      resource: '/streamingEndpoints/default',
      outcome: { resourceState: 'Running', provisioningState: 'Succeeded', scaleUnits: 2 },
      told: ['streamingEndpoint/default', ['Running>Scaling', 'Scaling>Running']],
    },
    {
      name: 'the scaling of the encoding capacity',
      call: ['POST', '/encodingCapacity/default/scale', { encodingUnits: 3 }],
      heldAt: '"status":"Succeeded"',
      resource: '/encodingCapacity/default',
      outcome: { provisioningState: 'Succeeded', encodingUnits: 3, activeWorkers: 0 },
      told: ['', []],
    },
  ] as readonly Recovered[])(
    '$name is carried to its end, and told once',
    async ({ call, ...expected }) => {
      await prepareAgain();
      const [method, path, body] = call;
      const told = () => (expected.told[0] === '' ? [] : changesOf(expected.told[0]));
      const toldBefore = told().length;
      gate.hold(inRow(expected.heldAt));
      const begun = await ask(method, path, body);
      expect([begun.status, begun.headers['azure-asyncoperation']]).toEqual([
        expected.status ?? 202,
        expect.any(String),
      ]);
      await gate.waiting();
      expect(await restart('SIGKILL')).toBeNull();
      const status = new URL(String(begun.headers['azure-asyncoperation']));
      let answer = await ask('GET', status.pathname + status.search);
      for (
        let attempt = 0;
        attempt < 60 && !/Succeeded|Failed/.test(JSON.stringify(answer.body));
        attempt += 1
      ) {
        answer = await ask('GET', status.pathname + status.search);
      }
      expect(answer.body).toMatchObject({ status: 'Succeeded', error: { code: 'None' } });
      const resource = await ask('GET', expected.resource);
      if (expected.outcome === undefined) expect(resource.status).toBe(404);
      else expect(Reflect.get(Object(resource.body), 'properties')).toMatchObject(expected.outcome);
      const deadline = Date.now() + 20_000;
      const news = () => told().slice(toldBefore);
      while (news().length < expected.told[1].length && Date.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      expect(news()).toEqual(expected.told[1]);
    },
    60_000,
  );

  it('events that nobody took are delivered when somebody does, in order', async () => {
    const { port } = receiver;
    await receiver.close();
    await client.liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'quiet', PASS_THROUGH, {
      ...FAST,
      autoStart: true,
    });
    await client.liveEvents.beginStopAndWait(GROUP, ACCOUNT, 'quiet', {}, FAST);
    await restart('SIGKILL');
    receiver = await startEventReceiver(EVENT_GRID_KEY, port);
    expect(await stateChanges(receiver, 'liveEvent/quiet', 4)).toEqual([
      'Stopped>Starting',
      'Starting>Running',
      'Running>Stopping',
      'Stopping>Stopped',
    ]);
    const table = await openHeadendTable(azurite.connectionString, ACCOUNT);
    const deadline = Date.now() + 10_000;
    while ((await table.list('x!', { limit: 1 })).length > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(await table.list('x!', { limit: 10 })).toEqual([]);
    expect(receiver.faults).toEqual([]);
  }, 60_000);
});

describe('SIGTERM', () => {
  it('ends the process in order while an operation hangs, and the next one takes that up', async () => {
    gate.hold(inRow('"state":"Running"'));
    const path = `${ACCOUNT_ID}/liveEvents/quiet/start?${API}`;
    const headers = { authorization: `Bearer ${await fetchToken(engine, program.identitySecret)}` };
    expect(await callArm(engine, program.caPem, { method: 'POST', path, headers })).toMatchObject({
      status: 202,
    });
    await gate.waiting();
    const stopped = engine.stop('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 200));
    gate.open('drop');
    expect(await stopped).toBe(0);
    engine = await start();
    const deadline = Date.now() + 20_000;
    let state: string | undefined;
    while (state !== 'Running' && Date.now() < deadline) {
      state = (await client.liveEvents.get(GROUP, ACCOUNT, 'quiet')).resourceState;
    }
    expect(state).toBe('Running');
  }, 60_000);
});

describe('the command line', () => {
  it.each([
    ['a role that there is not', 'control,cook', {}, /there is no role 'cook'/],
    ['no storage', 'control', { HEADEND_STORAGE: '' }, /HEADEND_STORAGE is required/],
    ['a port that is none', 'origin', { HEADEND_STREAMING_PORT: '70000' }, /HEADEND_STREAMING_PORT must be/],
    ['half of the event settings', 'origin', { HEADEND_EVENTGRID_KEY: 'k' }, /set together or not at all/],
    ['an identity secret that is short', 'control', { HEADEND_IDENTITY_SECRET: 'short' }, /at least 16/],
  ])('%s', async (_name, roles, env, message) => {
    const started = program.start(roles, { HEADEND_STORAGE: azurite.connectionString, ...env });
    await expect(started).rejects.toThrow(message);
  });
});
