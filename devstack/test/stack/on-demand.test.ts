import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Browser, chromium, type Page } from 'playwright-core';
import { makeCountedVideo } from '../support/counted-video.ts';
import { READ_COUNTER_SOURCE } from '../support/counter-reader.ts';
import { type ApiBody, rtmpUrl } from '../support/headend-api.ts';
import { MediaApi } from '../support/media-api.ts';
import { CHROMIUM_FLAGS } from '../support/player-page.ts';
import { blobService } from '../support/recording-index.ts';
import { startReconnectingEncoder } from '../support/show.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { isOver, uploadInBlocks, watchVideo } from '../support/videos.ts';

const SPEECH = 'good morning everybody and welcome to the show';
/** Words of that which PocketSphinx has heard each time so far. */
const HEARD = /good morning|welcome|show/;
const READY_WITHIN_MS = 150_000;
const PICTURE = { width: 320, height: 180, bitrateKbps: 400, gopSeconds: 1, seconds: 5 };

let folder: string;
let stack: Stack;
let browser: Browser;
let page: Page;
const faults: string[] = [];

const fileOf = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-on-demand-'));
  [stack, browser] = await Promise.all([
    startStack(),
    chromium.launch({ executablePath: '/usr/bin/chromium', args: CHROMIUM_FLAGS }),
    makeCountedVideo({ ...PICTURE, file: fileOf('talk.mp4'), speech: SPEECH }),
    makeCountedVideo({ ...PICTURE, file: fileOf('small.mp4'), width: 160, height: 90, bitrateKbps: 150 }),
    makeCountedVideo({ ...PICTURE, file: fileOf('show.flv') }),
    writeFile(fileOf('broken.mp4'), 'This is no film at all. '.repeat(500)),
  ]);
  page = await browser.newPage();
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('dialog', (dialog) => void dialog.accept());
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

interface PageState {
  readonly model?: { readonly state: string };
  readonly framesShown: number;
  readonly captions: readonly string[];
}

async function openPage(fragment: string): Promise<void> {
  const { origin } = new URL(stack.pageUrl);
  // Another fragment alone would not be another page.
  await page.goto('about:blank');
  await page.goto(`${origin}/#${fragment}&key=${encodeURIComponent(stack.functionKey)}`);
}

/** Polled from outside: the page's own policy forbids evaluating strings inside it. */
async function until(
  what: string,
  holds: (state: PageState) => boolean,
  withinMs = 60_000,
): Promise<PageState> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const seen = await page.evaluate('window.headendPage?.state()').catch(() => undefined);
    const state = seen as PageState | undefined; // asserted on below
    if (state !== undefined && holds(state)) return state;
    if (Date.now() > deadline)
      throw new Error(`not within ${withinMs} ms: ${what}; ${JSON.stringify(state)}`);
    await page.waitForTimeout(100);
  }
}

/** The burnt-in number of the frame that the page shows. */
const counterOnPage = async (): Promise<number> =>
  Number(
    await page.evaluate(
      `(() => { ${READ_COUNTER_SOURCE}; const v = document.getElementById('video'); return readCounter(v, v.videoWidth, v.videoHeight); })()`,
    ),
  );

const isAscending = (values: readonly number[]): boolean =>
  values.every((value, index) => index === 0 || value >= (values[index - 1] ?? 0));

async function makeVideo(name: string, body: object, files: readonly string[]): Promise<void> {
  await stack.api.expect(201, 'PUT', `/videos/${name}`, body);
  for (const file of files) await uploadInBlocks(stack.api, name, fileOf(file));
}

