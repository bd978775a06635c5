import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { build, stop as stopEsbuild } from 'esbuild';
import type { FlvTag } from '../../src/formats/flv-file.ts';
import type { RtmpIngest } from '../../src/ingest/rtmp-ingest.ts';
import type { RtmpIngestLimits } from '../../src/ingest/rtmp-limits.ts';
import { MESSAGE_TYPE } from '../../src/protocols/rtmp/message.ts';
import { readFlvLoop } from '../../src/publisher/flv-loop.ts';
import { publishFlv } from '../../src/publisher/publish-flv.ts';
import { ffmpeg, run, until } from '../support/programs.ts';
import { rawPublisher } from '../support/raw-publisher.ts';
import { type RecordingDoor, silentLog, startRecordingIngest, TOKEN } from '../support/recording-door.ts';

const MEDIA = fileURLToPath(new URL('../../../devstack/media/demo-loop.flv', import.meta.url));
const log = silentLog;

let ingest: RtmpIngest | undefined;
afterEach(async () => {
  await ingest?.close();
  ingest = undefined;
});

async function start(
  limits: Partial<RtmpIngestLimits> = {},
): Promise<{ door: RecordingDoor; url: string; port: number }> {
  const { door, ingest: started, port } = await startRecordingIngest({ limits });
  ingest = started;
  return { door, url: `rtmp://127.0.0.1:${port}/live/${TOKEN}/cam`, port };
}

const TYPE_IDS = { video: MESSAGE_TYPE.video, audio: MESSAGE_TYPE.audio, script: MESSAGE_TYPE.dataAmf0 };
const messageOf = ({ type, timestampMs, body }: FlvTag) => ({
  typeId: TYPE_IDS[type],
  timestampMs,
  payload: body,
});
const video = (payload: Uint8Array) => ({ typeId: MESSAGE_TYPE.video, timestampMs: 0, payload });
const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

