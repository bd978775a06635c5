import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createFile, type Movie, MP4BoxBuffer, type Sample as Mp4BoxSample } from 'mp4box';
import { parseAacFormat } from '../../src/codecs/aac.ts';
import { containsIdr, parseH264Format } from '../../src/codecs/h264.ts';
import { aacFrameClock } from '../../src/formats/aac-frame-clock.ts';
import { parseFlvAudioTag, parseFlvVideoTag } from '../../src/formats/flv.ts';
import { readFlvTags } from '../../src/formats/flv-file.ts';
import type { FlvVideoTag } from '../../src/formats/flv-tag.ts';
import { writeCmafHeader } from '../../src/formats/isobmff/cmaf-header-writer.ts';
import { parseFragment } from '../../src/formats/isobmff/fragment-reader.ts';
import { writeFragment } from '../../src/formats/isobmff/fragment-writer.ts';
import type { Sample, TimedSample } from '../../src/model/sample.ts';
import type { AudioFormat, Track, TrackFormat, VideoFormat } from '../../src/model/track.ts';
import { TICKS_PER_MILLISECOND, TICKS_PER_SECOND } from '../../src/time/timescale.ts';

const run = promisify(execFile);
const FRAGMENT_SAMPLES = { video: 25, audio: 43 };
const START_TICKS = 2_174_000_000_000_000; // late 2026 on the media timeline: needs 64 bits

let folder: string;
let flv: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cmaf-'));
  flv = join(folder, 'source.flv');
  const inputs = [
    '-f',
    'lavfi',
    '-i',
    'testsrc2=s=320x180:r=25:d=4',
    '-f',
    'lavfi',
    '-i',
    'sine=d=4:r=44100',
  ];
  const video = ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '3', '-g', '25', '-profile:v', 'high'];
  const audio = ['-pix_fmt', 'yuv420p', '-c:a', 'aac', '-b:a', '64k', '-ac', '2'];
  await run('ffmpeg', ['-v', 'error', ...inputs, ...video, ...audio, '-y', flv]);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('FLV → samples → CMAF, read by FFmpeg', () => {
  it('decodes without a complaint to the frames and sound of the source', async () => {
    const source = await readSource();
    expect(source.video.format).toMatchObject({ kind: 'h264', width: 320, height: 180, frameRate: 25 });
    expect(source.video.format.codecString).toMatch(/^avc1\.6400[0-9a-f]{2}$/);
    expect(source.audio.format).toMatchObject({
      codecString: 'mp4a.40.2',
      sampleRateHz: 44_100,
      channelCount: 2,
    });
    for (const type of ['video', 'audio'] as const) {
      const file = join(folder, `${type}.mp4`);
      await writeFile(file, concatenate(cmafPieces(type, source[type])));
      const map = type === 'video' ? '0:v' : '0:a';
      expect(await hashes(file, map)).toEqual(await hashes(flv, map));
      expect(await probeCount(file)).toBe(source[type].samples.length);
    }
  });

  it('flags as random access points exactly the access units with an IDR slice', async () => {
    const { video } = await readSource();
    const flagged = video.samples.map((sample) => sample.isRandomAccessPoint);
    expect(flagged).toEqual(video.samples.map((sample) => containsIdr(sample.data)));
    expect(flagged.filter(Boolean)).toHaveLength(4);
    expect(video.samples.some((sample) => sample.compositionOffsetTicks > 0)).toBe(true);
  });
});

describe('FLV → samples → CMAF, read by MP4Box.js', () => {
  it.each(['video', 'audio'] as const)('has the track, codec, samples and times of the %s', async (type) => {
    const { [type]: source } = await readSource();
    const { movie, samples } = readByMp4Box(cmafPieces(type, source));
    expect(movie).toMatchObject({ isFragmented: true, brands: expect.arrayContaining(['cmfc']) });
    expect(movie.tracks).toHaveLength(1);
    expect(movie.tracks[0]).toMatchObject({
      id: type === 'video' ? 1 : 2,
      type,
      codec: source.format.codecString,
      timescale: TICKS_PER_SECOND,
      ...(source.format.kind === 'h264'
        ? { video: { width: 320, height: 180 } }
        : { audio: { sample_rate: 44_100, channel_count: 2, sample_size: 16 } }),
    });
    expect(samples).toEqual(
      source.samples.map((sample) => ({
        dts: sample.dtsTicks,
        cts: sample.dtsTicks + sample.compositionOffsetTicks,
        duration: sample.durationTicks,
        is_sync: sample.isRandomAccessPoint,
        size: sample.data.length,
      })),
    );
  });
});

function readByMp4Box(pieces: readonly Uint8Array[]) {
  const file = createFile();
  const samples: Pick<Mp4BoxSample, 'dts' | 'cts' | 'duration' | 'is_sync' | 'size'>[] = [];
  let movie: Movie | undefined;
  file.onError = (module, message) => {
    throw new Error(`${module}: ${message}`);
  };
  file.onSamples = (_id, _user, found) => {
    for (const { dts, cts, duration, is_sync, size } of found) {
      samples.push({ dts, cts, duration, is_sync, size });
    }
  };
  file.onReady = (info) => {
    movie = info;
    for (const { id } of info.tracks) file.setExtractionOptions(id, undefined, { nbSamples: 1 });
    file.start();
  };
  let offset = 0;
  for (const piece of pieces) {
    file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(new Uint8Array(piece).buffer, offset));
    offset += piece.length;
  }
  file.flush();
  if (movie === undefined) throw new Error('no movie was found');
  return { movie, samples };
}

