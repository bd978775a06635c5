import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BAD_CALLS } from '../fixtures/bad-calls.ts';
import { makeCountedVideo } from '../support/counted-video.ts';
import { Encoder } from '../support/encoder.ts';
import { type ApiBody, type HeadendApi, rtmpUrl } from '../support/headend-api.ts';
import { untilSegments } from '../support/playlist.ts';
import { closedAfterMs, type RawAnswer, type RawRequest, rawRequest } from '../support/raw-requests.ts';
import { type Stack, startStack } from '../support/stack.ts';

const ACCOUNT =
  '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/headend/providers/Microsoft.Media/mediaservices/headend';
const ARM_BODY_BYTES_MAX = 1024 * 1024;
/** The engine gives a handshake 5 s; the rest is for a loaded machine. */
const HANDSHAKE_OVER_MS = 15_000;
/** What a forged event could cause would have happened by then. */
const SETTLED_MS = 2000;
const PUBLISHED_BY_SWEEP_MS = 20_000;

let folder: string;
let stack: Stack;
let api: HeadendApi;
let encoder: Encoder;
let server: string;
let show: ApiBody;
let secrets: Record<string, string>;
let armToken: string;

/** `quiet` is stopped, `open` waits for its encoder, `busy` records and is live. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-bad-'));
  await makeCountedVideo({
    ...{ file: video(), width: 320, height: 180 },
    ...{ bitrateKbps: 300, gopSeconds: 1, seconds: 10 },
  });
  stack = await startStack();
  api = stack.api;
  secrets = JSON.parse(await readFile(join(stack.dataDir, 'secrets.json'), 'utf8'));
  for (const channel of ['quiet', 'open', 'busy']) {
    await api.expect(201, 'PUT', `/channels/${channel}`, {});
    await api.expect(201, 'PUT', `/channels/${channel}/programs/show`, {});
  }
  await api.expect(200, 'POST', '/channels/open/start');
  await api.expect(200, 'POST', '/channels/busy/start');
  server = rtmpUrl(await api.expect(200, 'GET', '/channels/busy/stream-key'));
  encoder = new Encoder([{ file: video(), url: `${server}/main`, loop: true }]);
  show = await api.until('/channels/busy/programs/show', isLive);
  await untilSegments(show.playback.hls, 2);
  armToken = await managedIdentityToken();
}, 120_000);

afterAll(async () => {
  await encoder?.stop();
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const video = () => join(folder, 'show.flv');
const isLive = (program: ApiBody) => program.state === 'recording' && program.playback.status === 'live';
const engineLog = () => readFile(join(stack.dataDir, 'logs', 'engine.log'), 'utf8');

/** All that clients can read of what is wanted and what is so, without what time alone changes. */
async function everything(): Promise<ApiBody> {
  const { items } = await api.expect(200, 'GET', '/channels');
  return Promise.all(
    items.map(async ({ health: _health, ...channel }: ApiBody) => {
      const programs = await api.expect(200, 'GET', `/channels/${channel.name}/programs`);
      return {
        channel,
        programs: programs.items.map(({ recording: { duration: _, ...recording }, ...program }: ApiBody) => ({
          ...program,
          recording,
        })),
      };
    }),
  );
}

async function changesNothing<T>(work: () => Promise<T>): Promise<T> {
  const before = await everything();
  const result = await work();
  expect(await everything()).toEqual(before);
  expect(encoder.isRunning).toBe(true);
  return result;
}

async function untilLogged(...parts: string[]): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const lines = (await engineLog()).split('\n');
    if (lines.some((line) => parts.every((part) => line.includes(part)))) return;
    if (Date.now() > deadline) throw new Error(`the engine did not log ${parts.join(' ')}`);
    await delay(100);
  }
}

