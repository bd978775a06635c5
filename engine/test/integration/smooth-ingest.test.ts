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
import { makeSource, type Packet, packetsOf } from '../support/source-media.ts';

const TOKEN = 'ABCD-1234-ef';
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

let folder: string;
let source: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-smooth-'));
  source = await makeSource(folder, 'source.mp4', 6);
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
});

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