interface SourceTrack<F extends TrackFormat> {
  readonly format: F;
  readonly samples: readonly TimedSample[];
}

async function readSource(): Promise<{ video: SourceTrack<VideoFormat>; audio: SourceTrack<AudioFormat> }> {
  let videoFormat: VideoFormat | undefined;
  let audioFormat: AudioFormat | undefined;
  const videoSamples: Sample[] = [];
  const audioData: Uint8Array[] = [];
  for await (const tag of readFlvTags(createReadStream(flv, { highWaterMark: 777 }))) {
    if (tag.type === 'script') continue;
    if (tag.type === 'audio') {
      const [parsed] = parseFlvAudioTag(tag.body);
      if (parsed?.kind === 'sequenceHeader') audioFormat = parseAacFormat(parsed.configurationRecord);
      if (parsed?.kind === 'accessUnit') audioData.push(parsed.data);
      continue;
    }
    const [parsed] = parseFlvVideoTag(tag.body);
    if (parsed?.kind === 'sequenceHeader') videoFormat = parseH264Format(parsed.configurationRecord);
    if (parsed?.kind === 'accessUnit') videoSamples.push(videoSample(tag.timestampMs, parsed));
  }
  const video = declared(videoFormat);
  const audio = declared(audioFormat);
  const clock = aacFrameClock(audio);
  const audioSamples = audioData.map((data, frame) => ({
    dtsTicks: START_TICKS + clock(frame),
    compositionOffsetTicks: 0,
    isRandomAccessPoint: true,
    data,
  }));
  return {
    video: { format: video, samples: timed(videoSamples) },
    audio: { format: audio, samples: timed(audioSamples) },
  };
}

function declared<F>(format: F | undefined): F {
  if (format === undefined) throw new Error('a track was not declared');
  return format;
}

function videoSample(
  timestampMs: number,
  accessUnit: Extract<FlvVideoTag, { readonly kind: 'accessUnit' }>,
): Sample {
  return {
    dtsTicks: START_TICKS + timestampMs * TICKS_PER_MILLISECOND,
    compositionOffsetTicks: accessUnit.compositionTimeMs * TICKS_PER_MILLISECOND,
    isRandomAccessPoint: accessUnit.isKeyFrame,
    data: accessUnit.data,
  };
}

function timed(samples: readonly Sample[]): TimedSample[] {
  return samples.map((sample, at) => {
    const next = samples[at + 1];
    const durationTicks = next === undefined ? 400_000 : next.dtsTicks - sample.dtsTicks;
    return { ...sample, durationTicks };
  });
}

function cmafPieces(type: 'video' | 'audio', source: SourceTrack<TrackFormat>): Uint8Array[] {
  const track: Track = {
    type,
    ordinal: type === 'video' ? 1 : 2,
    streamName: type,
    bitrateBps: 64_000,
    folder: `${type}_64000`,
    formats: [source.format],
  };
  const pieces = [writeCmafHeader(track, 0)];
  for (let at = 0, sequence = 0; at < source.samples.length; sequence += 1) {
    const samples = source.samples.slice(at, at + FRAGMENT_SAMPLES[type]);
    const decodeTimeTicks = samples[0]?.dtsTicks ?? 0;
    const { head, payload, sizeBytes } = writeFragment({ track, sequence, decodeTimeTicks, samples });
    const bytes = concatenate([head, ...payload]);
    expect(bytes.length).toBe(sizeBytes);
    expect(parseFragment(bytes)).toMatchObject({ sequence, trackId: track.ordinal, decodeTimeTicks });
    pieces.push(bytes);
    at += samples.length;
  }
  return pieces;
}

function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

/** The hash of every decoded frame, in order; decoder complaints fail the test. */
async function hashes(file: string, map: string): Promise<string[]> {
  const framing = map === '0:a' ? ['-af', 'asetnsamples=1024'] : [];
  const { stdout, stderr } = await run(
    'ffmpeg',
    [
      '-v',
      'warning',
      '-xerror',
      '-i',
      file,
      '-map',
      map,
      ...framing,
      '-fps_mode',
      'passthrough',
      '-f',
      'framemd5',
      '-',
    ],
    { maxBuffer: 1 << 24 },
  );
  expect(stderr).toBe('');
  const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => line.split(',').at(-1)?.trim() ?? '');
}

async function probeCount(file: string): Promise<number> {
  const show = ['-count_packets', '-show_entries', 'stream=nb_read_packets', '-of', 'csv=p=0'];
  const { stdout } = await run('ffprobe', ['-v', 'error', ...show, file]);
  return Number(stdout.trim());
}
