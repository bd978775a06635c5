import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { contentAnalysis } from '../../src/encoding/content-aware.ts';
import type { EncodingPlan } from '../../src/encoding/encoding-plan.ts';
import type { EncodingRequest } from '../../src/encoding/encoding-request.ts';
import { planEncoding } from '../../src/encoding/plan-encoding.ts';
import { openLibraryRecording } from '../../src/library/library-recording.ts';
import { builtIn, encodingRequest, sourceClip, typed } from '../support/encoding-sources.ts';
import { folderContainer } from '../support/folder-container.ts';
import {
  carryOut,
  type ProbedStream,
  pictureTimes,
  probeSource,
  probeStreams,
  runIn,
  ssim,
  workingFolder,
} from '../support/plan-runs.ts';
import { ffmpeg } from '../support/programs.ts';

const LONG_MS = 20 * 60_000;
const FRAMES = 240;
const SECONDS = (FRAMES * 1001) / 30_000;
const GOP = 60;
const PART_SECONDS = 4;
/** What the pictures of the source can use. */
const CONTENT_BPS = 700_000;
const PRESETS = [
  { name: 'H264SingleBitrateSD', videos: 1, codec: 'h264', sound: 'aac' },
  { name: 'AdaptiveStreaming', videos: 1, codec: 'h264', sound: 'aac' },
  { name: 'ContentAwareEncoding', videos: 1, codec: 'h264', sound: 'aac' },
  { name: 'CopyAllBitrateNonInterleaved', videos: 1, codec: 'h264', sound: 'aac' },
  { name: 'AACGoodQualityAudio', videos: 0, codec: '', sound: 'aac' },
  { name: 'DDGoodQualityAudio', videos: 0, codec: '', sound: 'ac3' },
] as const;
let root: string;
let source: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'encoding-plans-'));
  source = join(root, 'holiday.mp4');
  // B-frames, 29.97 frames a second, sound that begins late and a picture that is never still.
  const pictures = `testsrc2=s=320x180:r=30000/1001,trim=end_frame=${FRAMES},noise=alls=12:allf=t`;
  await ffmpeg(
    ...[
      '-y',
      '-f',
      'lavfi',
      '-i',
      pictures,
      '-itsoffset',
      '0.7',
      '-f',
      'lavfi',
      '-i',
      `sine=440:d=${SECONDS - 0.7}`,
    ],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-g', '50', '-c:a', 'aac', source],
  );
}, LONG_MS);

afterAll(() => rm(root, { recursive: true, force: true }));

function planOf(request: EncodingRequest): EncodingPlan {
  const result = planEncoding(request);
  if (result.kind === 'refused') throw new Error(result.message);
  return result.plan;
}

interface Done {
  readonly plan: EncodingPlan;
  readonly folder: string;
}

async function encode(
  request: EncodingRequest,
  name: string,
  files: readonly string[] = [source],
): Promise<Done> {
  const folder = await workingFolder(join(root, name), files);
  const analysis = contentAnalysis(request);
  if (analysis !== undefined) await runIn(folder, analysis.run);
  const analysisBytes = analysis && (await stat(join(folder, analysis.path))).size;
  const plan = planOf({ ...request, analysisBytes });
  await carryOut(plan, folder);
  return { plan, folder };
}

async function requestOf(preset: EncodingRequest['preset'], more: Partial<EncodingRequest> = {}) {
  const clips = [sourceClip([await probeSource(source)])];
  return encodingRequest(preset, { clips, threads: 2, partSeconds: PART_SECONDS, ...more });
}

const madeFiles = ({ plan, folder }: Done) =>
  plan.files.flatMap((file) =>
    file.kind === 'made' ? [{ name: file.name, path: join(folder, file.path) }] : [],
  );

/** All pictures of the source, each at its time, key frames where they belong. */
async function expectPictures(file: string, frames = FRAMES): Promise<void> {
  const { times, keys } = await pictureTimes(file);
  expect(times).toEqual(Array.from({ length: frames }, (_, at) => at * 1001));
  expect(keys.filter((key) => key % GOP === 0)).toEqual(
    Array.from({ length: Math.ceil(frames / GOP) }, (_, at) => at * GOP),
  );
}

interface MadeStream {
  readonly path: string;
  readonly wantedBps: number;
  readonly stream: ProbedStream;
}

/** With the bitrate that the name of its file says. */
async function madeStreams(done: Done): Promise<readonly MadeStream[]> {
  const streams: MadeStream[] = [];
  for (const { name, path } of madeFiles(done)) {
    const wantedBps = 1000 * Number(/_(\d+)\.mp4$/.exec(name)?.[1]);
    streams.push(...(await probeStreams(path)).map((stream) => ({ path, wantedBps, stream })));
  }
  return streams;
}

