import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { FlvTag } from '../../src/formats/flv-file.ts';
import type { RtmpIngest } from '../../src/ingest/rtmp-ingest.ts';
import { publishFlv } from '../../src/publisher/publish-flv.ts';
import {
  enhancedVideoTags,
  flvFile,
  flvTags,
  interleave,
  MANY_TRACKS,
  MANY_TRACKS_MANY_CODECS,
  multitrackAudioTags,
  pairedAudioTags,
} from '../support/enhanced-flv.ts';
import { ffmpeg, run, until } from '../support/programs.ts';
import { asText, fileAsText } from '../support/received-media.ts';
import { silentLog, startRecordingIngest, TOKEN } from '../support/recording-door.ts';

const SECONDS = 2;
const VIDEO = ['-f', 'lavfi', '-i', `testsrc2=s=320x180:r=25:d=${SECONDS}`, '-pix_fmt', 'yuv420p'];
const tone = (hertz: number) => [
  ...['-f', 'lavfi', '-i', `sine=frequency=${hertz}:sample_rate=48000:duration=${SECONDS}`],
  ...['-c:a', 'aac', '-b:a', '64k', '-ac', '2'],
];

let folder: string;
const file = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'enhanced-'));
  const x265 = [
    '-c:v',
    'libx265',
    '-preset',
    'ultrafast',
    '-x265-params',
    'log-level=error:keyint=25:bframes=2',
  ];
  const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-g', '25'];
  const scale = ['-video_track_timescale', '1000'];
  await ffmpeg(...VIDEO, ...x265, '-tag:v', 'hvc1', ...scale, file('hevc.mp4'));
  await ffmpeg(...VIDEO, ...x264, ...scale, file('avc.mp4'));
  await ffmpeg(...tone(440), '-f', 'flv', file('first.flv'));
  await ffmpeg(...tone(880), '-f', 'flv', file('second.flv'));
}, 60_000);
afterAll(() => rm(folder, { recursive: true }));

let ingest: RtmpIngest | undefined;
afterEach(async () => {
  await ingest?.close();
  ingest = undefined;
});

/** Publishes the tags with the program's own publisher. */
async function publish(tags: readonly FlvTag[]) {
  const path = file(`published-${Math.random()}.flv`);
  await writeFile(path, flvFile(tags));
  const { door, ingest: started, port } = await startRecordingIngest();
  ingest = started;
  await publishFlv({
    url: `rtmp://127.0.0.1:${port}/live/${TOKEN}/cam`,
    file: path,
    loop: false,
    signal: new AbortController().signal,
    log: silentLog,
  });
  await until(() => door.closes.length === 1);
  return door;
}

/** What FFmpeg finds in an MP4 file: size and MD5 of each coded picture, in decoding order. */
async function codedPictures(path: string): Promise<string[]> {
  const hash = ['-map', '0:v', '-c', 'copy', '-f', 'framehash', '-hash', 'md5', '-'];
  const { stdout } = await run('ffmpeg', '-v', 'error', '-i', path, ...hash);
  return stdout
    .split('\n')
    .filter((line) => /^\d/.test(line))
    .map((line) => line.split(',').at(-1)?.trim() ?? '');
}

describe('Enhanced RTMP', () => {
  it.each([
    { fourCc: 'hvc1', source: 'hevc.mp4', codec: /^video hvc1\.1\.6\.L\d+\.90$/ },
    { fourCc: 'avc1', source: 'avc.mp4', codec: /^video avc1\.[0-9a-f]{6}$/ },
  ] as const)('takes every picture of $fourCc as FFmpeg made it', async ({ fourCc, source, codec }) => {
    const door = await publish(await enhancedVideoTags(file(source), fourCc));
    const hashes = asText(door.samples.video).map((line) => line.split(' ')[1]);
    const entries = ['-select_streams', 'v', '-show_entries', 'packet=flags', '-of', 'csv=p=0'];
    const flags = (await run('ffprobe', '-v', 'error', ...entries, file(source))).stdout.trim().split('\n');
    expect({ closes: door.closes, refusals: door.refusals, hashes }).toEqual({
      closes: ['MPE_CLIENT_TERMINATED_SESSION'],
      refusals: [],
      hashes: await codedPictures(file(source)),
    });
    expect(door.tracks).toEqual([expect.stringMatching(codec)]);
    expect(door.descriptions[0]?.format).toMatchObject({ width: 320, height: 180, frameRate: 25 });
    expect(door.samples.video.map((sample) => sample.isRandomAccessPoint)).toEqual(
      flags.map((flag) => flag.startsWith('K')),
    );
    expect(door.samples.video.some((sample) => sample.compositionOffsetTicks > 0)).toBe(true);
  });

  it.each([
    {
      name: 'one per message beside the plain one',
      tags: async () =>
        interleave(
          await flvTags(file('first.flv'), 'audio'),
          await multitrackAudioTags(file('second.flv'), 1),
        ),
      second: 'audio-2',
    },
    {
      name: 'together in messages',
      tags: () => pairedAudioTags([file('first.flv'), file('second.flv')], 1, MANY_TRACKS),
      second: 'audio-2',
    },
    {
      name: 'together, each with its codec, and a number of its own',
      tags: () => pairedAudioTags([file('first.flv'), file('second.flv')], 4, MANY_TRACKS_MANY_CODECS),
      second: 'audio-5',
    },
  ])('takes two audio tracks of one connection: $name', async ({ tags, second }) => {
    const door = await publish(interleave(await enhancedVideoTags(file('avc.mp4'), 'avc1'), await tags()));
    expect({
      tracks: [...door.tracks].sort(),
      first: asText(door.samples['audio']),
      second: asText(door.samples[second]),
      pictures: door.samples.video.length,
    }).toEqual({
      tracks: [
        expect.stringMatching(/^audio mp4a/),
        `${second} mp4a.40.2`,
        expect.stringMatching(/^video avc1/),
      ],
      first: await fileAsText(file('first.flv'), 'audio'),
      second: await fileAsText(file('second.flv'), 'audio'),
      pictures: SECONDS * 25,
    });
  });
});
