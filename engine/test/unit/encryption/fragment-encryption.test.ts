import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { blockCiphers, useNodeCiphers } from '../../../src/encryption/block-cipher.ts';
import { encryptFragment, type FragmentEncryption } from '../../../src/encryption/fragment-encryption.ts';
import { constantIv } from '../../../src/encryption/initialization-vector.ts';
import { getBox, readBoxes } from '../../../src/formats/isobmff/box-reader.ts';
import { parseFragment } from '../../../src/formats/isobmff/fragment-reader.ts';
import { writeFragment } from '../../../src/formats/isobmff/fragment-writer.ts';
import { TFXD_USER_TYPE } from '../../../src/formats/isobmff/sample-flags.ts';
import type { Track } from '../../../src/model/track.ts';
import { high180, stereo48, track } from '../../support/presentations.ts';
import {
  decryptSamples,
  PIFF_SENC,
  readSampleInformation,
  trafBoxesOf,
} from '../../support/sample-decryption.ts';

const KEY = {
  id: '01234567-89ab-cdef-0123-456789abcdef',
  value: Buffer.from('0f1e2d3c4b5a69788796a5b4c3d2e1f0', 'hex'),
};
const SALT = Buffer.from('a1b2c3d4e5f60718', 'hex');
const START = 2_174_000_000_000_000;
const VIDEO = track('video', { ordinal: 3, bitrateBps: 300_000, formats: [high180] });
const AUDIO = track('audio', { ordinal: 4, bitrateBps: 64_000, formats: [stereo48] });

function fragmentOf(of: Track, samples: readonly Uint8Array[]): Uint8Array {
  const { head, payload } = writeFragment({
    track: of,
    sequence: 7,
    decodeTimeTicks: START,
    samples: samples.map((data, at) => ({
      dtsTicks: START + at * 400_000,
      compositionOffsetTicks: at % 3 === 0 ? 800_000 : 0,
      isRandomAccessPoint: at === 0,
      durationTicks: 400_000,
      data,
    })),
  });
  return new Uint8Array(Buffer.concat([head, ...payload]));
}

function encrypt(
  of: Track,
  samples: readonly Uint8Array[],
  more: Partial<FragmentEncryption> = {},
): Uint8Array {
  const entry = { formatIndex: 0, firstSample: 1_000_000, sampleCount: samples.length };
  const clear = fragmentOf(of, samples);
  const before = hash(clear);
  const encrypted = encryptFragment(clear, {
    ...{ track: of, entry, scheme: 'cenc', key: KEY, ivSalt: SALT, ...more },
  });
  expect(hash(clear)).toBe(before);
  return encrypted;
}

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const sha = (text: string): string => hash(Buffer.from(text));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function decrypt(fragment: Uint8Array, scheme: 'cenc' | 'cbcs', of: Track): string[] {
  const iv = constantIv({ track: of, ivSalt: SALT });
  return decryptSamples(fragment, { scheme, key: KEY.value, constantIv: iv }).map(hex);
}

/** Anything that looks like a sample of length-prefixed NAL units, also what is none. */
const nalUnit = fc
  .tuple(fc.constantFrom(1, 5, 6, 7, 8, 9, 20, 0x41, 0x65), fc.uint8Array({ maxLength: 900 }))
  .map(([type, body]) => Buffer.concat([Buffer.from([type]), body]));
const videoSample = fc.oneof(
  { weight: 5, arbitrary: fc.array(nalUnit, { maxLength: 5 }).map(accessUnit) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 10_000, max: 90_000 }).map((size) => accessUnit([noise(size, 0x65)])),
  },
);
const audioSample = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 700 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.integer({ min: 10_000, max: 70_000 }).map((size) => noise(size, 0x21)) },
);

function accessUnit(nalUnits: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    nalUnits.flatMap((unit) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(unit.length);
      return [length, unit];
    }),
  );
}

/** Bytes that are hard to compress and without emulation prevention, the same each time. */
function noise(sizeBytes: number, first: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  let state = sizeBytes;
  for (let at = 0; at < sizeBytes; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = (state >>> 24) | 1;
  }
  bytes[0] = first;
  return bytes;
}

