import { createDecipheriv, createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseFragment } from '../../src/formats/isobmff/fragment-reader.ts';
import type { FragmentEntry } from '../../src/model/presentation.ts';
import type { Protection } from '../../src/model/protection.ts';
import { packageDashFragment, packageDashHeader } from '../../src/packager/dash-segments.ts';
import { packageSmoothFragment } from '../../src/packager/smooth-segments.ts';
import { decryptSamples } from '../support/sample-decryption.ts';
import { packetsOf } from '../support/source-media.ts';
import { makeStoredMedia, type StoredMedia } from '../support/stored-media.ts';

const KEY = {
  id: '01234567-89ab-cdef-0123-456789abcdef',
  value: Buffer.from('0f1e2d3c4b5a69788796a5b4c3d2e1f0', 'hex'),
  widevine: { licenseUrl: 'https://license.test/wv' },
};
const IV_SALT = Buffer.from('a1b2c3d4e5f60718', 'hex');
const protectionOf = (scheme: Protection['scheme']): Protection => ({
  scheme,
  ivSalt: IV_SALT,
  keyOf: () => KEY,
});

const SOURCES = {
  video: [
    ...['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25', '-frames:v', '50', '-c:v', 'libx264'],
    ...['-pix_fmt', 'yuv420p', '-bf', '3', '-g', '25', '-sc_threshold', '0'],
  ],
  audio: [
    ...['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=2'],
    ...['-c:a', 'aac', '-ac', '2'],
  ],
} as const;

let folder: string;
const media = new Map<keyof typeof SOURCES, StoredMedia>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'smooth-'));
  for (const [at, type] of (['video', 'audio'] as const).entries()) {
    const file = join(folder, `source-${type}.mp4`);
    media.set(type, await makeStoredMedia(file, SOURCES[type], { ordinal: at + 1, samplesPerFragment: 25 }));
  }
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

describe.each(['video', 'audio'] as const)('%s', (type) => {
  const source = (): StoredMedia => {
    const found = media.get(type);
    if (found === undefined) throw new Error('nothing was made');
    return found;
  };
  const entries = (): FragmentEntry[] =>
    source().fragments.map(({ bytes, entry }, sequence) => {
      const { decodeTimeTicks, samples } = parseFragment(bytes);
      const durationTicks = samples.reduce((sum, sample) => sum + sample.durationTicks, 0);
      const measured = { sequence, decodeTimeTicks, durationTicks, sizeBytes: bytes.length };
      return { ...entry, ...measured, discontinuity: 0, committedAtMs: 0 };
    });
  const packaged = (protection: Protection | undefined): Uint8Array[] => {
    const all = entries();
    return source().fragments.flatMap(({ bytes }, at) => {
      const [entry, ...following] = all.slice(at, at + 3);
      return entry === undefined
        ? []
        : [packageSmoothFragment(bytes, { track: source().track, entry, following, protection })];
    });
  };
  const hashes = (list: readonly Uint8Array[]) =>
    list.map((data) => createHash('md5').update(data).digest('hex'));
  const sourceHashes = () => hashes(source().samples.map(({ data }) => data));
  const stream = type === 'video' ? 'v:0' : 'a:0';

  it('is read by FFmpeg from Smooth fragments, sample for sample, with its durations', async () => {
    const file = join(folder, `${type}.mp4`);
    const fragments = packaged(undefined);
    await writeFile(file, Buffer.concat([source().header, ...fragments]));
    const packets = await packetsOf(file, stream);
    expect(packets.map(({ md5 }) => md5)).toEqual(sourceHashes());
    const [first, second] = packets;
    const [one, two] = source().samples;
    expect((second?.dtsTicks ?? 0) - (first?.dtsTicks ?? 0)).toBe(
      (two?.dtsTicks ?? 0) - (one?.dtsTicks ?? 0),
    );
  });

  it('is decrypted from PIFF fragments to the samples of the source', () => {
    const samples = packaged(protectionOf('cenc')).flatMap((fragment) =>
      decryptSamples(fragment, { scheme: 'cenc', key: KEY.value }),
    );
    expect(hashes(samples)).toEqual(sourceHashes());
  });

  it('is read by FFmpeg from DASH segments whose envelope was opened, the header too', async () => {
    const protection = protectionOf('aes128');
    const { track, header, fragments } = source();
    const all = entries();
    const segments = [
      packageDashHeader(header, { track, formatIndex: 0, protection }),
      ...fragments.flatMap(({ bytes }, at) => {
        const entry = all[at];
        return entry === undefined ? [] : [packageDashFragment(bytes, { track, entry, protection })];
      }),
    ];
    const opened = segments.map((segment) => {
      const iv = Buffer.concat([IV_SALT, Buffer.alloc(8)]); // as the MPD tells it
      const decipher = createDecipheriv('aes-128-cbc', KEY.value, iv);
      return Buffer.concat([decipher.update(segment), decipher.final()]);
    });
    const file = join(folder, `${type}-envelope.mp4`);
    await writeFile(file, Buffer.concat(opened));
    expect((await packetsOf(file, stream)).map(({ md5 }) => md5)).toEqual(sourceHashes());
  });

  it.each(['cenc', 'cbcs'] as const)('is decrypted by FFmpeg from DASH segments in %s', async (scheme) => {
    const protection = protectionOf(scheme);
    const { track, header, fragments } = source();
    const [entry] = entries();
    const [first] = fragments;
    if (entry === undefined || first === undefined) throw new Error('no fragment');
    const file = join(folder, `${type}-${scheme}.mp4`);
    await writeFile(
      file,
      Buffer.concat([
        packageDashHeader(header, { track, formatIndex: 0, protection }),
        packageDashFragment(first.bytes, { track, entry, protection }),
      ]),
    );
    const packets = await packetsOf(file, stream, '-decryption_key', KEY.value.toString('hex'));
    expect(packets.map(({ md5 }) => md5)).toEqual(sourceHashes().slice(0, packets.length));
    expect(packets).toHaveLength(entry.sampleCount);
  });
});
