import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AzureMediaServices } from '@azure/arm-mediaservices';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCOUNT, createArmClient, GROUP } from '../support/arm-client.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from '../support/engine-program.ts';
import {
  enhancedVideoTags,
  flvFile,
  flvTags,
  interleave,
  multitrackAudioTags,
} from '../support/enhanced-flv.ts';
import { type EventReceiver, startEventReceiver } from '../support/event-receiver.ts';
import { ffmpeg, run, until } from '../support/programs.ts';
import { inputOf, pictureHashes, shown, soundHashes, startShow } from '../support/smooth-show.ts';

const KEY = 'contract-test-topic-key';
const SECONDS = 8;
const PICTURES = ['-f', 'lavfi', '-i', `testsrc2=s=640x360:r=25:d=${SECONDS}`, '-pix_fmt', 'yuv420p'];
const tone = (hertz: number) => [
  ...['-f', 'lavfi', '-i', `sine=frequency=${hertz}:sample_rate=48000:duration=${SECONDS}`],
  ...['-c:a', 'aac', '-b:a', '64k', '-ac', '2'],
];

let folder: string;
let azurite: Azurite;
let program: EngineProgram;
let receiver: EventReceiver;
let engine: RunningEngine;
let client: AzureMediaServices;
const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-rtmp-live-'));
  [azurite, program, receiver] = await Promise.all([startAzurite(), buildEngine(), startEventReceiver(KEY)]);
  engine = await program.start('control,ingest,origin', {
    HEADEND_STORAGE: azurite.connectionString,
    HEADEND_EVENTGRID_ENDPOINT: receiver.endpoint,
    HEADEND_EVENTGRID_KEY: KEY,
    ...Object.fromEntries(
      ['RTMP', 'RTMP_BACKUP', 'RTMPS', 'RTMPS_BACKUP', 'STREAMING'].map((name) => [
        `HEADEND_PUBLIC_${name}_PORT`,
        '0',
      ]),
    ),
  });
  client = createArmClient(engine, program.caPem, program.identitySecret);
  await client.streamingEndpoints.beginStartAndWait(GROUP, ACCOUNT, 'default');
}, 120_000);

