import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { EncodingPlan, FFmpegRun } from '../../src/encoding/encoding-plan.ts';
import { planEncoding } from '../../src/encoding/plan-encoding.ts';
import { parseProbe } from '../../src/encoding/source-probe.ts';
import { createJobBlobs } from '../../src/store/job-blobs.ts';
import { StorageAccounts } from '../../src/store/storage-accounts.ts';
import type { RunningEngine } from '../support/engine-program.ts';
import { type JobStack, startJobStack } from '../support/job-stack.ts';
import { ffmpeg } from '../support/programs.ts';

const SECONDS = 60;
/** A fifteenth of the whole: shares of a half are no better than that. */
const PART_SECONDS = 4;
const ROUNDS = 3;
/** Asking ten times a second would take a tenth of a core. */
const LOOK_MS = 2000;
/** Until a worker that has just been started has its encoding unit. */
const SETTLED_MS = 5000;
const JOB_MS_MAX = 20 * 60_000;
const UPLOAD_BYTES = 256 * 1024 * 1024;
const LADDER = 'AdaptiveStreaming';
const SINGLE = 'H264SingleBitrate720p';

/** Jobs against the FFmpeg CLI, two workers against one, what a worker needs, and how fast outputs are stored. */
export async function benchEncoding(): Promise<string> {
  const stack = await startJobStack({ HEADEND_JOB_PART_SECONDS: String(PART_SECONDS) });
  try {
    const source = await makeSource(stack.folder);
    await stack.upload('source', { 'source.mp4': source });
    const lines = ['| measured | figure | target |', '|---|---|---|'];
    lines.push(await benchWorkers(stack), ...(await benchLadder(stack, source)), await benchUpload(stack));
    return lines.join('\n');
  } finally {
    await stack.close();
  }
}

async function makeSource(folder: string): Promise<string> {
  const file = join(folder, 'bench.mp4');
  await ffmpeg(
    ...['-y', '-f', 'lavfi', '-i', `testsrc2=size=1280x720:rate=25:duration=${SECONDS}`],
    ...['-f', 'lavfi', '-i', `sine=duration=${SECONDS}`, '-vf', 'noise=alls=8:allf=t'],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '50', '-b:v', '6M', '-c:a', 'aac', file],
  );
  return file;
}

/** Seconds from the first state to the last, as the job itself tells them. */
async function timeJob(stack: JobStack, presetName: string): Promise<number> {
  const name = `bench-${randomUUID().slice(0, 8)}`;
  const preset = { odataType: '#Microsoft.Media.BuiltInStandardEncoderPreset', presetName };
  await stack.runJob(name, { preset, input: 'source' });
  const { state, startTime, endTime } = await stack.ended(name, JOB_MS_MAX, LOOK_MS);
  if (state !== 'Finished') throw new Error(`the job ended in ${state}`);
  return (Number(endTime) - Number(startTime)) / 1000;
}

async function benchWorkers(stack: JobStack): Promise<string> {
  const single = { HEADEND_FFMPEG_THREADS: '1', HEADEND_WORKER_UNITS_MAX: '1' };
  const ratios: number[] = [];
  const first = await stack.startWorker(single);
  await stack.scale(1);
  await sleep(SETTLED_MS);
  for (let round = 0; round < ROUNDS; round += 1) {
    await stack.scale(1);
    const alone = await timeJob(stack, SINGLE);
    const second = await stack.startWorker(single);
    await stack.scale(2);
    await sleep(SETTLED_MS);
    const together = await timeJob(stack, SINGLE);
    await second.stop('SIGTERM');
    note(`one worker ${alone.toFixed(1)} s, two ${together.toFixed(1)} s`);
    ratios.push(alone / together);
  }
  await first.stop('SIGTERM');
  return `| two workers of one thread against one, ${SECONDS} s of 720p in parts of ${PART_SECONDS} s | ${median(ratios).toFixed(2)} × (${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}) | ≥ 1.8 |`;
}

