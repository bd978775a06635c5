import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { RtmpIngest } from '../../src/ingest/rtmp-ingest.ts';
import { ffmpeg, run, until } from '../support/programs.ts';
import { asText, fileAsText } from '../support/received-media.ts';
import { startRecordingIngest, TOKEN } from '../support/recording-door.ts';

const MEDIA = fileURLToPath(new URL('../../../devstack/media/demo-loop.flv', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'encoders-'));
});
afterAll(() => rm(folder, { recursive: true }));

let ingest: RtmpIngest | undefined;
afterEach(async () => {
  await ingest?.close();
  ingest = undefined;
});

async function start() {
  const started = await startRecordingIngest();
  ingest = started.ingest;
  return { door: started.door, host: `127.0.0.1:${started.port}`, port: started.port };
}

describe('encoders and how they cut the address', () => {
  it.each([
    {
      name: 'FFmpeg, the whole address in one',
      output: (host: string) => [`rtmp://${host}/live/${TOKEN}/cam`],
    },
    {
      name: 'OBS: server live, stream key token/name',
      output: (host: string) => [
        '-rtmp_app',
        'live',
        '-rtmp_playpath',
        `${TOKEN}/cam`,
        `rtmp://${host}/live`,
      ],
    },
    {
      name: 'server live/token, stream key name',
      output: (host: string) => ['-rtmp_app', `live/${TOKEN}`, '-rtmp_playpath', 'cam', `rtmp://${host}`],
    },
    {
      name: 'slashes at both sides of the cut',
      output: (host: string) => ['-rtmp_app', `live/${TOKEN}/`, '-rtmp_playpath', '/cam', `rtmp://${host}`],
    },
    {
      name: 'a query with the bitrates behind the name',
      output: (host: string) => [`rtmp://${host}/live/${TOKEN}/cam?videodatarate=5000&audiodatarate=192`],
    },
  ])('$name', async ({ output }) => {
    const { door, host } = await start();
    expect(await ffmpeg('-i', MEDIA, '-t', '1', '-c', 'copy', '-f', 'flv', ...output(host))).toBe('');
    await until(() => door.closes.length === 1);
    expect({ closes: door.closes, refusals: door.refusals, request: door.requests[0] }).toMatchObject({
      closes: ['MPE_CLIENT_TERMINATED_SESSION'],
      refusals: [],
      request: { accessToken: 'abcd1234ef', streamId: 'cam' },
    });
  });

  it.each([
    {
      name: 'rtmp2sink, one location',
      sink: (port: number) => `rtmp2sink location=rtmp://127.0.0.1:${port}/live/${TOKEN}/cam`,
    },
    {
      name: 'rtmp2sink, server live, stream key token/name',
      sink: (port: number) => `rtmp2sink host=127.0.0.1 port=${port} application=live stream=${TOKEN}/cam`,
    },
    {
      name: 'rtmpsink of librtmp',
      sink: (port: number) => `rtmpsink location=rtmp://127.0.0.1:${port}/live/${TOKEN}/cam`,
    },
  ])('GStreamer encodes and publishes H.264 and AAC, all of it arrives: $name', async ({ name, sink }) => {
    const { door, port } = await start();
    const file = join(folder, `${name.split(/[ ,]/, 1)[0]}-${Math.random()}.flv`);
    const pipeline = `
      videotestsrc num-buffers=50 ! video/x-raw,width=320,height=180,framerate=25/1
        ! openh264enc gop-size=25 ! h264parse ! mux.
      audiotestsrc num-buffers=94 samplesperbuffer=1024 ! audio/x-raw,rate=48000,channels=2
        ! voaacenc bitrate=64000 ! aacparse ! mux.
      flvmux name=mux streamable=true ! tee name=both
      both. ! queue ! filesink location=${file}
      both. ! queue ! ${sink(port)}`;
    const { code } = await run('gst-launch-1.0', '-q', ...pipeline.trim().split(/\s+/));
    await until(() => door.closes.length === 1);
    expect({
      code,
      closes: door.closes,
      tracks: [...door.tracks].sort(),
      video: asText(door.samples.video),
      audio: asText(door.samples.audio),
    }).toEqual({
      code: 0,
      closes: ['MPE_CLIENT_TERMINATED_SESSION'],
      tracks: ['audio mp4a.40.2', 'video avc1.42c00c'],
      video: await fileAsText(file, 'video'),
      audio: await fileAsText(file, 'audio'),
    });
    expect(door.samples.video.length).toBe(50);
  });

  it.each([
    { name: 'audio only', options: ['-vn'], tracks: ['audio mp4a.40.2'] },
    { name: 'video only', options: ['-an'], tracks: ['video avc1.4d401e'] },
  ])('FFmpeg publishes $name', async ({ options, tracks }) => {
    const { door, host } = await start();
    const url = `rtmp://${host}/live/${TOKEN}/cam`;
    expect(await ffmpeg('-i', MEDIA, ...options, '-c', 'copy', '-f', 'flv', url)).toBe('');
    await until(() => door.closes.length === 1);
    const hasVideo = tracks[0]?.startsWith('video') === true;
    expect({
      tracks: door.tracks,
      video: asText(door.samples.video),
      audio: asText(door.samples.audio),
    }).toEqual({
      tracks,
      video: hasVideo ? await fileAsText(MEDIA, 'video') : [],
      audio: hasVideo ? [] : await fileAsText(MEDIA, 'audio'),
    });
  });
});
