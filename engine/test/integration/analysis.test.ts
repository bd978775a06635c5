import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '@azure/arm-mediaservices';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from '@plussub/srt-vtt-parser';
import { parseXml } from '../../src/manifests/xml-document.ts';
import type { RunningEngine } from '../support/engine-program.ts';
import { AT, type JobStack, startJobStack } from '../support/job-stack.ts';
import { ffmpeg, run, until } from '../support/programs.ts';
import { FAST } from '../support/sdk-sweep.ts';
import { wordErrorRate } from '../support/word-errors.ts';

const START_MS_MAX = 120_000;
const CASE_MS_MAX = 240_000;
const JOB_MS_MAX = 150_000;
/** Of Debian's package pocketsphinx-testdata: a reading of LibriVox. */
const READING = '/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0880.wav';
const SPOKEN = 'The committee will meet on Tuesday to discuss the new budget for the city library.';
const READ = 'he was not an ill disposed young man';
/** So long that what is before and after it is recognised separately. */
const PAUSE_SECONDS = 60;
/** Short, so that what a killed worker had is somebody else's soon. */
const TIMING = { HEADEND_WORKER_LEASE_MS: '2000' };
/** What is measured on more speech is 9 to 31 % (docs/analysis.md). */
const WORD_ERROR_RATE_MAX = 0.45;

const AUDIO = { odataType: '#Microsoft.Media.AudioAnalyzerPreset' } as const;
const VIDEO = { odataType: '#Microsoft.Media.VideoAnalyzerPreset' } as const;

let stack: JobStack;
let worker: RunningEngine;

beforeAll(async () => {
  stack = await startJobStack();
  worker = await stack.startWorker(TIMING);
  await stack.scale(2);
}, START_MS_MAX);

afterAll(async () => {
  await stack?.close();
});

const make = async (name: string, ...args: readonly string[]): Promise<string> => {
  const file = `${stack.folder}/${name}`;
  expect(await ffmpeg('-y', ...args, file)).toBe('');
  return file;
};

const lavfi = (source: string): string[] => ['-f', 'lavfi', '-i', source];

async function finished(name: string): Promise<string[]> {
  const job = await stack.ended(name, JOB_MS_MAX);
  const outcome = job.outputs?.map(({ state, progress, error }) => ({ state, progress, error }));
  expect(outcome).toEqual([{ state: 'Finished', progress: 100, error: undefined }]);
  return Object.keys(await stack.blobsOf(`${name}-out`)).sort();
}

const textOf = async (name: string, blob: string): Promise<string> =>
  readFile(await stack.download(`${name}-out`, blob), 'utf8');

// What is read is checked field by field by what is expected of it.
const insightsOf = async (name: string) => JSON.parse(await textOf(name, 'insights.json'));

const errorOf = ({ outputs: [output] = [] }: Job) => {
  const { code, category, retry, message = '' } = output?.error ?? {};
  return { state: output?.state, code, category, retry, message };
};

const seconds = (time: string): number => {
  const [hours = 0, minutes = 0, rest = 0] = time.split(':').map(Number);
  return (hours * 60 + minutes) * 60 + rest;
};

interface Instance {
  readonly start: string;
  readonly end: string;
}
const instancesOf = (insights: readonly { readonly instances: readonly Instance[] }[]): number[][] =>
  insights.flatMap(({ instances }) => instances.map(({ start, end }) => [seconds(start), seconds(end)]));

