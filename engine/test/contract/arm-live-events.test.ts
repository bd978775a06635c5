import { randomUUID } from 'node:crypto';
import type { AzureMediaServices, LiveEvent } from '@azure/arm-mediaservices';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { HeadendTable } from '../../src/store/headend-table.ts';
import { openHeadendTable } from '../../src/store/headend-table.ts';
import { ACCOUNT, ACCOUNT_ID, callArm, GROUP, refusal } from '../support/arm-client.ts';
import { type ArmStack, secretsInLog, startArmStack } from '../support/arm-stack.ts';

const API = 'api-version=2022-08-01';
const FAST = { updateIntervalInMs: 20 };
const RTMP: LiveEvent = { location: 'local', input: { streamingProtocol: 'RTMP' } };
const DOMAIN = 'channel.example';
const OVERLAP = (duration: string) => ({
  requestOptions: { customHeaders: { 'x-headend-access-token-overlap': duration } },
});

let stack: ArmStack;
let client: AzureMediaServices;
let table: HeadendTable;

beforeAll(async () => {
  stack = await startArmStack({ HEADEND_INGEST_DOMAIN: DOMAIN, HEADEND_LOCATION: 'West Europe' });
  ({ client } = stack);
  table = await openHeadendTable(stack.azurite.connectionString, ACCOUNT);
}, 120_000);

afterAll(() => stack?.close(), 60_000);

const create = (name: string, event: LiveEvent) =>
  client.liveEvents.beginCreateAndWait(GROUP, ACCOUNT, name, event, FAST);
const get = (name: string) => client.liveEvents.get(GROUP, ACCOUNT, name);
const urls = (event: LiveEvent) => (event.input?.endpoints ?? []).map(({ url }) => url);
const hostsOf = (event: LiveEvent) => [...new Set(urls(event).map((url = '') => url.split(/[/:]+/)[1]))];

