import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { compose, type Services } from '../../src/lib/composition.ts';
import type { Config } from '../../src/lib/config/config.ts';
import { onLiveEvent } from '../../src/lib/events/on-live-event.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { type Engine, startEngine } from '../support/engine.ts';
import { openHttpApp } from '../support/http-app.ts';

/** Generous: the target on a laptop is 300 ms, and this machine may be busy. */
const PUBLISHED_WITHIN_MS = 5_000;

let azurite: Azurite;
let engine: Engine;
let preview: Server;
let app: Services;
let http: ReturnType<typeof openHttpApp>;
let sending = false;
let segments = 1;

beforeAll(async () => {
  // Stands where the origin's preview is, which needs an encoder: what is tested is what the app does with its answers.
  preview = createServer((_request, response) => {
    response.statusCode = sending ? 200 : 404;
    response.end(`#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:${segments}\n`);
  });
  await new Promise<void>((resolve) => preview.listen(0, '127.0.0.1', resolve));
  const address = preview.address();
  azurite = await startAzurite();
  engine = await startEngine(
    azurite.connectionString,
    typeof address === 'object' ? address?.port : undefined,
  );
  const media = { endpoint: '', subscriptionId: '', resourceGroup: '', account: '', location: '' };
  const config: Config = {
    storage: azurite.connectionString,
    streamingBaseUrl: 'http://media.example',
    keyDeliveryBaseUrl: 'http://keys.example/headend',
    livePageUrl: null,
    secretStore: { kind: 'folder', path: join(tmpdir(), `headend-secrets-${crypto.randomUUID()}`) },
    media,
  };
  app = compose(config, async () => engine.client);
  http = openHttpApp(app);
  await app.warm();
}, 60_000);

afterAll(async () => {
  await engine?.close();
  await azurite?.close();
  preview?.closeAllConnections();
  preview?.close();
});

const eventOf = (type: string) => ({
  id: crypto.randomUUID(),
  topic: '',
  subject: 'liveEvent/arena',
  eventType: `Microsoft.Media.${type}`,
  eventTime: new Date().toISOString(),
  data: {},
  dataVersion: '1',
  metadataVersion: '1',
});

const tell = (type: string) => onLiveEvent(eventOf(type), app);

describe('the app on tables, queues and the engine', () => {
  it('publishes when the encoder connects, says when it is lost, and leaves an on-demand program', async () => {
    const wait = { headers: { prefer: 'wait=10' } };
    const channel = '/channels/arena';
    const program = `${channel}/programs/final`;
    expect((await http.call('PUT', channel, { body: {} })).status).toBe(201);
    const { playback } = (await http.call('PUT', program, { body: {} })).body;
    expect((await http.call('POST', `${channel}/start`, wait)).body.status).toBe('Succeeded');
    const armed = (await http.call('GET', program)).body;
    expect([armed.state, armed.playback]).toEqual(['armed', { ...playback, status: 'waiting' }]);
    const key = (await http.call('GET', `${channel}/stream-key`)).body;
    expect(
      key.servers.map(({ role, protocol }: { role: string; protocol: string }) => [role, protocol]),
    ).toEqual([
      ['primary', 'rtmps'],
      ['backup', 'rtmps'],
      ['primary', 'rtmp'],
      ['backup', 'rtmp'],
    ]);
    expect(key.servers[2].url).toMatch(/^rtmp:\/\/127\.0\.0\.1:\d+\/live\/[0-9a-f]{32}$/);

    await tell('LiveEventEncoderConnected');
    sending = true;
    await tell('LiveEventIncomingStreamReceived');
    const live = (await http.call('GET', program)).body;
    expect([live.state, live.playback]).toEqual(['recording', { ...playback, status: 'live' }]);
    const { items } = (await http.call('GET', `${channel}/timeline`)).body;
    const told = items
      .filter(({ type }: { type: string }) => /Ready|Published|Connected/.test(type))
      .toReversed();
    expect(told.map(({ type }: { type: string }) => type)).toEqual([
      'KeyPolicyReady',
      'DeliveryPolicyReady',
      'Microsoft.Media.LiveEventEncoderConnected',
      'Published',
    ]);
    for (const { milliseconds } of told) expect(milliseconds).toBeLessThan(PUBLISHED_WITHIN_MS);

    await tell('LiveEventEncoderDisconnected');
    expect((await http.call('GET', channel)).body.health.code).toBe('NO_INPUT');
    segments += 1;
    await tell('LiveEventEncoderConnected');
    expect((await http.call('GET', channel)).body.health.code).toBe('HEALTHY');

    expect((await http.call('POST', `${program}/finish`, wait)).body.status).toBe('Succeeded');
    expect((await http.call('GET', program)).body.playback).toEqual({ ...playback, status: 'onDemand' });
    expect((await http.call('POST', `${channel}/stop`, wait)).body.status).toBe('Succeeded');
    expect((await http.call('DELETE', `${program}?recording=delete`, wait)).body.status).toBe('Succeeded');
    expect((await http.call('DELETE', channel, wait)).body.status).toBe('Succeeded');
    expect((await http.call('GET', channel)).status).toBe(404);
  }, 60_000);
});

