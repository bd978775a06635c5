import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PresentationIndex } from '../../src/model/presentation.ts';
import type { Protection } from '../../src/model/protection.ts';
import type { HlsFormat } from '../../src/packager/streaming-path.ts';
import { run } from '../support/programs.ts';
import { makeStoredMedia, type StoredMedia } from '../support/stored-media.ts';
import { clearForm } from '../support/streaming-forms.ts';
import { type ListedTsSegment, listTsSegments, type TsShowTrack, tsShowTrack } from '../support/ts-show.ts';

/** Late in 2026, on the media timeline. */
const START_TICKS = 2_174_000_000_123_456;
/** The 33 bits go round 3.2 s later. */
const WRAP_TICKS = Math.floor(((2 ** 33 * 23 - 900_000) * 1000) / 9) - 32_000_000;
const TICKS_PER_CLOCK = 1000 / 9;
const SECONDS = 12;

const encodings = {
  h264: ['libx264', '-preset', 'ultrafast', '-bf', '2', '-b_strategy', '0'],
  hevc: ['libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=error:bframes=2'],
} as const;
const sounds = { aac: '48000' } as const;

let folder: string;
const media: Record<string, StoredMedia> = {};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ts-'));
  for (const [name, [codec, ...options]] of Object.entries(encodings)) {
    const input = ['-f', 'lavfi', '-i', `testsrc2=size=320x180:rate=25:duration=${SECONDS}`];
    const rate = ['-g', '50', '-keyint_min', '50', '-sc_threshold', '0', '-b:v', '300k'];
    media[name] = await makeStoredMedia(
      join(folder, `${name}.mp4`),
      [...input, '-c:v', codec ?? '', ...options, ...rate, '-pix_fmt', 'yuv420p'],
      { ordinal: 1, samplesPerFragment: 50 },
    );
  }
  for (const [name, rate] of Object.entries(sounds)) {
    const input = ['-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=${rate}:duration=${SECONDS}`];
    media[name] = await makeStoredMedia(
      join(folder, `${name}.mp4`),
      [...input, '-c:a', 'aac', '-b:a', '64k', '-ac', '2'],
      { ordinal: 2, samplesPerFragment: 94 },
    );
  }
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const cases: readonly {
  readonly name: string;
  readonly picture: 'h264' | 'hevc';
  readonly format: HlsFormat;
  readonly startTicks?: number;
  readonly earlierTicks?: number;
  readonly fragmentsPerTsSegment?: number;
}[] = [
  { name: 'H.264 with sound', picture: 'h264', format: 'm3u8-aapl-v3' },
  { name: 'HEVC with sound', picture: 'hevc', format: 'm3u8-aapl-v3', fragmentsPerTsSegment: 1 },
  { name: 'H.264 alone', picture: 'h264', format: 'm3u8-aapl' },
  { name: 'times that go round', picture: 'h264', format: 'm3u8-aapl-v3', startTicks: WRAP_TICKS },
  {
    name: 'pictures shown before they are decoded',
    picture: 'h264',
    format: 'm3u8-aapl-v3',
    earlierTicks: 800_000,
  },
];

describe('MPEG-TS segments, read by FFmpeg', () => {
  it.each(cases)(
    '$name: no complaint across borders, the frames and times of the source',
    async (of) => {
      const show = showOf(of);
      const { segments } = listTsSegments(show.index, show.tracks, {
        track: show.video,
        form: clearForm(of.format),
      });
      expect(segments).toHaveLength(
        Math.ceil(show.video.index.fragments.length / (of.fragmentsPerTsSegment ?? 3)),
      );
      const file = join(folder, 'all.ts');
      await writeFile(file, Buffer.concat(segments.map(({ bytes }) => bytes)));
      expect(await hashes(file, '0:v')).toEqual(await hashes(join(folder, `${of.picture}.mp4`), '0:v'));
      const pictures = await packets(file, 'v:0');
      const expected = show.video.samples.map(
        ({ dtsTicks, compositionOffsetTicks }) => dtsTicks + compositionOffsetTicks,
      );
      expect(relative(pictures.map(({ pts }) => pts))).toEqual(relative(expected.map(toClock)));
      expect(pictures.every(({ pts, dts }) => dts <= pts)).toBe(true);
      if (of.format === 'm3u8-aapl-v3') {
        // What is heard after the last picture is not in its segment.
        const heard = await hashes(join(folder, 'aac.mp4'), '0:a');
        const within = show.sound.samples.filter(({ dtsTicks }) => dtsTicks < SECONDS * 10_000_000).length;
        expect(await hashes(file, '0:a')).toEqual(heard.slice(0, within));
        const [sound] = await packets(file, 'a:0');
        const offset = (sound?.pts ?? 0) - (pictures[0]?.pts ?? 0);
        expect(Math.abs(offset - toClock(-(expected[0] ?? 0)))).toBeLessThanOrEqual(1);
      }
      expectDurations(segments, show.video);
    },
    30_000,
  );

  it('sound alone: the samples of the source, in segments as long as the playlist says', async () => {
    const show = showOf({ picture: 'h264' });
    const { segments } = listTsSegments(show.index, show.tracks, {
      track: show.sound,
      form: clearForm('m3u8-aapl'),
    });
    const file = join(folder, 'sound.ts');
    await writeFile(file, Buffer.concat(segments.map(({ bytes }) => bytes)));
    expect(await hashes(file, '0:a')).toEqual(await hashes(join(folder, 'aac.mp4'), '0:a'));
    const times = (await packets(file, 'a:0')).map(({ pts }) => pts);
    expect(times).toHaveLength(media['aac']?.samples.length ?? 0);
    for (const [at, time] of times.slice(1).entries()) {
      expect(Math.abs(time - (times[at] ?? 0) - 1920)).toBeLessThanOrEqual(1);
    }
    expectDurations(segments, show.sound);
  }, 30_000);

  it('AES-128: FFmpeg plays the playlist with key and IV of each segment', async () => {
    const show = showOf({ picture: 'h264' });
    const value = Uint8Array.from({ length: 16 }, (_, at) => at * 7);
    const protection: Protection = {
      scheme: 'aes128',
      ivSalt: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]),
      keyOf: () => ({ id: '00000000-0000-0000-0000-000000000001', value, keyUrl: 'the.key' }),
    };
    const form = { ...clearForm('m3u8-aapl-v3'), encryption: 'cbc' as const };
    const { playlist, segments } = listTsSegments(show.index, show.tracks, {
      track: show.video,
      form,
      protection,
    });
    await writeFile(join(folder, 'the.key'), value);
    let text = playlist;
    for (const [at, { uri, bytes }] of segments.entries()) {
      text = text.replace(uri, `aes-${at}.ts`);
      await writeFile(join(folder, `aes-${at}.ts`), bytes);
    }
    const file = join(folder, 'aes.m3u8');
    await writeFile(file, text);
    expect(text.match(/IV=0X[0-9A-F]{32}$/gm)).toHaveLength(segments.length);
    const source = await hashes(join(folder, 'h264.mp4'), '0:v');
    expect(await hashes(file, '0:v')).toEqual(source);
  }, 30_000);
});

