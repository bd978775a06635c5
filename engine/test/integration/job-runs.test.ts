import { readFile, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeCertificate } from '../support/certificates.ts';
import type { RunningEngine } from '../support/engine-program.ts';
import { AT, type JobStack, startJobStack } from '../support/job-stack.ts';
import { ffmpeg, run, until } from '../support/programs.ts';
import { makeSource } from '../support/source-media.ts';

const START_MS_MAX = 240_000;
const CASE_MS_MAX = 120_000;
const JOB_MS_MAX = 100_000;
const SECONDS = 6;
const FAST = { updateIntervalInMs: 50 };
const LADDER = {
  odataType: '#Microsoft.Media.BuiltInStandardEncoderPreset',
  presetName: 'AdaptiveStreaming',
} as const;

let stack: JobStack;
let origin: RunningEngine;
let worker: RunningEngine;
let certificate: { readonly cert: string; readonly key: string };

beforeAll(async () => {
  stack = await startJobStack({ HEADEND_JOB_HTTP_ALLOW_PRIVATE: '1' });
  // The same program again, with what live events need.
  await stack.arm.engine.stop('SIGTERM');
  const storage = { HEADEND_STORAGE: stack.arm.azurite.connectionString };
  await stack.arm.program.start('control,ingest', storage);
  const { certPem, keyPem } = await makeCertificate();
  certificate = { cert: certPem, key: keyPem };
  const caFile = `${stack.folder}/ca.pem`;
  await writeFile(caFile, certPem);
  [origin, worker] = await Promise.all([
    stack.arm.program.start('origin', storage),
    stack.startWorker({ NODE_EXTRA_CA_CERTS: caFile }),
  ]);
  const source = await makeSource(stack.folder, 'source.mp4', SECONDS);
  await stack.upload('source', { 'source.mp4': source });
}, START_MS_MAX);

afterAll(async () => {
  await stack?.close();
});

/** With a certificate that the workers of this test trust. */
async function serveHttps(listener: RequestListener) {
  const server = createServer(certificate, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    origin: `https://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

const framesOf = async (file: string): Promise<number> => {
  // The origin's segments have no extensions.
  const hls = file.includes('m3u8') ? ['-extension_picky', '0'] : [];
  const { stdout, stderr } = await run(
    'ffprobe',
    ...hls,
    ...['-v', 'error', '-select_streams', 'v:0', '-count_packets'],
    ...['-show_entries', 'stream=nb_read_packets', '-of', 'csv=p=0', file],
  );
  expect(stderr).toBe('');
  return Number(stdout.trim().split('\n')[0]);
};

describe('a job', () => {
  it(
    'makes what plays at once, leaves nothing behind, and tells of its progress',
    async () => {
      await stack.runJob('ladder', { preset: LADDER, input: 'source' });
      const job = await stack.ended('ladder', JOB_MS_MAX);
      expect(job.outputs).toMatchObject([{ state: 'Finished', progress: 100 }]);
      expect(job.state).toBe('Finished');
      const blobs = Object.keys(await stack.blobsOf('ladder-out'));
      expect(blobs.filter((name) => name.endsWith('.ism'))).toHaveLength(1);
      const video = blobs.filter((name) => name.endsWith('.mp4') && /_\d+x\d+_/.test(name));
      expect(video.length).toBeGreaterThan(0);
      for (const name of video) {
        expect(await framesOf(await stack.download('ladder-out', name))).toBe(SECONDS * 25);
      }
      await until(async () => (await stack.leftOver()).length === 0, 'an empty container of the jobs');
      expect((await stack.inScratch()).length).toBeLessThanOrEqual(1);

      const { streamingLocators } = stack.arm.client;
      await streamingLocators.create(...AT, 'watch', {
        assetName: 'ladder-out',
        streamingPolicyName: 'Predefined_ClearStreamingOnly',
      });
      const { streamingLocatorId = '' } = await streamingLocators.get(...AT, 'watch');
      const manifest = blobs.find((name) => name.endsWith('.ism')) ?? '';
      const address = `http://127.0.0.1:${origin.ports['streaming']}/${streamingLocatorId}/${manifest}/manifest`;
      await stack.arm.client.streamingEndpoints.beginStartAndWait(...AT, 'default', {
        updateIntervalInMs: 50,
      });
      for (const manifestOf of ['(format=m3u8-cmaf).m3u8', '(format=mpd-time-cmaf).mpd']) {
        expect(await framesOf(address + manifestOf)).toBe(SECONDS * 25);
      }
      expect(worker.log()).not.toMatch(/"level":"error"/);
    },
    CASE_MS_MAX,
  );

  it(
    'is canceled within two seconds, and FFmpeg with it',
    async () => {
      const long = `${stack.folder}/long.mp4`;
      await ffmpeg(
        ...['-y', '-f', 'lavfi', '-i', 'testsrc2=size=1280x720:rate=25:duration=40'],
        ...['-c:v', 'libx264', '-preset', 'ultrafast', '-b:v', '1M', long],
      );
      await stack.upload('long', { 'long.mp4': long });
      await stack.runJob('canceled', { preset: LADDER, input: 'long' });
      const { jobs } = stack.arm.client;
      await until(async () => (await running(stack.scratchPath)).length > 0, 'FFmpeg at work');
      await jobs.cancelJob(...AT, 'canceled', 'canceled');
      const atMs = Date.now();
      expect((await stack.ended('canceled', 10_000)).state).toBe('Canceled');
      // Two seconds, and what a busy machine adds.
      expect(Date.now() - atMs).toBeLessThan(4000);
      expect(await running(stack.scratchPath)).toEqual([]);
      expect(await stack.blobsOf('canceled-out')).toEqual({});
      await until(async () => (await stack.leftOver()).length === 0, 'an empty container of the jobs');
    },
    CASE_MS_MAX,
  );
});

