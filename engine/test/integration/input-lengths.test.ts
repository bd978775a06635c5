import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { planEncoding } from '../../src/encoding/plan-encoding.ts';
import type { SourceFile } from '../../src/encoding/source.ts';
import { parseProbe } from '../../src/encoding/source-probe.ts';
import { type FFmpegFound, findFFmpeg } from '../../src/ffmpeg/ffmpeg-programs.ts';
import { probe } from '../../src/ffmpeg/probe.ts';
import { WorkingFolder } from '../../src/ffmpeg/working-folder.ts';
import { settleLength } from '../../src/worker/settle-length.ts';
import { builtIn, encodingRequest, sourceClip } from '../support/encoding-sources.ts';
import { carryOut, probeStreams } from '../support/plan-runs.ts';
import { ffmpeg, run } from '../support/programs.ts';

const SECONDS = 6;
const FRAMES = 150;
const LONG_MS = 5 * 60_000;
const BOUNDS = { memoryBytes: 8 * 2 ** 30, fileBytes: 2 ** 30 };
const H264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '50', '-c:a', 'aac'];
const VP8 = ['-c:v', 'libvpx', '-deadline', 'realtime', '-g', '50', '-c:a', 'libopus'];

let root: string;
let folder: WorkingFolder;
let programs: FFmpegFound;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'input-lengths-'));
  folder = await WorkingFolder.create(root);
  programs = await findFFmpeg({ ffmpegPath: undefined, searchPath: process.env['PATH'] ?? '' });
  await recorded('live.webm', ...VP8, '-f', 'webm');
  await recorded('live.mkv', ...H264, '-f', 'matroska');
  await recorded('live.mp4', ...H264, '-movflags', 'empty_moov+frag_keyframe+skip_trailer', '-f', 'mp4');
  await recorded('live.flac', '-vn', '-f', 'flac');
  await copied('live.mkv', 'right.mkv');
  await copied('live.mkv', 'right.mp4');
  await copied('live.mkv', 'guessed.aac', '-vn');
  await patched('right.mkv', 'long.mkv', (bytes) => statedByMatroska(bytes, 600_000));
  await patched('right.mkv', 'short.mkv', (bytes) => statedByMatroska(bytes, 2000));
  await patched('right.mp4', 'short.mp4', (bytes) => statedByMp4(bytes, 0.2));
  await patched('live.mkv', 'cut.mkv', (bytes) => bytes.subarray(0, bytes.length / 2));
}, LONG_MS);

afterAll(() => rm(root, { recursive: true, force: true }));

/** In a pipe FFmpeg cannot go back to write how long it was, just as a browser's recorder. */
async function recorded(name: string, ...options: string[]): Promise<void> {
  const sources = [`testsrc2=size=320x180:rate=25:duration=${SECONDS}`, `sine=duration=${SECONDS}`];
  const inputs = sources.flatMap((source) => ['-f', 'lavfi', '-i', source]);
  const shell = ['-c', 'ffmpeg -v error -nostdin "$@" pipe:1 > "$0"', folder.resolve(name)];
  const { code, stderr } = await run('sh', ...shell, ...inputs, ...options);
  if (code !== 0) throw new Error(stderr);
}

const copied = (from: string, to: string, ...options: string[]) =>
  ffmpeg('-y', '-i', folder.resolve(from), ...options, '-c', 'copy', folder.resolve(to));

async function patched(from: string, to: string, patch: (bytes: Buffer) => Buffer): Promise<void> {
  await writeFile(folder.resolve(to), patch(await readFile(folder.resolve(from))));
}

/** `Duration` of the segment, in milliseconds; the tracks say nothing of their own. */
function statedByMatroska(bytes: Buffer, milliseconds: number): Buffer {
  const at = bytes.indexOf(Buffer.from([0x44, 0x89, 0x88]));
  bytes.writeDoubleBE(milliseconds, at + 3);
  for (let tag = bytes.indexOf('DURATION'); tag >= 0; tag = bytes.indexOf('DURATION', tag + 1)) {
    bytes.write('DURATIOX', tag);
  }
  return bytes;
}