describe('the HTTP API', () => {
  it.each(BAD_CALLS)('refuses $what', async ({ call, body, problem, says }) => {
    const [method = '', path = ''] = call.split(' ');
    const [status, code] = problem.split(' ');
    const answer = await changesNothing(() => api.call(method, path, body));
    expect(answer.status).toBe(Number(status));
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.body).toMatchObject({
      type: `urn:headend:error:${code}`,
      status: Number(status),
      code,
      ...says,
    });
  });

  it('refuses broken JSON', async () => {
    const options = { method: 'PUT', headers: { 'x-functions-key': stack.functionKey }, body: '{"labels":' };
    const answer = await changesNothing(() => rawRequest(stack.apiBase, '/api/v1/channels/quiet', options));
    expect(answer).toMatchObject({
      status: 400,
      body: { code: 'invalidBody', errors: [{ pointer: '', message: 'not JSON' }] },
    });
  });

  it('refuses a change of what has changed meanwhile', async () => {
    const stale = (await api.call('GET', '/channels/quiet')).headers.get('etag') ?? '';
    await api.expect(200, 'PATCH', '/channels/quiet', { description: 'newer' });
    const headers = { 'if-match': stale };
    const answer = await changesNothing(() =>
      api.call('PATCH', '/channels/quiet', { description: 'older' }, headers),
    );
    expect(answer).toMatchObject({ status: 412, body: { code: 'etagMismatch' } });
  });

  it.each<[string, Record<string, string>]>([
    ['no function key', {}],
    ['a wrong function key', { 'x-functions-key': 'x'.repeat(43) }],
  ])('refuses %s', async (_name, headers) => {
    const paths = ['/api/v1/channels/quiet', '/api/v1/channels/other'];
    const answers = await changesNothing(() =>
      Promise.all(
        paths.map((path) => rawRequest(stack.apiBase, path, { method: 'PUT', headers, body: '{}' })),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([401, 401]);
  });

  it('knows no other verbs', async () => {
    const answer = await changesNothing(() => api.call('POST', '/channels/quiet', {}));
    expect(answer.status).toBe(404);
  });

  it.each(['/api/v1/health/live', '/api/v1/openapi.json'])('answers %s to anybody', async (path) => {
    expect((await rawRequest(stack.apiBase, path)).status).toBe(200);
  });
});

async function managedIdentityToken(): Promise<string> {
  const { pathname } = new URL(stack.identityEndpoint);
  const query = `?api-version=2019-08-01&resource=${encodeURIComponent(stack.armEndpoint)}`;
  const headers = { 'x-identity-header': stack.identitySecret };
  const answer = await rawRequest(stack.identityEndpoint, pathname + query, { headers });
  expect(answer.status).toBe(200);
  return answer.body.access_token;
}

function arm(path: string, { headers, ...options }: RawRequest = {}): Promise<RawAnswer> {
  return rawRequest(stack.armEndpoint, ACCOUNT + path, {
    ca: stack.caPem,
    headers: { authorization: `Bearer ${armToken}`, 'content-type': 'application/json', ...headers },
    ...options,
  });
}

describe('the ARM API', () => {
  const liveEvent = { location: 'local', properties: { input: { streamingProtocol: 'RTMP' } } };
  const version = '?api-version=2022-11-01';
  const json = (body: unknown): RawRequest => ({ body: JSON.stringify(body) });
  const bearer = (token: string): RawRequest => ({ headers: { authorization: `Bearer ${token}` } });
  const evil = `/liveEvents/evil${version}`;
  it.each<[string, string, RawRequest, number, string]>([
    ['no token', evil, { headers: { authorization: '' } }, 401, 'AuthenticationFailed'],
    ['a garbage token', evil, bearer('e30.e30.AAAA'), 401, 'InvalidAuthenticationToken'],
    ['an unknown field', evil, json({ ...liveEvent, colour: 'red' }), 400, 'BadRequest'],
    ['a bad name', `/liveEvents/evil_one${version}`, {}, 400, 'BadRequest'],
    ['an old api-version', '/liveEvents/evil?api-version=2010-01-01', {}, 400, 'InvalidApiVersionParameter'],
    ['no api-version', '/liveEvents/evil', {}, 400, 'MissingApiVersionParameter'],
    ['broken JSON', evil, { body: '{' }, 400, 'InvalidRequestContent'],
    ['a body over the limit', evil, json('x'.repeat(ARM_BODY_BYTES_MAX)), 413, 'RequestEntityTooLarge'],
  ])('refuses %s', async (_name, path, options, status, code) => {
    const request = { method: 'PUT', body: JSON.stringify(liveEvent), ...options };
    const answer = await changesNothing(() => arm(path, request));
    expect(answer).toMatchObject({ status, body: { error: { code } } });
    const { value } = (await arm(`/liveEvents${version}`)).body;
    expect(value.map((stored: ApiBody) => stored.name).sort()).toEqual(
      ['busy', stack.channel, 'open', 'quiet'].sort(),
    );
  });
});

describe('the RTMP port', () => {
  it.each([
    ['garbage', Buffer.alloc(4096, 0xff)],
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')],
    ['the right version and then garbage', Buffer.alloc(8192, 3)],
    ['nothing at all', Buffer.alloc(0)],
  ])(
    'closes a connection that says %s',
    async (_name, bytes) => {
      const closed = () => closedAfterMs(stack.ports.rtmp, bytes, HANDSHAKE_OVER_MS);
      expect(await changesNothing(closed)).toBeLessThan(HANDSHAKE_OVER_MS);
    },
    40_000,
  );

  it('refuses a wrong stream key', async () => {
    const url = server.replace(/[0-9a-f]{32}/, 'f'.repeat(32));
    expect(url).not.toBe(server);
    const stranger = new Encoder([{ file: video(), url: `${url}/main` }]);
    expect(await changesNothing(() => stranger.ended())).not.toBe('');
    await untilLogged('live.refused', 'MPE_RTMP_APPID_AUTH_FAILURE');
  });

  it('refuses a second encoder of the same stream while the first goes on', async () => {
    const segments = await untilSegments(show.playback.hls, 1);
    const second = new Encoder([{ file: video(), url: `${server}/main` }]);
    expect(await changesNothing(() => second.ended())).not.toBe('');
    await untilLogged('live.refused', '/busy"', 'MPE_INGEST_ENCODER_CONNECTION_DENIED');
    await untilSegments(show.playback.hls, segments.length + 2);
  });

  it('refuses a codec that it does not take and tells the channel', async () => {
    const file = join(folder, 'sorenson.flv');
    await promisify(execFile)('ffmpeg', ['-v', 'error', '-i', video(), '-c:v', 'flv1', '-an', file]);
    const key = await api.expect(200, 'GET', '/channels/open/stream-key');
    const old = new Encoder([{ file, url: `${rtmpUrl(key)}/old` }]);
    expect(await changesNothing(() => old.ended())).not.toBe('');
    await untilLogged('live.refused', '/open"', 'MPE_INGEST_CODEC_NOT_SUPPORTED');
    // Not the health itself: a later report of the engine may take its place at any moment.
    await api.until(
      '/channels/open/timeline?limit=100',
      ({ items }) => items.some(({ effect }: ApiBody) => /^An encoder was (refused|dropped)\.$/.test(effect)),
      10_000,
    );
  });
});

describe('the Event Grid webhook', () => {
  const path = '/runtime/webhooks/eventgrid?functionName=onEncoderEvent';
  const forged = (channel: string, data: unknown) => ({
    ...{ id: `forged-${channel}-${Date.now()}`, topic: '/forged', dataVersion: '1.0', metadataVersion: '1' },
    subject: `liveEvent/${channel}`,
    eventType: 'Microsoft.Media.LiveEventEncoderConnected',
    eventTime: new Date().toISOString(),
    data,
  });
  const deliver = (code: string, event: unknown) =>
    rawRequest(stack.apiBase, path + code, {
      method: 'POST',
      headers: { 'aeg-event-type': 'Notification', 'content-type': 'application/json' },
      body: JSON.stringify([event]),
    });
  const connected = { ingestUrl: 'rtmp://x', streamId: 'main', encoderIp: '10.0.0.1', encoderPort: '1' };

  it.each([
    ['no key', ''],
    ['a wrong key', '&code=wrong'],
  ])('refuses %s', async (_name, code) => {
    const answer = await changesNothing(() => deliver(code, forged('quiet', connected)));
    expect(answer.status).toBe(401);
  });

  it.each<[string, string, unknown]>([
    ['a forged event of a stopped channel', 'quiet', connected],
    ['an event of no channel', 'nobody', connected],
    ['an event without data', 'quiet', null],
    ['an event whose data are no object', 'quiet', [['x']]],
    ['an event with wrong fields', 'quiet', { encoderIp: { deep: [1] }, bitrate: 'NaN', reasons: 7 }],
    ['an event with a huge field', 'quiet', { encoderIp: 'x'.repeat(100_000) }],
  ])('takes %s and believes nothing of it', async (_name, channel, data) => {
    const answer = await changesNothing(async () => {
      const delivered = await deliver(`&code=${secrets['eventGridSystemKey']}`, forged(channel, data));
      await delay(SETTLED_MS);
      return delivered;
    });
    expect(answer.status).toBe(202);
    const program = await api.expect(200, 'GET', '/channels/quiet/programs/show');
    expect((await fetch(program.playback.hls)).status).toBe(404);
  });

  it('publishes nothing because somebody says that the encoder of a running channel sends', async () => {
    const deliverForged = () => deliver(`&code=${secrets['eventGridSystemKey']}`, forged('open', connected));
    expect((await deliverForged()).status).toBe(202);
    await delay(SETTLED_MS);
    const program = await api.expect(200, 'GET', '/channels/open/programs/show');
    expect(program).toMatchObject({ state: 'armed', playback: { status: 'waiting' } });
    expect((await fetch(program.playback.hls)).status).toBe(404);
  });
});

describe('the origin', () => {
  const get = (path: string, options?: RawRequest) => rawRequest(stack.streamingBase, path, options);
  const pathOf = (url: string) => new URL(url).pathname;
  const problem = (answer: RawAnswer) => [answer.status, answer.headers['x-ms-mpe-error'] !== undefined];

  it('knows nothing of what is not published', async () => {
    const program = await api.expect(200, 'GET', '/channels/quiet/programs/show');
    expect(problem(await get(pathOf(program.playback.hls)))).toEqual([404, true]);
  });

  it.each<[string, (hls: string) => string, number]>([
    [
      'an unknown locator',
      (hls) => hls.replace(/^\/[^/]+/, `/${'0'.repeat(8)}-0000-0000-0000-${'0'.repeat(12)}`),
      404,
    ],
    ['another name under a known locator', (hls) => hls.replace(/[^/]+\.ism/, 'other.ism'), 404],
    ['a path that climbs', (hls) => hls.replace('/manifest', '/../../manifest'), 400],
    ['a path that climbs in disguise', (hls) => hls.replace('/manifest', '/%2e%2e/manifest'), 400],
    ['no locator at all', () => '/etc/passwd', 400],
    ['broken percent-encoding', (hls) => `${hls}%`, 400],
    ['an unknown format', (hls) => hls.replace('m3u8-cmaf', 'mp4-nonsense'), 400],
    ['encryption that is not offered', (hls) => hls.replace('m3u8-cmaf', 'm3u8-cmaf,encryption=cbc'), 403],
    ['a path that is too long', (hls) => `${hls}?${'x'.repeat(4096)}`, 400],
  ])('refuses %s', async (_name, change, status) => {
    expect(problem(await get(change(pathOf(show.playback.hls))))).toEqual([status, true]);
  });

  it('refuses POST', async () => {
    expect((await get(pathOf(show.playback.hls), { method: 'POST', body: '{}' })).status).toBe(405);
  });

  it('refuses a range beyond the end and a fragment ahead of the live edge', async () => {
    const segment = pathOf((await untilSegments(show.playback.hls, 2)).at(-1) ?? '');
    const headers = { range: 'bytes=999999999-' };
    expect(problem(await get(segment, { headers }))).toEqual([416, true]);
    const ahead = segment.replace(/=(\d+)/, (_, ticks: string) => `=${Number(ticks) + 60 * 10_000_000}`);
    expect(ahead).not.toBe(segment);
    expect(problem(await get(ahead))).toEqual([412, true]);
    expect((await get(segment)).status).toBe(200);
  });

  it('refuses an expired locator', async () => {
    const manifest = pathOf(show.playback.hls);
    const hlsOf = async (name: string, times: object) => {
      const properties = {
        ...{ assetName: show.recording.asset, streamingPolicyName: 'Predefined_ClearStreamingOnly' },
        ...times,
      };
      const path = `/streamingLocators/${name}?api-version=2022-08-01`;
      const answer = await arm(path, { method: 'PUT', body: JSON.stringify({ properties }) });
      expect(answer.status).toBe(201);
      return manifest.replace(/^\/[^/]+/, `/${answer.body.properties.streamingLocatorId}`);
    };
    const past = await hlsOf('past', { endTime: new Date(Date.now() - 1000).toISOString() });
    const future = await hlsOf('future', { startTime: new Date(Date.now() + 3_600_000).toISOString() });
    expect((await get(await hlsOf('valid', {}))).status).toBe(200);
    for (const hls of [past, future]) {
      const answer = await get(hls);
      expect(answer.status).toBe(404);
      expect(answer.headers['x-ms-mpe-error']).toMatch(/MPE_UNAUTHORIZED|0x80890244/i);
    }
  });
});

describe('no event at all', () => {
  it('publishes and finishes a show none the less', async () => {
    const broker = `http://127.0.0.1:${stack.ports.broker}`;
    const headers = { 'aeg-sas-key': secrets['eventGridKey'] ?? '' };
    const subscriptions = async () =>
      (await rawRequest(broker, '/eventSubscriptions', { headers })).body.value;
    for (const { name } of await subscriptions()) {
      await rawRequest(broker, `/eventSubscriptions/${name}`, { method: 'DELETE', headers });
    }
    expect(await subscriptions()).toEqual([]);

    await api.expect(201, 'PUT', '/channels/deaf', {});
    await api.expect(201, 'PUT', '/channels/deaf/programs/show', {});
    await api.expect(200, 'POST', '/channels/deaf/start');
    const key = await api.expect(200, 'GET', '/channels/deaf/stream-key');
    const pushing = new Encoder([{ file: video(), url: `${rtmpUrl(key)}/main`, loop: true }]);
    try {
      const program = await api.until('/channels/deaf/programs/show', isLive, PUBLISHED_BY_SWEEP_MS);
      await untilSegments(program.playback.hls, 3);
      await api.expect(200, 'POST', '/channels/deaf/programs/show/finish');
      const finished = await api.until('/channels/deaf/programs/show', ({ state }) => state === 'finished');
      expect(finished.playback.status).toBe('onDemand');
      for (const segment of await untilSegments(program.playback.hls, 3)) {
        expect((await fetch(segment)).status).toBe(200);
      }
      const { items } = await api.expect(200, 'GET', '/channels/deaf/timeline?limit=100');
      expect(items.filter(({ source }: ApiBody) => source === 'event')).toEqual([]);
    } finally {
      await pushing.stop();
    }
  }, 60_000);
});