describe('RTMP ingest', () => {
  it('takes every sample of a file that FFmpeg pushes as fast as it can, byte for byte', async () => {
    const { door, url } = await start();
    const { media } = await readFlvLoop(MEDIA);
    await ffmpeg('-i', MEDIA, '-c', 'copy', '-f', 'flv', url);
    await until(() => door.closes.length === 1);
    const bodies = (type: string, head: number) =>
      media
        .filter((tag) => tag.type === type)
        .map((tag) => Buffer.from(tag.body.subarray(head)).toString('base64'));
    const received = (key: 'video' | 'audio') =>
      door.samples[key].map((s) => Buffer.from(s.data).toString('base64'));
    expect(received('video')).toEqual(bodies('video', 5));
    expect(received('audio')).toEqual(bodies('audio', 2));
    expect(door.samples.video.map((s) => s.dtsTicks / 10_000)).toEqual(
      media.filter((tag) => tag.type === 'video').map((tag) => tag.timestampMs),
    );
    expect(door.closes).toEqual(['MPE_CLIENT_TERMINATED_SESSION']);
    expect(door.requests[0]).toMatchObject({ accessToken: 'abcd1234ef', streamId: 'cam' });
  });

  it('takes what our publisher sends in real time', async () => {
    const { door, url } = await start();
    const result = await publishFlv({
      url,
      file: MEDIA,
      loop: true,
      seconds: 2,
      signal: new AbortController().signal,
      log,
    });
    await until(() => door.closes.length === 1);
    expect(door.samples.video.length + door.samples.audio.length).toBe(result.tagsSent);
    expect(door.tracks).toHaveLength(2);
  });

  it('tells the encoder why it is refused when the token is wrong', async () => {
    const { url } = await start();
    const wrong = url.replace(TOKEN, 'ffffffffff');
    expect(await ffmpeg('-i', MEDIA, '-c', 'copy', '-f', 'flv', wrong)).toContain('Wrong access token.');
  });

  it('refuses a codec it does not know, with a sentence', async () => {
    const { door, url } = await start();
    await ffmpeg(
      '-f',
      'lavfi',
      '-re',
      '-i',
      'testsrc2=s=160x120:r=25',
      '-t',
      '4',
      '-c:v',
      'flv1',
      '-f',
      'flv',
      url,
    );
    await until(() => door.refusals.length === 1);
    expect({ refusals: door.refusals, closes: door.closes }).toEqual({
      refusals: ['MPE_INGEST_CODEC_NOT_SUPPORTED'],
      closes: ['MPE_INGEST_CODEC_NOT_SUPPORTED'],
    });
  });

  it('drops half a handshake and text that is not RTMP, and leaks no connection in 200 quick ones', async () => {
    const { port } = await start({ handshakeTimeoutMs: 200, connectionsPerAddressMax: 1000 });
    for (const bytes of [new Uint8Array([3, 1, 2]), new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n')]) {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      socket.write(bytes);
      socket.resume();
      await once(socket, 'close');
    }
    for (let i = 0; i < 200; i += 1)
      connect(port, '127.0.0.1')
        .on('error', () => undefined)
        .end();
    await until(() => ingest?.connections() === 0);
  });

  it('hands on B-frames with the decode times and composition offsets that ffprobe sees', async () => {
    const { door, url } = await start();
    const folder = await mkdtemp(join(tmpdir(), 'rtmp-'));
    try {
      const file = join(folder, 'b.flv');
      const encode = ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '3', '-g', '25', '-threads', '1'];
      await ffmpeg('-f', 'lavfi', '-i', 'testsrc2=s=160x120:r=25:d=4', ...encode, '-f', 'flv', file);
      await ffmpeg('-i', file, '-c', 'copy', '-f', 'flv', url);
      await until(() => door.closes.length === 1);
      const entries = ['-show_entries', 'packet=dts,pts,flags', '-of', 'csv=p=0'];
      const probed = (await run('ffprobe', '-v', 'error', '-select_streams', 'v', ...entries, file)).stdout
        .trim()
        .split('\n')
        .map((line) => line.split(','));
      const firstDts = Number(probed[0]?.[1]);
      expect(
        door.samples.video.map((s) => [
          s.dtsTicks / 10_000,
          s.compositionOffsetTicks / 10_000,
          s.isRandomAccessPoint,
        ]),
      ).toEqual(
        probed.map(([pts, dts, flags]) => [
          Number(dts) - Math.min(0, firstDts),
          Number(pts) - Number(dts),
          flags?.startsWith('K'),
        ]),
      );
      expect(door.samples.video.some((s) => s.compositionOffsetTicks > 0)).toBe(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('lets the first publisher of a name go on when the door refuses the second', async () => {
    const { door, port } = await start();
    const first = await rawPublisher(port);
    const second = await rawPublisher(port);
    expect(await second.outcome).toContain('NetStream.Publish.BadName: Already sent.');
    expect(door.closes).toEqual([]);
    first.end();
    await first.outcome;
    await until(() => door.closes.length === 1);
    expect(door.closes).toEqual(['MPI_STREAM_HIT_EOF']);
  });

  it.each([
    {
      name: 'a message that is too large',
      messages: [video(new Uint8Array(9 * 1024 * 1024))],
      code: 'MPE_INGEST_RTMP_TOO_LARGE_UNPROCESSED_FLV',
      said: 'exceeds 8388608',
    },
    {
      name: 'video before its sequence header',
      messages: [video(hex('17 01 000000 00000001 65'))],
      code: 'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED',
      said: 'without its AVC sequence header',
    },
    {
      name: 'a sequence header that cannot be read',
      messages: [video(hex('17 00 000000 01 42'))],
      code: 'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED',
      said: 'AVC sequence header cannot be used',
    },
    {
      name: 'a video message cut short',
      messages: [video(hex('17 01'))],
      code: 'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED',
      said: 'cannot be read',
    },
    {
      name: 'metadata that is not AMF0',
      messages: [{ typeId: MESSAGE_TYPE.dataAmf0, timestampMs: 0, payload: hex('02 ffff 61') }],
      code: 'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED',
      said: 'broke the RTMP protocol',
    },
    {
      name: 'AV1 in Enhanced RTMP',
      messages: [video(hex('90 61763031 01'))],
      code: 'MPE_INGEST_CODEC_NOT_SUPPORTED',
      said: 'av01 is not supported',
    },
    {
      name: 'MP3',
      messages: [{ typeId: MESSAGE_TYPE.audio, timestampMs: 0, payload: hex('2f fffb9064') }],
      code: 'MPE_INGEST_CODEC_NOT_SUPPORTED',
      said: 'MP3 is not supported',
    },
  ])('says why it drops an encoder that sends $name', async ({ messages, code, said }) => {
    const { door, port } = await start();
    const publisher = await rawPublisher(port);
    for (const message of messages) publisher.send(message);
    expect(await publisher.outcome).toContain(said);
    await until(() => door.closes.length === 1);
    expect({ closes: door.closes, refusals: door.refusals }).toEqual({ closes: [code], refusals: [code] });
  });

  it('refuses MP3 that FFmpeg sends', async () => {
    const { door, url } = await start();
    const mp3 = ['-c:a', 'libmp3lame', '-ar', '44100', '-f', 'flv'];
    await ffmpeg('-re', '-f', 'lavfi', '-i', 'sine=r=44100', '-t', '4', ...mp3, url);
    await until(() => door.closes.length === 1);
    expect(door.closes).toEqual(['MPE_INGEST_CODEC_NOT_SUPPORTED']);
  });

  it('reads no faster than a slow receiver takes, and loses nothing', async () => {
    const { door, port } = await start();
    let outstanding = 0;
    let outstandingMax = 0;
    door.onSample = async () => {
      outstanding += 1;
      outstandingMax = Math.max(outstandingMax, outstanding);
      await new Promise((resolve) => setTimeout(resolve, 5));
      outstanding -= 1;
    };
    const publisher = await rawPublisher(port);
    const { headers } = await readFlvLoop(MEDIA);
    for (const tag of headers) if (tag.type === 'video') publisher.send(video(tag.body));
    const SAMPLES = 200;
    const SAMPLE_BYTES = 200_000;
    const before = process.memoryUsage().arrayBuffers;
    let heldMax = 0;
    for (let i = 0; i < SAMPLES; i += 1) {
      const body = new Uint8Array(5 + SAMPLE_BYTES).fill(i);
      body.set(hex(`17 01 000000 ${(SAMPLE_BYTES - 4).toString(16).padStart(8, '0')} 65`));
      publisher.send({ ...video(body), timestampMs: i * 40 });
    }
    // What has been sent but not taken waits in the sender: 40 MB, in this same process.
    while (door.samples.video.length < SAMPLES) {
      const taken = door.samples.video.length * SAMPLE_BYTES;
      heldMax = Math.max(
        heldMax,
        process.memoryUsage().arrayBuffers - before - SAMPLES * SAMPLE_BYTES - taken,
      );
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    publisher.end();
    await until(() => door.closes.length === 1);
    expect(door.samples.video.map((s) => s.dtsTicks / 400_000)).toEqual(
      Array.from({ length: SAMPLES }, (_, i) => i),
    );
    expect(door.samples.video.every((s, i) => s.data.length === SAMPLE_BYTES && s.data[10] === i)).toBe(true);
    expect(outstandingMax).toBe(1);
    expect(heldMax).toBeLessThan(20 * 1024 * 1024);
  });

  it.each([
    { name: 'nothing comes', limits: { idleTimeoutMs: 150 }, code: 'MPE_RTMP_SESSION_IDLE_TIMEOUT' },
    {
      name: 'the receiver takes nothing',
      limits: { receiverTimeoutMs: 150 },
      code: 'MPE_CAPACITY_LIMIT_REACHED',
    },
  ])('drops an encoder when $name', async ({ limits, code }) => {
    const { door, port } = await start(limits);
    door.onSample = () => new Promise(() => undefined);
    const publisher = await rawPublisher(port);
    const { headers, media } = await readFlvLoop(MEDIA);
    if (code === 'MPE_CAPACITY_LIMIT_REACHED') {
      for (const tag of [...headers, ...media.slice(0, 9)])
        if (tag.type === 'video') publisher.send(video(tag.body));
    }
    await publisher.outcome;
    await until(() => door.closes.length === 1 && ingest?.connections() === 0);
    expect(door.closes).toEqual([code]);
  });

  it('gives up a door that does not answer, and closes what it opens too late', async () => {
    const { door, port } = await start({ doorTimeoutMs: 150 });
    let answer: () => void = () => undefined;
    door.onOpen = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const publisher = await rawPublisher(port);
    expect(await publisher.outcome).toContain('too busy');
    await until(() => ingest?.connections() === 0);
    expect(door.refusals).toEqual(['MPE_CAPACITY_LIMIT_REACHED']);
    answer();
    await until(() => door.closes.length === 1);
    expect(door.closes).toEqual(['MPE_CAPACITY_LIMIT_REACHED']);
  });

  it('says so when the door fails', async () => {
    const { door, port } = await start();
    door.onOpen = () => Promise.reject(new Error('no storage'));
    const publisher = await rawPublisher(port);
    expect(await publisher.outcome).toContain('cannot take the stream now');
    expect(door.refusals).toEqual(['MPE_CAPACITY_LIMIT_REACHED']);
  });

  it('tells the door of encoders for which there is no room, a flood of them once', async () => {
    const { door, port } = await start({ connectionsMax: 1 });
    const first = await rawPublisher(port);
    for (let i = 0; i < 20; i += 1) {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      socket.resume();
      await once(socket, 'close');
    }
    expect(door.refusals).toEqual(['MPE_CAPACITY_LIMIT_REACHED']);
    first.end();
    await first.outcome;
  });

  it('drops the encoder when the service wants it gone, also while a sample is being taken', async () => {
    for (const reason of ['MPI_REST_API_CHANNEL_STOP', 'MPI_REST_API_CHANNEL_RESET']) {
      const { door, port } = await start();
      let take: () => void = () => undefined;
      door.onSample = () =>
        new Promise((resolve) => {
          take = resolve;
        });
      const publisher = await rawPublisher(port);
      const { headers, media } = await readFlvLoop(MEDIA);
      for (const tag of [...headers, ...media.slice(0, 9)])
        if (tag.type === 'video') publisher.send(video(tag.body));
      await until(() => door.samples.video.length === 1);
      door.revocation.abort(reason);
      expect(await publisher.outcome).toContain('no longer takes this stream');
      // The session is closed only when it is not in the middle of a sample.
      expect(door.closes).toEqual([]);
      take();
      await until(() => door.closes.length === 1);
      expect(door.closes).toEqual([reason]);
      await ingest?.close();
    }
    ingest = undefined;
  });

  it('publishes on after the server restarted, its timeline unbroken', async () => {
    const { door, url, port } = await start();
    const stop = new AbortController();
    const publishing = publishFlv({
      url,
      file: MEDIA,
      loop: true,
      reconnect: true,
      signal: stop.signal,
      log,
    });
    await until(() => door.samples.video.length > 10);
    await ingest?.close();
    expect(door.closes).toEqual(['MPI_SYSTEM_MAINTENANCE']);
    const before = door.samples.video.length;
    const addresses = { rtmp: { port, endpoint: 'primary' as const } };
    ({ ingest } = await startRecordingIngest({ addresses, door }));
    await until(() => door.samples.video.length > before + 10);
    stop.abort();
    expect((await publishing).connections).toBe(2);
    const times = door.samples.video.map((s) => s.dtsTicks);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(door.samples.video[before]?.isRandomAccessPoint).toBe(true);
  });

  it('publishes as a program of its own: ready line, refusal, SIGTERM', async () => {
    const { door, url } = await start();
    const folder = await mkdtemp(join(tmpdir(), 'rtmp-'));
    try {
      const program = join(folder, 'publish.mjs');
      const command = fileURLToPath(new URL('../../src/publisher/publish-command.ts', import.meta.url));
      const contents = `import { runPublishCommand } from ${JSON.stringify(command)};
        await runPublishCommand(process.argv.slice(2));`;
      await build({
        stdin: { contents, resolveDir: folder, loader: 'ts' },
        bundle: true,
        platform: 'node',
        format: 'esm',
        outfile: program,
        logLevel: 'silent',
      });
      // Its service would outlive the test.
      await stopEsbuild();
      const child = spawn(process.execPath, [program, '--url', url, '--file', MEDIA, '--loop']);
      const [ready] = await once(child.stdout, 'data');
      expect(String(ready)).toBe('{"ready":true}\n');
      await until(() => door.samples.video.length > 5);
      child.kill('SIGTERM');
      expect(await once(child, 'close')).toEqual([0, null]);
      await until(() => door.closes.length === 1);
      expect(door.closes).toEqual(['MPE_CLIENT_TERMINATED_SESSION']);

      const wrong = await run(
        process.execPath,
        program,
        '--url',
        url.replace(TOKEN, 'ffffffffff'),
        '--file',
        MEDIA,
      );
      expect(wrong).toMatchObject({ code: 1, stdout: '' });
      expect(wrong.stderr).toContain('Wrong access token.');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('ends where it began after 500 publishers came and went', async () => {
    const { door, port } = await start();
    const { headers, media } = await readFlvLoop(MEDIA);
    const comeAndGo = async (name: string): Promise<void> => {
      const publisher = await rawPublisher(port, name);
      for (const tag of [...headers, ...media.slice(0, 3)]) {
        publisher.send(messageOf(tag));
      }
      publisher.end();
      await publisher.outcome;
    };
    for (let round = 1; round <= 10; round += 1) {
      await Promise.all(Array.from({ length: 50 }, (_, i) => comeAndGo(`cam${i}`)));
      await until(() => door.closes.length === round * 50);
    }
    await until(() => ingest?.connections() === 0);
    expect(new Set(door.closes)).toEqual(new Set(['MPI_STREAM_HIT_EOF']));
    expect(door.samples.video.length + door.samples.audio.length).toBe(500 * 3);
  });
});