describe('a live event in standby', () => {
  it('has its addresses, takes them along when it starts, and has others the next time', async () => {
    const { liveEvents } = client;
    const created = await create('standby', RTMP);
    expect([created.resourceState, urls(created), created.preview?.endpoints]).toEqual(['Stopped', [], []]);
    const allocating = await liveEvents.beginAllocate(GROUP, ACCOUNT, 'standby', FAST);
    await allocating.pollUntilDone();
    const standby = await get('standby');
    const token = standby.input?.accessToken;
    const [host = ''] = hostsOf(standby);
    expect(host).toMatch(/^[0-9a-f]{32}\.channel\.example$/);
    expect(standby).toMatchObject({
      resourceState: 'StandBy',
      provisioningState: 'Succeeded',
      input: {
        endpoints: [
          { protocol: 'RTMP', url: `rtmp://${host}:1935/live/${token}` },
          { protocol: 'RTMP', url: `rtmp://${host}:1936/live/${token}` },
          { protocol: 'RTMP', url: `rtmps://${host}:2935/live/${token}` },
          { protocol: 'RTMP', url: `rtmps://${host}:2936/live/${token}` },
        ],
      },
      preview: {
        endpoints: [
          {
            protocol: 'FragmentedMP4',
            url: `http://127.0.0.1:8888/${standby.preview?.previewLocator}/preview.ism/manifest`,
          },
        ],
      },
    });
    await liveEvents.beginStartAndWait(GROUP, ACCOUNT, 'standby', FAST);
    const running = await get('standby');
    expect([running.resourceState, urls(running)]).toEqual(['Running', urls(standby)]);
    await liveEvents.beginResetAndWait(GROUP, ACCOUNT, 'standby', FAST);
    expect(urls(await get('standby'))).toEqual(urls(standby));
    await liveEvents.beginStopAndWait(GROUP, ACCOUNT, 'standby', {}, FAST);
    expect(urls(await get('standby'))).toEqual([]);
    await liveEvents.beginAllocateAndWait(GROUP, ACCOUNT, 'standby', FAST);
    const [another = ''] = hostsOf(await get('standby'));
    expect(another).toMatch(/^[0-9a-f]{32}\.channel\.example$/);
    expect(another).not.toBe(host);
    await liveEvents.beginStopAndWait(GROUP, ACCOUNT, 'standby', {}, FAST);
    expect((await get('standby')).resourceState).toBe('Stopped');
    expect(await refusal(liveEvents.beginReset(GROUP, ACCOUNT, 'standby'))).toMatchObject({
      status: 400,
      code: 'BadRequest',
    });
  }, 60_000);

  it('keeps a static host name over everything, which changes only while it does not run', async () => {
    const { liveEvents } = client;
    const fixed = await create('fixed', { ...RTMP, useStaticHostname: true });
    expect(hostsOf(fixed)).toEqual(['fixed-headend-westeurope.channel.example']);
    const rename = (hostnamePrefix: string) =>
      liveEvents.beginUpdateAndWait(GROUP, ACCOUNT, 'fixed', { ...RTMP, hostnamePrefix }, FAST);
    await liveEvents.beginAllocateAndWait(GROUP, ACCOUNT, 'fixed', FAST);
    await rename('concert');
    expect(hostsOf(await get('fixed'))).toEqual(['concert-headend-westeurope.channel.example']);
    await liveEvents.beginStartAndWait(GROUP, ACCOUNT, 'fixed', FAST);
    expect(hostsOf(await get('fixed'))).toEqual(['concert-headend-westeurope.channel.example']);
    expect(await refusal(rename('other'))).toMatchObject({
      status: 400,
      message: expect.stringContaining('properties.hostnamePrefix'),
    });
    expect(
      await refusal(create('long', { ...RTMP, useStaticHostname: true, hostnamePrefix: 'x'.repeat(60) })),
    ).toMatchObject({ status: 400, message: expect.stringContaining('63 are allowed') });
  }, 60_000);

  it('has one address for fragmented MP4', async () => {
    const input = { streamingProtocol: 'FragmentedMP4', accessToken: randomUUID() };
    await create('smooth', { location: 'local', input, useStaticHostname: true });
    expect((await get('smooth')).input?.endpoints).toEqual([
      {
        protocol: 'FragmentedMP4',
        url: `http://smooth-headend-westeurope.channel.example:8889/${input.accessToken}/ingest.isml`,
      },
    ]);
  });
});