describe('a person uploads a file and does nothing more', () => {
  let seen: readonly ApiBody[];
  let video: ApiBody;

  it('has it encoded, indexed, protected and published, watching honest progress', async () => {
    await makeVideo(
      'lecture',
      { source: { upload: {} }, protection: 'aes', indexing: { language: 'en-US' } },
      ['talk.mp4'],
    );
    seen = await watchVideo(stack.api, 'lecture', isOver, READY_WITHIN_MS);
    video = seen.at(-1);
    expect(video).toMatchObject({
      state: 'published',
      error: null,
      attempts: 1,
      duration: expect.any(String),
    });
    const along = (name: string): number[] => seen.map(({ progress }) => progress[name] ?? 0);
    for (const name of ['overall', 'upload', 'encode', 'index']) {
      expect([name, isAscending(along(name)), along(name).at(-1)]).toEqual([name, true, 100]);
    }
    // Seen half-way, and never full before it was over.
    expect(along('encode').some((percent) => percent > 0 && percent < 100)).toBe(true);
    const states = seen.map(({ state }) => state);
    expect(states).toEqual(expect.arrayContaining(['encoding', 'indexing', 'published']));
    expect(
      seen.filter(({ state }) => state !== 'published').every(({ progress }) => progress.overall < 100),
    ).toBe(true);
  }, 180_000);

  it('is told each step, and published within seconds of the event that it was encoded', async () => {
    const { items } = await stack.api.expect(200, 'GET', '/videos/lecture/timeline?limit=100');
    const at = (type: string): number => Date.parse(items.find((entry: ApiBody) => entry.type === type)?.at);
    for (const type of [
      'Uploaded',
      'KeyPolicyReady',
      'DeliveryPolicyReady',
      'Encoded',
      'Indexed',
      'Published',
    ]) {
      expect([type, at(type) > 0]).toEqual([type, true]);
    }
    expect(at('Published') - at('Encoded')).toBeGreaterThanOrEqual(0);
    // Quiet machines need about one second.
    expect(at('Published') - at('Encoded')).toBeLessThan(20_000);
  }, 30_000);

  it('plays for who has a token, with captions that say what was said', async () => {
    const playlist = await (await fetch(video.playback.hls)).text();
    const variant = new URL(/^[^#\s].*$/m.exec(playlist)?.[0] ?? '', video.playback.hls);
    const keyUrl =
      /#EXT-X-KEY:METHOD=AES-128,URI="([^"]+)"/.exec(await (await fetch(variant)).text())?.[1] ?? '';
    expect([401, 403]).toContain((await fetch(keyUrl)).status);

    await openPage('video=lecture');
    const playing = await until('captions over a picture', ({ captions, framesShown }) => {
      return framesShown > 5 && captions.some((text) => HEARD.test(text));
    });
    expect(playing.captions).toHaveLength(1);
    const first = await counterOnPage();
    await until('more frames', ({ framesShown }) => framesShown > playing.framesShown + 10);
    const second = await counterOnPage();
    expect(first).toBeGreaterThanOrEqual(0);
    expect(second).toBeGreaterThan(first);
    await page.locator('#tiles button').first().waitFor({ timeout: 30_000 });
    expect(await (await fetch(video.poster)).blob()).toMatchObject({ type: 'image/jpeg' });
    expect(faults).toEqual([]);
  }, 120_000);

  it('deletes it, and nothing of it is left', async () => {
    const api = await MediaApi.open(stack);
    const named = async (path: string): Promise<string[]> =>
      (await api.call('GET', path)).body.value.map(({ name }: { name: string }) => name);
    const left = async () => {
      const containers: string[] = [];
      for await (const { name } of blobService(stack).listContainers()) containers.push(name);
      return {
        assets: (await named('assets')).filter((name) => name.includes('lecture')),
        locators: (await api.call('GET', 'streamingLocators')).body.value
          .map(({ properties }: ApiBody) => properties.assetName)
          .filter((name: string) => name.includes('lecture')),
        containers: containers.filter((name) => name.startsWith('upload-')),
      };
    };
    expect((await left()).assets.length).toBeGreaterThanOrEqual(3);
    expect((await left()).containers).toHaveLength(1);
    expect((await stack.api.call('DELETE', '/videos/lecture')).status).toBe(202);
    await stack.api.until('/videos/lecture', ({ status }) => status === 404, 60_000);
    expect(await left()).toEqual({ assets: [], locators: [], containers: [] });
    expect((await fetch(video.playback.hls)).status).toBe(404);
  }, 90_000);
});

describe('what else a video may be', () => {
  it('is a recording of which a part is cut out', async () => {
    const { api } = stack;
    await api.expect(201, 'PUT', '/channels/arena', {});
    await api.expect(201, 'PUT', '/channels/arena/programs/final', {});
    await api.expect(200, 'POST', '/channels/arena/start');
    const key = await api.expect(200, 'GET', '/channels/arena/stream-key');
    const encoder = startReconnectingEncoder(`${rtmpUrl(key)}/main`, fileOf('show.flv'));
    try {
      await api.until(
        '/channels/arena/programs/final',
        ({ recording }) => Number(/PT(\d+)/.exec(recording?.duration ?? '')?.[1] ?? 0) >= 4,
      );
      const body = {
        source: { program: 'arena/final', from: 'PT1S', to: 'PT3S' },
        encoding: 'H264SingleBitrateSD',
      };
      await makeVideo('goal', body, []);
      await api.expect(200, 'POST', '/channels/arena/programs/final/finish');
    } finally {
      await encoder.stop();
    }
    const goal = (await watchVideo(api, 'goal', isOver, READY_WITHIN_MS)).at(-1);
    expect(goal).toMatchObject({ state: 'published', error: null });
    const seconds = Number(/^PT([\d.]+)S$/.exec(goal.duration)?.[1]);
    expect(Math.abs(seconds - 2)).toBeLessThan(0.2);
  }, 180_000);

  it('is renditions as they are, in the ladder that they make', async () => {
    const files = ['talk.mp4', 'small.mp4'];
    await makeVideo('ladder', { source: { upload: { files } }, encoding: 'none' }, files);
    const ladder = (await watchVideo(stack.api, 'ladder', isOver, READY_WITHIN_MS)).at(-1);
    expect(ladder).toMatchObject({ state: 'published', error: null });
    const playlist = await (await fetch(ladder.playback.hls)).text();
    const sizes = [...playlist.matchAll(/#EXT-X-STREAM-INF:.*RESOLUTION=(\w+)/g)].map(([, size]) => size);
    expect(sizes.sort()).toEqual(['160x90', '320x180']);
  }, 180_000);

  it.each([
    {
      name: 'a file that is no film',
      body: { source: { upload: {} } },
      files: ['broken.mp4'],
      category: 'content',
    },
    {
      name: 'an address inside this network',
      body: { source: { url: 'https://127.0.0.1:9/film.mp4' } },
      files: [],
      category: 'download',
    },
  ])(
    'fails in a sentence: $name',
    async ({ body, files, category }) => {
      const name = `bad-${category}`;
      await makeVideo(name, body, files);
      const failed = (await watchVideo(stack.api, name, isOver, READY_WITHIN_MS)).at(-1);
      expect(failed).toMatchObject({
        state: 'failed',
        error: {
          category,
          retry: 'willNotHelp',
          advice: expect.stringMatching(/\w/),
          reason: expect.stringMatching(/\w/),
        },
      });
    },
    180_000,
  );

  it('comes to be without any event, a little later', async () => {
    for (const name of ['uploads', 'jobs']) {
      const response = await fetch(`http://127.0.0.1:${stack.ports.broker}/eventSubscriptions/${name}`, {
        method: 'DELETE',
        headers: { 'aeg-sas-key': stack.eventGridKey },
      });
      expect([200, 202, 204]).toContain(response.status);
    }
    await makeVideo(
      'unseen',
      { source: { upload: { files: ['small.mp4'] } }, encoding: 'copy', poster: false },
      ['small.mp4'],
    );
    const unseen = (await watchVideo(stack.api, 'unseen', isOver, READY_WITHIN_MS)).at(-1);
    expect(unseen).toMatchObject({ state: 'published', error: null });
  }, 180_000);
});

describe('the live page’s on-demand half', () => {
  it('goes on with an upload that was cut off, without sending again what is there', async () => {
    await openPage('videos');
    const bytes = Buffer.concat([await readFile(fileOf('talk.mp4')), Buffer.alloc(2 * 1024 * 1024)]);
    await writeFile(fileOf('big.mp4'), bytes);
    const blocksOfIt = Math.ceil(bytes.length / (256 * 1024));
    let blocks = 0;
    let blocksMax = 3;
    await page.route(/comp=block&/, async (route) => {
      if (blocks >= blocksMax) return route.abort();
      blocks += 1;
      return route.continue();
    });
    await page.setInputFiles('#video-files', fileOf('big.mp4'));
    await page.selectOption('#video-form select[name="encoding"]', 'copy');
    await page.selectOption('#video-form select[name="publish"]', 'manual');
    await page.click('text=Make the video');
    await page.waitForURL(/video=big/, { timeout: 30_000 });
    await page.locator('#upload-note', { hasText: 'Tried again in' }).waitFor({ timeout: 30_000 });
    await page.click('#upload-pause');
    await page.locator('#upload-note', { hasText: 'Paused' }).waitFor({ timeout: 30_000 });
    expect(blocks).toBe(3);

    blocksMax = Number.POSITIVE_INFINITY;
    await page.reload();
    await page.setInputFiles('#upload-files', fileOf('big.mp4'));
    await page.locator('#stages li[data-stage="upload"][data-state="done"]').waitFor({ timeout: 60_000 });
    const { uploads } = await stack.api.expect(200, 'GET', '/videos/big');
    expect(uploads).toEqual([{ file: 'big.mp4', sizeBytes: bytes.length }]);
    expect(blocks).toBe(blocksOfIt);
    expect(faults).toEqual([]);
  }, 120_000);

  it('lists the videos, and deletes one', async () => {
    await openPage('videos');
    const row = page.locator('#video-list li', { hasText: 'bad-content' });
    await row.locator('.badge[data-status="failed"]').waitFor({ timeout: 30_000 });
    await row.locator('button').click();
    await row.waitFor({ state: 'detached', timeout: 60_000 });
    expect((await stack.api.call('GET', '/videos/bad-content')).status).toBe(404);
  }, 90_000);
});