describe('other inputs', () => {
  const SINGLE = { ...LADDER, presetName: 'H264SingleBitrateSD' } as const;

  async function framesMade(name: string): Promise<number> {
    const job = await stack.ended(name, JOB_MS_MAX);
    expect(job.outputs?.map(({ error }) => error)).toEqual([undefined]);
    const [media = ''] = Object.keys(await stack.blobsOf(`${name}-out`)).filter((blob) =>
      /\.mp4$/.test(blob),
    );
    return framesOf(await stack.download(`${name}-out`, media));
  }

  it(
    'a clip of what a live event has recorded',
    async () => {
      const { client } = stack.arm;
      const accessControl = { ip: { allow: [{ address: '127.0.0.0', subnetPrefixLength: 8 }] } };
      const event = { location: 'local', input: { streamingProtocol: 'RTMP', accessControl } };
      await client.liveEvents.beginCreateAndWait(...AT, 'show', event, { ...FAST, autoStart: true });
      await client.assets.createOrUpdate(...AT, 'recording', {});
      const output = { assetName: 'recording', archiveWindowLength: 'PT1H', manifestName: 'main' };
      await client.liveOutputs.beginCreateAndWait(...AT, 'show', 'rec', output, FAST);
      const { input } = await client.liveEvents.get(...AT, 'show');
      await ffmpeg(
        ...['-re', '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25:duration=7'],
        ...['-f', 'lavfi', '-i', 'sine=duration=7', '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '25'],
        ...['-c:a', 'aac', '-f', 'flv', `${input?.endpoints?.[0]?.url}/main`],
      );
      await client.liveEvents.beginStopAndWait(...AT, 'show', { removeOutputsOnStop: true }, FAST);
      const clip = (start: string, end: string) => ({
        odataType: '#Microsoft.Media.JobInputAsset',
        assetName: 'recording',
        start: { odataType: '#Microsoft.Media.AbsoluteClipTime', time: start },
        end: { odataType: '#Microsoft.Media.AbsoluteClipTime', time: end },
      });
      await stack.runJob('clip', { preset: SINGLE, input: clip('PT1S', 'PT3S') });
      expect(await framesMade('clip')).toBe(50);
    },
    CASE_MS_MAX,
  );

  it(
    'clips in a row, and a file that somebody else serves over HTTPS',
    async () => {
      const clip = (start: string, end: string) => ({
        odataType: '#Microsoft.Media.JobInputAsset',
        assetName: 'source',
        start: { odataType: '#Microsoft.Media.AbsoluteClipTime', time: start },
        end: { odataType: '#Microsoft.Media.AbsoluteClipTime', time: end },
      });
      const inputs = [clip('PT1S', 'PT2S'), clip('PT4S', 'PT5.4S')];
      await stack.runJob('row', {
        preset: SINGLE,
        input: { odataType: '#Microsoft.Media.JobInputSequence', inputs },
      });
      expect(await framesMade('row')).toBe(25 + 35);
      const [media = ''] = await Promise.all([stack.download('source', 'source.mp4')]);
      const bytes = await readFile(media);
      const server = await serveHttps((_, response) => response.end(bytes));
      try {
        await stack.runJob('fetched', {
          preset: SINGLE,
          input: { odataType: '#Microsoft.Media.JobInputHttp', files: [`${server.origin}/a.mp4?sig=SECRET`] },
        });
        expect(await framesMade('fetched')).toBe(SECONDS * 25);
        expect(worker.log()).not.toContain('SECRET');
      } finally {
        await server.close();
      }
    },
    CASE_MS_MAX,
  );
});

/** Programs that are at home in a folder of the scratch folder. */
async function running(scratchPath: string): Promise<readonly string[]> {
  const { stdout } = await run('sh', '-c', 'ls -l /proc/[0-9]*/cwd 2>/dev/null || true');
  return stdout.split('\n').filter((line) => line.includes(scratchPath));
}
