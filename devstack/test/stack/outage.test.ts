import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Acknowledged } from '../support/acknowledged.ts';
import { decodedFrameHashes, FRAMES_PER_SECOND, makeCountedVideo } from '../support/counted-video.ts';
import { segmentsOf, untilSegments } from '../support/playlist.ts';
import { residentMiB } from '../support/process-tree.ts';
import { type Indexes, lostFromIndexes, readIndexes } from '../support/recording-index.ts';
import {
  countPublishings,
  finishShow,
  prepareShow,
  type Show,
  type ShowEncoder,
  startReconnectingEncoder,
} from '../support/show.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { findPart, untilPart } from '../support/stack-parts.ts';

const OUTAGE_MS = 20_000;
const CAUGHT_UP_WITHIN_MS = 60_000;
const MEMORY_POLL_MS = 500;
/** What 20 s of a 0.4 Mbit/s show, its retries and a garbage collector that is in no hurry may add. */
const GROWTH_MIB_MAX = 150;
const SHOW_SECONDS = 60;
const SERVICES = ['azurite-blob', 'azurite-table'] as const;

let folder: string;
let file: string;
let stack: Stack;
let encoder: ShowEncoder | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-outage-'));
  file = join(folder, 'show.flv');
  const video = { file, width: 320, height: 180, bitrateKbps: 300, gopSeconds: 1, seconds: SHOW_SECONDS };
  await makeCountedVideo(video);
  stack = await startStack();
}, 150_000);

afterAll(async () => {
  await encoder?.stop();
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** Nobody answers, and nobody says no. */
async function storageHangs(): Promise<void> {
  const pids = await Promise.all(SERVICES.map((service) => untilPart(stack, service)));
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  try {
    await sleep(OUTAGE_MS);
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  }
}

/** It ends in order, and its successor, which is kept from coming up for the time, has what it stored. */
async function storageIsRestarted(): Promise<void> {
  const held: number[] = [];
  try {
    for (const service of SERVICES) {
      const pid = await untilPart(stack, service);
      process.kill(pid, 'SIGTERM');
      const successor = await untilPart(stack, service, pid);
      process.kill(successor, 'SIGSTOP');
      held.push(successor);
    }
    await sleep(OUTAGE_MS);
  } finally {
    for (const pid of held) process.kill(pid, 'SIGCONT');
  }
}

describe('storage away for 20 s in mid-live', () => {
  it.each([
    { name: 'that does not answer', outage: storageHangs },
    { name: 'that is restarted', outage: storageIsRestarted },
  ])(
    '$name: nothing acknowledged is lost and the recording catches up',
    async ({ name, outage }) => {
      const show = await prepareShow(stack, name.replaceAll(' ', '-'));
      const acknowledged = new Acknowledged(show.hls);
      encoder = startReconnectingEncoder(show.ingestUrl, file);
      await untilSegments(show.hls, 5);
      const before: Indexes = await readIndexes(stack);
      const enginePid = await untilPart(stack, 'engine');
      const memory = watchMemory(enginePid);
      const segmentsBefore = (await segmentsOf(show.hls)).length;

      await outage();
      const endedAtMs = Date.now();
      // One segment per second, also of the time when storage was away.
      const wanted = segmentsBefore + OUTAGE_MS / 1000;
      await untilCount(show, wanted);
      const caughtUpMs = Date.now() - endedAtMs;
      const { firstMiB, maxMiB } = await memory.stop();
      process.stderr.write(
        `storage ${name}: caught up after ${caughtUpMs} ms, engine ${firstMiB.toFixed(0)} → at most ${maxMiB.toFixed(0)} MiB\n`,
      );
      expect(await findPart(stack, 'engine')).toBe(enginePid);
      expect(maxMiB - firstMiB).toBeLessThan(GROWTH_MIB_MAX);

      await encoder.stop();
      await finishShow(stack, show);
      expect(await acknowledged.lost()).toEqual([]);
      expect(await lostFromIndexes(stack, [before], await readIndexes(stack))).toEqual([]);
      expect(await countPublishings(stack, show)).toBe(1);
      await expectWhole(show);
    },
    200_000,
  );
});

/** Every frame of the loop in its place: as many as the recording is long, none missing, none other. */
async function expectWhole(show: Show): Promise<void> {
  const multivariant = await (await fetch(show.hls)).text();
  const uri = /^[^#\s].*$/m.exec(multivariant)?.[0] ?? '';
  const [recorded, source] = await Promise.all([
    decodedFrameHashes(new URL(uri, show.hls).href, 'v'),
    decodedFrameHashes(file, 'v'),
  ]);
  // The encoder was stopped somewhere in the last second.
  const whole = recorded.slice(0, -FRAMES_PER_SECOND);
  expect(whole.length).toBeGreaterThan((OUTAGE_MS / 1000) * FRAMES_PER_SECOND);
  expect(whole).toEqual(whole.map((_, index) => source[index % source.length]));
}

async function untilCount(show: Show, count: number): Promise<void> {
  const deadline = Date.now() + CAUGHT_UP_WITHIN_MS;
  for (;;) {
    const { length } = await segmentsOf(show.hls).catch(() => []);
    if (length >= count) return;
    if (Date.now() > deadline) throw new Error(`${length} of ${count} segments: ${encoder?.log()}`);
    await sleep(250);
  }
}

function watchMemory(pid: number): { stop(): Promise<{ firstMiB: number; maxMiB: number }> } {
  const values: number[] = [];
  let running = true;
  const watching = (async () => {
    while (running) {
      const value = await residentMiB(pid);
      if (value !== undefined) values.push(value);
      await sleep(MEMORY_POLL_MS);
    }
  })();
  return {
    async stop() {
      running = false;
      await watching;
      return { firstMiB: values[0] ?? 0, maxMiB: Math.max(...values) };
    },
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