describe('speech', () => {
  it(
    'becomes captions of a film, though its worker dies in the middle, and insights that say how far to believe them',
    async () => {
      const film = await make(
        'film.mp4',
        ...lavfi(`flite=text='${SPOKEN}':voice=slt`),
        ...['-i', READING],
        ...lavfi(`anullsrc=r=16000:cl=mono:d=${PAUSE_SECONDS}`),
        ...lavfi('testsrc2=s=160x90:r=25'),
        ...['-filter_complex', '[0:a]aresample=16000[a];[a][2:a][1:a]concat=n=3:v=0:a=1[sound]'],
        ...['-map', '3:v', '-map', '[sound]', '-shortest', '-c:v', 'libx264', '-preset', 'ultrafast'],
        ...['-c:a', 'aac', '-ac', '2', '-ar', '48000'],
      );
      await stack.upload('film', { 'film.mp4': film });
      await stack.runJob('speech', { preset: AUDIO, input: 'film' });
      const isKept = async () =>
        (await stack.leftOver()).some((name) => /\/speech-.*\/0-\d+\.json$/.test(name));
      for (const beganAtMs = Date.now(); !(await isKept()); ) {
        if (Date.now() - beganAtMs > JOB_MS_MAX) throw new Error('nothing was heard');
        await sleep(20);
      }
      await worker.stop('SIGKILL');
      worker = await stack.startWorker(TIMING);
      expect(await finished('speech')).toEqual(['insights.json', 'transcript.ttml', 'transcript.vtt']);

      const insights = await insightsOf('speech');
      expect(insights).toMatchObject({
        language: 'en-US',
        isLanguageDetected: false,
        engine: { name: 'PocketSphinx', expectedWordErrorRate: expect.stringContaining('26 to 31 %') },
        loudness: { integratedLufs: expect.any(Number), truePeakDbtp: expect.any(Number) },
      });
      expect(insights.engine.notes.join(' ')).toContain('it listened for en-US');
      const heard: string = insights.transcript.map(({ text }: { text: string }) => text).join(' ');
      const rate = wordErrorRate(`${SPOKEN} ${READ}`, heard);
      process.stderr.write(`word error rate: ${(rate * 100).toFixed(1)} %: ${heard}\n`);
      expect(rate).toBeLessThan(WORD_ERROR_RATE_MAX);
      const [pause] = instancesOf(insights.audioEffects);
      const [start = 0, end = 0] = pause ?? [];
      // flite and the reader have silence of their own before and after what they say.
      expect(end - start).toBeGreaterThan(PAUSE_SECONDS - 0.1);
      const words: (Instance & { text: string; confidence: number })[] = insights.transcript.flatMap(
        (phrase: { words: object[] }) => phrase.words,
      );
      expect(
        words.filter((word) => seconds(word.start) > start + 0.3 && seconds(word.end) < end - 0.3),
      ).toEqual([]);
      expect(words.some((word) => seconds(word.end) <= start + 0.3)).toBe(true);
      expect(words.some((word) => seconds(word.start) >= end - 0.3)).toBe(true);
      for (const { confidence } of words) expect(confidence).toBeLessThanOrEqual(1);

      const vtt = await textOf('speech', 'transcript.vtt');
      const entries: readonly { readonly from: number; readonly text: string }[] = parse(vtt).entries;
      expect(entries.map(({ text }) => text.replaceAll('\n', ' ')).join(' ')).toBe(heard);
      const ttml = parseXml(await textOf('speech', 'transcript.ttml'));
      expect(ttml).toMatchObject({ name: 'tt', attributes: { lang: 'en-US' } });

      await stack.upload('film', { 'transcript.vtt': Buffer.from(vtt), 'film.ism': Buffer.from(ISM) });
      const { tracks } = stack.arm.client;
      const track = { odataType: '#Microsoft.Media.TextTrack', fileName: 'transcript.vtt' } as const;
      await tracks.beginCreateOrUpdateAndWait(...AT, 'film', 'captions', { track }, FAST);
      expect(await tracks.get(...AT, 'film', 'captions')).toMatchObject({
        provisioningState: 'Succeeded',
        track: { fileName: 'transcript.vtt', languageCode: 'en-US', playerVisibility: 'Visible' },
      });
      // What was remembered for another worker is gone with the job.
      await until(async () => (await stack.leftOver()).length === 0, 'an empty container of the jobs');
      expect(worker.log()).toMatch(/worker.speechRecalled.*"startMs":0/);
      expect(worker.log()).not.toMatch(/"level":"error"/);
    },
    CASE_MS_MAX,
  );
});

const ISM = `<?xml version="1.0" encoding="utf-8"?>
<smil xmlns="http://www.w3.org/2001/SMIL20/Language"><head/><body><switch>
<video src="film.mp4" systemBitrate="100000"><param name="trackID" value="1"/></video>
</switch></body></smil>`;

