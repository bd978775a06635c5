import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { PublishDoor, PublishRequest } from '../../src/ingest/publish-session.ts';
import type { RtmpIngestLimits } from '../../src/ingest/rtmp-connection.ts';
import { type RtmpIngest, startRtmpIngest } from '../../src/ingest/rtmp-ingest.ts';
import type { Sample } from '../../src/model/sample.ts';
import { readFlvLoop } from '../../src/publisher/flv-loop.ts';
import { publishFlv } from '../../src/publisher/publish-flv.ts';

const MEDIA = fileURLToPath(new URL('../../../devstack/media/demo-loop.flv', import.meta.url));
const TOKEN = 'ABCD-1234-ef';
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

class RecordingDoor implements PublishDoor {
  readonly requests: PublishRequest[] = [];
  readonly refusals: string[] = [];
  readonly closes: string[] = [];
  readonly samples: Record<'video' | 'audio', Sample[]> = { video: [], audio: [] };
  readonly tracks: string[] = [];

  async open(request: PublishRequest): ReturnType<PublishDoor['open']> {
    this.requests.push(request);
    if (request.accessToken !== 'abcd1234ef') {
      return { kind: 'refused', resultCode: 'MPE_RTMP_APPID_AUTH_FAILURE', message: 'Wrong access token.' };
    }
    return {
      kind: 'accepted',
      session: {
        setTrack: (key, { format }) => void this.tracks.push(`${key} ${format.codecString}`),
        addSample: (key, sample) => void this.samples[key].push(sample),
        close: async (code) => void this.closes.push(code),
        revoked: new AbortController().signal,
      },
    };
  }

  async reportRefusal(_request: Partial<PublishRequest>, resultCode: string): Promise<void> {
    this.refusals.push(resultCode);
  }
}

let ingest: RtmpIngest | undefined;
afterEach(async () => {
  await ingest?.close();
  ingest = undefined;
});

async function start(
  limits: Partial<RtmpIngestLimits> = {},
): Promise<{ door: RecordingDoor; url: string; port: number }> {
  const door = new RecordingDoor();
  ingest = await startRtmpIngest({ port: 0, host: '127.0.0.1', door, log, clock: Date, limits });
  return { door, url: `rtmp://127.0.0.1:${ingest.port}/live/${TOKEN}/cam`, port: ingest.port };
}

async function ffmpeg(...args: string[]): Promise<string> {
  const child = spawn('ffmpeg', ['-hide_banner', '-nostdin', '-loglevel', 'error', ...args]);
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  await once(child, 'close');
  return stderr;
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(condition()).toBe(true);
}

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
});
