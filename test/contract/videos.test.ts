import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { compose, type Services } from '../../src/lib/composition.ts';
import { onUpload } from '../../src/lib/events/on-video-event.ts';
import { sweepDue } from '../../src/lib/timers/sweep-due.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { type Engine, startEngine } from '../support/engine.ts';
import { openHttpApp } from '../support/http-app.ts';

/** Generous: the machine may be busy. */
const ENCODED_WITHIN_MS = 120_000;
const LOOK_MS = 500;

let azurite: Azurite;
let engine: Engine;
let folder: string;
let app: Services;
let http: ReturnType<typeof openHttpApp>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-videos-'));
  azurite = await startAzurite();
  engine = await startEngine(azurite.connectionString, 0, 'control,worker');
  const media = { endpoint: '', subscriptionId: '', resourceGroup: '', account: '', location: '' };
  app = compose(
    {
      storage: azurite.connectionString,
      streamingBaseUrl: 'http://media.example',
      keyDeliveryBaseUrl: 'http://keys.example/headend',
      livePageUrl: null,
      secretStore: { kind: 'folder', path: join(folder, 'secrets') },
      media,
    },
    async () => engine.client,
  );
  http = openHttpApp(app);
  await app.warm();
}, 60_000);

afterAll(async () => {
  await engine?.close();
  await azurite?.close();
  await rm(folder, { recursive: true, force: true });
});

const SINE = 'sine=f=440:r=48000:d=3';
/** A voice of Debian's FFmpeg. */
const VOICE = 'flite=text=one two three four five six seven:voice=slt';

/** Seconds of a moving picture with sound, a key frame each second. */
async function makeClip(size: string, heard = SINE): Promise<Uint8Array> {
  const file = join(folder, `${size}.mp4`);
  const picture = ['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=25:d=3`];
  const sound = ['-f', 'lavfi', '-i', heard];
  const codecs = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '25', '-sc_threshold', '0', '-c:a', 'aac'];
  await promisify(execFile)('ffmpeg', ['-v', 'error', ...picture, ...sound, ...codecs, '-y', file]);
  return readFile(file);
}

/** As any client does it, in two blocks. */
async function upload(url: string, media: Uint8Array): Promise<void> {
  const at = (query: string) => `${url}&${query}`;
  const half = Math.floor(media.byteLength / 2);
  const ids = [btoa('block-0'), btoa('block-1')];
  for (const [index, id] of ids.entries()) {
    const body = index === 0 ? media.slice(0, half) : media.slice(half);
    const put = await fetch(at(`comp=block&blockid=${encodeURIComponent(id)}`), { method: 'PUT', body });
    expect(put.status).toBe(201);
  }
  const list = `<BlockList>${ids.map((id) => `<Latest>${id}</Latest>`).join('')}</BlockList>`;
  expect((await fetch(at('comp=blocklist'), { method: 'PUT', body: list })).status).toBe(201);
}

const put = (name: string, body: object) => http.call('PUT', `/videos/${name}`, { body });
const get = async (name: string) => (await http.call('GET', `/videos/${name}`)).body;
const uploadUrl = async (name: string, body: object = {}) =>
  (await http.call('POST', `/videos/${name}/upload-url`, { body })).body;

/** No event comes: the sweep alone sees how jobs go. */
async function until(name: string, isThere: (video: { state: string }) => boolean) {
  const deadline = Date.now() + ENCODED_WITHIN_MS;
  for (;;) {
    const video = await get(name);
    if (isThere(video)) return video;
    if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(video)}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    await sweepDue(app);
  }
}

const ended = ({ state }: { state: string }) => ['published', 'failed', 'retrying'].includes(state);

