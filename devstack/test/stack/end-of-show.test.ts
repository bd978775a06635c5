import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FRAMES_PER_SECOND, makeCountedVideo } from '../support/counted-video.ts';
import { Encoder } from '../support/encoder.ts';
import { rtmpUrl } from '../support/headend-api.ts';
import { PlayerBrowser, type PlayerKind } from '../support/player-page.ts';
import { untilSegments } from '../support/playlist.ts';
import { type Stack, startStack } from '../support/stack.ts';

const SHOW_SECONDS = 24;
const LAST_FRAME = SHOW_SECONDS * FRAMES_PER_SECOND - 1;
/** Of a loaded machine; the players were this far behind the live edge, and something stalls them. */
const ENDED_WITHIN_MS = 45_000;
const STATIC_WITHIN_MS = 90_000;

let folder: string;
let stack: Stack;
let browser: PlayerBrowser;
let encoder: Encoder;
let playback: Readonly<Record<PlayerKind, string>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-e2e-'));
  const picture = { width: 320, height: 180, bitrateKbps: 300, gopSeconds: 2 };
  await makeCountedVideo({ file: join(folder, 'show.flv'), seconds: SHOW_SECONDS, ...picture });
  stack = await startStack();
  browser = await PlayerBrowser.open();
}, 120_000);

afterAll(async () => {
  await encoder?.stop();
  await browser?.close();
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

describe('the end of a show', () => {
  it('is seen to the last frame by who watches live, by hls.js and by Shaka', async () => {
    const { api } = stack;
    await api.expect(201, 'PUT', '/channels/arena', {});
    const program = await api.expect(201, 'PUT', '/channels/arena/programs/final', { rewind: 'PT60S' });
    playback = { hls: program.playback.hls, dash: program.playback.dash };
    await api.expect(200, 'POST', '/channels/arena/start');
    const key = await api.expect(200, 'GET', '/channels/arena/stream-key');
    encoder = new Encoder([{ file: join(folder, 'show.flv'), url: `${rtmpUrl(key)}/show` }]);
    await api.until('/channels/arena/programs/final', (body) => body.playback.status === 'live');
    await untilSegments(playback.hls, 4);
    const kinds: readonly PlayerKind[] = ['hls', 'dash'];
    const pages = await Promise.all(kinds.map((kind) => browser.play(kind, playback[kind])));
    expect(await encoder.ended()).toBe('');
    await api.expect(200, 'POST', '/channels/arena/programs/final/finish');
    const deadline = Date.now() + ENDED_WITHIN_MS;
    let reports = await Promise.all(pages.map((page) => page.report()));
    while (Date.now() < deadline && !reports.every(({ hasEnded }) => hasEnded)) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      reports = await Promise.all(pages.map((page) => page.report()));
    }
    // What stands on the screen: browsers do not call back for every last frame.
    const pictures = await Promise.all(pages.map((page) => page.counterInScreenshot()));
    const seen = reports.map(({ hasEnded, errors }, at) => ({
      ...{ kind: kinds[at], hasEnded, errors, lastFrame: pictures[at] },
    }));
    expect(seen).toEqual(kinds.map((kind) => ({ kind, hasEnded: true, errors: [], lastFrame: LAST_FRAME })));
    await Promise.all(pages.map((page) => page.close()));
  }, 120_000);

  it('leaves an address that is on demand a minute later', async () => {
    // From 0, not on the live timeline of those who were there.
    const isOnDemand = async () =>
      /type="static" mediaPresentationDuration="PT2\d[.\d]*S"/.test(
        await (await fetch(playback.dash)).text(),
      );
    const deadline = Date.now() + STATIC_WITHIN_MS;
    while (Date.now() < deadline && !(await isOnDemand())) {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
    expect(await isOnDemand()).toBe(true);
    const page = await browser.play('dash', playback.dash);
    try {
      let report = await page.report();
      const until = Date.now() + ENDED_WITHIN_MS;
      while (Date.now() < until && report.frames.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 250));
        report = await page.report();
      }
      expect(report.errors).toEqual([]);
      expect(report.frames[0]?.counter).toBeLessThan(FRAMES_PER_SECOND);
    } finally {
      await page.close();
    }
  }, 150_000);
});
