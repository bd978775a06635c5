import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeCountedVideo } from '../support/counted-video.ts';
import { type MemoryOfProcess, slopeMiBPerHour, watchMemory } from '../support/memory-watch.ts';
import { segmentsOf } from '../support/playlist.ts';
import { prepareShow, type Show, type ShowEncoder, startReconnectingEncoder } from '../support/show.ts';
import { type Stack, startStack } from '../support/stack.ts';

const MINUTES = 60;
const CHANNELS = 1;
const CHANNELS_MAX = 32;
const BITRATE_KBPS = 2000;
/** Caches fill and windows grow to their size at first; that is no slope. */
const WARM_UP_SHARE = 0.4;
const SLOPE_MIB_PER_HOUR_MAX = 60;
/** An origin fills its cache of 256 MiB with what viewers ask for; that is no leak, as long as it ends there. */
const ORIGIN_MIB_MAX = 640;
const VIEWER_POLL_MS = 1000;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: String(MINUTES) },
    channels: { type: 'string', default: String(CHANNELS) },
    speed: { type: 'string', default: '1' },
    'max-slope': { type: 'string', default: String(SLOPE_MIB_PER_HOUR_MAX) },
  },
});
const minutes = positive('minutes', values.minutes);
const channels = Math.min(positive('channels', values.channels), CHANNELS_MAX);
const maxSlope = positive('max-slope', values['max-slope']);
if (values.speed !== '1') {
  // Samples more than 10 s away from the wall clock begin a new discontinuity: what is pushed faster is no show.
  throw new Error('--speed must be 1: a live event takes media in real time only');
}

const folder = await mkdtemp(join(tmpdir(), 'headend-soak-'));
const stack = await startStack();
const encoders: ShowEncoder[] = [];
try {
  process.exitCode = (await soak()) ? 0 : 1;
} finally {
  await Promise.all(encoders.map((encoder) => encoder.stop()));
  await stack.stop();
  await rm(folder, { recursive: true, force: true });
}

async function soak(): Promise<boolean> {
  const file = join(folder, 'show.flv');
  const picture = { width: 640, height: 360, bitrateKbps: BITRATE_KBPS, gopSeconds: 2, seconds: 60 };
  await makeCountedVideo({ file, ...picture });
  const shows: Show[] = [];
  for (let number = 1; number <= channels; number += 1) {
    const show = await prepareShow(stack, `soak${number}`);
    encoders.push(startReconnectingEncoder(show.ingestUrl, file));
    shows.push(show);
  }
  const memory = watchMemory(stack.supervisorPid);
  const startedAtMs = Date.now();
  const viewers = await watchShows(stack, shows, startedAtMs + minutes * 60_000);
  const processes = await memory.stop();
  return report({ processes, startedAtMs, viewers });
}

interface Viewed {
  segments: number;
  failures: number;
}

/** One viewer per show who asks for the playlist every second and for every new segment once. */
async function watchShows({ stderr }: Stack, shows: readonly Show[], untilMs: number): Promise<Viewed> {
  const viewed = { segments: 0, failures: 0 };
  const watch = async (show: Show) => {
    let last = '';
    while (Date.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, VIEWER_POLL_MS));
      try {
        const segments = await segmentsOf(show.hls);
        for (const segment of segments.slice(segments.indexOf(last) + 1)) {
          const response = await fetch(segment);
          await response.arrayBuffer();
          if (!response.ok) throw new Error(`${response.status}`);
          last = segment;
          viewed.segments += 1;
        }
      } catch {
        viewed.failures += 1;
      }
    }
  };
  await Promise.all(shows.map(watch));
  const recovered = stderr().split('"recovering"').length - 1;
  if (recovered > 0) process.stdout.write(`${recovered} complaints of the supervisor:\n${stderr()}\n`);
  return viewed;
}

function report(run: {
  readonly processes: readonly MemoryOfProcess[];
  readonly startedAtMs: number;
  readonly viewers: Viewed;
}): boolean {
  const fromMs = run.startedAtMs + minutes * 60_000 * WARM_UP_SHARE;
  const rows = run.processes.map(({ name, samples }) => {
    const memory = samples.map(({ mebibytes }) => mebibytes);
    const slope = slopeMiBPerHour(samples, fromMs);
    return { name, first: memory[0] ?? 0, last: memory.at(-1) ?? 0, max: Math.max(...memory), slope };
  });
  process.stdout.write(
    `${minutes} min, ${channels} × ${BITRATE_KBPS / 1000} Mbit/s in real time; ${run.viewers.segments} segments fetched, ${run.viewers.failures} failures\n` +
      '| process | first MiB | last MiB | most MiB | slope, MiB/h after the warm-up |\n|---|---|---|---|---|\n',
  );
  for (const { name, first, last, max, slope } of rows) {
    const figures = [first, last, max, slope].map((value) => value.toFixed(1)).join(' | ');
    process.stdout.write(`| ${name} | ${figures} |\n`);
  }
  const steep = rows.filter(({ name, slope, max }) => {
    // Azurite keeps all its metadata in memory: its growth is printed, and not ours.
    if (name.includes(' azurite ')) return false;
    const isOrigin = /serve origin|serve-connections/.test(name);
    return isOrigin ? max > ORIGIN_MIB_MAX : slope > maxSlope;
  });
  for (const { name, slope, max } of steep)
    process.stdout.write(`${name} grows too much: ${slope.toFixed(0)} MiB/h, up to ${max.toFixed(0)} MiB\n`);
  const viewersAreServed = run.viewers.segments > 0 && run.viewers.failures <= channels * minutes;
  return steep.length === 0 && viewersAreServed;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} is "${text}", not a positive number`);
  return value;
}
