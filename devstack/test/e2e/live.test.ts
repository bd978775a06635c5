import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodedFrameHashes, makeCountedVideo } from '../support/counted-video.ts';
import { Encoder } from '../support/encoder.ts';
import { type HeadendApi, rtmpUrl } from '../support/headend-api.ts';
import { type PlaybackReport, PlayerBrowser, type PlayerKind } from '../support/player-page.ts';
import { untilSegments } from '../support/playlist.ts';
import { type Stack, startStack } from '../support/stack.ts';

const SHOW_SECONDS = 75;
const WATCH_SECONDS = 30;
/** A loaded machine may present fewer frames than it decodes; a hole in the stream is longer than this. */
const FRAME_GAP_MAX = 12;

let folder: string;
let stack: Stack;
let api: HeadendApi;
let browser: PlayerBrowser;
let encoder: Encoder;
let playback: { hls: string; dash: string };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-e2e-'));
  const common = { gopSeconds: 2, seconds: SHOW_SECONDS };
  await makeCountedVideo({
    ...common,
    file: join(folder, 'high.flv'),
    width: 640,
    height: 360,
    bitrateKbps: 800,
  });
  await makeCountedVideo({
    ...common,
    file: join(folder, 'low.flv'),
    width: 320,
    height: 180,
    bitrateKbps: 300,
  });
  stack = await startStack();
  api = stack.api;
  browser = await PlayerBrowser.open();
}, 120_000);

afterAll(async () => {
  await encoder?.stop();
  await browser?.close();
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

function expectContinuousCounter(report: PlaybackReport): void {
  const counters = report.frames.map(({ counter }) => counter);
  expect(counters).not.toContain(-1);
  const gaps = counters.slice(1).map((counter, index) => counter - (counters[index] ?? 0));
  expect(Math.min(...gaps)).toBeGreaterThan(0);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(FRAME_GAP_MAX);
}

describe('a show from the first call to on-demand', () => {
  it('has its playback addresses before anything runs', async () => {
    await api.expect(201, 'PUT', '/channels/arena', {});
    const program = await api.expect(201, 'PUT', '/channels/arena/programs/final', {});
    playback = { hls: program.playback.hls, dash: program.playback.dash };
    expect(playback.hls).toMatch(/\.ism\/manifest\(format=m3u8-cmaf\)/);
    expect(playback.dash).toMatch(/\.ism\/manifest\(format=mpd-time-cmaf\)/);
    expect((await fetch(playback.hls)).status).toBe(404);
    await api.expect(200, 'POST', '/channels/arena/start');
  });

  it('publishes by itself when the encoder pushes two bitrates', async () => {
    const key = await api.expect(200, 'GET', '/channels/arena/stream-key');
    const server = rtmpUrl(key);
    encoder = new Encoder([
      { file: join(folder, 'high.flv'), url: `${server}/high` },
      { file: join(folder, 'low.flv'), url: `${server}/low` },
    ]);
    const program = await api.until(
      '/channels/arena/programs/final',
      (body) => body.state === 'recording' && body.playback.status === 'live',
    );
    expect(program.conditions).toContainEqual(expect.objectContaining({ type: 'Published', status: true }));
    expect(program.playback).toMatchObject({ status: 'live', ...playback });
  });

  it(`plays in Chromium by hls.js and by Shaka for ${WATCH_SECONDS} s without a stall`, async () => {
    const kinds: readonly PlayerKind[] = ['hls', 'dash'];
    // Whoever joins at the first segment has none to spare: stalls are counted from a filled window on.
    await untilSegments(playback.hls, 4);
    const pages = await Promise.all(kinds.map((kind) => browser.play(kind, playback[kind])));
    try {
      for (const page of pages) {
        await untilReport(page, (report) => report.frames.length > 10);
      }
      const before = await Promise.all(pages.map((page) => page.report()));
      const screenshots: number[] = [];
      const watchUntil = Date.now() + WATCH_SECONDS * 1000;
      while (Date.now() < watchUntil) {
        for (const page of pages.slice(0, 1)) screenshots.push(await page.counterInScreenshot());
        await new Promise((resolve) => setTimeout(resolve, 2000));
      }
      const after = await Promise.all(pages.map((page) => page.report()));
      after.forEach((report, index) => {
        expect(report.errors).toEqual([]);
        expect(report.stalls).toBe(before[index]?.stalls);
        expect(report.currentTimeSeconds - (before[index]?.currentTimeSeconds ?? 0)).toBeGreaterThan(
          WATCH_SECONDS - 2,
        );
        expectContinuousCounter(report);
      });
      expect(screenshots).toEqual([...screenshots].sort((a, b) => a - b));
      expect(new Set(screenshots).size).toBe(screenshots.length);
    } finally {
      await Promise.all(pages.map((page) => page.close()));
    }
  }, 90_000);

  it('becomes on-demand at the same address, complete and bit-exact', async () => {
    expect(await encoder.ended()).toBe('');
    await api.expect(200, 'POST', '/channels/arena/programs/final/finish');
    const program = await api.until('/channels/arena/programs/final', (body) => body.state === 'finished');
    expect(program.playback).toMatchObject({ status: 'onDemand', ...playback });

    const multivariant = await (await fetch(playback.hls)).text();
    const rungs = [...multivariant.matchAll(/^#EXT-X-STREAM-INF:.*RESOLUTION=(\d+x\d+).*\n(.+)$/gm)];
    expect(rungs.map(([, resolution]) => resolution).sort()).toEqual(['320x180', '640x360']);
    for (const [, resolution, uri] of rungs) {
      const source = join(folder, resolution === '640x360' ? 'high.flv' : 'low.flv');
      const url = new URL(uri ?? '', playback.hls).href;
      expect(await decodedFrameHashes(url, 'v')).toEqual(await decodedFrameHashes(source, 'v'));
    }
    const audio = /URI="([^"]+)"/.exec(multivariant)?.[1] ?? '';
    expect(await decodedFrameHashes(new URL(audio, playback.hls).href, 'a')).toEqual(
      await decodedFrameHashes(join(folder, 'high.flv'), 'a'),
    );
  }, 120_000);

  it.each(['hls', 'dash'] as const)('plays from its beginning by %s', async (kind) => {
    const page = await browser.play(kind, playback[kind], { fromStart: true });
    try {
      const report = await untilReport(page, ({ currentTimeSeconds }) => currentTimeSeconds > 4);
      expect(report.errors).toEqual([]);
      expect(report.frames[0]?.counter).toBeLessThan(FRAME_GAP_MAX);
      expectContinuousCounter(report);
    } finally {
      await page.close();
    }
  });
});

async function untilReport(
  page: { report(): Promise<PlaybackReport> },
  isDone: (report: PlaybackReport) => boolean,
): Promise<PlaybackReport> {
  const deadline = Date.now() + 25_000;
  for (;;) {
    const report = await page.report();
    if (isDone(report)) return report;
    if (Date.now() > deadline)
      throw new Error(`nothing plays: ${JSON.stringify({ ...report, frames: report.frames.length })}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