describe('encryptFragment', () => {
  it.each(['cenc', 'cbcs'] as const)(
    '%s: a plain decryptor has back every sample, whatever it is',
    (scheme) => {
      const anyVideo = fc.array(videoSample, { minLength: 1, maxLength: 12 });
      const anyAudio = fc.array(audioSample, { minLength: 1, maxLength: 80 });
      fc.assert(
        fc.property(anyVideo, anyAudio, (video, audio) => {
          for (const [of, samples] of [
            [VIDEO, video],
            [AUDIO, audio],
          ] as const) {
            const encrypted = encrypt(of, samples, { scheme });
            expect(decrypt(encrypted, scheme, of)).toEqual(samples.map(hex));
          }
        }),
        { numRuns: 30 },
      );
    },
  );

  it.each(['cenc', 'cbcs'] as const)('%s: also of more than is encrypted at once', (scheme) => {
    const huge = [accessUnit([noise(40_000, 0x65), noise(700_000, 0x41), noise(800, 0x41)])];
    const slices = [accessUnit(Array.from({ length: 900 }, (_, at) => noise(300 + (at % 700), 0x65)))];
    const frames = Array.from({ length: 2200 }, (_, at) => noise(1 + ((at * 37) % 340), 0x21));
    for (const [of, samples] of [
      [VIDEO, huge],
      [VIDEO, slices],
      [AUDIO, frames],
    ] as const) {
      const encrypted = encrypt(of, samples, { scheme });
      expect(decrypt(encrypted, scheme, of).map(sha)).toEqual(samples.map(hex).map(sha));
    }
  });

  it('keeps every box of the fragment and finds the samples behind those it adds', () => {
    const samples = [accessUnit([noise(5000, 0x65)]), accessUnit([noise(70, 0x41)])];
    const encrypted = encrypt(VIDEO, samples);
    const types = trafBoxesOf(encrypted).map(({ type, userType }) =>
      userType === TFXD_USER_TYPE ? 'tfxd' : type,
    );
    expect(types).toEqual(['tfhd', 'tfdt', 'trun', 'tfxd', 'saiz', 'saio', 'senc']);
    const clear = parseFragment(fragmentOf(VIDEO, samples));
    const parsed = parseFragment(encrypted);
    const without = ({ samples: all, ...rest }: typeof clear) => ({
      ...rest,
      samples: all.map(({ offset: _, ...sample }) => sample),
    });
    expect(without(parsed)).toEqual(without(clear));
    const boxes = trafBoxesOf(encrypted);
    const body = (type: string) => Buffer.from(getBox(boxes, type).body);
    const moof = getBox(readBoxes(encrypted), 'moof');
    const sencStart =
      encrypted.length - getBox(readBoxes(encrypted), 'mdat').sizeBytes - getBox(boxes, 'senc').sizeBytes;
    // Where the first IV is, counted from the moof.
    expect(body('saio').readUInt32BE(8)).toBe(sencStart - moof.offset + 16);
    expect(body('saiz').readUInt32BE(5)).toBe(2);
  });

  it('tells PIFF players in a uuid box alone', () => {
    const encrypted = encrypt(VIDEO, [accessUnit([noise(500, 0x65)])], { boxes: 'piff' });
    const added = trafBoxesOf(encrypted).slice(4);
    expect(added.map(({ userType }) => userType)).toEqual([PIFF_SENC]);
    const cmaf = encrypt(VIDEO, [accessUnit([noise(500, 0x65)])]);
    expect(readSampleInformation(encrypted, 8)).toEqual(readSampleInformation(cmaf, 8));
    expect(decrypt(encrypted, 'cenc', VIDEO)).toEqual(decrypt(cmaf, 'cenc', VIDEO));
  });

  it('splits clear bytes that one subsample cannot count', () => {
    const samples = [accessUnit([noise(200_000, 6), noise(4000, 0x65)])];
    const [information] = readSampleInformation(encrypt(VIDEO, samples), 8) ?? [];
    const clear = information?.subsamples?.map(({ clearBytes }) => clearBytes) ?? [];
    expect(clear.slice(0, 3)).toEqual([65_535, 65_535, 65_535]);
    expect(clear.reduce((sum, bytes) => sum + bytes)).toBeGreaterThan(200_008);
  });

  it('has cenc protect whole blocks, and leaves a slice that nobody can read a lead of 128 bytes at most', () => {
    const samples = [accessUnit([Buffer.concat([Buffer.from([0x65]), Buffer.alloc(4000, 0x11)])])];
    for (const scheme of ['cenc', 'cbcs'] as const) {
      const [information] =
        readSampleInformation(encrypt(VIDEO, samples, { scheme }), scheme === 'cenc' ? 8 : 0) ?? [];
      const [subsample] = information?.subsamples ?? [];
      expect(subsample?.clearBytes).toBeLessThan(4 + 128 + 16);
      if (scheme === 'cenc') expect((subsample?.protectedBytes ?? 1) % 16).toBe(0);
    }
  });

  it('finds runs without a data offset and turns a base data offset into one from the moof', () => {
    const samples = [noise(100, 1), noise(200, 2), noise(300, 3)];
    const clear = withBaseDataOffset(fragmentOf(AUDIO, samples));
    const entry = { formatIndex: 0, firstSample: 0, sampleCount: 3 };
    const encrypted = encryptFragment(clear, { track: AUDIO, entry, scheme: 'cenc', key: KEY, ivSalt: SALT });
    const tfhd = Buffer.from(getBox(trafBoxesOf(encrypted), 'tfhd').body);
    expect(tfhd.readUInt32BE(0) & 0x02_0001).toBe(0x02_0000);
    expect(decrypt(encrypted, 'cenc', AUDIO)).toEqual(samples.map(hex));
  });

  it('has the same samples in any buffer it is given, and none but those', () => {
    const samples = [accessUnit([noise(50_000, 0x65)]), accessUnit([noise(900, 0x41)])];
    const used = new Uint8Array(100_000).fill(0xee);
    const pooled = encrypt(VIDEO, samples, { allocate: () => used });
    expect(hash(pooled)).toBe(hash(encrypt(VIDEO, samples)));
    expect(() => encrypt(VIDEO, samples, { allocate: () => new Uint8Array(10) })).toThrow(RangeError);
  });

  it.each([
    ['more samples than the index knows of', { sampleCount: 0 }, 'MalformedFragment'],
    ['a format that the track has not', { formatIndex: 9 }, 'RangeError'],
    ['sample numbers beyond 48 bits', { firstSample: 2 ** 48 }, 'RangeError'],
  ])('refuses %s', (_, more, name) => {
    const entry = { formatIndex: 0, firstSample: 0, sampleCount: 1, ...more };
    const o = { track: AUDIO, entry, scheme: 'cenc', key: KEY, ivSalt: SALT } as const;
    expect(() => encryptFragment(fragmentOf(AUDIO, [noise(9, 1)]), o)).toThrow(
      expect.objectContaining({ name }),
    );
  });

  it('refuses what is encrypted already', () => {
    const entry = { formatIndex: 0, firstSample: 0, sampleCount: 1 };
    const o = { track: AUDIO, entry, scheme: 'cenc', key: KEY, ivSalt: SALT } as const;
    const once = encryptFragment(fragmentOf(AUDIO, [noise(9, 1)]), o);
    expect(() => encryptFragment(once, o)).toThrow(expect.objectContaining({ code: 'MalformedFragment' }));
  });

  it('answers any bytes with a fragment or with its own error', () => {
    const good = fragmentOf(VIDEO, [accessUnit([noise(300, 0x65)]), accessUnit([noise(90, 0x41)])]);
    const entry = { formatIndex: 0, firstSample: 0, sampleCount: 60_000 };
    const mutation = fc.tuple(fc.nat(good.length - 1), fc.nat(255));
    fc.assert(
      fc.property(
        fc.array(mutation, { minLength: 1, maxLength: 6 }),
        fc.nat(good.length),
        (changes, length) => {
          const bytes = good.slice(0, length < 60 ? length : good.length);
          for (const [at, value] of changes) bytes[Math.min(at, bytes.length - 1)] = value;
          for (const scheme of ['cenc', 'cbcs'] as const) {
            try {
              encryptFragment(bytes, { track: VIDEO, entry, scheme, key: KEY, ivSalt: SALT });
            } catch (error) {
              expect(error).toMatchObject({ code: 'MalformedFragment' });
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

// The last: there is no way back within a process.
describe('useNodeCiphers', () => {
  it('changes who encrypts, and no byte', () => {
    const pictures = [accessUnit([noise(50_000, 0x65), noise(900, 0x41)]), accessUnit([noise(300, 0x41)])];
    const frames = [1, 15, 16, 340, 700, 12_000].map((size) => noise(size, 0x21));
    const both = (scheme: 'cenc' | 'cbcs') => [
      hash(encrypt(VIDEO, pictures, { scheme })),
      hash(encrypt(AUDIO, frames, { scheme })),
    ];
    const before = [...both('cenc'), ...both('cbcs')];
    useNodeCiphers();
    expect(blockCiphers()).toBe('node');
    expect([...both('cenc'), ...both('cbcs')]).toEqual(before);
  });
});

/** The fragment as encoders of old files write it: an absolute base, and runs that follow each other. */
function withBaseDataOffset(fragment: Uint8Array): Uint8Array {
  const bytes = Buffer.from(fragment);
  const tfhd = bytes.indexOf('tfhd') - 4;
  const trun = bytes.indexOf('trun') - 4;
  const tfhdFlags = bytes.readUInt32BE(tfhd + 8);
  const base = Buffer.alloc(8);
  base.writeUInt32BE(0x7fff_ffff, 4);
  const trunFlags = bytes.readUInt32BE(trun + 8);
  const rewritten = Buffer.concat([
    bytes.subarray(0, tfhd + 16),
    base,
    bytes.subarray(tfhd + 16, trun + 16),
    bytes.subarray(trun + 20), // without the data offset
  ]);
  const size = (at: number, growth: number) =>
    rewritten.writeUInt32BE(rewritten.readUInt32BE(at) + growth, at);
  size(0, 4);
  size(bytes.indexOf('traf') - 4, 4);
  size(tfhd, 8);
  rewritten.writeUInt32BE((tfhdFlags & ~0x02_0000) | 1, tfhd + 8);
  size(trun + 8, -4);
  rewritten.writeUInt32BE(trunFlags & ~1, trun + 16);
  return new Uint8Array(rewritten);
}