/** More bits than the content can use are not spent; parts of two key frames are too short to make good each bit. */
function expectBitrate({ wantedBps, stream: { bitrateBps } }: MadeStream): void {
  if (wantedBps < CONTENT_BPS) expect(bitrateBps / wantedBps).toBeGreaterThan(0.9);
  expect(bitrateBps / wantedBps).toBeLessThan(1.05);
}

describe('built-in presets', () => {
  it.each(PRESETS)(
    '$name',
    async ({ name, videos, codec, sound }) => {
      const done = await encode(await requestOf(builtIn(name)), name);
      const isCopy = name.startsWith('Copy');
      const streams = await madeStreams(done);
      const seen = streams.filter(({ stream }) => stream.width !== undefined);
      expect(seen).toHaveLength(videos);
      for (const one of seen) {
        expect(one.stream).toMatchObject({ width: 320, height: 180, codec, frames: FRAMES, startSeconds: 0 });
        expect(one.stream.durationSeconds).toBeCloseTo(SECONDS, 5);
        if (!isCopy) await expectPictures(one.path);
        expectBitrate(one);
      }
      const heard = streams.flatMap(({ stream }) => (stream.width === undefined ? [stream] : []));
      expect(new Set(heard.map((stream) => stream.codec))).toEqual(new Set([sound]));
      for (const { startSeconds, durationSeconds } of heard) {
        expect(startSeconds + durationSeconds).toBeCloseTo(SECONDS, 1);
        if (!isCopy) expect(startSeconds).toBe(0);
      }
    },
    LONG_MS,
  );
});

/** The output's container as it would be in storage. */
async function committed({ plan, folder }: Done, name: string): Promise<string> {
  const container = await workingFolder(join(root, name), []);
  for (const file of plan.files) {
    const path = join(container, file.name);
    await (file.kind === 'text' ? writeFile(path, file.text) : symlink(join(folder, file.path), path));
  }
  return container;
}

async function served(done: Done, name: string) {
  const container = folderContainer(await committed(done, `${name}-container`));
  const recording = await openLibraryRecording(container, 'holiday');
  return {
    unreadable: recording?.unreadable,
    tracks: recording?.tracks.map(({ index: { track } }) => `${track.type} ${track.bitrateBps}`),
  };
}

describe('parts', () => {
  it(
    'make what one run makes, picture for picture, and the same bytes each time',
    async () => {
      const preset = builtIn('AdaptiveStreaming');
      const divided = await encode(
        await requestOf(preset, { partSeconds: PART_SECONDS / 2, threads: 1 }),
        'divided',
      );
      const whole = await encode(await requestOf(preset, { partSeconds: 1000 }), 'whole');
      const [pictures] = madeFiles(divided);
      const [alone] = madeFiles(whole);
      if (pictures === undefined || alone === undefined) throw new Error('there are no pictures');
      await expectPictures(pictures.path);
      expect(await pictureTimes(pictures.path)).toEqual(await pictureTimes(alone.path));
      const alike = await ssim(pictures.path, source);
      expect(alike).toBeGreaterThan((await ssim(alone.path, source)) - 0.02);
      // A part that began one picture early or late would look more like the picture beside.
      for (const beside of [1, 2]) expect(alike).toBeGreaterThan(await ssim(pictures.path, source, beside));
      const [part] = divided.plan.steps.flatMap((step) =>
        step.kind === 'divided' ? step.parts.slice(1, 2) : [],
      );
      if (part === undefined) throw new Error('it is not divided');
      const file = join(divided.folder, part.run.writes[0] ?? '');
      const before = await readFile(file);
      await runIn(divided.folder, part.run);
      expect((await readFile(file)).equals(before)).toBe(true);
      expect(await served(divided, 'divided')).toEqual({
        unreadable: [],
        tracks: ['video 380000', 'audio 128000'],
      });
    },
    LONG_MS,
  );
});