function showOf(of: {
  readonly picture: 'h264' | 'hevc';
  readonly startTicks?: number;
  readonly earlierTicks?: number;
  readonly fragmentsPerTsSegment?: number;
}) {
  const { startTicks = START_TICKS, earlierTicks = 0 } = of;
  const picture = stored(of.picture);
  const samples = picture.samples.map((sample) => ({
    ...sample,
    compositionOffsetTicks: sample.compositionOffsetTicks - earlierTicks,
  }));
  const video = { ...tsShowTrack(picture.track, samples, { startTicks, samplesPerFragment: 50 }), samples };
  const { track, samples: frames } = stored('aac');
  const sound = { ...tsShowTrack(track, frames, { startTicks, samplesPerFragment: 94 }), samples: frames };
  const index: PresentationIndex = {
    state: 'ended',
    tracks: [video.index, sound.index],
    rewindTicks: undefined,
    ...(of.fragmentsPerTsSegment === undefined ? {} : { fragmentsPerTsSegment: of.fragmentsPerTsSegment }),
  };
  return { video, sound, index, tracks: [video, sound] };
}

function stored(name: string): StoredMedia {
  const found = media[name];
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

/** From where a segment begins to where the next one does is what the playlist says, to a millisecond. */
function expectDurations(segments: readonly ListedTsSegment[], { index }: TsShowTrack): void {
  const pid = index.track.type === 'video' ? 0x100 : 0x101;
  const starts = segments.map(({ bytes }) => firstDecodeTime(bytes, pid));
  segments.slice(0, -1).forEach(({ durationSeconds }, at) => {
    const clock = ((starts[at + 1] ?? 0) - (starts[at] ?? 0) + 2 ** 33) % 2 ** 33;
    expect(Math.abs(clock / 90_000 - durationSeconds)).toBeLessThan(0.001);
  });
  const total = segments.reduce((sum, { durationSeconds }) => sum + durationSeconds, 0);
  const ticks = index.fragments.reduce((sum, { durationTicks }) => sum + durationTicks, 0);
  expect(Math.abs(total - ticks / 10_000_000)).toBeLessThan(0.001);
}

/** Of the first PES packet with that PID. */
function firstDecodeTime(bytes: Uint8Array, pid: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += 188) {
    if ((view.getUint16(at + 1) & 0x5fff) !== (0x4000 | pid)) continue;
    const pes = at + 4 + ((view.getUint8(at + 3) & 0x20) === 0 ? 0 : 1 + view.getUint8(at + 4));
    const time = pes + ((view.getUint8(pes + 7) & 0x40) === 0 ? 9 : 14);
    const high = (view.getUint8(time) >>> 1) & 7;
    return high * 2 ** 30 + (view.getUint16(time + 1) >>> 1) * 2 ** 15 + (view.getUint16(time + 3) >>> 1);
  }
  throw new Error(`no PES packet of ${pid}`);
}

