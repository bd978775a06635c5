import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { RtmpIngest } from '../../src/ingest/rtmp-ingest.ts';
import { makeCertificate } from '../support/certificates.ts';
import { ffmpeg, until } from '../support/programs.ts';
import { rawPublisher } from '../support/raw-publisher.ts';
import { startRecordingIngest, TOKEN } from '../support/recording-door.ts';

const MEDIA = fileURLToPath(new URL('../../../devstack/media/demo-loop.flv', import.meta.url));

let certificate: { certPem: string; keyPem: string };
beforeAll(async () => {
  certificate = await makeCertificate();
});

let ingest: RtmpIngest | undefined;
afterEach(async () => {
  await ingest?.close();
  ingest = undefined;
});

async function startAll(limits: Parameters<typeof startRecordingIngest>[0] = {}) {
  const started = await startRecordingIngest({
    addresses: {
      rtmp: { port: 0, endpoint: 'primary' },
      rtmpBackup: { port: 0, endpoint: 'backup', publicPort: 1936 },
      rtmps: { port: 0, endpoint: 'primary', tls: certificate, publicPort: 2935 },
      rtmpsBackup: { port: 0, endpoint: 'backup', tls: certificate },
    },
    ...limits,
  });
  ingest = started.ingest;
  const portOf = (name: string): number => started.ingest.ports[name] ?? 0;
  return { door: started.door, portOf };
}

describe('RTMP and RTMPS addresses', () => {
  it.each([
    { name: 'rtmp', scheme: 'rtmp', endpoint: 'primary', publicPort: undefined },
    { name: 'rtmpBackup', scheme: 'rtmp', endpoint: 'backup', publicPort: 1936 },
    { name: 'rtmps', scheme: 'rtmps', endpoint: 'primary', publicPort: 2935 },
    { name: 'rtmpsBackup', scheme: 'rtmps', endpoint: 'backup', publicPort: undefined },
  ])('takes every tag that FFmpeg pushes to $name', async ({ name, scheme, endpoint, publicPort }) => {
    const { door, portOf } = await startAll();
    const port = portOf(name);
    const complaints = await ffmpeg(
      ...['-i', MEDIA, '-c', 'copy', '-f', 'flv', `${scheme}://127.0.0.1:${port}/live/${TOKEN}/cam`],
    );
    await until(() => door.closes.length === 1);
    const { media } = await import('../../src/publisher/flv-loop.ts').then(({ readFlvLoop }) =>
      readFlvLoop(MEDIA),
    );
    expect({
      complaints,
      samples: door.samples.video.length + door.samples.audio.length,
      closes: door.closes,
      request: door.requests[0],
    }).toEqual({
      complaints: '',
      samples: media.length,
      closes: ['MPE_CLIENT_TERMINATED_SESSION'],
      request: {
        accessToken: 'abcd1234ef',
        streamId: 'cam',
        encoderIp: '127.0.0.1',
        encoderPort: expect.any(Number),
        protocol: 'RTMP',
        endpoint,
        ingestUrl: `${scheme}://media.example:${publicPort ?? port}/live/****/cam`,
      },
    });
  });

  it('drops a TLS handshake that does not come to its end, and what is not TLS', async () => {
    const { portOf } = await startAll({ limits: { tlsHandshakeTimeoutMs: 200 } });
    for (const bytes of ['', 'GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01\x02\x00\x01']) {
      const socket = connect(portOf('rtmps'), '127.0.0.1').on('error', () => undefined);
      socket.write(bytes);
      socket.resume();
      await once(socket, 'close');
    }
    await until(() => ingest?.connections() === 0);
  });

  it('drops an encoder that says nothing after its TLS handshake', async () => {
    const { portOf } = await startAll({ limits: { handshakeTimeoutMs: 200 } });
    const socket = connectTls({ port: portOf('rtmps'), host: '127.0.0.1', ca: certificate.certPem });
    await once(socket.resume(), 'close');
    await until(() => ingest?.connections() === 0);
  });

  it('counts connections of all its addresses together, those in their TLS handshake too', async () => {
    const { door, portOf } = await startAll({ limits: { connectionsMax: 2 } });
    const shakingHands = connect(portOf('rtmps'), '127.0.0.1').on('error', () => undefined);
    await once(shakingHands, 'connect');
    const publisher = await rawPublisher(portOf('rtmpBackup'));
    expect(ingest?.connections()).toBe(2);
    for (const name of ['rtmp', 'rtmps', 'rtmpBackup', 'rtmpsBackup']) {
      const socket = connect(portOf(name), '127.0.0.1').on('error', () => undefined);
      await once(socket.resume(), 'close');
    }
    expect(door.refusals).toEqual(['MPE_CAPACITY_LIMIT_REACHED']);
    shakingHands.destroy();
    await until(() => ingest?.connections() === 1);
    const overTls = connectTls({ port: portOf('rtmpsBackup'), host: '127.0.0.1', ca: certificate.certPem });
    await once(overTls, 'secureConnect');
    const second = await rawPublisher(portOf('rtmpsBackup'), 'other', { socket: overTls });
    expect(door.requests.map(({ endpoint }) => endpoint)).toEqual(['backup', 'backup']);
    for (const leaving of [publisher, second]) {
      leaving.end();
      await leaving.outcome;
    }
    await until(() => ingest?.connections() === 0);
  });

  it('stops with encoders in every phase of their lives', async () => {
    const { door, portOf } = await startAll();
    const sockets = ['rtmp', 'rtmps'].map((name) =>
      connect(portOf(name), '127.0.0.1').on('error', () => undefined),
    );
    const publishing = await rawPublisher(portOf('rtmp'));
    await Promise.all(sockets.map(async (socket) => socket.connecting && (await once(socket, 'connect'))));
    await ingest?.close();
    expect(await publishing.outcome).toBe('closed');
    expect({ connections: ingest?.connections(), closes: door.closes }).toEqual({
      connections: 0,
      closes: ['MPI_SYSTEM_MAINTENANCE'],
    });
    ingest = undefined;
  });
});