describe('while a live event runs', () => {
  beforeAll(async () => {
    await client.liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'runs', RTMP, { autoStart: true, ...FAST });
  }, 30_000);

  const patch = (change: LiveEvent, options = {}) =>
    client.liveEvents.beginUpdateAndWait(GROUP, ACCOUNT, 'runs', change, { ...FAST, ...options });
  const withToken = (accessToken: string): LiveEvent => ({
    location: 'local',
    input: { streamingProtocol: 'RTMP', accessToken },
  });

  it('its access token changes only with an overlap, in which the old one belongs to nobody else', async () => {
    const [first = '', second, third] = [(await get('runs')).input?.accessToken, randomUUID(), randomUUID()];
    expect(await refusal(patch(withToken(second)))).toMatchObject({
      status: 400,
      message: expect.stringContaining('properties.input.accessToken'),
    });
    expect(await refusal(patch(withToken(second), OVERLAP('P2D')))).toMatchObject({
      status: 400,
      code: 'BadRequest',
      message: expect.stringContaining('x-headend-access-token-overlap'),
    });
    const updated = await patch(withToken(second), OVERLAP('PT10M'));
    expect(updated).toMatchObject({ resourceState: 'Running', input: { accessToken: second } });
    expect(urls(await get('runs'))[0]).toContain(second);
    for (const taken of [first, second]) {
      expect(await refusal(create('thief', withToken(taken)))).toMatchObject({
        status: 409,
        code: 'Conflict',
      });
    }
    const other = await create('other', withToken(third));
    expect(await refusal(patch(withToken(third), OVERLAP('PT1M')))).toMatchObject({
      status: 409,
      code: 'Conflict',
    });
    expect(other.input?.accessToken).toBe(third);
    // Back again: the tokens change places.
    await patch(withToken(first), OVERLAP('PT10M'));
    expect(await refusal(create('thief', withToken(second)))).toMatchObject({ status: 409 });
    // At once: the one before is free for others.
    await patch(withToken(randomUUID()), OVERLAP('PT0S'));
    await create('heir', withToken(first));
    expect(await secretsInLog(stack, stack.engine.log())).toEqual([]);
  }, 60_000);

  it('its allow lists change, and are answered as they were written', async () => {
    const allow = [
      { name: 'studio', address: '192.0.2.0', subnetPrefixLength: 24 },
      { name: 'one', address: '2001:db8::1' },
    ];
    const change: LiveEvent = {
      location: 'local',
      input: { streamingProtocol: 'RTMP', accessControl: { ip: { allow } } },
      preview: { accessControl: { ip: { allow: [{ name: 'v6', address: '::/0' }] } } },
    };
    await patch(change);
    const answer = await stack.raw('GET', `/liveEvents/runs?${API}`);
    expect(Reflect.get(Object(answer.body), 'properties')).toMatchObject({
      provisioningState: 'Succeeded',
      input: {
        accessControl: { ip: { allow: [allow[0], { ...allow[1], subnetPrefixLength: null }] } },
      },
      preview: {
        accessControl: { ip: { allow: [{ name: 'v6', address: '::/0', subnetPrefixLength: null }] } },
      },
    });
    await patch({ ...RTMP, description: 'x' });
    expect((await get('runs')).input?.accessControl?.ip?.allow).toHaveLength(2);
  });
});

describe('scaling a streaming endpoint', () => {
  const units = async () => {
    const found = await client.streamingEndpoints.get(GROUP, ACCOUNT, 'default');
    return [found.resourceState, found.provisioningState, found.scaleUnits, found.sku?.name];
  };
  const scale = (scaleUnit: number) =>
    client.streamingEndpoints.beginScaleAndWait(GROUP, ACCOUNT, 'default', { scaleUnit }, FAST);
  const report = (processes: number, wantedUnits: number) => {
    const body = { endpoint: 'default', processes, processesMax: 4, wantedUnits, atMs: Date.now() };
    return table.commit([{ kind: 'upsert', rowKey: 's!origin!default', body }]);
  };

  it('is noted at once while it is stopped', async () => {
    const answer = await stack.raw('POST', `/streamingEndpoints/default/scale?${API}`, '{"scaleUnit":2}');
    expect([answer.status, answer.body]).toEqual([200, undefined]);
    expect(await units()).toEqual(['Stopped', 'Succeeded', 2, 'Premium']);
    await scale(0);
    expect(await units()).toEqual(['Stopped', 'Succeeded', 0, 'Standard']);
  });

  it('is over when the origin has the processes, refuses others meanwhile, and says so in events', async () => {
    await client.streamingEndpoints.beginStartAndWait(GROUP, ACCOUNT, 'default', FAST);
    await scale(1);
    expect(await units()).toEqual(['Running', 'Succeeded', 1, 'Premium']);
    await report(1, 1);
    const scaling = scale(3);
    for (let attempt = 0; attempt < 200 && (await units())[0] !== 'Scaling'; attempt += 1);
    expect(await units()).toEqual(['Scaling', 'InProgress', 3, 'Premium']);
    for (const busy of [
      client.streamingEndpoints.beginScale(GROUP, ACCOUNT, 'default', { scaleUnit: 4 }),
      client.streamingEndpoints.beginStop(GROUP, ACCOUNT, 'default'),
    ]) {
      expect(await refusal(busy)).toEqual({
        status: 409,
        code: 'OperationInProgress',
        message: 'There is another operation already in progress on the Origin.',
      });
    }
    await report(3, 3);
    await scaling;
    expect(await units()).toEqual(['Running', 'Succeeded', 3, 'Premium']);
    const steps = () =>
      stack.receiver.events
        .filter(({ subject }) => subject === 'streamingEndpoint/default')
        .map(({ data }) => `${data['previousState']}>${data['state']} ${data['scaleUnits']}`);
    for (let attempt = 0; attempt < 200 && steps().length < 6; attempt += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(steps()).toEqual([
      'Stopped>Starting 0',
      'Starting>Running 0',
      'Running>Scaling 1',
      'Scaling>Running 1',
      'Running>Scaling 3',
      'Scaling>Running 3',
    ]);
  }, 60_000);

  it.each([
    ['a negative number', '{"scaleUnit":-1}'],
    ['more than the quota', '{"scaleUnit":11}'],
    ['a half', '{"scaleUnit":1.5}'],
    ['nothing', '{}'],
    ['something else', '{"scaleUnit":1,"colour":1}'],
    ['no body', undefined],
  ])('of %s is refused', async (_name, body) => {
    const answer = await stack.raw('POST', `/streamingEndpoints/default/scale?${API}`, body);
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'BadRequest' } } });
  });

  it('and its limits are told', async () => {
    expect(await client.streamingEndpoints.skus(GROUP, ACCOUNT, 'default')).toEqual({
      value: [
        {
          resourceType: 'Microsoft.Media/mediaservices/streamingEndpoints',
          capacity: { scaleType: 'Automatic', default: 1, minimum: 1, maximum: 10 },
          sku: { name: 'Premium' },
        },
      ],
    });
    const missing = client.streamingEndpoints.beginScale(GROUP, ACCOUNT, 'nobody', { scaleUnit: 1 });
    expect(await refusal(missing)).toMatchObject({ status: 404, code: 'ResourceNotFound' });
  });
});