describe('the standard encoder', () => {
  it(
    'crops, turns, fades, puts pictures over pictures, and makes files, thumbnails and a sprite',
    async () => {
      const logo = join(root, 'logo.png');
      await ffmpeg('-y', '-f', 'lavfi', '-i', 'color=white:s=32x32,format=rgba', '-frames:v', '1', logo);
      const preset: EncodingRequest['preset'] = {
        ...typed('StandardEncoderPreset'),
        filters: {
          crop: { left: '0', top: '0', width: '50%', height: '100%' },
          rotation: 'Rotate90',
          deinterlace: { mode: 'AutoPixelAdaptive', parity: 'Auto' },
          fadeIn: { duration: 'PT1S', fadeColor: 'black' },
          overlays: [
            {
              ...typed('VideoOverlay'),
              inputLabel: 'logo',
              opacity: 0.5,
              position: { left: '10', top: '10' },
            },
            { ...typed('AudioOverlay'), inputLabel: 'again', start: 'PT1S', audioGainLevel: 0.5 },
          ],
        },
        codecs: [
          { ...typed('AacAudio'), channels: 1, bitrate: 64_000, label: 'sound' },
          {
            ...typed('H264Video'),
            keyFrameInterval: 'PT1S',
            layers: [
              { bitrate: 200_000, height: '160', label: 'full', profile: 'Main', bFrames: 1, slices: 2 },
              { bitrate: 100_000, width: '50%', height: '50%', label: 'half', frameRate: '15000/1001' },
            ],
          },
          { ...typed('JpgImage'), start: '25%', step: '25%', layers: [{ width: '50%', height: '50%' }] },
          {
            ...typed('JpgImage'),
            start: '0',
            step: 'PT2S',
            spriteColumn: 3,
            layers: [{ width: '90', label: 'sprite' }],
          },
          { ...typed('PngImage'), start: '{Best}' },
        ],
        formats: [
          { ...typed('Mp4Format'), filenamePattern: '{Basename}_{Label}{Extension}' },
          {
            ...typed('TransportStreamFormat'),
            filenamePattern: '{Basename}_{Label}{Extension}',
            outputFiles: [{ labels: ['half', 'sound'] }],
          },
          { ...typed('JpgFormat'), filenamePattern: '{Label}{Resolution}-{Index}{Extension}' },
          { ...typed('PngFormat'), filenamePattern: '{Basename}-{Index}{Extension}' },
        ],
      };
      const overlays = [
        { label: 'logo', file: await probeSource(logo) },
        { label: 'again', file: await probeSource(source) },
      ];
      const done = await encode(await requestOf(preset, { overlays }), 'standard', [source, logo]);
      const found: Record<string, string> = {};
      for (const { name, path } of madeFiles(done)) {
        const streams = await probeStreams(path);
        found[name] = streams
          .map(({ codec, width, height, frames }) =>
            width === undefined ? codec : `${codec} ${width}x${height} ${frames}`,
          )
          .join(', ');
      }
      expect(found).toEqual({
        'holiday_full.mp4': `h264 180x160 ${FRAMES}, aac`,
        'holiday_half.mp4': `h264 90x80 ${FRAMES / 2}, aac`,
        'holiday_half.ts': 'h264 90x80 0, aac',
        '90x80-000001.jpg': 'mjpeg 90x80 0',
        '90x80-000002.jpg': 'mjpeg 90x80 0',
        '90x80-000003.jpg': 'mjpeg 90x80 0',
        'sprite90x80-000001.jpg': 'mjpeg 270x160 0',
        'holiday-000001.png': 'png 180x160 0',
      });
      const [full] = madeFiles(done);
      const { keys } = await pictureTimes(full?.path ?? '');
      expect(keys).toEqual([0, 30, 60, 90, 120, 150, 180, 210]);
      expect(await served(done, 'standard')).toMatchObject({ unreadable: [] });
    },
    LONG_MS,
  );

  it(
    'puts clips of several files together, each as long as it says',
    async () => {
      const stream = join(root, 'other.ts');
      await ffmpeg('-y', '-i', source, '-map', '0:v', '-c', 'copy', stream);
      const time = (text: string) => ({ ...typed('AbsoluteClipTime'), time: text });
      const clips = [
        sourceClip([await probeSource(source)], { start: time('PT1S'), end: time('PT4S') }),
        sourceClip([await probeSource(stream)], { end: time('PT2.5S') }),
      ];
      const preset: EncodingRequest['preset'] = {
        ...typed('StandardEncoderPreset'),
        codecs: [
          { ...typed('H264Video'), complexity: 'Speed', layers: [{ bitrate: 500_000 }] },
          typed('AacAudio'),
        ],
        formats: [{ ...typed('Mp4Format'), filenamePattern: '{Basename}{Extension}' }],
      };
      const done = await encode(await requestOf(preset, { clips }), 'sequence', [source, stream]);
      const [file] = madeFiles(done);
      const frames = 90 + 75;
      await expectPictures(file?.path ?? '', frames);
      for (const { durationSeconds } of await probeStreams(file?.path ?? '')) {
        expect(durationSeconds).toBeCloseTo((frames * 1001) / 30_000, 1);
      }
    },
    LONG_MS,
  );
});
