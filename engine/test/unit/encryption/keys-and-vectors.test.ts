import { createDecipheriv } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { keyIdBytes } from '../../../src/encryption/content-key.ts';
import { encryptHeader } from '../../../src/encryption/header-encryption.ts';
import { constantIv, ivSaltOf, sampleIvs, segmentIv } from '../../../src/encryption/initialization-vector.ts';
import { encryptedSizeBytes, encryptSegment } from '../../../src/encryption/segment-encryption.ts';
import { getBox, readBoxes } from '../../../src/formats/isobmff/box-reader.ts';
import { writeCmafHeader } from '../../../src/formats/isobmff/cmaf-header-writer.ts';
import { high180, stereo48, track } from '../../support/presentations.ts';

const KEY = {
  id: '01234567-89ab-cdef-0123-456789abcdef',
  value: Buffer.from('0f1e2d3c4b5a69788796a5b4c3d2e1f0', 'hex'),
};
const SALT = Buffer.from('a1b2c3d4e5f60718', 'hex');
const VIDEO = track('video', { ordinal: 3, bitrateBps: 300_000, formats: [high180] });
const AUDIO = track('audio', { ordinal: 4, bitrateBps: 64_000, formats: [stereo48] });
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('initialization vectors', () => {
  /** A recording: tracks whose fragments follow each other, however often an encoder or a process came back. */
  const recording = fc.record({
    name: fc.uuid(),
    tracks: fc.uniqueArray(
      fc.record({
        ordinal: fc.integer({ min: 1, max: 0xffff }),
        // An encoder that comes back goes on counting where the index ends, also in the millions.
        firstSample: fc.integer({ min: 0, max: 2 ** 40 }),
        fragments: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
      }),
      { minLength: 1, maxLength: 5, selector: ({ ordinal }) => ordinal },
    ),
  });

  it('repeat for no sample of any track, fragment, restart or recording', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(recording, { minLength: 1, maxLength: 3, selector: ({ name }) => name }),
        (all) => {
          const ivs = all.flatMap(vectorsOf);
          const samples = all.flatMap(({ tracks }) => tracks.flatMap(({ fragments }) => fragments));
          expect(ivs).toHaveLength(samples.reduce((sum, count) => sum + count));
          // 8 bytes of IV, and a block counter that no sample is large enough to carry into them.
          expect(new Set(ivs).size).toBe(ivs.length);
        },
      ),
    );
  });

  it('are those that were agreed on', () => {
    expect([...sampleIvs({ track: VIDEO, ivSalt: SALT }, 2 ** 32 + 5, 2)]).toEqual([
      (0xa1b2c3d4 ^ 0x0003_0001) >>> 0,
      (0xe5f60718 ^ 5) >>> 0,
      (0xa1b2c3d4 ^ 0x0003_0001) >>> 0,
      (0xe5f60718 ^ 6) >>> 0,
    ]);
    expect(hex(segmentIv({ track: VIDEO, ivSalt: SALT, entry: { firstSample: 258 } }))).toBe(
      'a1b2c3d4e5f607180003000000000102',
    );
    expect(hex(constantIv({ track: VIDEO, ivSalt: SALT }))).toBe('a1b2c3d4e5f607180003ffffffffffff');
    expect(hex(ivSaltOf('asset', 'show'))).toBe('ac4b9b9f2559958e');
  });

  it.each([
    [{ track: { ordinal: 0x1_0000 }, ivSalt: SALT }, 0],
    [{ track: { ordinal: 1 }, ivSalt: SALT.subarray(1) }, 0],
    [{ track: { ordinal: 1 }, ivSalt: SALT }, -1],
    [{ track: { ordinal: 1 }, ivSalt: SALT }, 2 ** 48],
  ])('are refused beyond their fields: %j at %d', (space, firstSample) => {
    expect(() => sampleIvs(space, firstSample, 1)).toThrow(RangeError);
  });
});

interface Recording {
  readonly name: string;
  readonly tracks: readonly {
    readonly ordinal: number;
    readonly firstSample: number;
    readonly fragments: readonly number[];
  }[];
}

function vectorsOf({ name, tracks }: Recording): string[] {
  const ivSalt = ivSaltOf(name, 'show');
  return tracks.flatMap(({ ordinal, firstSample, fragments }) => {
    let first = firstSample;
    return fragments.flatMap((sampleCount) => {
      const words = Buffer.from(sampleIvs({ track: { ordinal }, ivSalt }, first, sampleCount).buffer);
      first += sampleCount;
      return Array.from({ length: sampleCount }, (_, at) => words.toString('hex', 8 * at, 8 * at + 8));
    });
  });
}

