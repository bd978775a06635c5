import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AzureMediaServices } from '@azure/arm-mediaservices';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCOUNT, createArmClient, GROUP } from '../support/arm-client.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from '../support/engine-program.ts';
import { makeSource } from '../support/source-media.ts';

const AT = [GROUP, ACCOUNT] as const;
const SECOND = 10_000_000;

let folder: string;
let azurite: Azurite;
let program: EngineProgram;
let engine: RunningEngine;
let client: AzureMediaServices;
let film: Buffer;
let container: ContainerClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-filters-'));
  const [storage, built, source] = await Promise.all([
    startAzurite(),
    buildEngine(),
    makeSource(folder, 'source.mp4', 12),
  ]);
  [azurite, program, film] = [storage, built, await readFile(source)];
  engine = await program.start('control,origin', { HEADEND_STORAGE: azurite.connectionString });
  client = createArmClient(engine, program.caPem, program.identitySecret);
  await client.streamingEndpoints.beginStartAndWait(...AT, 'default', { updateIntervalInMs: 20 });
  await client.assets.createOrUpdate(...AT, 'film', { container: 'film' });
  const blobs = BlobServiceClient.fromConnectionString(azurite.connectionString);
  container = blobs.getContainerClient('film');
  const track = (type: string, id: number, bitrate: number, name: string) =>
    `<${type} src="film.mp4" systemBitrate="${bitrate}" systemLanguage="en"><param name="trackID" value="${id}"/><param name="trackName" value="${name}"/></${type}>`;
  const smil = `<smil><body><switch>${track('video', 1, 300_000, 'video')}${track('audio', 2, 64_000, 'audio')}</switch></body></smil>`;
  await container.getBlockBlobClient('film.mp4').uploadData(film);
  await container.getBlockBlobClient('film.ism').uploadData(Buffer.from(smil));
  await container.getBlockBlobClient('page.html').uploadData(Buffer.from('<script></script>'));
  await container.getBlockBlobClient('other.headend/video/000000').uploadData(Buffer.from('ours'));
}, 90_000);

