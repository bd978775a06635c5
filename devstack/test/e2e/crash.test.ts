import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeCountedVideo } from '../support/counted-video.ts';
import type { ApiBody, HeadendApi } from '../support/headend-api.ts';
import { type PlaybackReport, PlayerBrowser } from '../support/player-page.ts';
import { untilSegments } from '../support/playlist.ts';
import { type Stack, startStack } from '../support/stack.ts';

const ENGINE = fileURLToPath(new URL('../../../engine/dist/engine.mjs', import.meta.url));
const BACK_WITHIN_MS = 5000;

let folder: string;
let stack: Stack;
let api: HeadendApi;
let browser: PlayerBrowser;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-crash-'));
  await makeCountedVideo({
    ...{ file: join(folder, 'show.flv'), width: 320, height: 180 },
    ...{ bitrateKbps: 300, gopSeconds: 1, seconds: 60 },
  });
  stack = await startStack();
  api = stack.api;
  browser = await PlayerBrowser.open();
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

describe('the engine killed in mid-live', () => {
  it('is back, keeps every acknowledged fragment, and the viewer goes on', async () => {
    await api.expect(201, 'PUT', '/channels/storm', {});
    const program = await api.expect(201, 'PUT', '/channels/storm/programs/show', {});
    await api.expect(200, 'POST', '/channels/storm/start');
    const key = await api.expect(200, 'GET', '/channels/storm/stream-key');
    const publisher = spawn(
      process.execPath,
      [
        ...[ENGINE, 'publish', '--loop', '--reconnect'],
        ...['--url', `${key.servers[0].url}/main`, '--file', join(folder, 'show.flv')],
      ],
      { stdio: ['pipe', 'ignore', 'ignore'] },
    );
    try {
      const acknowledged = await untilSegments(program.playback.hls, 5);
      const published = await api.until('/channels/storm/programs/show', isPublished);
      const page = await browser.play('hls', program.playback.hls);
      await untilTime(page, 2);

      process.kill(stack.pid('engine'), 'SIGKILL');
      const killedAtMs = Date.now();
      await untilArmAnswers();
      expect(Date.now() - killedAtMs).toBeLessThan(BACK_WITHIN_MS);
      const more = await untilSegments(program.playback.hls, acknowledged.length + 4);
      expect(more.slice(0, acknowledged.length)).toEqual(acknowledged);
      for (const segment of more) expect((await fetch(segment)).status).toBe(200);
      const after = await api.until('/channels/storm/programs/show', isPublished);
      expect(publishedSince(after)).toBe(publishedSince(published));
      const position = (await page.report()).currentTimeSeconds;
      const report = await untilTime(page, position + 8);
      expect(report.errors).toEqual([]);
      await page.close();

      const timeline = await api.expect(200, 'GET', '/channels/storm/timeline?limit=100');
      const publishings = timeline.items.filter(
        (entry: ApiBody) => entry.type === 'Published' && entry.program === 'show',
      );
      expect(publishings.length).toBe(1);
    } finally {
      publisher.kill();
    }
    await api.expect(200, 'POST', '/channels/storm/programs/show/finish');
    await api.until('/channels/storm/programs/show', (body) => body.state === 'finished');
    const playlist = await untilSegments(program.playback.hls, 9);
    for (const segment of playlist) expect((await fetch(segment)).status).toBe(200);
  }, 150_000);
});

function isPublished(program: ApiBody): boolean {
  return publishedSince(program) !== undefined;
}

function publishedSince(program: ApiBody): string | undefined {
  return program.conditions.find((entry: ApiBody) => entry.type === 'Published' && entry.status)?.since;
}

/** Any answer will do: without a token it is 401. */
async function untilArmAnswers(): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await armAnswers())) {
    if (Date.now() > deadline) throw new Error('the engine did not come back');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function armAnswers(): Promise<boolean> {
  return new Promise((resolve) => {
    get(stack.armEndpoint, { ca: stack.caPem, timeout: 1000 }, (response) => {
      response.resume();
      resolve(true);
    }).on('error', () => resolve(false));
  });
}

async function untilTime(
  page: { report(): Promise<PlaybackReport> },
  currentTimeSeconds: number,
): Promise<PlaybackReport> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const report = await page.report();
    if (report.currentTimeSeconds >= currentTimeSeconds) return report;
    if (Date.now() > deadline)
      throw new Error(`stuck at ${report.currentTimeSeconds}: ${report.errors.join()}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