afterAll(async () => {
  await program?.close();
  await receiver?.close();
  await azurite?.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const eventsOf = (liveEvent: string, type: string) =>
  receiver.events.filter(
    ({ subject, eventType }) => subject === `liveEvent/${liveEvent}` && eventType.endsWith(type),
  );

/** What ffprobe makes of the first picture stream at an address. */
async function probe(url: string): Promise<Record<string, unknown>> {
  const entries = 'stream=codec_name,codec_tag_string,width,height,r_frame_rate,profile';
  const { stdout } = await run(
    'ffprobe',
    ...['-v', 'error', '-select_streams', 'v:0', '-show_entries', entries, '-of', 'json', ...inputOf(url)],
  );
  return JSON.parse(stdout).streams[0];
}

describe('a live event that takes RTMP', () => {
  it('shows HEVC of Enhanced RTMP, sent over RTMPS by our publisher, as it was sent', async () => {
    const x265 = ['-x265-params', 'log-level=error:keyint=50:min-keyint=50:scenecut=0:bframes=2'];
    const encode = ['-c:v', 'libx265', '-preset', 'ultrafast', ...x265, '-tag:v', 'hvc1'];
    await ffmpeg(...PICTURES, ...encode, '-video_track_timescale', '1000', file('hevc.mp4'));
    await ffmpeg(...tone(440), '-f', 'flv', file('sound.flv'));
    const tags = interleave(
      await enhancedVideoTags(file('hevc.mp4'), 'hvc1'),
      await flvTags(file('sound.flv'), 'audio'),
    );
    await writeFile(file('hevc.flv'), flvFile(tags));
    const show = await startShow(client, 'hevc', 'RTMP');
    const url = show.ingestUrl('main', 2);
    expect(url).toMatch(/^rtmps:/);
    const publisher = await program.publish(['--url', url, '--file', file('hevc.flv')]);
    await shown(`${show.previewUrl}(format=m3u8-cmaf)`);
    await until(() => eventsOf('hevc', 'LiveEventEncoderDisconnected').length > 0, 'the end of the show');
    await publisher.stop('SIGTERM');
    await show.finish();
    const playlist = show.playbackUrl('m3u8-cmaf');
    const multivariant = await (await fetch(playlist)).text();
    const mpd = await (await fetch(show.playbackUrl('mpd-time-cmaf'))).text();
    expect(multivariant).toMatch(/CODECS="hvc1\.1\.6\.L\d+\.90,mp4a\.40\.2"/);
    expect(multivariant).toContain('RESOLUTION=640x360');
    expect(mpd).toMatch(/codecs="hvc1\.1\.6\.L\d+\.90"/);
    expect(await probe(playlist)).toMatchObject({
      codec_name: 'hevc',
      codec_tag_string: 'hvc1',
      width: 640,
      height: 360,
      r_frame_rate: '25/1',
    });
    const pictures = await pictureHashes(playlist);
    expect(pictures).toHaveLength(SECONDS * 25);
    expect(pictures).toEqual(await pictureHashes(file('hevc.mp4')));
    expect(await soundHashes(playlist)).toEqual(await soundHashes(file('sound.flv')));
    const [connected] = eventsOf('hevc', 'LiveEventEncoderConnected');
    expect(connected?.data['ingestUrl']).toBe(`rtmps://127.0.0.1:${engine.ports['rtmps']}/live/****/main`);
  }, 180_000);

  it('shows two audio tracks of one connection', async () => {
    const encode = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '50', '-bf', '0', '-sc_threshold', '0'];
    await ffmpeg(...PICTURES, ...encode, '-video_track_timescale', '1000', file('avc.mp4'));
    await ffmpeg(...tone(440), '-f', 'flv', file('first.flv'));
    await ffmpeg(...tone(880), '-f', 'flv', file('second.flv'));
    const tags = interleave(
      await enhancedVideoTags(file('avc.mp4'), 'avc1'),
      await flvTags(file('first.flv'), 'audio'),
      await multitrackAudioTags(file('second.flv'), 1),
    );
    await writeFile(file('tracks.flv'), flvFile(tags));
    const show = await startShow(client, 'tracks', 'RTMP');
    const publisher = await program.publish(['--url', show.ingestUrl('main'), '--file', file('tracks.flv')]);
    await until(() => eventsOf('tracks', 'LiveEventEncoderDisconnected').length > 0, 'the end of the show');
    await publisher.stop('SIGTERM');
    await show.finish();
    const playlist = show.playbackUrl('m3u8-cmaf');
    const heard = [await soundHashes(playlist, 0), await soundHashes(playlist, 1)];
    const sent = [await soundHashes(file('first.flv'), 0), await soundHashes(file('second.flv'), 0)];
    const asLine = (hashes: readonly string[]) =>
      `${hashes.length} frames ${createHash('md5').update(hashes.join()).digest('hex')}`;
    expect(heard.map(asLine).sort()).toEqual(sent.map(asLine).sort());
  }, 180_000);

  it.each([
    { name: 'sorenson', codec: 'flv1', said: 'The video codec Sorenson H.263 is not supported' },
    { name: 'screen', codec: 'flashsv', said: 'The video codec Screen video is not supported' },
  ])(
    'refuses $codec beside AAC at the door, and tells of it',
    async ({ name, codec }) => {
      const show = await startShow(client, name, 'RTMP');
      const pictures = ['-re', '-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25', '-t', '10', '-c:v', codec];
      const encoder = spawn('ffmpeg', [
        ...['-hide_banner', '-nostdin', '-loglevel', 'error'],
        ...[...pictures, '-f', 'lavfi', '-i', 'sine=sample_rate=44100', '-t', '10', '-c:a', 'aac'],
        ...['-f', 'flv', show.ingestUrl('main')],
      ]);
      await once(encoder, 'exit');
      await until(() => eventsOf(name, 'LiveEventConnectionRejected').length > 0, 'the refusal');
      expect(eventsOf(name, 'LiveEventConnectionRejected')[0]?.data).toMatchObject({
        resultCode: 'MPE_INGEST_CODEC_NOT_SUPPORTED',
        streamId: 'main',
        ingestUrl: `rtmp://127.0.0.1:${engine.ports['rtmp']}/live/****/main`,
      });
      await show.finish();
    },
    120_000,
  );
});
