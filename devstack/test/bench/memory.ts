import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeCountedVideo } from '../support/counted-video.ts';
import { residentMiB } from '../support/process-tree.ts';
import { prepareShow, startReconnectingEncoder } from '../support/show.ts';
import type { Stack } from '../support/stack.ts';
import type { Figure } from './report.ts';

const LIVE_KBPS = 5000;
const CYCLES_AT_ONCE = 4;
const CYCLE_MEDIA_SECONDS = '0.4';
/** What is left behind is collected by then, or stays. */
const SETTLE_MS = 15_000;

/** The engine's resident memory after so many minutes of one 5 Mbit/s show. */
export async function benchLiveMemory(stack: Stack, folder: string, minutes: number): Promise<Figure[]> {
  const file = join(folder, 'five-megabit.flv');
  const picture = { width: 1280, height: 720, bitrateKbps: LIVE_KBPS, gopSeconds: 2, seconds: 30 };
  await makeCountedVideo({ file, ...picture });
  const show = await prepareShow(stack, 'memory');
  const before = await engineMiB(stack);
  const encoder = startReconnectingEncoder(show.ingestUrl, file);
  let half = 0;
  try {
    await sleep(minutes * 30_000);
    half = await engineMiB(stack);
    await sleep(minutes * 30_000);
  } finally {
    await encoder.stop();
  }
  const after = await engineMiB(stack);
  await stack.api.expect(200, 'POST', '/channels/memory/stop', { finishPrograms: true });
  return [
    {
      what: `engine's resident memory, ${minutes} min of 5 Mbit/s live, MiB`,
      measured: `before ${mib(before)} · after half of it ${mib(half)} · after ${mib(after)}`,
      target: '—',
      met: undefined,
    },
  ];
}

/** The engine's resident memory after so many publishers came, sent a little and left. */
export async function benchConnectionMemory(stack: Stack, folder: string, cycles: number): Promise<Figure[]> {
  const file = join(folder, 'cycle.flv');
  await makeCountedVideo({ file, width: 320, height: 180, bitrateKbps: 300, gopSeconds: 1, seconds: 2 });
  const show = await prepareShow(stack, 'cycles');
  const before = await engineMiB(stack);
  const figures: number[] = [];
  let left = cycles;
  let failed = 0;
  // Each under names of its own: two publishers of one name at once would be an encoder and its standby.
  const worker = async (_: unknown, slot: number) => {
    for (; left > 0; ) {
      left -= 1;
      if (!(await publishOnce(`${show.ingestUrl}${slot}`, file))) failed += 1;
      if (left === Math.floor(cycles / 2)) figures.push(await engineMiB(stack));
    }
  };
  await Promise.all(Array.from({ length: CYCLES_AT_ONCE }, worker));
  await sleep(SETTLE_MS);
  const after = await engineMiB(stack);
  await stack.api.expect(200, 'POST', '/channels/cycles/stop', { finishPrograms: true });
  const half = mib(figures[0] ?? Number.NaN);
  return [
    {
      what: `engine's resident memory, ${cycles} publishers that come and leave, MiB (${failed} refused)`,
      measured: `before ${mib(before)} · after half of them ${half} · after ${mib(after)}`,
      target: '—',
      met: undefined,
    },
  ];
}

/** Handshake, publish, media faster than real time, and gone; true when the server took it. */
async function publishOnce(url: string, file: string): Promise<boolean> {
  const input = ['-v', 'error', '-nostdin', '-i', file, '-t', CYCLE_MEDIA_SECONDS];
  const child = spawn('ffmpeg', [...input, '-c', 'copy', '-f', 'flv', url], { stdio: 'ignore' });
  const [code] = await once(child, 'exit');
  return code === 0;
}

async function engineMiB(stack: Stack): Promise<number> {
  return (await residentMiB(stack.pid('engine'))) ?? Number.NaN;
}

function mib(value: number): string {
  return value.toFixed(0);
}
