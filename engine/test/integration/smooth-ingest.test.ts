import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { SmoothIngest, SmoothIngestLimits } from '../../src/ingest/smooth/smooth-ingest.ts';
import { startSmoothIngest } from '../../src/ingest/smooth/smooth-ingest.ts';
import type { Sample } from '../../src/model/sample.ts';
import { FragmentDoor } from '../support/fragment-door.ts';
import { ffmpeg, until } from '../support/programs.ts';
import { joined, openPost, post, recordSession, type SessionBox } from '../support/smooth-session.ts';
import { makeSource, type Packet, packetsOf } from '../support/source-media.ts';

const TOKEN = 'ABCD-1234-ef';
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

let folder: string;
let source: string;
let session: SessionBox[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-smooth-'));
  source = await makeSource(folder, 'source.mp4', 6);
  session = await recordSession(source);
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

let ingest: SmoothIngest | undefined;
afterEach(async () => {
  await ingest?.close();
  ingest = undefined;
});

async function start(limits: Partial<SmoothIngestLimits> = {}) {
  const door = new FragmentDoor('abcd1234ef');
  ingest = await startSmoothIngest({
    ...{ port: 0, publicPort: 0, host: '127.0.0.1', publicHost: 'ingest.example', door, log, clock: Date },
    limits,
  });
  const { port } = ingest;
  const url = (name = 'cam', token = TOKEN) =>
    `http://127.0.0.1:${port}/${token}/ingest.isml/Streams(${name})`;
  return { door, url, port };
}

const ISML = ['-movflags', 'isml+frag_keyframe', '-f', 'ismv'];

describe('Smooth ingest', () => {
  it('takes every sample of a file that FFmpeg pushes as fast as it can, byte for byte', async () => {
    const { door, url } = await start();
    await ffmpeg('-i', source, '-c', 'copy', ...ISML, url());
    await until(() => door.closes.length > 0, 'the end of the session');
    // FFmpeg ends with the mfra that says so.
    expect(door.closes).toEqual(['MPI_STREAM_HIT_EOF']);
    expect(door.refusals).toEqual([]);
    expect(door.requests).toMatchObject([
      {
        accessToken: 'abcd1234ef',
        streamId: 'cam',
        protocol: 'FragmentedMP4',
        ingestUrl: expect.stringMatching(
          /^http:\/\/ingest\.example:\d+\/\*{4}\/ingest\.isml\/Streams\(cam\)$/,
        ),
      },
    ]);
    const described = [...door.tracks].map(([key, { format, ...track }]) => ({
      ...{ key, ...track },
      codec: format.codecString,
    }));
    expect(described).toEqual([
      {
        key: expect.stringMatching(/^video video_und {2}3\d{5}$/),
        type: 'video',
        name: 'video_und',
        language: undefined,
        codec: 'avc1.4d400c',
        declaredBitrateBps: expect.any(Number),
        declaredFrameRate: undefined,
      },
      {
        key: expect.stringMatching(/^audio audio_und {2}6\d{4}$/),
        type: 'audio',
        name: 'audio_und',
        language: undefined,
        codec: 'mp4a.40.2',
        declaredBitrateBps: expect.any(Number),
        declaredFrameRate: undefined,
      },
    ]);
    for (const [type, stream] of [
      ['video', 'v:0'],
      ['audio', 'a:0'],
    ] as const) {
      expect(comparable(door.samplesOf(type).map(toPacket))).toEqual(
        comparable(await packetsOf(source, stream)),
      );
    }
    // One fragment from key frame to key frame.
    const video = door.fragments.filter(({ key }) => key.startsWith('video'));
    expect(video.map(({ durationTicks }) => durationTicks)).toEqual(Array(6).fill(10_000_000));
  });

  it('answers an empty POST with 200, or with why the encoder would be refused', async () => {
    const { door, url } = await start();
    expect(await post(url())).toEqual({ status: 200, code: '', body: '' });
    const chunked = openPost(url('cam', 'abcd1234EF'));
    chunked.end();
    expect((await chunked.answer).status).toBe(200);
    expect(await post(url('cam', 'wrong-token-1'))).toMatchObject({
      status: 404,
      body: '{"error":{"code":"MPE_RTMP_APPID_AUTH_FAILURE","message":"Wrong access token."}}',
    });
    door.denies = () => true;
    expect(await post(url())).toMatchObject({
      status: 403,
      body: '{"error":{"code":"MPE_INGEST_ENCODER_CONNECTION_DENIED","message":"Not from there."}}',
    });
    expect(await post(url(), joined(session))).toMatchObject({ status: 403 });
    expect([door.requests, door.refusals, door.probes.length]).toEqual([[], [], 5]);
  });

  it.each([
    { name: 'no stream name', path: `/${TOKEN}/ingest.isml` },
    { name: 'the word of another service', path: `/${TOKEN}/ingest.isml/Events(cam)` },
    { name: 'an empty stream name', path: `/${TOKEN}/ingest.isml/Streams()` },
    { name: 'no token', path: '/ingest.isml/Streams(cam)' },
    { name: 'broken escapes', path: `/${TOKEN}/ingest.isml/Streams(%zz)` },
    { name: 'another method', path: `/${TOKEN}/ingest.isml/Streams(cam)`, method: 'DELETE' },
  ])('answers 400 MPE_BAD_URL_SYNTAX to $name', async ({ path, method }) => {
    const { door, port } = await start();
    const answer = await post(`http://127.0.0.1:${port}${path}`, undefined, method);
    expect(answer).toMatchObject({ status: 400, code: 'MPE_BAD_URL_SYNTAX' });
    expect([door.refusals, door.probes]).toEqual([['MPE_BAD_URL_SYNTAX'], []]);
  });

  it.each([
    `/${TOKEN}/INGEST.ISML/STREAMS(cam)`,
    `/${TOKEN}/ingest.isml/streams%28cam%29`,
    `/${TOKEN}/ingest.isml/Streams(cam)/?x=1`,
  ])('takes %s', async (path) => {
    const { door, port } = await start();
    expect((await post(`http://127.0.0.1:${port}${path}`)).status).toBe(200);
    expect(door.probes).toMatchObject([{ accessToken: 'abcd1234ef', streamId: 'cam' }]);
  });

  it('takes a body that is cut anyhow, and a graceful end without mfra', async () => {
    const { door, url } = await start();
    const whole = joined(session.filter(({ type }) => type !== 'mfra'));
    const sent = openPost(url(), 'PUT');
    for (let at = 0, size = 1; at < whole.length; at += size, size = (size * 7 + 3) % 4001) {
      await sent.write(whole.subarray(at, at + size));
    }
    sent.end();
    expect(await sent.answer).toEqual({ status: 200, code: '', body: '' });
    expect(door.closes).toEqual(['S_OK']);
    expect(comparable(door.samplesOf('video').map(toPacket))).toEqual(
      comparable(await packetsOf(source, 'v:0')),
    );
    expect(ingest?.memoryBytes()).toBe(0);
  });

  it('takes an encoder clock that counts 100 ns since 1970, exactly', async () => {
    const { door, url } = await start();
    const clock = 17_953_368_316_550_323_217n / 1000n;
    expect((await post(url(), joined(session.map((box) => withClock(box, clock))))).status).toBe(200);
    const times = door.fragments.filter(({ key }) => key.startsWith('video'));
    const starts = times.map(({ timestampTicks }) => timestampTicks - (times[0]?.timestampTicks ?? 0));
    expect(starts).toEqual([0, 1, 2, 3, 4, 5].map((second) => second * 10_000_000));
    expect(times.every(({ timestampTicks }) => Number.isSafeInteger(timestampTicks))).toBe(true);
    expect(times[0]?.timestampTicks).toBe(Number(BigInt.asIntN(53, clock)));
  });

  it('takes fragments with tfdt only, another timescale, HEVC and no manifest', async () => {
    const hevc = join(folder, 'hevc.mp4');
    await ffmpeg(
      ...['-y', '-i', source, '-c:v', 'libx265', '-preset', 'ultrafast', '-tag:v', 'hvc1', '-an', '-t', '2'],
      ...['-x265-params', 'log-level=none:keyint=25', '-video_track_timescale', '90000', hevc],
    );
    const { door, url } = await start();
    const fragmented = await recordSession(
      hevc,
      ...['-movflags', 'frag_keyframe+empty_moov+default_base_moof', '-f', 'mp4'],
    );
    expect((await post(url(), joined(fragmented))).status).toBe(200);
    expect([...door.tracks.values()].map(({ type, name, format }) => [type, name, format.kind])).toEqual([
      ['video', undefined, 'hevc'],
    ]);
    expect(comparable(door.samplesOf('video').map(toPacket))).toEqual(
      comparable(await packetsOf(hevc, 'v:0')),
    );
    const beginnings = door.fragments.map(({ samples }) => samples[0]?.isRandomAccessPoint);
    expect(beginnings).toEqual([true, true]);
  });

  it.each([
    {
      name: 'media before its headers',
      boxes: () => session.filter(({ type }) => type !== 'moov'),
      status: 400,
      code: 'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED',
    },
    {
      name: 'a video codec of old',
      boxes: () => session.map((box) => replaced(box, 'moov', 'avc1', 'vc-1')),
      status: 415,
      code: 'MPE_INGEST_CODEC_NOT_SUPPORTED',
    },
    {
      name: 'a sound codec that is not AAC',
      boxes: () => session.map((box) => replaced(box, 'moov', 'mp4a', 'ac-3')),
      status: 415,
      code: 'MPE_INGEST_CODEC_NOT_SUPPORTED',
    },
    {
      name: 'a manifest that is not XML',
      boxes: () => session.map((box) => replaced(box, 'uuid', '<body>', '<b&dy>')),
      status: 400,
      code: 'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED',
    },
    {
      name: 'a manifest with entities of its own',
      boxes: () => session.map((box) => replaced(box, 'uuid', '<?xml version="1.0"', '<!DOCTYPE a        ')),
      status: 400,
      code: 'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED',
    },
    {
      name: 'something that is no fragmented MP4',
      boxes: () => [{ type: '', bytes: Buffer.from('GET / HTTP/1.1 and so on, and on, and on') }],
      status: 400,
      code: 'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED',
    },
    {
      name: 'a body that ends before its headers do',
      boxes: () => session.slice(0, 2),
      status: 400,
      code: 'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED',
    },
  ])('refuses $name with $code', async ({ boxes, status, code }) => {
    const { door, url } = await start();
    expect(await post(url(), joined(boxes()))).toMatchObject({ status, code });
    expect([door.refusals, door.requests, door.closes]).toEqual([[code], [], []]);
  });

  it('drops an encoder whose stream breaks, and keeps what was whole', async () => {
    const { door, url } = await start();
    const broken = joined(session.slice(0, 7));
    const tail = Buffer.from([0x40, 0, 0, 0, ...Buffer.from('mdat')]);
    const answer = await post(url(), Buffer.concat([broken, tail]));
    expect(answer).toMatchObject({ status: 400, code: 'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED' });
    expect([door.refusals, door.closes]).toEqual([[], ['MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED']]);
    expect(door.fragments).toHaveLength(2);
  });

  it('takes no part of a fragment from an encoder that dies in it', async () => {
    const { door, url } = await start();
    const sent = openPost(url());
    await sent.write(joined(session.slice(0, 5)));
    await sent.write(joined(session.slice(5, 7)).subarray(0, -10));
    await until(() => door.fragments.length === 1, 'the first fragment');
    sent.kill();
    await until(() => door.closes.length > 0, 'the end of the session');
    expect(door.closes).toEqual(['MPE_CLIENT_DISCONNECTED']);
    expect(door.fragments).toHaveLength(1);
    expect(ingest?.memoryBytes()).toBe(0);
  });

  it('hands over no sample of a fragment that is not wanted', async () => {
    const { door, url } = await start();
    const seen = new Set<string>();
    door.wantsFragment = (key, timestampTicks) => {
      const isNew = !seen.has(`${key} ${timestampTicks}`);
      seen.add(`${key} ${timestampTicks}`);
      return isNew;
    };
    const answers = await Promise.all([post(url(), joined(session)), post(url(), joined(session))]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(door.samplesOf('video')).toHaveLength(150);
  });

  it('reads no more while the session is full, and goes on when it is not', async () => {
    const { door, url } = await start();
    let resume: () => void = () => undefined;
    const full = new Promise<void>((resolve) => {
      resume = resolve;
    });
    door.onSample = () => full;
    const sent = openPost(url());
    void sent.write(joined(session));
    sent.end();
    await until(() => door.fragments.length > 0, 'the first fragment');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(door.fragments).toHaveLength(1);
    resume();
    expect((await sent.answer).status).toBe(200);
    expect(door.samplesOf('video')).toHaveLength(150);
  });

  it.each(['MPI_REST_API_CHANNEL_STOP', 'MPI_REST_API_CHANNEL_RESET'] as const)(
    'tells an encoder that is sent away %s',
    async (code) => {
      const { door, url } = await start();
      const sent = openPost(url());
      await sent.write(joined(session.slice(0, 5)));
      await until(() => door.fragments.length === 1, 'the first fragment');
      door.revocation.abort(code);
      expect(await sent.answer).toMatchObject({ status: 410, code });
      expect([door.closes, door.refusals]).toEqual([[code], []]);
    },
  );

  it.each([
    { name: 'its headers', limits: { headerTimeoutMs: 300 }, count: 2, closes: [] },
    { name: 'more media', limits: { idleTimeoutMs: 300 }, count: 5, closes: ['MPE_CLIENT_DISCONNECTED'] },
    {
      name: 'the rest of a fragment',
      limits: { fragmentTimeoutMs: 300 },
      count: 6,
      closes: ['MPE_CLIENT_DISCONNECTED'],
    },
  ])('gives up an encoder that does not send $name', async ({ limits, count, closes }) => {
    const { door, url } = await start(limits);
    const sent = openPost(url());
    await sent.write(joined(session.slice(0, count)));
    const { status } = await sent.answer;
    expect([status, door.closes]).toEqual([closes.length === 0 ? 400 : 408, closes]);
  });

  it('gives up a door and a session that do not answer', async () => {
    const { door, url } = await start({ doorTimeoutMs: 300, receiverTimeoutMs: 300 });
    const never = new Promise<void>(() => undefined);
    door.onSample = () => never;
    const slow = { status: 503, code: 'MPE_CAPACITY_LIMIT_REACHED' };
    expect(await post(url(), joined(session))).toMatchObject(slow);
    door.onOpen = () => never;
    expect(await post(url('other'), joined(session))).toMatchObject(slow);
    expect([door.closes, door.refusals]).toEqual([
      ['MPE_CAPACITY_LIMIT_REACHED'],
      ['MPE_CAPACITY_LIMIT_REACHED'],
    ]);
  });

  it('refuses more connections and more memory than there is room for', async () => {
    const { door, url } = await start({ memoryBytesMax: 1000, connectionsPerAddressMax: 2 });
    const full = { status: 503, code: 'MPE_CAPACITY_LIMIT_REACHED' };
    expect(await post(url(), joined(session))).toMatchObject(full);
    const open = [openPost(url()), openPost(url())];
    await Promise.all(open.map((sent) => sent.write(joined(session.slice(0, 1)))));
    await until(() => ingest?.connections() === 2, 'two connections');
    expect((await post(url())).status).toBe(0);
    for (const sent of open) sent.kill();
    await until(() => ingest?.connections() === 0, 'no connections');
    expect(door.refusals.filter((code) => code === 'MPE_CAPACITY_LIMIT_REACHED').length).toBeGreaterThan(1);
  });

  it('drops its encoders when it stops', async () => {
    const { door, url } = await start();
    const sent = openPost(url());
    await sent.write(joined(session.slice(0, 5)));
    await until(() => door.fragments.length === 1, 'the first fragment');
    await ingest?.close();
    ingest = undefined;
    expect(await sent.answer).toMatchObject({ status: 503, code: 'MPI_SYSTEM_MAINTENANCE' });
    expect(door.closes).toEqual(['MPI_SYSTEM_MAINTENANCE']);
  });
});

/** `tfxd` of a fragment, that FFmpeg writes with 64 bits, moved by `ticks`. */
function withClock(box: SessionBox, ticks: bigint): SessionBox {
  const at = box.bytes.indexOf('6d1d9b0542d544e680e2141daff757b2', 0, 'hex');
  if (box.type !== 'moof' || at < 0) return box;
  const bytes = Buffer.from(box.bytes);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, bytes.readBigUInt64BE(at + 20) + ticks), at + 20);
  return { ...box, bytes };
}

function replaced(box: SessionBox, type: string, from: string, to: string): SessionBox {
  if (box.type !== type) return box;
  const bytes = Buffer.from(box.bytes);
  bytes.write(to, bytes.indexOf(from), 'latin1');
  return { ...box, bytes };
}

function toPacket({ dtsTicks, compositionOffsetTicks, data }: Sample): Packet {
  const md5 = createHash('md5').update(data).digest('hex');
  return { dtsTicks, ptsTicks: dtsTicks + compositionOffsetTicks, sizeBytes: data.length, md5 };
}

/**
 * Each packet's bytes, and its times after the first packet's to the millisecond: muxers round, move the zero, and FFmpeg's
 * moves decode times so that no picture is composed before it is decoded.
 */
function comparable(packets: readonly Packet[]) {
  const [first] = packets;
  const ms = (ticks: number, zero = 0) => Math.round((ticks - zero) / 10_000);
  return packets.map(({ dtsTicks, ptsTicks, sizeBytes, md5 }) => ({
    ...{ sizeBytes, md5 },
    dtsMs: ms(dtsTicks, first?.dtsTicks),
    ptsMs: ms(ptsTicks, first?.ptsTicks),
  }));
}
