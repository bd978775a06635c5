const INITIAL_CAPACITY_BYTES = 1024;

/** Writes big-endian values into a buffer that grows. Values out of a field's range throw a RangeError. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  constructor(capacityBytes = INITIAL_CAPACITY_BYTES) {
    this.#bytes = new Uint8Array(Math.max(capacityBytes, 1));
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#view.setUint8(at, checked(value, 2 ** 8));
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, checked(value, 2 ** 16));
    return this;
  }

  u24(value: number): this {
    const at = this.#grow(3);
    this.#view.setUint16(at, checked(value, 2 ** 24) >>> 8);
    this.#view.setUint8(at + 2, value & 0xff);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, checked(value, 2 ** 32));
    return this;
  }

  i32(value: number): this {
    checked(value + 2 ** 31, 2 ** 32);
    const at = this.#grow(4);
    this.#view.setInt32(at, value);
    return this;
  }

  u64(value: number | bigint): this {
    if (typeof value === 'bigint') {
      if (value < 0n || value >= 1n << 64n) throw new RangeError(`${value} does not fit its field`);
      const at = this.#grow(8);
      this.#view.setBigUint64(at, value);
      return this;
    }
    checked(value, Number.MAX_SAFE_INTEGER + 1);
    return this.u32(Math.floor(value / 2 ** 32)).u32(value % 2 ** 32);
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  zeros(count: number): this {
    const at = this.#grow(count);
    this.#bytes.fill(0, at, at + count);
    return this;
  }

  ascii(value: string): this {
    for (let index = 0; index < value.length; index += 1) this.u8(value.charCodeAt(index));
    return this;
  }

  /** ISO/IEC 14496-12 §4.2: a box, its size written when `writeBody` has returned. */
  box(type: string, writeBody: (writer: this) => void): this {
    const start = this.#length;
    this.u32(0).ascii(type);
    writeBody(this);
    this.#view.setUint32(start, this.#length - start);
    return this;
  }

  fullBox(
    type: string,
    header: { readonly version: number; readonly flags: number },
    writeBody: (writer: this) => void,
  ): this {
    return this.box(type, () => {
      this.u8(header.version).u24(header.flags);
      writeBody(this);
    });
  }

  /** What was written so far, as a view of the writer's buffer: write no more afterwards. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Makes room; `#bytes` and `#view` may be others after it. */
  #grow(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = needed;
    return at;
  }
}

function checked(value: number, limit: number): number {
  if (!Number.isInteger(value) || value < 0 || value >= limit) {
    throw new RangeError(`${value} does not fit its field`);
  }
  return value;
}