describe('videos on tables, queues, blobs and the engine', () => {
  it(
    'are encoded from what was uploaded in blocks, with a poster, pictures for the scrub bar and captions',
    async () => {
      const clip = await makeClip('320x180', VOICE);
      const { playback } = (
        await put('lecture', {
          ...{ source: { upload: {} }, encoding: 'adaptive', protection: 'aes' },
          indexing: { language: 'en-US' },
        })
      ).body;
      const place = await uploadUrl('lecture', { file: 'my lecture.mp4' });
      await upload(place.url, clip);
      const { pathname } = new URL(place.url);
      const [container] = pathname.split('/').slice(-2);
      const subject = `/blobServices/default/containers/${container}/blobs/my lecture.mp4`;
      const envelope = {
        topic: '',
        dataVersion: '1',
        metadataVersion: '1',
        eventTime: '2026-11-21T12:00:00Z',
      };
      await onUpload(
        { ...envelope, id: '1', eventType: 'Microsoft.Storage.BlobCreated', subject, data: {} },
        app,
      );
      const begun = await get('lecture');
      expect([begun.attempts, begun.uploads]).toEqual([
        1,
        [{ file: 'my lecture.mp4', sizeBytes: clip.byteLength }],
      ]);
      const video = await until('lecture', ended);
      const timeline = (await http.call('GET', '/videos/lecture/timeline')).body.items;
      const failed = timeline.filter(({ type }: { type: string }) => /[fF]ailed/.test(type));
      expect(failed).toEqual([]);
      expect(video).toMatchObject({
        state: 'published',
        error: null,
        playback: { ...playback, status: 'onDemand', protection: expect.anything() },
        duration: expect.stringMatching(/^PT\d(\.\d+)?S$/),
        captions: [{ name: 'captions-en-us', language: 'en-US', inManifests: true }],
        poster: expect.stringMatching(/\/poster.*\.jpg$/),
        sprites: { image: expect.stringMatching(/\/sprite.*\.jpg$/), vtt: expect.stringMatching(/\.vtt$/) },
      });
      const pictures = video.renditions.filter(({ type }: { type: string }) => type === 'video');
      expect(pictures[0]).toMatchObject({ width: 320, height: 180, codec: expect.any(String) });
      const transcript = await http.call('GET', '/videos/lecture/transcript');
      expect(transcript.body).toMatch(/^WEBVTT[\s\S]*Language: en-US[\s\S]*-->/);
      const { locatorId } = (await app.videos.find('lecture'))?.value ?? {};
      const { sdk, resourceGroup, account } = engine.client;
      const paths = await sdk.streamingLocators.listPaths(resourceGroup, account, locatorId ?? '');
      // What was in the first answer is what the media service says.
      const hls = new URL(playback.hls).pathname.replace(/\.m3u8$/, '');
      expect(paths.streamingPaths?.flatMap((one) => one.paths)).toContain(hls);
    },
    ENCODED_WITHIN_MS + 60_000,
  );

  it(
    'are made of renditions that were encoded on site, and leave nothing when they are deleted',
    async () => {
      await put('onsite', { source: { upload: {} }, encoding: 'none', poster: false });
      for (const size of ['320x180', '160x90'])
        await upload((await uploadUrl('onsite', { file: `${size}.mp4` })).url, await makeClip(size));
      expect((await http.call('POST', '/videos/onsite/encode')).status).toBe(202);
      const video = await until('onsite', ended);
      expect(video).toMatchObject({ state: 'published', error: null });
      const sizes = video.renditions.filter(({ type }: { type: string }) => type === 'video');
      expect(sizes.map(({ height }: { height: number }) => height).sort()).toEqual([180, 90]);
      for (const name of ['onsite', 'lecture']) await http.call('DELETE', `/videos/${name}`);
      const isGone = (answer: { state?: string }) => answer.state === undefined;
      for (const name of ['onsite', 'lecture']) await until(name, isGone);
      const { sdk, resourceGroup, account } = engine.client;
      const left: (string | undefined)[] = [];
      for await (const asset of sdk.assets.list(resourceGroup, account)) left.push(asset.name);
      for await (const locator of sdk.streamingLocators.list(resourceGroup, account)) left.push(locator.name);
      for await (const { name = '' } of sdk.transforms.list(resourceGroup, account))
        for await (const job of sdk.jobs.list(resourceGroup, account, name)) left.push(job.name);
      expect(left).toEqual([]);
    },
    ENCODED_WITHIN_MS + 60_000,
  );
});