describe('encryptSegment', () => {
  it('is undone by AES-128 with PKCS#7, for any pieces', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 100_000, size: 'max' }), { maxLength: 4 });
    fc.assert(
      fc.property(pieces, (parts) => {
        const iv = segmentIv({ track: VIDEO, ivSalt: SALT, entry: { firstSample: 77 } });
        const encrypted = encryptSegment(parts, { key: KEY, iv });
        expect(encrypted.length).toBe(encryptedSizeBytes(parts.reduce((sum, { length }) => sum + length, 0)));
        const decipher = createDecipheriv('aes-128-cbc', KEY.value, iv);
        const decrypted = Buffer.concat([decipher.update(encrypted), decipher.final()]);
        expect(decrypted.equals(Buffer.concat(parts))).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('refuses a key or a vector of another size, and says nothing of the key', () => {
    const iv = new Uint8Array(16);
    expect(() => encryptSegment([], { key: KEY, iv: iv.subarray(1) })).toThrow(RangeError);
    expect(() => encryptSegment([], { key: { value: KEY.value.subarray(1) }, iv })).toThrow(
      'content key of 15 bytes, not 16',
    );
  });
});

describe('encryptHeader', () => {
  const pssh = Buffer.from('00000020707373680000000000112233445566778899aabbccddeeff00000000', 'hex');

  it.each([
    ['cenc', VIDEO, 'encv', 'avc1', `00000000${'0000'}0108`],
    ['cbcs', VIDEO, 'encv', 'avc1', `01000000${'0019'}0100`],
    ['cenc', AUDIO, 'enca', 'mp4a', `00000000${'0000'}0108`],
    ['cbcs', AUDIO, 'enca', 'mp4a', `01000000${'0000'}0100`],
  ] as const)('%s: says how samples of %# are encrypted', (scheme, of, type, original, tencStart) => {
    const clear = writeCmafHeader(of, 0);
    const o = { track: of, formatIndex: 0, scheme, key: KEY, ivSalt: SALT, psshBoxes: [pssh] };
    const moov = readBoxes(getBox(readBoxes(encryptHeader(clear, o)), 'moov').body);
    expect(moov.map((box) => box.type)).toEqual(['mvhd', 'trak', 'mvex', 'pssh']);
    const entry = sampleEntryOf(moov);
    const clearEntry = sampleEntryOf(readBoxes(getBox(readBoxes(clear), 'moov').body));
    expect([entry.type, clearEntry.type]).toEqual([type, original]);
    expect(hex(entry.body.subarray(0, clearEntry.body.length))).toBe(hex(clearEntry.body));
    const sinf = readBoxes(getBox(readBoxes(entry.body.subarray(clearEntry.body.length)), 'sinf').body);
    expect(sinf.map((box) => box.type)).toEqual(['frma', 'schm', 'schi']);
    expect(Buffer.from(getBox(sinf, 'frma').body).toString()).toBe(original);
    expect(hex(getBox(sinf, 'schm').body)).toBe(`00000000${Buffer.from(scheme).toString('hex')}00010000`);
    const constant = scheme === 'cbcs' ? `10${hex(constantIv({ track: of, ivSalt: SALT }))}` : '';
    expect(hex(getBox(readBoxes(getBox(sinf, 'schi').body), 'tenc').body)).toBe(
      `${tencStart}${hex(keyIdBytes(KEY.id))}${constant}`,
    );
  });

  it('refuses a header that is encrypted, broken, or of nothing it knows', () => {
    const o = {
      track: VIDEO,
      formatIndex: 0,
      scheme: 'cenc',
      key: KEY,
      ivSalt: SALT,
      psshBoxes: [],
    } as const;
    const clear = writeCmafHeader(VIDEO, 0);
    const refused = expect.objectContaining({ code: 'MalformedFragment' });
    expect(() => encryptHeader(encryptHeader(clear, o), o)).toThrow(refused);
    expect(() => encryptHeader(clear.subarray(0, clear.length - 1), o)).toThrow(refused);
    expect(() => encryptHeader(clear, { ...o, key: { id: 'none' } })).toThrow(RangeError);
    expect(() => encryptHeader(clear, { ...o, formatIndex: 1 })).toThrow(RangeError);
  });
});

function sampleEntryOf(moov: ReturnType<typeof readBoxes>) {
  let boxes = moov;
  for (const type of ['trak', 'mdia', 'minf', 'stbl']) boxes = readBoxes(getBox(boxes, type).body);
  const [entry] = readBoxes(getBox(boxes, 'stsd').body.subarray(8));
  if (entry === undefined) throw new Error('no sample entry');
  return entry;
}