/** Of movie, tracks and their media, all of version 0. */
function statedByMp4(bytes: Buffer, factor: number): Buffer {
  const places = [
    ['mvhd', 20],
    ['mdhd', 20],
    ['tkhd', 24],
  ] as const;
  for (const [type, offset] of places) {
    for (let at = bytes.indexOf(type); at >= 0; at = bytes.indexOf(type, at + 4)) {
      bytes.writeUInt32BE(Math.round(bytes.readUInt32BE(at + offset) * factor), at + offset);
    }
  }
  return bytes;
}

async function stated(name: string): Promise<SourceFile> {
  if (programs.kind === 'absent') throw new Error(programs.reason);
  const { signal } = new AbortController();
  const found = await probe(programs.programs, name, { folder, bounds: BOUNDS, signal });
  if (found.kind === 'failed') throw new Error(found.evidence);
  const { size: sizeBytes } = await stat(folder.resolve(name));
  const read = parseProbe(found.json, { name, path: name, sizeBytes });
  if (read.kind === 'refused') throw new Error(read.message);
  return read.source;
}

const settled = (source: SourceFile): Promise<SourceFile> =>
  settleLength(
    source,
    { ffmpeg: programs, settings: { bounds: BOUNDS } },
    { folder, signal: new AbortController().signal },
  );

describe('how long an input lasts', () => {
  it.each([
    { name: 'live.webm', says: 0 },
    { name: 'live.mkv', says: 0 },
    { name: 'live.flac', says: 0 },
    { name: 'long.mkv', says: 600 },
    { name: 'short.mkv', says: 2 },
    { name: 'short.mp4', says: 1.2 },
  ])('$name, which says $says s', async ({ name, says }) => {
    const source = await stated(name);
    expect(source.durationSeconds).toBeCloseTo(says, 1);
    const { durationSeconds, video, audio, bitrateBps } = await settled(source);
    expect(Math.abs(durationSeconds - SECONDS)).toBeLessThan(0.05);
    for (const track of video) expect(Math.abs(track.durationSeconds - SECONDS)).toBeLessThan(0.02);
    for (const track of audio) expect(Math.abs(track.durationSeconds - SECONDS)).toBeLessThan(0.05);
    expect(bitrateBps).toBeCloseTo((source.sizeBytes * 8) / durationSeconds, -1);
  });

  it.each(['live.mp4', 'right.mkv', 'right.mp4', 'guessed.aac'])(
    'of %s is what it says, without reading all of it',
    async (name) => {
      const source = await stated(name);
      expect(Math.abs(source.durationSeconds - SECONDS)).toBeLessThan(0.1);
      expect(await settled(source)).toBe(source);
    },
  );

  it('of what breaks off is not known', async () => {
    await expect(settled(await stated('cut.mkv'))).rejects.toMatchObject({
      error: { code: 'ContentMalformed' },
    });
  });

  it(
    'is as many pictures as there are, in parts as well, where key frames are not listed',
    async () => {
      const source = await settled(await stated('live.webm'));
      const request = encodingRequest(builtIn('H264SingleBitrateSD'), {
        ...{ clips: [sourceClip([source])], threads: 2, partSeconds: 2 },
      });
      const planned = planEncoding(request);
      if (planned.kind === 'refused') throw new Error(planned.message);
      const { plan } = planned;
      expect(plan.steps.map((step) => (step.kind === 'divided' ? step.parts.length : 1))).toContain(3);
      await carryOut(plan, folder.path);
      const made = plan.files.flatMap((file) => (file.kind === 'made' ? [file.path] : []));
      const [pictures] = await probeStreams(folder.resolve(made[0] ?? ''));
      expect(pictures).toMatchObject({ codec: 'h264', frames: FRAMES, durationSeconds: SECONDS });
    },
    LONG_MS,
  );
});
