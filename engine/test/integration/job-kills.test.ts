import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunningEngine } from '../support/engine-program.ts';
import { type JobStack, startJobStack } from '../support/job-stack.ts';
import { ffmpeg, run, until } from '../support/programs.ts';

/** 10 in the nightly run, in which storage is away for 30 s. */
const KILLS = Number(process.env['HEADEND_WORKER_KILLS'] ?? 2);
const OUTAGE_MS = KILLS > 2 ? 30_000 : 4000;
const START_MS_MAX = 240_000;
const JOB_MS_MAX = 300_000;
/** Messages and claims of who was killed come back after leases, one behind the other. */
const RECOVERY_MS_MAX = 150_000;
const CASE_MS_MAX = JOB_MS_MAX * 2;
const SECONDS = 24;
const FRAMES = SECONDS * 25;
/** Soon somebody else's. */
const WORKER = {
  HEADEND_WORKER_LEASE_MS: '2000',
  HEADEND_JOB_PART_SECONDS: '6',
  HEADEND_FFMPEG_THREADS: '1',
};
const PRESET = {
  odataType: '#Microsoft.Media.BuiltInStandardEncoderPreset',
  presetName: 'H264SingleBitrateSD',
};

let stack: JobStack;

beforeAll(async () => {
  stack = await startJobStack(WORKER);
  const source = `${stack.folder}/source.mp4`;
  await ffmpeg(
    ...['-y', '-f', 'lavfi', '-i', `testsrc2=size=640x360:rate=25:duration=${SECONDS}`],
    ...[
      '-f',
      'lavfi',
      '-i',
      `sine=duration=${SECONDS}`,
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
      '-b:v',
      '1M',
    ],
    ...['-g', '50', '-c:a', 'aac', source],
  );
  await stack.upload('source', { 'source.mp4': source });
  await stack.scale(2);
}, START_MS_MAX);

afterAll(async () => {
  await stack?.close();
});

async function checkOutput(name: string): Promise<void> {
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
  expect([stdout.trim(), stderr]).toEqual([String(FRAMES), '']);
  // What a killed worker left is swept within a minute.
  await until(
    async () => (await stack.leftOver()).length === 0,
    'an empty container of the jobs',
    RECOVERY_MS_MAX,
  );
}

describe('a job in parts', () => {
  it(
    'is finished although its workers are killed in the middle, whichever they are',
    async () => {
      let workers: RunningEngine[] = await Promise.all([stack.startWorker(), stack.startWorker()]);
      await stack.runJob('killed', { preset: PRESET, input: 'source' });
      const { jobs } = stack.arm.client;
      const isFinished = async () =>
        (await jobs.get('headend', 'headend', 'killed', 'killed')).state === 'Finished';
      const isAtWork = async () => (await stack.leftOver()).some((name) => /claim$/.test(name));
      for (let kill = 0; kill < KILLS; kill += 1) {
        // On a fast machine it may be over before its last kill.
        await until(
          async () => (await isAtWork()) || (await isFinished()),
          'a part at work',
          RECOVERY_MS_MAX,
        );
        await new Promise((resolve) => setTimeout(resolve, 300 + Math.random() * 4000));
        if (await isFinished()) break;
        const [victim, ...rest] = kill % 2 === 0 ? workers : workers.toReversed();
        await victim?.stop('SIGKILL');
        workers = [...rest, await stack.startWorker()];
      }
      await checkOutput('killed');
      await Promise.all(workers.map((worker) => worker.stop('SIGTERM')));
    },
    CASE_MS_MAX,
  );

  it(
    'is finished although storage is away in the middle',
    async () => {
      const worker = await stack.startWorker();
      await stack.runJob('outage', { preset: PRESET, input: 'source' });
      await until(
        async () => (await stack.leftOver()).some((name) => /done\.json$/.test(name)),
        'a finished part',
      );
      stack.arm.azurite.pause();
      await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
      stack.arm.azurite.resume();
      await checkOutput('outage');
      await worker.stop('SIGTERM');
    },
    CASE_MS_MAX,
  );
});