const toClock = (ticks: number) => Math.round(ticks / TICKS_PER_CLOCK);

function relative(times: readonly number[]): number[] {
  return times.map((time) => Math.round((time - (times[0] ?? 0)) / 2));
}

async function packets(file: string, stream: string): Promise<{ pts: number; dts: number }[]> {
  const { stdout, stderr } = await run(
    'ffprobe',
    ...[
      '-v',
      'warning',
      '-select_streams',
      stream,
      '-show_entries',
      'packet=pts,dts',
      '-of',
      'csv=p=0',
      file,
    ],
  );
  expect(stderr).toBe('');
  return stdout
    .split('\n')
    .filter((line) => /^-?\d/.test(line))
    .map((line) => {
      const [pts = '', dts = ''] = line.split(',');
      return { pts: Number(pts), dts: Number(dts) };
    });
}

/** Of every decoded frame; complaints of demuxer or decoder fail the test. */
async function hashes(file: string, map: string): Promise<string[]> {
  const framing = map === '0:a' ? ['-af', 'asetnsamples=1024:p=0'] : ['-fps_mode', 'passthrough'];
  const { stdout, stderr } = await run(
    'ffmpeg',
    ...['-v', 'warning', '-nostdin', '-allowed_extensions', 'ALL'].slice(0, file.endsWith('.m3u8') ? 5 : 3),
    ...['-i', file, '-map', map, ...framing, '-f', 'framemd5', '-'],
  );
  expect(stderr).toBe('');
  const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => line.split(',').at(-1)?.trim() ?? '');
}
