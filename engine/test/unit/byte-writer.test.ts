import { describe, expect, it } from '@jest/globals';
import { ByteWriter } from '../../src/bits/byte-writer.ts';

describe('ByteWriter', () => {
  it.each([
    ['u8', (writer: ByteWriter) => writer.u8(0xab), 'ab'],
    ['u16', (writer: ByteWriter) => writer.u16(0xabcd), 'abcd'],
    ['u24', (writer: ByteWriter) => writer.u24(0xabcdef), 'abcdef'],
    ['u32', (writer: ByteWriter) => writer.u32(0xabcdef01), 'abcdef01'],
    ['i32', (writer: ByteWriter) => writer.i32(-2), 'fffffffe'],
    ['u64', (writer: ByteWriter) => writer.u64(2 ** 40), '0000010000000000'],
    ['u64 of a bigint', (writer: ByteWriter) => writer.u64(1n << 40n), '0000010000000000'],
    ['bytes', (writer: ByteWriter) => writer.bytes(new Uint8Array([1, 2, 3])), '010203'],
    ['zeros', (writer: ByteWriter) => writer.zeros(3), '000000'],
    ['a box', (writer: ByteWriter) => writer.box('free', (body) => body.u8(7)), '00000009667265650' + '7'],
  ])('writes %s also where its buffer has to grow', (_, write, hex) => {
    for (let before = 1; before <= 12; before += 1) {
      const writer = new ByteWriter(8).zeros(before);
      write(writer);
      expect(Buffer.from(writer.finish()).toString('hex')).toBe('00'.repeat(before) + hex);
    }
  });
});
