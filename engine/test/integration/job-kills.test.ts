import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunningEngine } from '../support/engine-program.ts';
import { type JobStack, startJobStack } from '../support/job-stack.ts';
import { ffmpeg, run, until } from '../support/programs.ts';

/** 10 in the nightly run, in which storage is away for 30 s. */
const KILLS = Number(process.env['HEADEND_WORKER_KILLS'] ?? 2);
const IS_LONG = KILLS > 2;
const OUTAGE_MS = IS_LONG ? 30_000 : 4000;
const START_MS_MAX = 240_000;
const JOB_MS_MAX = 300_000;
/** Until a job goes on whose worker was killed: 6 s with these leases (docs/jobs.md), on a machine that is busy. */
const RECOVERY_MS_MAX = 20_000;
/** Until a part is begun, the input having been brought and looked at. */
const PART_MS_MAX = 120_000;
/** What a worker that was killed at the end has left is swept once a minute. */
const SWEPT_MS_MAX = 90_000;
const CASE_MS_MAX = JOB_MS_MAX * 2;
/** Of inputs; the killed job is so long that it is not over before the last kill. */
const SECONDS = { killed: IS_LONG ? 200 : 24, outage: 24 };
/** Soon somebody else's. */
const WORKER = {
  HEADEND_WORKER_LEASE_MS: '2000',
  HEADEND_JOB_PART_SECONDS: IS_LONG ? '2' : '6',
  HEADEND_FFMPEG_THREADS: '1',
};
const PRESET = {
  odataType: '#Microsoft.Media.BuiltInStandardEncoderPreset',
  presetName: 'H264SingleBitrateSD',
};

let stack: JobStack;

beforeAll(async () => {
  stack = await startJobStack(WORKER);
  for (const [name, seconds] of Object.entries(SECONDS)) {
    const source = `${stack.folder}/${name}.mp4`;
    await ffmpeg(
      ...['-y', '-f', 'lavfi', '-i', `testsrc2=size=640x360:rate=25:duration=${seconds}`],
      ...['-f', 'lavfi', '-i', `sine=duration=${seconds}`, '-c:v', 'libx264', '-preset', 'ultrafast'],
      ...['-b:v', '1M', '-g', '50', '-c:a', 'aac', source],
    );
    await stack.upload(name, { 'source.mp4': source });
  }
  await stack.scale(2);
}, START_MS_MAX);

afterAll(async () => {
  await stack?.close();
});

/** The figures of the long form. */
function say(text: string): void {
  if (IS_LONG) process.stdout.write(`${text}\n`);
}

async function checkOutput(name: keyof typeof SECONDS): Promise<void> {
  const job = await stack.ended(name, JOB_MS_MAX);
  expect(job.outputs?.map(({ error }) => error)).toEqual([undefined]);
  expect(job.state).toBe('Finished');
  const blobs = Object.keys(await stack.blobsOf(`${name}-out`));
  const [media = '', ...others] = blobs.filter((blob) => blob.endsWith('.mp4'));
  expect(others).toEqual([]);
  const { stdout, stderr } = await run(
    'ffprobe',
    ...['-v', 'error', '-count_frames', '-select_streams', 'v:0', '-of', 'csv=p=0'],
    ...['-show_entries', 'stream=nb_read_frames', await stack.download(`${name}-out`, media)],
  );
  expect([stdout.trim(), stderr]).toEqual([String(SECONDS[name] * 25), '']);
  // What a killed worker left is swept within a minute.
  const { length } = await stack.leftOver();
  const beganAtMs = Date.now();
  await until(
    async () => (await stack.leftOver()).length === 0,
    'an empty container of the jobs',
    SWEPT_MS_MAX,
  );
  const [madeMs, sweptMs] = [
    Date.parse(String(job.endTime)) - Date.parse(String(job.created)),
    Date.now() - beganAtMs,
  ];
  say(`${name}: ${stdout.trim()} frames after ${madeMs} ms; ${length} blobs left, none after ${sweptMs} ms`);
}