async function benchLadder(stack: JobStack, source: string): Promise<readonly string[]> {
  const threads = '2';
  const env = {
    HEADEND_FFMPEG_THREADS: threads,
    HEADEND_WORKER_UNITS_MAX: '1',
    HEADEND_JOB_PART_SECONDS: '',
  };
  const worker = await stack.startWorker(env);
  await stack.scale(1);
  await sleep(SETTLED_MS);
  const plan = await planOf(source, Number(threads));
  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const job = await timeJob(stack, LADDER);
    const cli = await timeCli(plan, source, stack.folder);
    note(`ladder by a job ${job.toFixed(1)} s, by FFmpeg ${cli.toFixed(1)} s`);
    ratios.push(cli / job);
  }
  const memory = await peakMib(worker);
  await worker.stop('SIGTERM');
  return [
    `| ladder (${LADDER}, ${SECONDS} s of 720p): speed of the job against the FFmpeg CLI, same settings | ${median(ratios).toFixed(2)} × (${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}) | ≥ 0.97 |`,
    `| memory of the worker process at most, FFmpeg not counted | ${memory} MiB | — |`,
  ];
}

async function planOf(source: string, threads: number): Promise<EncodingPlan> {
  const args = ['-v', 'error', '-of', 'json', '-show_format', '-show_streams', source];
  const { stdout } = await promisify(execFile)('ffprobe', args);
  const { size: sizeBytes } = await stat(source);
  const read = parseProbe(JSON.parse(stdout), { name: 'source.mp4', path: 'input-0', sizeBytes });
  if (read.kind === 'refused') throw new Error(read.message);
  const files = [read.source];
  const planned = planEncoding({
    preset: { '@odata.type': '#Microsoft.Media.BuiltInStandardEncoderPreset', presetName: LADDER },
    clips: [{ files, start: undefined, end: undefined, startsAtMs: undefined, inputDefinitions: [] }],
    overlays: [],
    outputAssetId: randomUUID(),
    threads,
  });
  if (planned.kind === 'refused') throw new Error(planned.message);
  return planned.plan;
}

async function timeCli(plan: EncodingPlan, source: string, folder: string): Promise<number> {
  const cwd = await mkdtemp(join(folder, 'cli-'));
  await promisify(execFile)('cp', [source, join(cwd, 'input-0')]);
  const beganAtMs = performance.now();
  for (const step of plan.steps) {
    const runs = step.kind === 'whole' ? [step.run] : [...step.parts.map(({ run }) => run), step.join];
    for (const run of runs) await runCli(run, cwd);
  }
  const seconds = (performance.now() - beganAtMs) / 1000;
  await rm(cwd, { recursive: true });
  return seconds;
}

async function runCli(run: FFmpegRun, cwd: string): Promise<void> {
  for (const { path, text } of run.texts) await writeFile(join(cwd, path), text);
  const child = spawn('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...run.arguments], {
    cwd,
    stdio: 'inherit',
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`FFmpeg ended with ${String(code)}`);
}

async function peakMib({ pid }: RunningEngine): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) / 1024);
}

async function benchUpload(stack: JobStack): Promise<string> {
  const path = join(stack.folder, 'upload.bin');
  await writeFile(path, '');
  await truncate(path, UPLOAD_BYTES);
  const accounts = StorageAccounts.ofSystem(stack.arm.azurite.connectionString);
  const place = { container: 'bench-upload' };
  await accounts.container(place).createIfNotExists();
  const { signal } = new AbortController();
  const before = process.memoryUsage.rss();
  const beganAtMs = performance.now();
  const body = { path, contentType: 'video/mp4' };
  await (await createJobBlobs(accounts).stage(place, 'upload.bin', body, { signal })).commit(signal);
  const seconds = (performance.now() - beganAtMs) / 1000;
  const grownMib = Math.round((process.memoryUsage.rss() - before) / 2 ** 20);
  const rate = UPLOAD_BYTES / 2 ** 20 / seconds;
  return `| an output of ${UPLOAD_BYTES / 2 ** 20} MiB to Azurite in memory | ${rate.toFixed(0)} MiB/s, +${grownMib} MiB resident | — |`;
}

/** Of a run that takes minutes, one wants to see something. */
const note = (text: string): void => void process.stderr.write(`  ${text}\n`);

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}
