import { UnexpectedEndOfData } from './unexpected-end-of-data.ts';

/** ISO/IEC 14496-10 §9.1: longer prefixes code values past 2^32 − 2, which no syntax element has. */
const EXP_GOLOMB_PREFIX_BITS_MAX = 31;

/** Reads bits, most significant first. A short read throws `UnexpectedEndOfData`; offsets are in bits. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get bitsLeft(): number {
    return this.#bytes.length * 8 - this.#offset;
  }

  /** Unsigned, at most 32 bits. */
  readBits(count: number): number {
    this.#require(count);
    let value = 0;
    for (let left = count; left > 0; ) {
      const byte = this.#bytes[this.#offset >>> 3] ?? 0; // in range: required above
      const available = 8 - (this.#offset & 7);
      const taken = Math.min(available, left);
      const bits = (byte >>> (available - taken)) & ((1 << taken) - 1);
      value = value * 2 ** taken + bits;
      this.#offset += taken;
      left -= taken;
    }
    return value;
  }

  readFlag(): boolean {
    return this.readBits(1) === 1;
  }

  skipBits(count: number): void {
    this.#require(count);
    this.#offset += count;
  }

  /** ue(v), ISO/IEC 14496-10 §9.1. */
  readUnsignedExpGolomb(): number {
    let prefixBits = 0;
    while (!this.readFlag()) {
      prefixBits += 1;
      if (prefixBits > EXP_GOLOMB_PREFIX_BITS_MAX) {
        throw new RangeError(`Exp-Golomb prefix of more than ${EXP_GOLOMB_PREFIX_BITS_MAX} bits`);
      }
    }
    return 2 ** prefixBits - 1 + this.readBits(prefixBits);
  }

  /** se(v), ISO/IEC 14496-10 §9.1.1. */
  readSignedExpGolomb(): number {
    const code = this.readUnsignedExpGolomb();
    return code % 2 === 1 ? (code + 1) / 2 : code === 0 ? 0 : -(code / 2);
  }

  #require(count: number): void {
    if (count > this.bitsLeft) {
      throw new UnexpectedEndOfData({ offset: this.#offset, wanted: count, had: this.bitsLeft });
    }
  }
}