/** What a worker's log says of its work: what it has at this moment, and when it has begun with something. */
function readWork(worker: RunningEngine): {
  readonly hasJob: boolean;
  readonly parts: ReadonlySet<string>;
  readonly begunAtMs: number;
  readonly partAtMs: number;
} {
  let hasJob = false;
  let begunAtMs = 0;
  let partAtMs = 0;
  const parts = new Set<string>();
  for (const line of worker.log().split('\n')) {
    const { at, event, step, index } = /^\{.*\}$/.test(line) ? JSON.parse(line) : { event: '' };
    if (event === 'worker.jobTaken' || event === 'worker.partBegun') begunAtMs = Date.parse(at);
    if (event === 'worker.jobTaken') hasJob = true;
    if (event === 'worker.jobEnded' || event === 'worker.jobLeft') hasJob = false;
    if (event === 'worker.partMade') parts.delete(`${step}/${index}`);
    if (event !== 'worker.partBegun') continue;
    parts.add(`${step}/${index}`);
    partAtMs = Date.parse(at);
  }
  return { hasJob, parts, begunAtMs, partAtMs };
}

/** One of those who have the job or a part of it. */
function pickAtWork(workers: readonly RunningEngine[]): RunningEngine | undefined {
  const busy = workers.filter((worker) => {
    const { hasJob, parts } = readWork(worker);
    return hasJob || parts.size > 0;
  });
  return busy[Math.floor(Math.random() * busy.length)];
}

/** Kills whoever is at work, time after time, and answers after how many milliseconds the job went on each time. */
async function killWorkers(workers: RunningEngine[], isOver: () => Promise<boolean>): Promise<number[]> {
  const recoveries: number[] = [];
  for (let killedAtMs = 0; recoveries.length < KILLS; ) {
    // Every other one while parts are made; a job of which nothing is made between five deaths is given up.
    const hasPart = () => workers.some((worker) => readWork(worker).partAtMs > killedAtMs);
    if (recoveries.length % 2 === 0) {
      await until(async () => hasPart() || (await isOver()), 'a part at work', PART_MS_MAX);
    }
    await new Promise((resolve) => setTimeout(resolve, 300 + Math.random() * (IS_LONG ? 4000 : 1500)));
    const victim = pickAtWork(workers);
    if (await isOver()) break;
    // Somebody is about to take it up again.
    if (victim === undefined) continue;
    killedAtMs = Date.now();
    await victim.stop('SIGKILL');
    workers.splice(workers.indexOf(victim), 1);
    // Somebody has the job, and has begun with it or with a part of it since.
    const goesOn = async () => {
      const works = workers.map(readWork);
      const hasBegun = works.some(({ begunAtMs }) => begunAtMs > killedAtMs);
      return (hasBegun && works.some(({ hasJob }) => hasJob)) || isOver();
    };
    await Promise.all([
      until(goesOn, 'work that goes on', RECOVERY_MS_MAX).then(() => {
        recoveries.push(Date.now() - killedAtMs);
      }),
      stack.startWorker().then((worker) => workers.push(worker)),
    ]);
  }
  return recoveries;
}

describe('a job in parts', () => {
  it(
    'is finished although its workers are killed in the middle, whichever they are',
    async () => {
      await stack.runJob('killed', { preset: PRESET, input: 'killed' });
      const { jobs } = stack.arm.client;
      const workers = await Promise.all([stack.startWorker(), stack.startWorker()]);
      const recoveries = await killWorkers(workers, async () => {
        const { state = '' } = await jobs.get('headend', 'headend', 'killed', 'killed');
        return ['Finished', 'Error'].includes(state);
      });
      say(`killed ${recoveries.length} times, on after ${recoveries} ms`);
      // On a fast machine it may be over before the last kill.
      expect(recoveries.length).toBeGreaterThanOrEqual(IS_LONG ? KILLS : 1);
      await checkOutput('killed');
      await Promise.all(workers.map((worker) => worker.stop('SIGTERM')));
    },
    CASE_MS_MAX,
  );

  it(
    'is finished although control is killed and storage is away in the middle',
    async () => {
      const worker = await stack.startWorker();
      await stack.runJob('outage', { preset: PRESET, input: 'outage' });
      await until(
        async () => (await stack.leftOver()).some((name) => /done\.json$/.test(name)),
        'a finished part',
        PART_MS_MAX,
      );
      await stack.arm.engine.stop('SIGKILL');
      stack.arm.azurite.pause();
      await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
      stack.arm.azurite.resume();
      await stack.arm.program.start('control', { HEADEND_STORAGE: stack.arm.azurite.connectionString });
      await checkOutput('outage');
      await worker.stop('SIGTERM');
    },
    CASE_MS_MAX,
  );
});