describe('the encoding capacity', () => {
  const path = `/encodingCapacity/default`;

  it('is scaled by an operation as a streaming endpoint is, and says that nobody works yet', async () => {
    const before = await stack.raw('GET', `${path}?${API}`);
    expect(before).toMatchObject({
      status: 200,
      body: {
        name: 'default',
        id: `${ACCOUNT_ID}/encodingCapacity/default`,
        type: 'Microsoft.Media/mediaservices/encodingCapacity',
        properties: {
          encodingUnits: 1,
          encodingUnitsMax: 10,
          activeWorkers: 0,
          provisioningState: 'Succeeded',
        },
      },
    });
    const begun = await stack.raw('POST', `${path}/scale?${API}`, '{"encodingUnits":4}');
    expect([begun.status, begun.body]).toEqual([202, undefined]);
    const follow = (name: string) => {
      const url = new URL(String(begun.headers[name]));
      const headers = { authorization: `Bearer ${stack.token}` };
      return callArm(stack.engine, stack.program.caPem, { path: url.pathname + url.search, headers });
    };
    expect(await follow('azure-asyncoperation')).toMatchObject({
      status: 200,
      body: { status: 'Succeeded', error: { code: 'None' } },
    });
    expect(await follow('location')).toMatchObject({
      status: 200,
      body: { properties: { encodingUnits: 4, activeWorkers: 0, provisioningState: 'Succeeded' } },
    });
  });

  it.each([
    ['POST', `${path}/scale`, '{"encodingUnits":11}', 400, 'BadRequest'],
    ['POST', `${path}/scale`, '{"units":1}', 400, 'BadRequest'],
    ['GET', '/encodingCapacity/other', undefined, 404, 'NotFound'],
    ['POST', '/encodingCapacity/other/scale', '{"encodingUnits":1}', 404, 'NotFound'],
    ['PUT', path, '{}', 405, 'MethodNotAllowed'],
  ])('%s %s %s is answered %d', async (method, where, body, status, code) => {
    expect(await stack.raw(method, `${where}?${API}`, body)).toMatchObject({
      status,
      body: { error: { code } },
    });
  });
});