describe('the app with protection', () => {
  const wait = { headers: { prefer: 'wait=10' } };
  const program = '/channels/hall/programs/final';
  const get = async () => (await http.call('GET', program)).body;
  const conditions = async () =>
    (await get()).conditions
      .filter(({ type }: { type: string }) => type !== 'Recording')
      .map(({ type, status, reason }: Record<string, unknown>) => `${type} ${status} ${reason}`);
  const rental = async (keys: object, status = 200) => {
    const delivery = { hls: 'cbcs', dash: 'cenc', drm: { clearKey: {}, widevine: {} } };
    const answer = await http.call('PUT', '/protection-profiles/rental', { body: { keys, delivery } });
    expect([answer.status, answer.body.errors]).toEqual([status, undefined]);
    return answer.body;
  };
  const policies = async () => {
    const { sdk, resourceGroup, account } = engine.client;
    const { options } = await sdk.contentKeyPolicies.getPolicyPropertiesWithSecrets(
      resourceGroup,
      account,
      'headend-rental',
    );
    return options.map(({ name, configuration, restriction }) => [
      name,
      configuration.odataType.split('.').at(-1),
      restriction.odataType.split('.').at(-1),
    ]);
  };
  const locator = async () => {
    const { sdk, resourceGroup, account } = engine.client;
    const id = /\/\/[^/]+\/([0-9a-f-]{36})\//.exec((await get()).playback.hls)?.[1] ?? '';
    const found = await sdk.streamingLocators.get(resourceGroup, account, id);
    const { contentKeys = [] } = await sdk.streamingLocators.listContentKeys(resourceGroup, account, id);
    return { found, contentKeys };
  };

  it('has all of it ready before air, and lets viewers in when the encoder connects', async () => {
    sending = false;
    await rental({ access: 'token' }, 201);
    expect((await http.call('PUT', '/channels/hall', { body: {} })).status).toBe(201);
    const made = (await http.call('PUT', program, { body: { protection: 'rental' } })).body;
    expect(made.playback).toMatchObject({
      hls: expect.stringMatching(/\(format=m3u8-cmaf,encryption=cbcs-aapl\)\.m3u8$/),
      dash: expect.stringMatching(/\(format=mpd-time-cmaf,encryption=cenc\)\.mpd$/),
      smooth: null,
      protection: {
        access: 'token',
        servers: { clearKey: 'http://keys.example/headend/ClearKey/', aes128: null },
      },
    });
    expect((await http.call('POST', '/channels/hall/start', wait)).body.status).toBe('Succeeded');
    await app.reconcile('hall');
    expect(await conditions()).toEqual([
      'KeyPolicyReady true ready',
      'DeliveryPolicyReady true ready',
      'Published false notDue',
    ]);
    expect(await policies()).toEqual([
      ['clearKey', 'ContentKeyPolicyClearKeyConfiguration', 'ContentKeyPolicyTokenRestriction'],
      ['widevine', 'ContentKeyPolicyWidevineConfiguration', 'ContentKeyPolicyTokenRestriction'],
    ]);
    sending = true;
    for (const event of ['LiveEventEncoderConnected', 'LiveEventEncoderConnected'])
      await onLiveEvent({ ...eventOf(event), subject: 'liveEvent/hall' }, app);
    expect((await get()).playback).toEqual({
      ...made.playback,
      status: 'live',
      protection: { ...made.playback.protection, keyIds: [expect.any(String), expect.any(String)] },
    });
    const { found, contentKeys } = await locator();
    expect([found.defaultContentKeyPolicyName, found.streamingPolicyName]).toEqual([
      'headend-rental',
      expect.stringMatching(/^headend-rental-[0-9a-f]{16}$/),
    ]);
    expect(contentKeys.map(({ id }) => id)).toEqual((await get()).playback.protection.keyIds);
    for (const { id, value } of contentKeys) expect(await app.secrets.get(`content-key-${id}`)).toBe(value);
    expect(new Set(contentKeys.map(({ value }) => value)).size).toBe(2);
  }, 60_000);

  it('gives a changed key half to what is on air, and keeps the delivery half of what is published', async () => {
    const before = await locator();
    await rental({ access: 'open' });
    expect(await app.reconcileProfile('rental')).toEqual({ kind: 'done' });
    expect((await policies()).map(([name, , restriction]) => `${name} ${restriction}`)).toEqual([
      'clearKey ContentKeyPolicyOpenRestriction',
      'widevine ContentKeyPolicyOpenRestriction',
    ]);
    expect((await locator()).contentKeys).toEqual(before.contentKeys);
    const other = { keys: { access: 'open' }, delivery: { hls: 'aes128' } };
    const refused = await http.call('PUT', '/protection-profiles/rental', { body: other });
    expect([refused.body.code, refused.body.current.publishedBy]).toEqual([
      'profilePublished',
      [`/api/v1${program}`],
    ]);
    const patched = await http.call('PATCH', program, { body: { protection: 'aes' } });
    expect([patched.body.code, patched.body.errors[0].pointer]).toEqual(['immutableField', '/protection']);

    expect((await http.call('POST', `${program}/unpublish`, wait)).body.status).toBe('Succeeded');
    await expect(locator()).rejects.toMatchObject({ statusCode: 404 });
    expect((await http.call('PATCH', program, { body: { protection: 'aes' } })).status).toBe(200);
    expect((await http.call('POST', `${program}/publish`, wait)).body.status).toBe('Succeeded');
    const after = await locator();
    expect([after.found.streamingPolicyName, after.found.defaultContentKeyPolicyName]).toEqual([
      'Predefined_ClearKey',
      'headend-aes',
    ]);
    expect((await get()).playback.hls).toMatch(/\(format=m3u8-aapl,encryption=cbc\)\.m3u8$/);
    const known = before.contentKeys.map(({ value }) => value);
    for (const { value } of after.contentKeys) expect(known).not.toContain(value);
  }, 60_000);

  it('leaves nothing of a deleted program and a deleted profile', async () => {
    const { keyIds } = (await get()).playback.protection;
    expect((await http.call('POST', `${program}/finish`, wait)).body.status).toBe('Succeeded');
    expect((await http.call('DELETE', `${program}?recording=delete`, wait)).body.status).toBe('Succeeded');
    for (const id of keyIds) expect(await app.secrets.get(`content-key-${id}`)).toBeUndefined();
    expect((await http.call('DELETE', '/protection-profiles/rental')).status).toBe(204);
    expect(await app.reconcileProfile('rental')).toEqual({ kind: 'done' });
    await expect(policies()).rejects.toMatchObject({ statusCode: 404 });
    const { sdk, resourceGroup, account } = engine.client;
    const left: string[] = [];
    for await (const { name = '' } of sdk.streamingPolicies.list(resourceGroup, account)) left.push(name);
    expect(left.filter((name) => name.startsWith('headend-rental'))).toEqual([]);
  }, 60_000);
});
