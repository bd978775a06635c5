import { createHmac } from 'node:crypto';
import { Agent, createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type {
  AssetLocatorView,
  DeliveryRules,
  EncryptedDelivery,
  LocatorView,
  ServedProtocols,
} from '../../src/delivery/delivery-directory.ts';
import type { EndpointView } from '../../src/delivery/endpoint-view.ts';
import { startOrigin } from '../../src/delivery/origin.ts';
import type { Owner, Recording } from '../../src/delivery/origin-ports.ts';
import { indexLineValue } from '../../src/model/index-line.ts';
import type { FragmentEntry } from '../../src/model/presentation.ts';
import type { Track } from '../../src/model/track.ts';
import type { AllowedNetwork } from '../../src/resources/ip-allow-list.ts';

const LOCATOR = '11111111-2222-3333-4444-555555555555';
const PREVIEW = '11111111-2222-3333-4444-666666666666';
const NO_PROTOCOLS = { hls: false, dash: false, smooth: false, download: false };
const HLS = { ...NO_PROTOCOLS, hls: true };
const DASH = { ...NO_PROTOCOLS, dash: true };
const aes = (protocols: ServedProtocols): EncryptedDelivery => ({
  ...{ scheme: 'aes128', protocols, clearTracks: [], keys: undefined, ivIdentity: 'a', version: 'v' },
});
const FRAGMENT_TICKS = 20_000_000;

const track: Track = {
  type: 'video',
  ordinal: 1,
  streamName: 'video',
  bitrateBps: 1000,
  folder: 'video_1000',
  formats: [
    {
      kind: 'h264',
      configurationRecord: new Uint8Array([1, 0x64, 0, 0x1f]),
      codecString: 'avc1.64001f',
      width: 1280,
      height: 720,
      frameRate: 30,
    },
  ],
};

function entry(sequence: number): FragmentEntry {
  return {
    sequence,
    decodeTimeTicks: 1_000_000_000 + sequence * FRAGMENT_TICKS,
    durationTicks: FRAGMENT_TICKS,
    sizeBytes: 1000,
    sampleCount: 60,
    firstSample: sequence * 60,
    discontinuity: 0,
    formatIndex: 0,
    committedAtMs: Date.now(),
  };
}

function bytesAt(ticks: number): Uint8Array {
  return Uint8Array.from({ length: 1000 }, (_, i) => (i + ticks / FRAGMENT_TICKS) % 251);
}

const endpointCalled = (name: string, state: string): EndpointView => ({
  name,
  state,
  hostLabel: `${name}-media`,
  customHostNames: [],
  viewerAllow: [],
  signatureKeys: undefined,
  maxAgeSeconds: undefined,
  crossSite: { clientAccessPolicy: undefined, crossDomainPolicy: undefined },
});

/** Of a GET with another `Host` than the address says. */
function getAs(host: string, url: string, headers: Readonly<Record<string, string>> = {}) {
  return new Promise<{ status: number | undefined; cacheControl: string | undefined; text: string }>(
    (resolve, reject) => {
      get(url, { headers: { host, ...headers } }, async (response) => {
        const chunks = await response.toArray();
        const cacheControl = response.headers['cache-control'];
        resolve({ status: response.statusCode, cacheControl, text: Buffer.concat(chunks).toString() });
      }).on('error', reject);
    },
  );
}

/** An ingest process on a real socket that speaks the feed protocol of docs/architecture.md. */
async function startOwner(epoch: number, state: { sequences: number[]; ended: boolean }) {
  const waiting = new Set<() => void>();
  const server: Server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://x');
    const fragment = /\/fragment\/video_1000\/(\d+)$/.exec(url.pathname);
    if (fragment !== null) {
      response.end(bytesAt(Number(fragment[1])));
      return;
    }
    if (url.pathname.includes('/header/')) {
      response.end('header');
      return;
    }
    const after = url.searchParams.get('after');
    const seen = after?.startsWith(`${epoch}:`) ? Number(after.split(':')[1]) : undefined;
    if (after !== null && seen === undefined) {
      response.writeHead(410).end();
      return;
    }
    const answer = () => {
      waiting.delete(answer);
      if (response.writableEnded) return;
      const lines = state.sequences
        .slice(seen ?? 0)
        .map((n) => ({ folder: track.folder, line: indexLineValue({ kind: 'fragment', entry: entry(n) }) }));
      const first =
        seen === undefined ? [{ folder: track.folder, line: indexLineValue({ kind: 'track', track }) }] : [];
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({
          epoch,
          cursor: `${epoch}:${state.sequences.length}`,
          ended: state.ended,
          lines: [...first, ...lines],
        }),
      );
    };
    if (seen === undefined || state.sequences.length > seen || state.ended) answer();
    else {
      waiting.add(answer);
      setTimeout(answer, Number(url.searchParams.get('waitMs'))).unref();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    owner: { epoch, address: `http://127.0.0.1:${port}` } satisfies Owner,
    push: (sequence: number) => {
      state.sequences.push(sequence);
      for (const answer of [...waiting]) answer();
    },
    end: () => {
      state.ended = true;
      for (const answer of [...waiting]) answer();
    },
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

async function setUp(holdMsMax?: number) {
  const output = {
    liveEventId: 'e',
    outputName: 'o',
    manifestName: 'show',
    archiveWindowTicks: 36_000_000_000,
    rewindWindowTicks: undefined,
  };
  const asset: AssetLocatorView = {
    kind: 'asset',
    account: 'media',
    assetName: 'a',
    container: 'asset-a',
    startTimeMs: undefined,
    endTimeMs: undefined,
    rules: { clear: HLS, encrypted: [] },
    filters: [],
    addedTracks: [],
    liveOutputs: [output],
  };
  const world = {
    nowMs: undefined as number | undefined,
    locator: asset as LocatorView | undefined,
    endpoint: 'Running' as string | undefined,
    endpointFacts: {} as Partial<EndpointView>,
    others: [] as readonly EndpointView[],
    owner: undefined as Owner | undefined,
    recording: undefined as Recording | undefined,
    viewerAllow: [] as readonly AllowedNetwork[],
    previewRules: { clear: { ...HLS, dash: true }, encrypted: [] } as DeliveryRules,
    fragmentReads: 0,
    storageIsDown: false,
  };
  const origin = await startOrigin({
    listen: { host: '127.0.0.1', port: 0 },
    endpointName: 'default',
    holdMsMax,
    clock: { nowMs: () => world.nowMs ?? Date.now() },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    writeMpd: () => '<MPD/>',
    directory: {
      findLocator: async (id) => {
        const { viewerAllow, previewRules: rules } = world;
        if (id === PREVIEW) {
          return {
            kind: 'preview',
            account: 'media',
            liveEventId: 'e',
            viewerAllow,
            crossSite: { clientAccessPolicy: '<preview/>', crossDomainPolicy: undefined },
            rules,
          };
        }
        return id === LOCATOR ? world.locator : undefined;
      },
      streamingEndpoints: async () =>
        world.endpoint === undefined
          ? []
          : [{ ...endpointCalled('default', world.endpoint), ...world.endpointFacts }, ...world.others],
      mediaFilters: async () => [],
      streamingEndpointUnits: async () => 0,
    },
    ownership: { find: async () => world.owner },
    files: { find: async () => undefined, read: async () => undefined },
    recordings: {
      readRecording: async () => world.recording,
      header: async () => new TextEncoder().encode('header'),
      fragment: async (_container, _folder, ticks) => {
        world.fragmentReads += 1;
        await new Promise((resolve) => setTimeout(resolve, 20));
        if (world.storageIsDown) throw new Error('down');
        return bytesAt(ticks);
      },
      files: () => ({ list: async () => [], read: async () => undefined }),
    },
  });
  opened.push(() => origin.close({ idleMs: 20 }));
  const base = `http://127.0.0.1:${origin.port}`;
  const show = `${base}/${LOCATOR}/show.ism`;
  return {
    world,
    asset,
    base,
    show,
    fragmentUrl: (n: number) =>
      `${show}/QualityLevels(1000)/Fragments(video=${entry(n).decodeTimeTicks},format=m3u8-cmaf)`,
    playlist: async (locator = show) =>
      (await fetch(`${locator}/QualityLevels(1000)/Manifest(video,format=m3u8-cmaf)`)).text(),
  };
}

const recorded = (count: number, state: Recording['state'], archiveWindowTicks?: number): Recording => ({
  state,
  archiveWindowTicks,
  endedAtMs: undefined,
  tracks: [{ track, fragments: Array.from({ length: count }, (_, n) => entry(n)) }],
});

async function until(check: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i += 1) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('did not come true within 10 s');
}

describe('origin of several streaming endpoints', () => {
  it('answers as the endpoint says that the host name leads to', async () => {
    const { world, asset, show, base, fragmentUrl } = await setUp();
    world.locator = { ...asset, liveOutputs: [] };
    world.recording = recorded(2, 'ended');
    world.endpointFacts = { maxAgeSeconds: 77 };
    const key = { identifier: 'cdn', key: Buffer.from('secret'), expiresAtMs: undefined };
    world.others = [
      { ...endpointCalled('stopped', 'Stopped'), customHostNames: ['video.example.com'] },
      { ...endpointCalled('fenced', 'Running'), viewerAllow: [{ address: '10.0.0.0', prefixLength: 8 }] },
      {
        ...endpointCalled('cdn', 'Running'),
        signatureKeys: [key],
        crossSite: { clientAccessPolicy: '<access-policy/>', crossDomainPolicy: undefined },
      },
    ];
    const manifest = `${show}/manifest(format=m3u8-cmaf)`;
    const answers = async (host: string, url = manifest, headers = {}) => {
      const { status, cacheControl } = await getAs(host, url, headers);
      return [status, cacheControl];
    };
    for (const host of ['127.0.0.1', 'default-media-local.localhost', 'proxy.example.net:8888']) {
      expect(await answers(host)).toEqual([200, 'public, max-age=77']);
      expect(await answers(host, fragmentUrl(1))).toEqual([200, 'public, max-age=77']);
    }
    expect(await answers('Video.Example.com:80')).toEqual([503, 'no-store']);
    expect(await answers('stopped-media-local.localhost')).toEqual([503, 'no-store']);
    expect(await answers('fenced-media.localhost')).toEqual([403, 'no-store']);
    expect(await answers('cdn-media.localhost')).toEqual([403, 'no-store']);
    const data = `5, 10.0.0.1, 10.0.0.2, ${Math.floor(Date.now() / 1000)}, 1, cdn`;
    const path = new URL(manifest).pathname;
    const signed = (text: string) => ({
      'x-akamai-g2o-auth-data': data,
      'x-akamai-g2o-auth-sign': createHmac('sha256', 'secret').update(data).update(text).digest('base64'),
    });
    expect(await answers('cdn-media.localhost', manifest, signed(path))).toEqual([
      200,
      'private, max-age=60',
    ]);
    expect(await answers('cdn-media.localhost', manifest, signed('/other'))).toEqual([403, 'no-store']);
    const policy = `${base}/clientaccesspolicy.xml`;
    expect(await getAs('cdn-media.localhost', policy)).toMatchObject({
      status: 200,
      text: '<access-policy/>',
    });
    expect(await answers('127.0.0.1', policy)).toEqual([404, 'no-store']);
    const ofPreview = `${base}/${PREVIEW}/clientaccesspolicy.xml`;
    expect(await getAs('127.0.0.1', ofPreview)).toMatchObject({ status: 200, text: '<preview/>' });
    expect(await answers('127.0.0.1', `${base}/${PREVIEW}/crossdomain.xml`)).toEqual([404, 'no-store']);
  });
});

describe('origin, on demand', () => {
  it('answers playlists, headers and fragments, whole, in part, not modified and by HEAD', async () => {
    const { world, asset, show, fragmentUrl, playlist } = await setUp();
    world.locator = { ...asset, liveOutputs: [] };
    world.recording = recorded(3, 'ended');
    const manifest = await fetch(`${show}/manifest(format=m3u8-cmaf)`);
    expect([
      manifest.status,
      manifest.headers.get('content-type'),
      manifest.headers.get('cache-control'),
    ]).toEqual([200, 'application/vnd.apple.mpegurl', 'public, max-age=60']);
    expect(await playlist()).toContain('#EXT-X-ENDLIST');
    const whole = await fetch(fragmentUrl(1));
    expect(new Uint8Array(await whole.arrayBuffer())).toEqual(bytesAt(entry(1).decodeTimeTicks));
    expect(whole.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(whole.headers.get('content-length')).toBe('1000');
    expect(whole.headers.get('access-control-allow-origin')).toBe('*');
    const part = await fetch(fragmentUrl(1), { headers: { range: 'bytes=990-' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 990-999/1000']);
    expect((await part.arrayBuffer()).byteLength).toBe(10);
    const beyond = await fetch(fragmentUrl(1), { headers: { range: 'bytes=1000-' } });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, 'bytes */1000']);
    const same = await fetch(fragmentUrl(1), {
      headers: { 'if-none-match': whole.headers.get('etag') ?? '' },
    });
    expect([same.status, await same.text()]).toEqual([304, '']);
    const head = await fetch(fragmentUrl(1), { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '1000', '']);
    expect(world.fragmentReads).toBe(1);
  });

  it('cuts a finished recording that nobody saw live to its archive window', async () => {
    const { world, asset, playlist, fragmentUrl } = await setUp();
    world.locator = { ...asset, liveOutputs: [] };
    world.recording = recorded(10, 'ended', 3 * FRAGMENT_TICKS);
    expect((await playlist()).match(/video=\d+/g)).toEqual(
      [7, 8, 9].map((n) => `video=${entry(n).decodeTimeTicks}`),
    );
    expect([(await fetch(fragmentUrl(6))).status, (await fetch(fragmentUrl(7))).status]).toEqual([404, 200]);
  });

  it('closes within two seconds although clients keep idle connections open', async () => {
    const { world, asset, base, fragmentUrl } = await setUp();
    world.locator = { ...asset, liveOutputs: [] };
    world.recording = recorded(3, 'ended');
    const agent = new Agent({ keepAlive: true });
    const url = new URL(fragmentUrl(1));
    await new Promise<void>((resolve, reject) => {
      get(url, { agent }, (response) => response.resume().once('end', resolve)).once('error', reject);
    });
    expect(Object.values(agent.freeSockets).flat()).toHaveLength(1);
    const startedAtMs = performance.now();
    await opened.pop()?.();
    expect(performance.now() - startedAtMs).toBeLessThan(2_000);
    await expect(fetch(base)).rejects.toThrow();
    agent.destroy();
  });

  it('reads storage once for 200 viewers of one fragment', async () => {
    const { world, asset, fragmentUrl } = await setUp();
    world.locator = { ...asset, liveOutputs: [] };
    world.recording = recorded(3, 'ended');
    const answers = await Promise.all(Array.from({ length: 200 }, () => fetch(fragmentUrl(2))));
    for (const answer of answers) expect((await answer.arrayBuffer()).byteLength).toBe(1000);
    expect(world.fragmentReads).toBe(1);
  });

  it.each([
    {
      name: 'lets HLS through encrypted and DASH not at all',
      view: { rules: { clear: NO_PROTOCOLS, encrypted: [aes(HLS)] } },
      expected: [
        '400 MPE_ENC_ENCRYPTION_NOT_SPECIFIED_IN_URL',
        '403 MPE_OUTPUT_FORMAT_BLOCKED',
        '403 MPE_ENC_ENCRYPTION_REQUIRED',
      ],
    },
    {
      name: 'lets HLS through clear and DASH encrypted',
      view: { rules: { clear: HLS, encrypted: [aes(DASH)] } },
      expected: ['200', '400 MPE_ENC_ENCRYPTION_NOT_SPECIFIED_IN_URL', '200'],
    },
    {
      name: 'lets files be downloaded only',
      view: { rules: { clear: { ...NO_PROTOCOLS, download: true }, encrypted: [] } },
      expected: [
        '403 MPE_OUTPUT_FORMAT_BLOCKED',
        '403 MPE_OUTPUT_FORMAT_BLOCKED',
        '403 MPE_OUTPUT_FORMAT_BLOCKED',
      ],
    },
    {
      name: 'is clear, with a filter on the locator that is not there',
      view: { rules: { clear: { ...HLS, dash: true }, encrypted: [] }, filters: ['short'] },
      expected: [
        '404 MPE_EGRESS_FILTER_NOT_FOUND',
        '404 MPE_EGRESS_FILTER_NOT_FOUND',
        '404 MPE_EGRESS_FILTER_NOT_FOUND',
      ],
    },
  ])(
    'serves nothing but what the policy lets through in the clear: one that $name',
    async ({ view, expected }) => {
      const { world, asset, show, fragmentUrl } = await setUp();
      world.locator = { ...asset, liveOutputs: [], ...view };
      world.recording = recorded(3, 'ended');
      const answer = async (url: string) => {
        const { status, headers } = await fetch(url);
        return `${status} ${headers.get('x-ms-mpe-error') ?? ''}`.trim();
      };
      const urls = [
        `${show}/manifest(format=m3u8-cmaf)`,
        `${show}/manifest(format=mpd-time-cmaf)`,
        fragmentUrl(1),
      ];
      expect(await Promise.all(urls.map(answer))).toEqual(expected);
      // What is answered from memory is asked the same.
      expect(await Promise.all(urls.map(answer))).toEqual(expected);
      const encrypted = `${show}/manifest(format=m3u8-cmaf,encryption=cbc)`;
      expect(await answer(encrypted)).toBe(
        view.rules.encrypted[0]?.protocols.hls
          ? '503 CONTENT_KEYS_UNAVAILABLE'
          : '403 MPE_OUTPUT_FORMAT_BLOCKED',
      );
    },
  );

  it('answers what is wrong with the original codes', async () => {
    const { world, asset, base, show, fragmentUrl } = await setUp();
    world.recording = recorded(3, 'live');
    const answer = async (url: string, init?: RequestInit) => {
      const response = await fetch(url, init);
      const body = await response.json();
      expect(body).toEqual({
        error: { code: response.headers.get('x-ms-mpe-error'), message: expect.any(String) },
      });
      expect(response.headers.get('cache-control')).toBe('no-store');
      return `${response.status} ${response.headers.get('x-ms-mpe-error')}`;
    };
    expect(await answer(`${base}/x`)).toBe('400 MPE_BAD_URL_SYNTAX');
    expect(await answer(`${show}/%2e%2e%2fx`)).toBe('400 MPE_BAD_URL_SYNTAX');
    expect(await answer(`${show}/manifest(format=mpd-time-cmaf)`)).toBe('403 MPE_OUTPUT_FORMAT_BLOCKED');
    expect(await answer(`${show}/manifest`)).toBe('403 MPE_OUTPUT_FORMAT_BLOCKED');
    expect(await answer(`${base}/${LOCATOR.replace('1', '9')}/show.ism/manifest(format=m3u8-cmaf)`)).toBe(
      '404 MPE_RESOURCE_NOT_FOUND',
    );
    expect(await answer(fragmentUrl(99))).toBe('412 MPE_FRAGMENT_NOT_READY');
    expect(await answer(`${show}/QualityLevels(1000)/Fragments(video=5,format=m3u8-cmaf)`)).toBe(
      '404 MPE_EGRESS_TIMESTAMP_NOT_FOUND',
    );
    expect(await answer(`${show}/QualityLevels(7)/Fragments(video=i,format=m3u8-cmaf)`)).toBe(
      '404 MPE_EGRESS_TRACK_NOT_FOUND',
    );
    expect(await answer(show, { method: 'POST' })).toBe('405 METHOD_NOT_ALLOWED');
    world.storageIsDown = true;
    expect(await answer(fragmentUrl(0))).toBe('503 MPE_STORAGE_SERVER_BUSY');
    world.nowMs = Date.now() + 1_500;
    world.locator = { ...asset, endTimeMs: Date.now() };
    expect(await answer(`${show}/manifest(format=m3u8-cmaf)`)).toBe('404 MPE_UNAUTHORIZED');
    world.nowMs += 1_500;
    world.endpoint = 'Stopped';
    expect(await answer(`${show}/manifest(format=m3u8-cmaf)`)).toBe('503 STREAMING_ENDPOINT_NOT_RUNNING');
  });
});

describe('origin, live', () => {
  it('shows what the owner commits, survives its death, and ends at the same URL without losing a fragment', async () => {
    const { world, asset, playlist, fragmentUrl, show } = await setUp();
    expect((await fetch(`${show}/manifest(format=m3u8-cmaf)`)).status).toBe(404);
    const first = await startOwner(1, { sequences: [2, 3], ended: false });
    world.recording = recorded(3, 'live');
    world.owner = first.owner;
    const count = async () => (await playlist()).split('#EXTINF').length - 1;
    await until(async () => (await count()) === 4);
    first.push(4);
    await until(async () => (await count()) === 5);
    expect((await (await fetch(fragmentUrl(4))).arrayBuffer()).byteLength).toBe(1000);
    world.owner = undefined;
    await first.stop();
    expect(await count()).toBe(5);
    const second = await startOwner(2, { sequences: [6], ended: false });
    world.recording = recorded(6, 'live');
    world.owner = second.owner;
    await until(async () => (await count()) === 7);
    second.end();
    world.recording = recorded(7, 'ended');
    world.locator = { ...asset, liveOutputs: [] };
    const counts = new Set<number>();
    await until(async () => {
      const text = await playlist();
      counts.add(text.split('#EXTINF').length - 1);
      return text.includes('#EXT-X-ENDLIST');
    });
    expect([...counts]).toEqual([7]);
    await second.stop();
  }, 40_000);

  it('previews before the first fragment, and numbers on when another owner begins again', async () => {
    const { world, base, playlist } = await setUp();
    const preview = `${base}/${PREVIEW}/preview.ism`;
    const manifest = async () => (await fetch(`${preview}/manifest(format=m3u8-cmaf)`)).status;
    expect(await manifest()).toBe(404);
    const first = await startOwner(1, { sequences: [], ended: false });
    world.owner = first.owner;
    expect(await manifest()).toBe(200);
    for (const n of [0, 1, 2]) first.push(n);
    await until(async () => (await playlist(preview)).split('#EXTINF').length === 4);
    await first.stop();
    const second = await startOwner(2, { sequences: [0], ended: false });
    world.owner = second.owner;
    await until(async () => (await playlist(preview)).includes('#EXT-X-MEDIA-SEQUENCE:3'));
    await second.stop();
  }, 40_000);

  it('shows a restricted preview only to those who may see it, and lets no shared cache keep it', async () => {
    const { world, base, playlist } = await setUp();
    const manifest = `${base}/${PREVIEW}/preview.ism/manifest(format=m3u8-cmaf)`;
    const owner = await startOwner(1, { sequences: [0], ended: false });
    world.owner = owner.owner;
    const look = async () => {
      const { status, headers } = await fetch(manifest);
      return [status, headers.get('x-ms-mpe-error'), headers.get('cache-control')?.split(',')[0]];
    };
    expect(await look()).toEqual([200, null, 'public']);
    const changed = async (allow: readonly AllowedNetwork[], expected: unknown[]) => {
      world.viewerAllow = allow;
      await until(async () => JSON.stringify(await look()) === JSON.stringify(expected));
    };
    const denied = [403, expect.stringContaining('CLIENT_ADDRESS_DENIED'), 'no-store'];
    await changed([{ address: '127.0.0.0', prefixLength: 8 }], [200, null, 'private']);
    expect(await playlist(`${base}/${PREVIEW}/preview.ism`)).toContain('#EXTINF');
    world.viewerAllow = [{ address: '10.0.0.0', prefixLength: 8 }];
    await until(async () => (await fetch(manifest)).status === 403);
    expect(await look()).toEqual(denied);
    expect((await fetch(manifest.replace('manifest(', 'QualityLevels(1)/Fragments(video=0,'))).status).toBe(
      403,
    );
    await changed([], [200, null, 'public']);
    await owner.stop();
  }, 40_000);

  it('serves no preview in the clear whose policy wants it encrypted', async () => {
    const { world, base } = await setUp();
    world.previewRules = { clear: NO_PROTOCOLS, encrypted: [aes({ ...HLS, dash: true })] };
    const { status, headers } = await fetch(`${base}/${PREVIEW}/preview.ism/manifest(format=m3u8-cmaf)`);
    expect([status, headers.get('x-ms-mpe-error')]).toEqual([400, 'MPE_ENC_ENCRYPTION_NOT_SPECIFIED_IN_URL']);
  });

  it('holds playlists and MPDs, and not the multivariant playlist, until the first fragment', async () => {
    const { world, base, playlist } = await setUp();
    const preview = `${base}/${PREVIEW}/preview.ism`;
    const owner = await startOwner(1, { sequences: [], ended: false });
    world.owner = owner.owner;
    expect((await fetch(`${preview}/manifest(format=m3u8-cmaf)`)).status).toBe(200);
    let answered = 0;
    const held = Promise.all(
      Array.from({ length: 50 }, async () => {
        const text = await playlist(preview);
        answered += 1;
        return text;
      }),
    );
    const mpd = fetch(`${preview}/manifest(format=mpd-time-cmaf)`).then((response) => {
      answered += 1;
      return response.status;
    });
    const gone = new AbortController();
    const leaving = fetch(`${preview}/manifest(format=mpd-time-cmaf)`, { signal: gone.signal });
    setTimeout(() => gone.abort(), 200);
    await expect(leaving).rejects.toThrow();
    expect(answered).toBe(0);
    owner.push(0);
    for (const text of await held) expect(text.split('#EXTINF').length - 1).toBe(1);
    expect(await mpd).toBe(200);
    await owner.stop();
  }, 40_000);

  it('answers held requests with what there is when it takes too long, and when the origin closes', async () => {
    const short = await setUp(300);
    const owner = await startOwner(1, { sequences: [], ended: false });
    short.world.owner = owner.owner;
    const empty = await short.playlist(`${short.base}/${PREVIEW}/preview.ism`);
    expect(empty).toContain('#EXT-X-TARGETDURATION');
    expect(empty).not.toContain('#EXTINF');
    const long = await setUp(600_000);
    long.world.owner = owner.owner;
    const held = long.playlist(`${long.base}/${PREVIEW}/preview.ism`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const close = opened.pop();
    await close?.();
    expect(await held).toContain('#EXTM3U');
    await owner.stop();
  }, 40_000);
});
