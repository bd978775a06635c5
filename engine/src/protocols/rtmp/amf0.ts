import { RtmpError } from './rtmp-error.ts';

/** AMF0 as plain data. Objects are maps, so that a peer's key names (`__proto__`) can never touch a prototype. */
export type Amf0Value =
  | number
  | boolean
  | string
  | null
  | undefined
  | readonly Amf0Value[]
  | { readonly kind: 'object' | 'ecmaArray'; readonly properties: ReadonlyMap<string, Amf0Value> }
  | { readonly kind: 'date'; readonly unixMs: number };

export const AMF0_DEPTH_MAX = 16;
/** Values in one message, nested ones included: what a hostile message may make us allocate. */
export const AMF0_VALUES_MAX = 4096;

// AMF0 specification §2.1.
const NUMBER = 0x00;
const BOOLEAN = 0x01;
const STRING = 0x02;
const OBJECT = 0x03;
const NULL = 0x05;
const UNDEFINED = 0x06;
const ECMA_ARRAY = 0x08;
const OBJECT_END = 0x09;
const STRICT_ARRAY = 0x0a;
const DATE = 0x0b;
const LONG_STRING = 0x0c;
const UNSUPPORTED = 0x0d;
const XML_DOCUMENT = 0x0f;
const TYPED_OBJECT = 0x10;

const SHORT_STRING_BYTES_MAX = 0xffff;

const decoder = new TextDecoder('utf-8');
const encoder = new TextEncoder();

/** Reads every value of an AMF0 payload. Throws `RtmpError` `MalformedAmf` on anything else. */
export function parseAmf0(bytes: Uint8Array): Amf0Value[] {
  const reader = new Amf0Reader(bytes);
  const values: Amf0Value[] = [];
  while (!reader.isAtEnd()) values.push(reader.readValue(0));
  return values;
}

/** Writes values one after another. */
export function writeAmf0(values: readonly Amf0Value[]): Uint8Array {
  const writer = new Amf0Writer();
  for (const value of values) writer.writeValue(value, 0);
  return writer.toBytes();
}

export function amf0Object(properties: Readonly<Record<string, Amf0Value>>): Amf0Value {
  return { kind: 'object', properties: new Map(Object.entries(properties)) };
}

/** A property of an object or array; undefined when it is neither, or has none of that name. */
export function amf0Property(value: Amf0Value, name: string): Amf0Value {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined;
  return value.kind === 'date' ? undefined : value.properties.get(name);
}

function malformed(message: string): RtmpError {
  return new RtmpError('MalformedAmf', message);
}

class Amf0Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;
  #valueCount = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  isAtEnd(): boolean {
    return this.#offset >= this.#bytes.length;
  }

  readValue(depth: number): Amf0Value {
    if (depth > AMF0_DEPTH_MAX) throw malformed(`nesting exceeds ${AMF0_DEPTH_MAX}`);
    this.#valueCount += 1;
    if (this.#valueCount > AMF0_VALUES_MAX) throw malformed(`more than ${AMF0_VALUES_MAX} values`);
    const marker = this.#view.getUint8(this.#take(1));
    switch (marker) {
      case NUMBER:
        return this.#view.getFloat64(this.#take(8));
      case BOOLEAN:
        return this.#view.getUint8(this.#take(1)) !== 0;
      case STRING:
        return this.#readShortString();
      case OBJECT:
        return { kind: 'object', properties: this.#readProperties(depth) };
      case TYPED_OBJECT:
        this.#readShortString();
        return { kind: 'object', properties: this.#readProperties(depth) };
      case NULL:
        return null;
      case UNDEFINED:
      case UNSUPPORTED:
        return undefined;
      case ECMA_ARRAY:
        // §2.10: the count is only a hint, and encoders do send wrong ones; the end marker decides.
        this.#take(4);
        return { kind: 'ecmaArray', properties: this.#readProperties(depth) };
      case STRICT_ARRAY:
        return this.#readStrictArray(depth);
      case DATE:
        return this.#readDate();
      case LONG_STRING:
      case XML_DOCUMENT:
        return this.#readString(this.#view.getUint32(this.#take(4)));
      default:
        throw malformed(`type marker ${marker} at byte ${this.#offset - 1}`);
    }
  }

  #readProperties(depth: number): ReadonlyMap<string, Amf0Value> {
    const properties = new Map<string, Amf0Value>();
    while (true) {
      const name = this.#readShortString();
      if (name === '' && this.#bytes[this.#offset] === OBJECT_END) {
        this.#offset += 1;
        return properties;
      }
      properties.set(name, this.readValue(depth + 1));
    }
  }

  #readStrictArray(depth: number): readonly Amf0Value[] {
    const count = this.#view.getUint32(this.#take(4));
    if (count > AMF0_VALUES_MAX) throw malformed(`array of ${count} exceeds ${AMF0_VALUES_MAX}`);
    const values: Amf0Value[] = [];
    for (let i = 0; i < count; i += 1) values.push(this.readValue(depth + 1));
    return values;
  }

  #readDate(): Amf0Value {
    const unixMs = this.#view.getFloat64(this.#take(8));
    this.#take(2); // §2.13: the time zone is reserved.
    return { kind: 'date', unixMs };
  }

  #readShortString(): string {
    return this.#readString(this.#view.getUint16(this.#take(2)));
  }

  #readString(length: number): string {
    const start = this.#take(length);
    return decoder.decode(this.#bytes.subarray(start, start + length));
  }

  #take(length: number): number {
    const start = this.#offset;
    if (length > this.#bytes.length - start) {
      throw malformed(`wanted ${length} bytes at byte ${start}, had ${this.#bytes.length - start}`);
    }
    this.#offset += length;
    return start;
  }
}

