import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { contentAnalysis } from '../../src/encoding/content-aware.ts';
import type { BuiltInPreset } from '../../src/encoding/encoding-request.ts';
import { planEncoding } from '../../src/encoding/plan-encoding.ts';
import { builtIn, encodingRequest, sourceClip } from '../support/encoding-sources.ts';
import {
  carryOut,
  type ProbedStream,
  pictureTimes,
  probeSource,
  probeStreams,
  runIn,
  workingFolder,
} from '../support/plan-runs.ts';
import { ffmpeg, run } from '../support/programs.ts';
import type { VideoPage } from '../support/video-page.ts';

/** Minutes of work: `npm run nightly -- --only presets`. */
const describeLong = process.env['HEADEND_ALL_PRESETS'] === '1' ? describe : describe.skip;
const LONG_MS = 60 * 60_000;
const SECONDS = 6;
const RATE = 25;
const FRAMES = SECONDS * RATE;
const GOP = 2 * RATE;
const BITRATE_OFF_MAX = 0.05;
/** Many frames may be late, on a machine that does other things as well. */
const SHOWN_MIN = 20;

interface Expected {
  readonly name: BuiltInPreset['presetName'];
  /** Heights of the pictures, from the top; undefined: as the content is. */
  readonly heights?: readonly number[];
  readonly codec?: 'h264' | 'hevc';
  readonly sound: 'aac' | 'ac3';
  readonly isCopy?: boolean;
}

const PRESETS: readonly Expected[] = [
  {
    name: 'H264MultipleBitrate1080p',
    heights: [1080, 1080, 720, 540, 540, 360, 360, 180],
    codec: 'h264',
    sound: 'aac',
  },
  { name: 'H264MultipleBitrate720p', heights: [720, 540, 540, 360, 360, 180], codec: 'h264', sound: 'aac' },
  { name: 'H264MultipleBitrateSD', heights: [480, 480, 360, 360, 240], codec: 'h264', sound: 'aac' },
  { name: 'H264SingleBitrate1080p', heights: [1080], codec: 'h264', sound: 'aac' },
  { name: 'H264SingleBitrate720p', heights: [720], codec: 'h264', sound: 'aac' },
  { name: 'H264SingleBitrateSD', heights: [480], codec: 'h264', sound: 'aac' },
  { name: 'H265SingleBitrate4K', heights: [1080], codec: 'hevc', sound: 'aac' },
  { name: 'H265SingleBitrate1080p', heights: [1080], codec: 'hevc', sound: 'aac' },
  { name: 'H265SingleBitrate720p', heights: [720], codec: 'hevc', sound: 'aac' },
  { name: 'AdaptiveStreaming', heights: [1080, 720, 540, 360, 270, 180], codec: 'h264', sound: 'aac' },
  { name: 'H265AdaptiveStreaming', heights: [1080, 720, 540, 360, 270, 180], codec: 'hevc', sound: 'aac' },
  { name: 'ContentAwareEncoding', codec: 'h264', sound: 'aac' },
  { name: 'ContentAwareEncodingExperimental', codec: 'h264', sound: 'aac' },
  { name: 'H265ContentAwareEncoding', codec: 'hevc', sound: 'aac' },
  { name: 'CopyAllBitrateNonInterleaved', heights: [1080], codec: 'h264', sound: 'aac', isCopy: true },
  { name: 'AACGoodQualityAudio', heights: [], sound: 'aac' },
  { name: 'DDGoodQualityAudio', heights: [], sound: 'ac3' },
];

interface MadeFile {
  readonly name: string;
  readonly path: string;
  readonly streams: readonly ProbedStream[];
}

let root: string;
let source: string;
let page: VideoPage;
const report: string[] = [];

describeLong('every built-in preset, of 1080p that is hard to encode', () => {
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'every-preset-'));
    source = join(root, 'hard.mp4');
    // So much to see that every encoder needs all the bits that it may use.
    const pictures = [
      `testsrc2=s=1920x1080:r=${RATE}[a]`,
      `mandelbrot=s=1920x1080:r=${RATE}:end_scale=0.05[b]`,
      '[a][b]blend=all_mode=average,noise=alls=25:allf=t,format=yuv420p[v]',
      'anoisesrc=color=pink:amplitude=0.4:sample_rate=48000,pan=stereo|c0=c0|c1=-1*c0[s]',
    ];
    const codecs = ['-c:v', 'libx264', '-preset', 'ultrafast', '-b:v', '60M', '-g', '50', '-c:a', 'aac'];
    await ffmpeg(
      ...['-y', '-filter_complex', pictures.join(';'), '-map', '[v]', '-map', '[s]', '-t', String(SECONDS)],
      ...[...codecs, '-b:a', '256k', source],
    );
    // Chromium's driver takes a while to load, and most runs skip all of this.
    page = await (await import('../support/video-page.ts')).VideoPage.open();
  }, LONG_MS);

  afterAll(async () => {
    process.stderr.write(`${['', ...report, ''].join('\n')}`);
    await page?.close();
    await rm(root, { recursive: true, force: true });
  });

  it.each(PRESETS)(
    '$name',
    async (preset) => {
      const files = await encode(preset.name);
      const videos = files.flatMap(({ streams }) => streams.filter(({ height }) => height !== undefined));
      if (preset.heights === undefined) expect(videos.length).toBeGreaterThanOrEqual(1);
      else expect(videos.map(({ height }) => height)).toEqual(preset.heights);
      expect(files.flatMap(({ streams }) => streams.map(({ codec }) => codec))).toContain(preset.sound);
      for (const file of files) await check(file, preset);
    },
    LONG_MS,
  );
});