afterAll(async () => {
  await program?.close();
  await azurite?.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function publish(streamingPolicyName: string, filters: string[] = []): Promise<string> {
  const name = `l-${randomUUID()}`;
  const body = { assetName: 'film', streamingPolicyName, filters };
  const { streamingLocatorId } = await client.streamingLocators.create(...AT, name, body);
  return `http://127.0.0.1:${engine.ports['streaming']}/${streamingLocatorId}`;
}

const CLEAR = 'Predefined_ClearStreamingOnly';
const DOWNLOAD = 'Predefined_DownloadAndClearStreaming';

async function ask(url: string, init: RequestInit = {}) {
  const answer = await fetch(url, init);
  return {
    status: answer.status,
    code: answer.headers.get('x-ms-mpe-error'),
    text: await answer.text(),
    headers: answer.headers,
  };
}

const refusalOf = async (url: string) => {
  const { status, code } = await ask(url);
  return [status, code];
};

async function until(check: () => Promise<boolean>): Promise<number> {
  const beganMs = Date.now();
  while (!(await check())) {
    if (Date.now() - beganMs > 10_000) throw new Error('did not come true within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return Date.now() - beganMs;
}

const startsOf = (playlist: string): readonly number[] =>
  [...playlist.matchAll(/^Fragments\(\w+=(\d+),/gm)].map(([, ticks]) => Number(ticks) / SECOND);

describe('filters', () => {
  it('of the asset and of the account shape what an address names, and nothing else can be fetched through it', async () => {
    await client.assetFilters.createOrUpdate(...AT, 'film', 'middle', {
      presentationTimeRange: { startTimestamp: 5, endTimestamp: 8, timescale: 1 },
    });
    await client.accountFilters.createOrUpdate(...AT, 'Pictures', {
      tracks: [{ trackSelections: [{ property: 'Type', operation: 'Equal', value: 'Video' }] }],
    });
    const root = `${await publish(CLEAR)}/film.ism`;
    const level = `${root}/QualityLevels(300000)`;
    const whole = startsOf((await ask(`${level}/Manifest(video,format=m3u8-cmaf)`)).text);
    const keys = 'format=m3u8-cmaf,filter=middle;pictures';
    const variants = (await ask(`${root}/manifest(${keys})`)).text;
    expect(variants).toContain(`QualityLevels(300000)/Manifest(video,${keys})`);
    expect(variants).not.toContain('audio');
    const playlist = (await ask(`${level}/Manifest(video,${keys})`)).text;
    const starts = startsOf(playlist);
    expect(whole.length).toBeGreaterThan(starts.length);
    expect(starts.length).toBeGreaterThan(0);
    // The fragments that reach into it, by the borders of all.
    expect(starts).toEqual(whole.filter((start, at) => start < 8 && (whole[at + 1] ?? 12) > 5));
    expect(playlist).toContain(`#EXT-X-MEDIA-SEQUENCE:${whole.indexOf(starts[0] ?? -1)}\n`);
    expect(playlist).toContain('#EXT-X-ENDLIST');
    const fragment = (start: number, of = keys) => `${level}/Fragments(video=${start * SECOND},${of})`;
    expect((await ask(fragment(starts[0] ?? -1))).status).toBe(200);
    expect(await refusalOf(fragment(whole[0] ?? -1))).toEqual([404, 'MPE_EGRESS_TIMESTAMP_NOT_FOUND']);
    expect((await ask(fragment(whole[0] ?? -1, 'format=m3u8-cmaf'))).status).toBe(200);
    expect(await refusalOf(`${root}/QualityLevels(64000)/Manifest(audio,${keys})`)).toEqual([
      404,
      'MPE_EGRESS_TRACK_NOT_FOUND',
    ]);
    const mpd = (await ask(`${root}/manifest(format=mpd-time-cmaf,filter=PICTURES)`)).text;
    expect(mpd).toContain('contentType="video"');
    expect(mpd).not.toContain('contentType="audio"');
  });

  it.each([
    ['MPE_EGRESS_FILTER_NOT_FOUND', 404, 'nobody'],
    ['MPE_EGRESS_FILTER_NOT_FOUND', 404, 'middle;nobody'],
    ['MPE_FILTER_REMOVED_ALL_STREAMS', 415, 'german'],
    ['MPE_FILTER_REMOVED_ALL_STREAMS', 415, 'later'],
    ['MPE_BAD_URL_SYNTAX', 400, 'a;b;c;d'],
  ])('are refused with %s (%d) for %s', async (code, status, filter) => {
    await client.accountFilters.createOrUpdate(...AT, 'german', {
      tracks: [{ trackSelections: [{ property: 'Language', operation: 'Equal', value: 'de' }] }],
    });
    await client.accountFilters.createOrUpdate(...AT, 'later', {
      presentationTimeRange: { startTimestamp: 100, timescale: 1 },
    });
    const root = `${await publish(CLEAR)}/film.ism`;
    expect(await refusalOf(`${root}/manifest(format=m3u8-cmaf,filter=${filter})`)).toEqual([status, code]);
  });

  it('of a locator are always there, with those of the address at most ten', async () => {
    const names = Array.from({ length: 9 }, (_, at) => `all-${at}`);
    for (const name of names) await client.accountFilters.createOrUpdate(...AT, name, {});
    await client.accountFilters.createOrUpdate(...AT, 'sound', {
      tracks: [{ trackSelections: [{ property: 'Type', operation: 'Equal', value: 'Audio' }] }],
    });
    const root = `${await publish(CLEAR, ['sound'])}/film.ism`;
    const variants = (await ask(`${root}/manifest(format=m3u8-cmaf)`)).text;
    expect(variants).toContain('QualityLevels(64000)/Manifest(audio,format=m3u8-cmaf)');
    expect(variants).not.toContain('video');
    expect(await refusalOf(`${root}/QualityLevels(300000)/Fragments(video=i,format=m3u8-cmaf)`)).toEqual([
      404,
      'MPE_EGRESS_TRACK_NOT_FOUND',
    ]);
    const many = `${await publish(CLEAR, names)}/film.ism`;
    const with2 = (filter: string) => `${many}/manifest(format=m3u8-cmaf,filter=${filter})`;
    expect((await ask(with2('sound;all-1'))).status).toBe(200);
    expect(await refusalOf(with2('sound;pictures'))).toEqual([
      415,
      'MPE_FILTER_COMPOSITION_FILTER_COUNT_OVER_LIMIT',
    ]);
  });

  it('count as changed, made and deleted within seconds; one of the asset hides one of the account', async () => {
    const selecting = (value: string) => ({
      tracks: [{ trackSelections: [{ property: 'Type', operation: 'Equal', value }] }],
    });
    const root = `${await publish(CLEAR)}/film.ism`;
    const url = `${root}/manifest(format=m3u8-cmaf,filter=changing)`;
    const shows = async (): Promise<string> => {
      const { text, code } = await ask(url);
      return code ?? (text.includes('Manifest(video') ? 'video' : 'audio');
    };
    expect(await shows()).toBe('MPE_EGRESS_FILTER_NOT_FOUND');
    await client.accountFilters.createOrUpdate(...AT, 'changing', selecting('Video'));
    const tookMs = [await until(async () => (await shows()) === 'video')];
    await client.accountFilters.update(...AT, 'changing', selecting('Audio'));
    tookMs.push(await until(async () => (await shows()) === 'audio'));
    await client.assetFilters.createOrUpdate(...AT, 'film', 'changing', selecting('Video'));
    tookMs.push(await until(async () => (await shows()) === 'video'));
    await client.assetFilters.delete(...AT, 'film', 'changing');
    tookMs.push(await until(async () => (await shows()) === 'audio'));
    expect(Math.max(...tookMs)).toBeLessThan(5_000);
  });
});

describe('listPaths', () => {
  it.each([[CLEAR], [DOWNLOAD], ['Predefined_DownloadOnly']])(
    'lists what answers 200, with the policy %s',
    async (policy) => {
      const base = await publish(policy);
      const id = new URL(base).pathname.slice(1);
      const locators = await client.assets.listStreamingLocators(...AT, 'film');
      const name = locators.streamingLocators?.find((one) => one.streamingLocatorId === id)?.name ?? '';
      const { streamingPaths = [], downloadPaths = [] } = await client.streamingLocators.listPaths(
        ...AT,
        name,
      );
      const paths = [...streamingPaths.flatMap(({ paths = [] }) => paths), ...downloadPaths];
      const statuses = await Promise.all(
        paths.map(async (path) => [path, (await ask(new URL(path, base).href)).status]),
      );
      expect(statuses).toEqual(paths.map((path) => [path, 200]));
      expect(paths.length).toBeGreaterThan(1);
    },
  );
});

describe('progressive download', () => {
  it('sends a file whole, in part, not modified and by HEAD', async () => {
    const url = `${await publish(DOWNLOAD)}/film.mp4`;
    const whole = await fetch(url);
    expect(Buffer.from(await whole.arrayBuffer()).equals(film)).toBe(true);
    const entityTag = whole.headers.get('etag') ?? '';
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'accept-ranges': 'bytes',
      'access-control-allow-origin': '*',
      'cache-control': 'public, max-age=60',
      'content-length': String(film.length),
      'content-type': 'video/mp4',
      'x-content-type-options': 'nosniff',
      etag: expect.stringMatching(/^"0x/),
      'last-modified': expect.stringMatching(/GMT$/),
    });
    const part = await fetch(url, { headers: { range: 'bytes=100-199' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 100-199/${film.length}`]);
    expect(Buffer.from(await part.arrayBuffer()).equals(film.subarray(100, 200))).toBe(true);
    const tail = await fetch(url, { headers: { range: 'bytes=-50', 'if-range': entityTag } });
    expect(Buffer.from(await tail.arrayBuffer()).equals(film.subarray(-50))).toBe(true);
    const other = await ask(url, { headers: { range: 'bytes=-50', 'if-range': '"other"' } });
    expect(other.status).toBe(200);
    const beyond = await ask(url, { headers: { range: `bytes=${film.length}-` } });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, `bytes */${film.length}`]);
    const known = await ask(url, { headers: { 'if-none-match': entityTag } });
    expect([known.status, known.text]).toEqual([304, '']);
    const since = whole.headers.get('last-modified') ?? '';
    expect((await ask(url, { headers: { 'if-modified-since': since } })).status).toBe(304);
    const head = await ask(url, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), head.text]).toEqual([
      200,
      String(film.length),
      '',
    ]);
  });

  it('is of files in the root of the container alone, and of nothing that a browser runs', async () => {
    const base = await publish(DOWNLOAD);
    const page = await ask(`${base}/page.html`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'application/octet-stream']);
    for (const path of ['nothing.mp4', 'film.ism', 'FILM.ISM', 'film.headend']) {
      expect([path, ...(await refusalOf(`${base}/${path}`))]).toEqual([path, 404, 'MPE_RESOURCE_NOT_FOUND']);
    }
    for (const path of [
      'other.headend/video/000000',
      'other.headend%2Fvideo%2F000000',
      '%2e%2e%2ffilm.mp4',
    ]) {
      expect([path, ...(await refusalOf(`${base}/${path}`))]).toEqual([path, 400, 'MPE_BAD_URL_SYNTAX']);
    }
  });

  it.each([
    ['a policy without downloads', CLEAR, []],
    ['filters', DOWNLOAD, ['later']],
  ])('is refused to %s', async (_, policy, filters) => {
    const base = await publish(policy, filters);
    expect(await refusalOf(`${base}/film.mp4`)).toEqual([403, 'MPE_OUTPUT_FORMAT_BLOCKED']);
  });
});