describe('a picture', () => {
  it(
    'is told shot by shot, with a frame of each, what is black and what stands still; of sound, silence and loudness',
    async () => {
      // 3 s that move, 3 s that stand still, 1.5 s of black, 2 s that move; sound with 2 s of silence from 3 s on.
      const cuts = await make(
        'cuts.mov',
        ...lavfi('testsrc=s=160x90:r=25:d=3'),
        ...lavfi('smptebars=s=160x90:r=25:d=3'),
        ...lavfi('color=black:s=160x90:r=25:d=1.52'),
        ...lavfi('mandelbrot=s=160x90:r=25'),
        ...lavfi('anoisesrc=d=3:r=48000:c=pink:a=0.3:seed=1'),
        ...lavfi('anullsrc=r=48000:cl=mono:d=2'),
        ...lavfi('sine=880:d=4.52:r=48000'),
        '-filter_complex',
        '[3]trim=duration=2[d];[0]setsar=1[a];[1]setsar=1[b];[2]setsar=1[c];[d]setsar=1[e];' +
          '[a][b][c][e]concat=n=4:v=1:a=0[v];[4][5][6]concat=n=3:v=0:a=1[s]',
        // Without loss: what stands still is the same picture then, from its first frame on.
        ...['-map', '[v]', '-map', '[s]', '-c:v', 'libx264', '-preset', 'ultrafast', '-qp', '0'],
        ...['-c:a', 'pcm_s16le'],
      );
      await stack.upload('cuts', { 'cuts.mov': cuts });
      await stack.runJob('cuts', { preset: VIDEO, input: 'cuts' });
      const thumbnails = ['000001', '000002', '000003', '000004'].map((number) => `thumbnail${number}.jpg`);
      expect(await finished('cuts')).toEqual([
        'insights.json',
        ...thumbnails,
        'transcript.ttml',
        'transcript.vtt',
      ]);
      const insights = await insightsOf('cuts');
      expect(seconds(insights.duration)).toBeCloseTo(9.52, 1);
      expect(instancesOf(insights.shots)).toEqual([
        [0, 3],
        [3, 6],
        [6, 7.52],
        [7.52, 9.52],
      ]);
      expect(instancesOf(insights.blackFrames)).toEqual([[6, 7.52]]);
      const [[frozenFrom = 0, frozenTo = 0] = []] = instancesOf(insights.frozenPictures);
      expect([frozenFrom, frozenTo]).toEqual([3, 6]);
      const [[silentFrom = 0, silentTo = 0] = []] = instancesOf(insights.audioEffects);
      expect(Math.abs(silentFrom - 3)).toBeLessThan(0.1);
      expect(Math.abs(silentTo - 5)).toBeLessThan(0.1);
      expect(insights.audioEffects[0].type).toBe('Silence');
      const shown = insights.shots.map(
        (shot: { keyFrames: { instances: { thumbnail: string }[] }[] }) =>
          shot.keyFrames[0]?.instances[0]?.thumbnail,
      );
      expect(shown).toEqual(thumbnails);
      const jpeg = await stack.download('cuts-out', thumbnails[3] ?? '');
      const { stdout } = await run(
        'ffprobe',
        ...['-v', 'error', '-show_entries', 'stream=codec_name,width,height', '-of', 'csv=p=0', jpeg],
      );
      expect(stdout.trim()).toBe('mjpeg,160,90');
      // Of the first frame the hues of `testsrc`, of the third nothing but black.
      expect((await readFile(await stack.download('cuts-out', thumbnails[2] ?? ''))).length).toBeLessThan(
        2000,
      );
      const missing = insights.notExtracted.map(({ insight }: { insight: string }) => insight);
      expect(missing).toEqual(expect.arrayContaining(['ocr', 'faces', 'labels', 'sentiments', 'keywords']));
    },
    CASE_MS_MAX,
  );
});