async function encode(name: Expected['name']): Promise<readonly MadeFile[]> {
  const folder = await workingFolder(join(root, name), [source]);
  const clips = [sourceClip([await probeSource(source)])];
  const request = encodingRequest(builtIn(name), { clips, threads: 2 });
  const analysis = contentAnalysis(request);
  if (analysis !== undefined) await runIn(folder, analysis.run);
  const analysisBytes = analysis && (await stat(join(folder, analysis.path))).size;
  const planned = planEncoding({ ...request, analysisBytes });
  if (planned.kind === 'refused') throw new Error(planned.message);
  await carryOut(planned.plan, folder);
  const made: MadeFile[] = [];
  for (const file of planned.plan.files) {
    if (file.kind !== 'made') continue;
    const path = join(folder, file.path);
    made.push({ name: file.name, path, streams: await probeStreams(path) });
  }
  return made;
}

async function check(file: MadeFile, preset: Expected): Promise<void> {
  const [, width, height] = /_(\d+)x(\d+)_\d+\.mp4$/.exec(file.name) ?? [];
  for (const stream of file.streams) {
    expect([preset.codec, preset.sound]).toContain(stream.codec);
    if (stream.height === undefined) {
      expect(stream.durationSeconds).toBeCloseTo(SECONDS, 1);
      continue;
    }
    expect([stream.frames, stream.durationSeconds]).toEqual([FRAMES, SECONDS]);
    if (preset.isCopy !== true) {
      expect([stream.width, stream.height]).toEqual([Number(width), Number(height)]);
      await expectKeyFrames(file.path);
    }
  }
  const off = preset.isCopy === true ? undefined : bitrateOff(file);
  if (off !== undefined) {
    const isNear = Math.abs(off) <= BITRATE_OFF_MAX;
    expect([file.name, isNear, off]).toEqual([file.name, true, off]);
  }
  const { code, stderr } = await run('ffmpeg', '-v', 'error', '-i', file.path, '-f', 'null', '-');
  expect([code, stderr]).toEqual([0, '']);
  const seen = await playable(file);
  const codecs = file.streams.map(({ codec }) => codec).join('+');
  const percent = off === undefined ? '' : `${(off * 100).toFixed(1)} %`;
  report.push(`| ${preset.name} | ${file.name} | ${codecs} | ${percent} | ${seen} |`);
}

/** What the name says is of the pictures, or of the sound where there are none. */
function bitrateOff({ name, streams }: MadeFile): number | undefined {
  const kbps = Number(/_(\d+)\.mp4$/.exec(name)?.[1]);
  const main = streams.find(({ height }) => height !== undefined) ?? streams[0];
  return main === undefined ? undefined : main.bitrateBps / (1000 * kbps) - 1;
}

async function expectKeyFrames(path: string): Promise<void> {
  const { times, keys } = await pictureTimes(path);
  const [first = 0, second = 0] = times;
  expect(times).toEqual(Array.from({ length: FRAMES }, (_, at) => first + at * (second - first)));
  expect(keys.filter((key) => key % GOP === 0)).toEqual(
    Array.from({ length: FRAMES / GOP }, (_, at) => at * GOP),
  );
}

/** Chromium of Debian plays neither H.265 nor Dolby Digital: those have been decoded by FFmpeg, and that is all. */
async function playable({ path, streams }: MadeFile): Promise<string> {
  if (streams.some(({ codec }) => !['h264', 'aac'].includes(codec))) return 'decoded';
  const video = streams.find(({ height }) => height !== undefined);
  const played = await page.play(path, video === undefined ? 'audio/mp4' : 'video/mp4');
  expect({ ...played, frames: 0, shownSeconds: [] }).toEqual({
    ...{ hasEnded: true, error: undefined, frames: 0, shownSeconds: [] },
    durationSeconds: expect.closeTo(SECONDS, 1),
    ...{ width: video?.width ?? 0, height: video?.height ?? 0 },
  });
  if (video === undefined) return 'played';
  const { frames, shownSeconds } = played;
  expect(frames).toBe(FRAMES);
  expect(shownSeconds.length).toBeGreaterThanOrEqual(SHOWN_MIN);
  expect(shownSeconds).toEqual(shownSeconds.toSorted((left, right) => left - right));
  return `played, ${shownSeconds.length} of ${frames} frames seen`;
}
