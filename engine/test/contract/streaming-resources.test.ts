import { fileURLToPath } from 'node:url';
import type { AzureMediaServices } from '@azure/arm-mediaservices';
import { BlobServiceClient } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
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
import { collect } from '../support/arm-stack.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from '../support/engine-program.ts';

const DEMO = fileURLToPath(new URL('../../../devstack/media/demo-loop.flv', import.meta.url));
const FAST = { updateIntervalInMs: 20 };
const ANY = { ip: { allow: [{ name: 'any', address: '0.0.0.0', subnetPrefixLength: 0 }] } };
const LATE_MS = 45_000;

let azurite: Azurite;
let program: EngineProgram;
let engine: RunningEngine;
let publisher: RunningEngine;
let client: AzureMediaServices;
let token: string;

beforeAll(async () => {
  [azurite, program] = await Promise.all([startAzurite(), buildEngine()]);
  engine = await program.start('control,ingest,origin', {
    HEADEND_STORAGE: azurite.connectionString,
    HEADEND_PUBLIC_RTMP_PORT: '0',
    HEADEND_PUBLIC_SMOOTH_PORT: '0',
    HEADEND_PUBLIC_STREAMING_PORT: '0',
  });
  client = createArmClient(engine, program.caPem, program.identitySecret);
  token = await fetchToken(engine, program.identitySecret);
  const event = { location: 'local', input: { streamingProtocol: 'RTMP', accessControl: ANY } };
  await client.liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'show', event, { ...FAST, autoStart: true });
  await client.streamingEndpoints.beginStartAndWait(GROUP, ACCOUNT, 'default', FAST);
  const { input } = await client.liveEvents.get(GROUP, ACCOUNT, 'show');
  const [endpoint] = input?.endpoints ?? [];
  publisher = await program.publish(['--url', `${endpoint?.url}/main`, '--file', DEMO, '--loop']);
}, 120_000);

afterAll(async () => {
  await publisher?.stop('SIGTERM');
  await program?.close();
  await azurite?.close();
}, 60_000);

