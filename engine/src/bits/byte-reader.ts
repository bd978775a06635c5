import { UnexpectedEndOfData } from './unexpected-end-of-data.ts';

const asciiDecoder = new TextDecoder('latin1');

/** Reads big-endian values. A short read throws `UnexpectedEndOfData`; what `bytes` returns is a view, not a copy. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#offset;
  }

  get bytesLeft(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2));
  }

  i16(): number {
    return this.#view.getInt16(this.#advance(2));
  }

  u24(): number {
    const at = this.#advance(3);
    return this.#view.getUint16(at) * 256 + this.#view.getUint8(at + 2);
  }

  i24(): number {
    const at = this.#advance(3);
    return this.#view.getInt16(at) * 256 + this.#view.getUint8(at + 2);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4));
  }

  i32(): number {
    return this.#view.getInt32(this.#advance(4));
  }

  /** Throws a RangeError when the value is not a safe integer. */
  u64(): number {
    const at = this.#advance(8);
    const value = this.#view.getUint32(at) * 2 ** 32 + this.#view.getUint32(at + 4);
    if (!Number.isSafeInteger(value)) throw new RangeError('64-bit value exceeds 2^53 - 1');
    return value;
  }

  bytes(count: number): Uint8Array {
    const at = this.#advance(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** A reader of the next `count` bytes alone, which are skipped here. */
  part(count: number): ByteReader {
    return new ByteReader(this.bytes(count));
  }

  ascii(count: number): string {
    return asciiDecoder.decode(this.bytes(count));
  }

  skip(count: number): void {
    this.#advance(count);
  }

  #advance(count: number): number {
    const at = this.#offset;
    if (count < 0 || count > this.bytesLeft) {
      throw new UnexpectedEndOfData({ offset: at, wanted: count, had: this.bytesLeft });
    }
    this.#offset = at + count;
    return at;
  }
}
