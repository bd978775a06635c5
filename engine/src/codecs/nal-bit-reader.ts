import { UnexpectedEndOfData } from '../bits/unexpected-end-of-data.ts';

const NOTHING = new Uint8Array();
const EXP_GOLOMB_PREFIX_BITS_MAX = 31;

/**
 * Reads bits of a NAL unit where it lies, stepping over emulation prevention bytes (ITU-T H.264 §7.4.1.1, H.265 §7.4.2.1):
 * for slice headers, a few bytes of something large. One reader serves many NAL units. A short read throws
 * `UnexpectedEndOfData`.
 */
export class NalBitReader {
  #bytes: Uint8Array = NOTHING;
  #next = 0;
  #end = 0;
  #zeros = 0;
  #byte = 0;
  #bitsLeft = 0;

  open(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#next = start;
    this.#end = Math.min(end, bytes.length);
    this.#zeros = 0;
    this.#bitsLeft = 0;
  }

  /** Of the first byte of which nothing was read, in the bytes that were opened. */
  get offset(): number {
    return this.#next;
  }

  /** Unsigned, at most 32 bits. */
  readBits(count: number): number {
    let value = 0;
    for (let left = count; left > 0; ) {
      if (this.#bitsLeft === 0) this.#nextByte();
      const taken = Math.min(this.#bitsLeft, left);
      this.#bitsLeft -= taken;
      const bits = (this.#byte >>> this.#bitsLeft) & ((1 << taken) - 1);
      value = value * (1 << taken) + bits;
      left -= taken;
    }
    return value;
  }

  readFlag(): boolean {
    if (this.#bitsLeft === 0) this.#nextByte();
    this.#bitsLeft -= 1;
    return ((this.#byte >>> this.#bitsLeft) & 1) === 1;
  }

  skipBits(count: number): void {
    for (let left = count; left > 0; left -= 32) this.readBits(Math.min(left, 32));
  }

  /** ue(v), H.264 §9.1. */
  readUnsignedExpGolomb(): number {
    let prefixBits = 0;
    while (!this.readFlag()) {
      prefixBits += 1;
      if (prefixBits > EXP_GOLOMB_PREFIX_BITS_MAX) {
        throw new RangeError(`Exp-Golomb prefix of more than ${EXP_GOLOMB_PREFIX_BITS_MAX} bits`);
      }
    }
    return prefixBits === 0 ? 0 : 2 ** prefixBits - 1 + this.readBits(prefixBits);
  }

  /** se(v), §9.1.1. */
  readSignedExpGolomb(): number {
    const code = this.readUnsignedExpGolomb();
    return code % 2 === 1 ? (code + 1) / 2 : -(code / 2);
  }

  #nextByte(): void {
    let byte = this.#take();
    if (byte === 3 && this.#zeros >= 2) {
      this.#zeros = 0;
      byte = this.#take();
    }
    this.#zeros = byte === 0 ? this.#zeros + 1 : 0;
    this.#byte = byte;
    this.#bitsLeft = 8;
  }

  #take(): number {
    if (this.#next >= this.#end) {
      throw new UnexpectedEndOfData({ offset: this.#next, wanted: 1, had: 0 });
    }
    const byte = this.#bytes[this.#next] ?? 0; // in range: opened no further than there is
    this.#next += 1;
    return byte;
  }
}
