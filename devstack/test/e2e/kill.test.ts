import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Acknowledged } from '../support/acknowledged.ts';
import { makeCountedVideo } from '../support/counted-video.ts';
import type { ApiBody } from '../support/headend-api.ts';
import { machineSlowness } from '../support/machine.ts';
import { type PlaybackReport, PlayerBrowser, type PlayingPage } from '../support/player-page.ts';
import { untilSegments } from '../support/playlist.ts';
import { type Indexes, lostFromIndexes, readIndexes } from '../support/recording-index.ts';
import {
  countLocators,
  countPublishings,
  finishShow,
  prepareShow,
  type Show,
  type ShowEncoder,
  startReconnectingEncoder,
} from '../support/show.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { PARTS, type Part, untilPart } from '../support/stack-parts.ts';
import { type Healing, PROBE_CHANNEL, untilHealed } from '../support/stack-probes.ts';
import { readTestSettings, seededRandom } from '../support/test-settings.ts';

const HEALED_WITHIN_MS = 5000;
/** Between two kills of one part in a row: from before it serves again to a while after. */
const SECOND_KILL_AFTER_MS_MAX = 2000;
const LIVE_BEFORE_KILL_MS_MAX = 3000;
const PLAYS_ON_WITHIN_MS = 60_000;
const { killRounds, seed } = readTestSettings();

let folder: string;
let stack: Stack;
let browser: PlayerBrowser;
let show: Show;
let encoder: ShowEncoder;
let acknowledged: Acknowledged;
let page: PlayingPage;
let publishedSince: string;
const random = seededRandom(seed);
const indexes: Indexes[] = [];
const healings: { readonly part: Part; readonly healing: Healing; readonly slowness: number }[] = [];

beforeAll(async () => {
  process.stderr.write(`kill test: ${killRounds} rounds, HEADEND_TEST_SEED=${seed}\n`);
  folder = await mkdtemp(join(tmpdir(), 'headend-kill-'));
  const file = join(folder, 'show.flv');
  const video = { file, width: 320, height: 180, bitrateKbps: 300, gopSeconds: 1, seconds: 60 };
  await makeCountedVideo(video);
  stack = await startStack();
  browser = await PlayerBrowser.open();
  await stack.api.expect(201, 'PUT', `/channels/${PROBE_CHANNEL}`, {});
  show = await prepareShow(stack, 'storm');
  encoder = startReconnectingEncoder(show.ingestUrl, file);
  acknowledged = new Acknowledged(show.hls);
  await untilSegments(show.hls, 4);
  publishedSince = await untilPublished();
  page = await browser.play('hls', show.hls, { recovers: true });
  await untilPlayed(page, (report) => report.frames.length > 25);
}, 150_000);

afterAll(async () => {
  await encoder?.stop();
  await browser?.close();
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** Every part once before any comes again, in an order of chance. */
function chooseParts(rounds: number): readonly Part[] {
  const parts: Part[] = [];
  while (parts.length < rounds) {
    const bag = PARTS.map((part) => ({ part, at: random() })).sort((a, b) => a.at - b.at);
    parts.push(...bag.map(({ part }) => part));
  }
  return parts.slice(0, rounds);
}

describe('kill -9 in mid-live, twice in a row', () => {
  it.each(chooseParts(killRounds).map((part, index) => ({ round: index + 1, part })))(
    'round $round: the stack heals from the end of the $part, and the viewer goes on',
    async ({ part }) => {
      await sleep(random() * LIVE_BEFORE_KILL_MS_MAX);
      const slownessBefore = await machineSlowness();
      indexes.push(await readIndexes(stack));
      const first = await untilPart(stack, part);
      process.kill(first, 'SIGKILL');
      const second = await untilPart(stack, part, first);
      await sleep(random() * SECOND_KILL_AFTER_MS_MAX);
      process.kill(second, 'SIGKILL');
      const killedAtMs = Date.now();

      const healing = await untilHealed(stack, show.hls, killedAtMs);
      const healedAtMs = Date.now();
      const slowness = Math.max(slownessBefore, await machineSlowness());
      healings.push({ part, healing, slowness });
      process.stderr.write(`${part}: ${JSON.stringify({ ...healing, slowness })}\n`);
      const report = await untilPlayed(page, ({ playingDateMs }) => (playingDateMs ?? 0) > healedAtMs);
      expect(report.errors).toEqual([]);
      expect(await untilPublished()).toBe(publishedSince);
    },
    150_000,
  );

  it('heals within 5 s, on a machine that has processors to spare', () => {
    const late = healings.map(({ part, healing, slowness }) => {
      const slowestMs = Math.max(...Object.values(healing));
      return slowestMs > HEALED_WITHIN_MS * slowness ? `${part} took ${slowestMs} ms` : undefined;
    });
    expect(late.filter((entry) => entry !== undefined)).toEqual([]);
  });

  it('has published the program once, and everything acknowledged is in the recording', async () => {
    await encoder.stop();
    await finishShow(stack, show);
    expect(await acknowledged.lost()).toEqual([]);
    expect(await lostFromIndexes(stack, indexes, await readIndexes(stack))).toEqual([]);
    expect(acknowledged.count).toBeGreaterThan(killRounds);
    expect(await countPublishings(stack, show)).toBe(1);
    expect(await countLocators(stack, show)).toBe(1);
  }, 120_000);
});

async function untilPublished(): Promise<string> {
  const since = (body: ApiBody): string | undefined =>
    body.conditions.find((entry: ApiBody) => entry.type === 'Published' && entry.status)?.since;
  const path = `/channels/${show.channel}/programs/${show.program}`;
  const program = await stack.api.until(path, (body) => since(body) !== undefined);
  return since(program) ?? '';
}

async function untilPlayed(
  playing: PlayingPage,
  isDone: (report: PlaybackReport) => boolean,
): Promise<PlaybackReport> {
  const deadline = Date.now() + PLAYS_ON_WITHIN_MS;
  for (;;) {
    const report = await playing.report();
    if (isDone(report)) return report;
    if (Date.now() > deadline) {
      const { frames, ...seen } = report;
      throw new Error(
        `the viewer is stuck: ${JSON.stringify({ ...seen, frames: frames.length, last: frames.at(-1) })}`,
      );
    }
    await sleep(250);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
