import { createCipheriv } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  type BlockCipher,
  type BlockCipherMode,
  blockCiphers,
  withBlockCipher,
} from '../../../src/encryption/block-cipher.ts';
import { encryptSegmentOf } from '../../../src/encryption/segment-encryption.ts';

const KEY = Buffer.from('2b7e151628aed2a6abf7158809cf4f3c', 'hex');
const IV = Buffer.from('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff', 'hex');
const MODES = ['ctr', 'cbc', 'ecb'] as const;
const IMPLEMENTATIONS = ['openssl', 'node'] as const;
const isBuiltForThis = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);

interface Step {
  readonly restarts: boolean;
  readonly sizeBytes: number;
  readonly gapBytes: number;
  readonly isInPlace: boolean;
}

const step = fc.record({
  restarts: fc.boolean(),
  sizeBytes: fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 0, max: 700 }) },
    { weight: 1, arbitrary: fc.integer({ min: 30_000, max: 90_000 }) },
  ),
  gapBytes: fc.integer({ min: 0, max: 40 }),
  isInPlace: fc.boolean(),
});

/** Ranges of one buffer, some in place and some into another one; both, with all that must not have been touched. */
function run(
  implementation: (typeof IMPLEMENTATIONS)[number],
  mode: BlockCipherMode,
  steps: readonly Step[],
): string[] {
  const wholeBytes = ({ sizeBytes }: Step) => (mode === 'ctr' ? sizeBytes : sizeBytes - (sizeBytes % 16));
  const total = steps.reduce((sum, each) => sum + each.gapBytes + wholeBytes(each), 64);
  const own = Buffer.from(Uint8Array.from({ length: total }, (_, at) => at * 31));
  const other = Buffer.alloc(total, 0xee);
  withBlockCipher(
    mode,
    KEY,
    (cipher) => {
      if (mode !== 'ecb') cipher.restart(IV);
      let at = 0;
      for (const [index, each] of steps.entries()) {
        at += each.gapBytes;
        const end = at + wholeBytes(each);
        if (each.restarts && mode !== 'ecb') cipher.restart(Buffer.alloc(16, index));
        const source = own.subarray(at, end);
        cipher.encrypt(source, each.isInPlace ? source : other.subarray(at, end));
        at = end;
      }
    },
    implementation,
  );
  return [own.toString('base64'), other.toString('base64')];
}

describe('block ciphers', () => {
  // Else every other test of encryption here would be one of node:crypto alone.
  (isBuiltForThis ? it : it.skip)('are those of OpenSSL in place where koffi has a binary', () => {
    expect(blockCiphers()).toBe('openssl');
  });

  it.each(MODES)('%s: both implementations write the same bytes, and no others', (mode) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        expect(run('openssl', mode, steps)).toEqual(run('node', mode, steps));
      }),
      { numRuns: 60 },
    );
  });

  it.each(IMPLEMENTATIONS)('%s: the examples of NIST SP 800-38A', (implementation) => {
    const clear = Buffer.from('6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51', 'hex');
    const encrypted = (mode: BlockCipherMode, iv?: Buffer): string =>
      withBlockCipher(
        mode,
        KEY,
        (cipher) => {
          if (iv !== undefined) cipher.restart(iv);
          const made = Buffer.alloc(clear.length);
          cipher.encrypt(clear, made);
          return made.toString('hex');
        },
        implementation,
      );
    expect({
      ecb: encrypted('ecb'),
      cbc: encrypted('cbc', Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')),
      ctr: encrypted('ctr', IV),
    }).toEqual({
      ecb: '3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf',
      cbc: '7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2',
      ctr: '874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff',
    });
  });

  it.each<[string, BlockCipherMode, (cipher: BlockCipher) => void]>([
    ['a smaller place', 'ctr', (cipher) => cipher.encrypt(new Uint8Array(17), new Uint8Array(16))],
    ['a larger place', 'ctr', (cipher) => cipher.encrypt(new Uint8Array(16), new Uint8Array(17))],
    ['half a block of CBC', 'cbc', (cipher) => cipher.encrypt(new Uint8Array(24), new Uint8Array(24))],
    ['half a block of ECB', 'ecb', (cipher) => cipher.encrypt(new Uint8Array(8), new Uint8Array(8))],
    ['a short vector', 'ctr', (cipher) => cipher.restart(new Uint8Array(12))],
    ['a long vector', 'cbc', (cipher) => cipher.restart(new Uint8Array(17))],
    ['a vector of ECB', 'ecb', (cipher) => cipher.restart(new Uint8Array(16))],
    [
      'places that overlap',
      'ctr',
      (cipher) => {
        const bytes = new Uint8Array(64);
        cipher.encrypt(bytes.subarray(0, 32), bytes.subarray(8, 40));
      },
    ],
    [
      'a buffer that is gone',
      'ctr',
      (cipher) => {
        const bytes = new Uint8Array(64);
        structuredClone(bytes, { transfer: [bytes.buffer] });
        cipher.encrypt(new Uint8Array(64), bytes);
      },
    ],
  ])('refuse %s', (_, mode, use) => {
    for (const implementation of IMPLEMENTATIONS) {
      const act = () =>
        withBlockCipher(
          mode,
          KEY,
          (cipher) => {
            if (mode !== 'ecb') cipher.restart(IV);
            use(cipher);
          },
          implementation,
        );
      expect(act).toThrow(RangeError);
    }
  });

  it('refuse a key of another size, to begin without a vector, and to be used when they are closed', () => {
    for (const implementation of IMPLEMENTATIONS) {
      const open = <T>(key: Uint8Array, use: (cipher: BlockCipher) => T) =>
        withBlockCipher('ctr', key, use, implementation);
      const block = new Uint8Array(16);
      expect(() => open(KEY.subarray(1), () => 0)).toThrow(RangeError);
      expect(() => open(KEY, (cipher) => cipher.encrypt(block, block))).toThrow(RangeError);
      const closed = open(KEY, (cipher) => {
        cipher.restart(IV);
        return cipher;
      });
      expect(() => closed.restart(IV)).toThrow(RangeError);
      expect(() => closed.encrypt(block, block)).toThrow(RangeError);
    }
  });
});

describe('encryptSegmentOf', () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 5000 })));

  it('is CBC of the pieces one after another, however they are cut', () => {
    fc.assert(
      fc.property(sizes, (cuts) => {
        const pieces = cuts.map((size, at) => Buffer.alloc(size, at + 1));
        const whole = Buffer.concat(pieces);
        const encrypted = encryptSegmentOf(whole.length, { key: { value: KEY }, iv: IV }, (put) => {
          for (const piece of pieces) put(piece);
        });
        const cipher = createCipheriv('aes-128-cbc', KEY, IV);
        const expected = Buffer.concat([cipher.update(whole), cipher.final()]);
        expect(Buffer.from(encrypted).equals(expected)).toBe(true);
      }),
    );
  });

  it.each([
    ['fewer', 15],
    ['more', 17],
    ['many more', 64],
  ])('refuses %s bytes than were announced', (_, written) => {
    const act = () =>
      encryptSegmentOf(32, { key: { value: KEY }, iv: IV }, (put) => {
        put(new Uint8Array(16));
        put(new Uint8Array(written));
      });
    expect(act).toThrow(RangeError);
  });
});