class Amf0Writer {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  toBytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  writeValue(value: Amf0Value, depth: number): void {
    if (depth > AMF0_DEPTH_MAX) throw malformed(`nesting exceeds ${AMF0_DEPTH_MAX}`);
    if (typeof value === 'number') {
      this.#byte(NUMBER);
      this.#number(value);
    } else if (typeof value === 'boolean') {
      this.#byte(BOOLEAN);
      this.#byte(value ? 1 : 0);
    } else if (typeof value === 'string') {
      this.#string(value);
    } else if (value === null) {
      this.#byte(NULL);
    } else if (value === undefined) {
      this.#byte(UNDEFINED);
    } else if ('kind' in value) {
      this.#tagged(value, depth);
    } else {
      this.#byte(STRICT_ARRAY);
      this.#uint32(value.length);
      for (const item of value) this.writeValue(item, depth + 1);
    }
  }

  #tagged(value: Extract<Amf0Value, { readonly kind: string }>, depth: number): void {
    if (value.kind === 'date') {
      this.#byte(DATE);
      this.#number(value.unixMs);
      this.#uint16(0);
      return;
    }
    if (value.kind === 'object') {
      this.#byte(OBJECT);
    } else {
      this.#byte(ECMA_ARRAY);
      this.#uint32(value.properties.size);
    }
    for (const [name, property] of value.properties) {
      this.#shortString(encoder.encode(name));
      this.writeValue(property, depth + 1);
    }
    this.#uint16(0);
    this.#byte(OBJECT_END);
  }

  #string(value: string): void {
    const bytes = encoder.encode(value);
    if (bytes.length <= SHORT_STRING_BYTES_MAX) {
      this.#byte(STRING);
      this.#shortString(bytes);
      return;
    }
    this.#byte(LONG_STRING);
    this.#uint32(bytes.length);
    this.#copy(bytes);
  }

  #shortString(bytes: Uint8Array): void {
    if (bytes.length > SHORT_STRING_BYTES_MAX) throw malformed(`name of ${bytes.length} bytes`);
    this.#uint16(bytes.length);
    this.#copy(bytes);
  }

  #byte(value: number): void {
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
  }

  #uint16(value: number): void {
    const at = this.#grow(2);
    this.#view.setUint16(at, value);
  }

  #uint32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
  }

  #number(value: number): void {
    const at = this.#grow(8);
    this.#view.setFloat64(at, value);
  }

  #copy(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Makes room, and returns where it begins; the array and its view may be others afterwards. */
  #grow(length: number): number {
    const start = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const bigger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      bigger.set(this.#bytes);
      this.#bytes = bigger;
      this.#view = new DataView(bigger.buffer);
    }
    return start;
  }
}
