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

const tell = (type: string) =>
  onLiveEvent(
    {
      id: crypto.randomUUID(),
      topic: '',
      subject: 'liveEvent/arena',
      eventType: `Microsoft.Media.${type}`,
      eventTime: new Date().toISOString(),
      data: {},
      dataVersion: '1',
      metadataVersion: '1',
    },
    app,
  );

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