describe('what cannot be analysed', () => {
  it(
    'ends in an error that says why, or in insights that say what there is not',
    async () => {
      const [mute, surround, empty] = await Promise.all([
        make('mute.mp4', ...['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=25:d=1', '-c:v', 'libx264']),
        make(
          'surround.wav',
          ...['-f', 'lavfi', '-i', 'anoisesrc=d=2:r=8000:c=white:a=0.02:seed=2', '-ac', '6', '-ar', '8000'],
        ),
        make('empty.wav', ...['-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono', '-t', '0']),
      ]);
      const late = await make(
        'late.m2ts',
        ...lavfi('testsrc2=s=160x90:r=25:d=3'),
        ...['-itsoffset', '1.6'],
        ...lavfi('anoisesrc=d=1.4:r=48000:c=pink:a=0.3:seed=1'),
        ...['-c:v', 'libx264', '-preset', 'ultrafast', '-c:a', 'aac', '-f', 'mpegts'],
      );
      const garbage = Buffer.from('no media at all, '.repeat(500));
      await stack.upload('late', { 'late.ts': late });
      await stack.upload('mute', { 'mute.mp4': mute });
      await stack.upload('surround', { 'surround.wav': surround });
      await stack.upload('empty', { 'empty.wav': empty });
      await stack.upload('garbage', { 'garbage.mp4': garbage });
      await stack.runJob('late', { preset: AUDIO, input: 'late' });
      await stack.runJob('mute', { preset: AUDIO, input: 'mute' });
      await stack.runJob('mute-all', { preset: VIDEO, input: 'mute' });
      await stack.runJob('german', { preset: { ...AUDIO, audioLanguage: 'de-DE' }, input: 'surround' });
      await stack.runJob('faces', {
        preset: { odataType: '#Microsoft.Media.FaceDetectorPreset' },
        input: 'mute',
      });
      await stack.runJob('unseen', {
        preset: { ...VIDEO, insightsToExtract: 'VideoInsightsOnly' },
        input: 'surround',
      });
      await stack.runJob('empty', { preset: AUDIO, input: 'empty' });
      await stack.runJob('garbage', { preset: AUDIO, input: 'garbage' });
      await stack.runJob('basic', {
        preset: { ...AUDIO, mode: 'Basic', audioLanguage: 'en-us' },
        input: 'surround',
      });

      const error = async (name: string) => errorOf(await stack.ended(name, JOB_MS_MAX));
      const content = { state: 'Error', category: 'Content', retry: 'DoNotRetry' };
      const configuration = {
        state: 'Error',
        code: 'ConfigurationUnsupported',
        category: 'Configuration',
        retry: 'DoNotRetry',
      };
      expect(await error('mute')).toMatchObject({ ...content, code: 'ContentUnsupported' });
      expect((await error('mute')).message).toContain("no sound in 'mute.mp4'");
      expect(await error('german')).toMatchObject(configuration);
      expect((await error('german')).message).toContain('It knows en-US');
      expect(await error('faces')).toMatchObject(configuration);
      expect(await error('unseen')).toMatchObject({ ...content, code: 'ContentUnsupported' });
      expect(await error('empty')).toMatchObject(content);
      expect(await error('garbage')).toMatchObject({ ...content, code: 'ContentMalformed' });

      expect(await finished('late')).toContain('transcript.vtt');
      const [[silentFrom = -1, silentTo = 0] = []] = instancesOf((await insightsOf('late')).audioEffects);
      expect([silentFrom, Math.round(silentTo * 10) / 10]).toEqual([0, 1.6]);

      expect(await finished('mute-all')).toEqual(['insights.json', 'thumbnail000001.jpg']);
      const mutes = await insightsOf('mute-all');
      expect(mutes.notExtracted).toContainEqual({
        insight: 'transcript',
        reason: 'There is no sound in the input.',
      });
      expect(Object.keys(mutes)).not.toContain('transcript');
      expect(await finished('basic')).toEqual(['insights.json', 'transcript.ttml', 'transcript.vtt']);
      const basic = await insightsOf('basic');
      expect(basic).toMatchObject({ language: 'en-US', duration: '00:00:02' });
      expect(Object.keys(basic)).not.toContain('audioEffects');
      expect(worker.log()).not.toMatch(/"level":"error"/);
    },
    CASE_MS_MAX,
  );
});