/** Below the account, or an address that an answer gave. */
function ask(method: string, path: string, body?: object, apiVersion = '2022-11-01'): Promise<RawAnswer> {
  const whole = path.startsWith('https:')
    ? new URL(path).pathname + new URL(path).search
    : `${ACCOUNT_ID}${path}${path.includes('?') ? '&' : '?'}api-version=${apiVersion}`;
  return callArm(engine, program.caPem, {
    method,
    path: whole,
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** Drives a long-running operation as a client does; the last answer of its `Location`. */
async function outcomeOf(begun: RawAnswer): Promise<RawAnswer> {
  const status = String(begun.headers['azure-asyncoperation']);
  for (;;) {
    const { body } = await ask('GET', status);
    if (Reflect.get(Object(body), 'status') !== 'InProgress') break;
  }
  return ask('GET', String(begun.headers['location']));
}

async function telemetryOf(action: string): Promise<readonly Record<string, unknown>[]> {
  const begun = await ask('POST', `/liveEvents/show/${action}`);
  expect([begun.status, begun.body]).toEqual([202, undefined]);
  const { status, body } = await outcomeOf(begun);
  expect(status).toBe(200);
  return Reflect.get(Object(body), 'value');
}

async function eventually<T>(look: () => Promise<T>, isRight: (found: T) => boolean): Promise<T> {
  const deadline = Date.now() + LATE_MS;
  for (;;) {
    const found = await look();
    if (isRight(found) || Date.now() > deadline) return found;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

describe('streaming endpoints', () => {
  const create = (name: string, more: object = {}) =>
    client.streamingEndpoints.beginCreateAndWait(
      GROUP,
      ACCOUNT,
      name,
      { location: 'local', scaleUnits: 0, ...more },
      FAST,
    );

  it('are created, listed, started, changed, stopped and deleted', async () => {
    const { streamingEndpoints } = client;
    const made = await create('second', { description: 'd', tags: { a: 'b' } });
    expect(made).toMatchObject({
      name: 'second',
      type: 'Microsoft.Media/mediaservices/streamingEndpoints',
      description: 'd',
      scaleUnits: 0,
      cdnEnabled: false,
      customHostNames: [],
      provisioningState: 'Succeeded',
      resourceState: 'Stopped',
      hostName: `second-headend-local.localhost:${engine.ports['streaming']}`,
      sku: { name: 'Standard', capacity: 0 },
      tags: { a: 'b' },
    });
    const names = (await collect(streamingEndpoints.list(GROUP, ACCOUNT))).map(({ name }) => name);
    expect(names).toEqual(['default', 'second']);
    expect(await refusal(create('third'))).toEqual({
      status: 403,
      code: 'QuotaExceeded',
      message: expect.stringContaining('2 streaming endpoints'),
    });
    expect((await streamingEndpoints.skus(GROUP, ACCOUNT, 'second')).value).toHaveLength(1);
    await streamingEndpoints.beginStartAndWait(GROUP, ACCOUNT, 'second', FAST);
    expect(await refusal(streamingEndpoints.beginDelete(GROUP, ACCOUNT, 'second'))).toMatchObject({
      status: 400,
      code: 'BadRequest',
    });
    const changed = await ask('PATCH', '/streamingEndpoints/second', {
      properties: { maxCacheAge: 5, description: null, customHostNames: ['video.example.com'] },
    });
    expect([changed.status, changed.headers['azure-asyncoperation']]).toEqual([200, undefined]);
    expect(changed.body).toMatchObject({
      tags: { a: 'b' },
      properties: { maxCacheAge: 5, description: '', customHostNames: ['video.example.com'] },
    });
    const scaled = await streamingEndpoints.beginUpdateAndWait(
      GROUP,
      ACCOUNT,
      'second',
      { location: 'local', scaleUnits: 2 },
      FAST,
    );
    expect(scaled).toMatchObject({ scaleUnits: 2, resourceState: 'Running', maxCacheAge: 5 });
    await streamingEndpoints.beginStopAndWait(GROUP, ACCOUNT, 'second', FAST);
    await streamingEndpoints.beginDeleteAndWait(GROUP, ACCOUNT, 'second', FAST);
    expect((await ask('DELETE', '/streamingEndpoints/second')).status).toBe(204);
    expect(await refusal(streamingEndpoints.get(GROUP, ACCOUNT, 'second'))).toMatchObject({
      status: 404,
      code: 'ResourceNotFound',
    });
  }, 60_000);

  it.each([
    [{ scaleUnits: 11 }, 400, /scaleUnits/],
    [{ scaleUnits: 0, customHostNames: ['no host'] }, 400, /customHostNames\[0\]/],
    [{ scaleUnits: 0, customHostNames: ['a.example', 'A.example'] }, 400, /customHostNames\[1\]/],
    [{ scaleUnits: 0, cdnEnabled: true }, 412, /CDN capability is unavailable/],
    [{ scaleUnits: 0, cdnEnabled: false, cdnProvider: 'Nobody' }, 400, /cdnProvider/],
    [{ scaleUnits: 0, maxCacheAge: -1 }, 400, /maxCacheAge/],
    [{ scaleUnits: 0, accessControl: { ip: { allow: [{ address: 'here' }] } } }, 400, /allow\[0\]\.address/],
    [{}, 400, /scaleUnits/],
  ])('refuse %j', async (properties, status, message) => {
    const answer = await ask('PUT', '/streamingEndpoints/bad', { location: 'local', properties });
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ error: { message: expect.stringMatching(message) } });
  });

  it('created by several at the same time come to be once, and none beyond the quota', async () => {
    const body = { location: 'local', properties: { scaleUnits: 0 } };
    const answers = await Promise.all(
      ['same', 'same', 'other', 'same'].map((name) => ask('PUT', `/streamingEndpoints/${name}`, body)),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toContain(201);
    expect(await collect(client.streamingEndpoints.list(GROUP, ACCOUNT))).toHaveLength(2);
    for (const { status } of answers) expect([200, 201, 403]).toContain(status);
    for (const name of ['same', 'other']) {
      await client.streamingEndpoints.beginDeleteAndWait(GROUP, ACCOUNT, name, FAST);
    }
  }, 60_000);

  it('show and guard what they are told to', async () => {
    const base = `http://127.0.0.1:${engine.ports['streaming']}`;
    const patch = (properties: object) => ask('PATCH', '/streamingEndpoints/default', { properties });
    expect((await fetch(`${base}/clientaccesspolicy.xml`)).status).toBe(404);
    const akamai = {
      akamaiSignatureHeaderAuthenticationKeyList: [
        { identifier: 'id', base64Key: 'c2VjcmV0', expiration: '2099-01-01T00:00:00Z' },
      ],
    };
    const guarded = await patch({
      accessControl: { ip: { allow: [{ name: 'far', address: '10.1.2.3' }] }, akamai },
      crossSiteAccessPolicies: { clientAccessPolicy: '<access-policy/>' },
    });
    expect(Reflect.get(Object(guarded.body), 'properties')).toMatchObject({
      accessControl: {
        akamai,
        ip: { allow: [{ name: 'far', address: '10.1.2.3', subnetPrefixLength: null }] },
      },
      crossSiteAccessPolicies: { clientAccessPolicy: '<access-policy/>', crossDomainPolicy: null },
    });
    const policy = async () => (await fetch(`${base}/clientaccesspolicy.xml`)).text();
    expect(await eventually(policy, (text) => text.startsWith('<'))).toBe('<access-policy/>');
    await client.assets.createOrUpdate(GROUP, ACCOUNT, 'film', {});
    const locator = await client.streamingLocators.create(GROUP, ACCOUNT, 'film', {
      assetName: 'film',
      streamingPolicyName: 'Predefined_ClearStreamingOnly',
    });
    const url = `${base}/${locator.streamingLocatorId}/film.ism/manifest(format=m3u8-cmaf)`;
    const status = async () => (await fetch(url)).status;
    expect(await eventually(status, (code) => code === 403)).toBe(403);
    await patch({ accessControl: null, crossSiteAccessPolicies: null });
    expect(await eventually(status, (code) => code !== 403)).toBe(404);
    const bare = await ask('GET', '/streamingEndpoints/default');
    expect(Reflect.get(Object(bare.body), 'properties')).toMatchObject({ accessControl: null });
  }, 60_000);
});

describe('long-running operations', () => {
  it('are told of under the address and the outcome of their own resource alone', async () => {
    const begun = await ask('PATCH', '/liveEvents/show', { tags: { a: 'b' } });
    expect([begun.status, begun.headers['retry-after']]).toEqual([202, '1']);
    const status = String(begun.headers['azure-asyncoperation']);
    const location = String(begun.headers['location']);
    expect(status).toMatch(/resourcegroups.*\/liveeventoperations\/[0-9a-f-]{36}\?api-version=2022-11-01$/);
    const outcome = await outcomeOf(begun);
    const id = location.replace(/^.*operationlocations\/([^?]*).*$/, '$1');
    expect(outcome.body).toMatchObject({
      id: `${ACCOUNT_ID}/liveevents/show/operationlocations/${id}`,
      tags: { a: 'b' },
    });
    const polled = await ask('GET', status);
    expect(polled.headers['azure-asyncoperation']).toBe(status);
    expect(polled.body).toEqual({
      name: id,
      status: 'Succeeded',
      error: { code: 'None', message: null, target: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    });
    const elsewhere = [
      status.replace('liveeventoperations', 'streamingendpointoperations'),
      location.replace('liveevents/show', 'liveevents/other'),
      location.replace(id, id.replace(/^./, 'x')),
    ];
    for (const url of elsewhere) expect((await ask('GET', url)).status).toBe(404);
  });

  it('that removed something have nobody as target and nothing as outcome', async () => {
    const event = { location: 'local', properties: { input: { streamingProtocol: 'RTMP' } } };
    await outcomeOf(await ask('PUT', '/liveEvents/gone', event));
    const begun = await ask('DELETE', '/liveEvents/gone');
    expect((await outcomeOf(begun)).status).toBe(204);
    expect((await ask('GET', String(begun.headers['azure-asyncoperation']))).body).toMatchObject({
      status: 'Succeeded',
      error: { code: 'None', message: null, target: '00000000-0000-0000-0000-000000000000' },
    });
  });
});

describe('live outputs', () => {
  it('record into one asset under different names, each from the time that it is told', async () => {
    await client.assets.createOrUpdate(GROUP, ACCOUNT, 'takes', { container: 'takes' });
    const begin = (name: string, more: object = {}) =>
      ask('PUT', `/liveEvents/show/liveOutputs/${name}`, {
        properties: { assetName: 'takes', archiveWindowLength: 'PT1H', manifestName: name, ...more },
      });
    const outputSnapTime = (Date.now() - Date.UTC(2020, 0, 1) + 5000) * 10_000;
    const late = await outcomeOf(await begin('late', { outputSnapTime, hls: { fragmentsPerTsSegment: 4 } }));
    expect(Reflect.get(Object(late.body), 'properties')).toMatchObject({
      resourceState: 'Running',
      outputSnapTime,
      hls: { fragmentsPerTsSegment: 4 },
    });
    await outcomeOf(await begin('whole'));
    for (const name of ['LATE', 'whole']) {
      const refused = await begin('third', { manifestName: name });
      expect([refused.status, Reflect.get(Object(refused.body), 'error')]).toEqual([
        409,
        { code: 'Conflict', message: expect.stringContaining("'properties.manifestName'") },
      ]);
    }
    const container = BlobServiceClient.fromConnectionString(azurite.connectionString).getContainerClient(
      'takes',
    );
    const indexed = async (name: string): Promise<readonly number[]> => {
      const times: number[] = [];
      for await (const blob of container.listBlobsFlat({ prefix: `${name}.headend/` })) {
        const text = (await container.getBlobClient(blob.name).downloadToBuffer()).toString();
        times.push(...[...text.matchAll(/"decodeTimeTicks":(\d+)/g)].map(([, ticks]) => Number(ticks)));
      }
      return times;
    };
    const started = await eventually(
      () => indexed('late'),
      (times) => times.length > 0,
    );
    expect(Math.min(...started)).toBeGreaterThanOrEqual(outputSnapTime);
    expect(Math.min(...(await indexed('whole')))).toBeLessThan(outputSnapTime);
    for (const name of ['late', 'whole']) {
      await client.liveOutputs.beginDeleteAndWait(GROUP, ACCOUNT, 'show', name, FAST);
    }
    expect((await begin('late')).status).toBe(409);
  }, 90_000);
});

describe('live events', () => {
  it('that encode or transcribe are resources that cannot be started', async () => {
    const put = (name: string, properties: object) =>
      ask('PUT', `/liveEvents/${name}`, {
        location: 'local',
        properties: { input: { streamingProtocol: 'RTMP' }, ...properties },
      });
    const encoding = { encodingType: 'Premium1080p' };
    const made = await outcomeOf(await put('encoding', { encoding, streamOptions: ['LowLatencyV2'] }));
    expect(Reflect.get(Object(made.body), 'properties')).toMatchObject({
      encoding: {
        ...encoding,
        presetName: 'Default1080p',
        stretchMode: 'AutoSize',
        keyFrameInterval: 'PT2S',
      },
      streamOptions: ['LowLatencyV2'],
      input: { timedMetadataEndpoints: [] },
    });
    await outcomeOf(await put('transcribing', { transcriptions: [{ language: 'en-US' }] }));
    for (const name of ['encoding', 'transcribing']) {
      for (const action of ['start', 'allocate']) {
        const refused = await ask('POST', `/liveEvents/${name}/${action}`);
        expect([refused.status, refused.body]).toEqual([
          400,
          { error: { code: 'BadRequest', message: expect.stringContaining('cannot be started') } },
        ]);
      }
    }
    const started = await ask('PUT', '/liveEvents/never?autoStart=true', {
      location: 'local',
      properties: { input: { streamingProtocol: 'RTMP' }, encoding },
    });
    expect(started.status).toBe(400);
    expect((await ask('GET', '/liveEvents/never')).status).toBe(404);
    await ask('DELETE', '/liveEvents/encoding');
    await ask('DELETE', '/liveEvents/transcribing');
  });

  it('have an address for timed metadata, which says that nothing is taken there', async () => {
    const { body } = await ask('GET', '/liveEvents/show');
    const [endpoint] = Reflect.get(Object(body), 'properties').input.timedMetadataEndpoints;
    expect(endpoint).toEqual({
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\/timedmetadata$/),
    });
    const answer = await fetch(endpoint.url, { method: 'POST', body: '{}' });
    expect([answer.status, await answer.json()]).toEqual([
      501,
      { error: { code: 'NotSupported', message: expect.any(String) } },
    ]);
    const before = await ask('GET', '/liveEvents/show', undefined, '2022-08-01');
    expect(JSON.stringify(before.body)).not.toContain('timedMetadata');
    const early = { properties: { input: { timedMetadataEndpoints: [] } } };
    expect((await ask('PATCH', '/liveEvents/show', early, '2022-08-01')).status).toBe(400);
    expect((await ask('POST', '/liveEvents/show/getStatus', undefined, '2022-08-01')).status).toBe(400);
  });

  it('tell of their encoders: events, heartbeats and how they are', async () => {
    const isBegun = (events: readonly Record<string, unknown>[]) =>
      events.filter(({ eventType }) => eventType === 'StreamEvent/FirstChunkReceived').length >= 2;
    const events = await eventually(() => telemetryOf('getStreamEvents'), isBegun);
    expect(events[0]).toEqual({
      eventType: 'StreamEvent/BeginIngest',
      eventTime: expect.stringMatching(/Z$/),
      eventLevel: 'Information',
      data: expect.objectContaining({
        streamName: 'main',
        resultCode: 'S_OK',
        remoteIp: '127.0.0.1',
        bitrate: null,
      }),
    });
    expect(Object.keys(Object(events[0]?.['data']))).toHaveLength(29);
    const heartbeats = await eventually(
      () => telemetryOf('getTrackIngestHeartbeats'),
      (found) => found.length >= 2,
    );
    expect(heartbeats.map(({ data }) => Reflect.get(Object(data), 'trackType')).sort()).toEqual(
      expect.arrayContaining(['audio', 'video']),
    );
    expect(heartbeats[0]).toMatchObject({
      eventType: 'TrackEvent/IngestHeartbeat',
      data: { state: 'Running', timescale: '10000000', lastFragmentArrivalTime: expect.stringMatching(/Z$/) },
    });
    const [status] = await telemetryOf('getStatus');
    expect(status).toMatchObject({
      state: 'Running',
      healthStatus: expect.stringMatching(/^(Excellent|Good|Poor)$/),
      ingestion: { streamName: 'main', end: null, endReason: '', ingestInterruptions: [] },
    });
    expect(Reflect.get(Object(status), 'trackStatus')).toHaveLength(2);
    await publisher.stop('SIGTERM');
    const ended = await eventually(
      () => telemetryOf('getStatus'),
      ([found]) => Reflect.get(Object(found?.['ingestion']), 'end') !== null,
    );
    expect(ended[0]).toMatchObject({ healthStatus: 'Poor', ingestion: { end: expect.any(String) } });
    await client.liveEvents.beginStopAndWait(GROUP, ACCOUNT, 'show', {}, FAST);
    expect((await telemetryOf('getStatus'))[0]).toMatchObject({ state: 'Stopped', healthStatus: '' });
    expect((await ask('POST', '/liveEvents/nobody/getStatus')).status).toBe(404);
  }, 90_000);
});
