import { MalformedFragment } from './malformed-fragment.ts';

/** A top-level box that has arrived. */
export interface StreamedBox {
  readonly type: string;
  /** 32 lower-case hex digits, for `uuid` boxes. */
  readonly userType: string | undefined;
  /** Of its first byte, in the whole stream. */
  readonly streamOffset: number;
  readonly headerSizeBytes: number;
  readonly sizeBytes: number;
  /** The whole box, header included, in memory of its own; undefined for one that was not asked for. */
  readonly bytes: Uint8Array | undefined;
}

export interface BoxStreamOptions {
  /** How large a box of this type may be and is wanted; undefined: it is stepped over. */
  sizeBytesMax(type: string, userType: string | undefined): number | undefined;
  readonly skippedSizeBytesMax: number;
  /** Told before memory is taken for a box in the making; throws when there is none to be had. */
  onMemory(bytes: number): void;
}

const SHORT_HEADER_BYTES = 8;
const LONG_SIZE_BYTES = 8;
const USER_TYPE_BYTES = 16;
const HEADER_BYTES_MAX = SHORT_HEADER_BYTES + LONG_SIZE_BYTES + USER_TYPE_BYTES;
/** What is taken at first for a box that says it is larger: a lie costs its author the bytes. */
const FIRST_MEMORY_BYTES = 256 * 1024;
const NOTHING = new Uint8Array();

interface OpenBox extends Omit<StreamedBox, 'bytes'> {
  /** Grows by doubling up to `sizeBytes`; undefined: not kept. */
  memory: Uint8Array | undefined;
  filledBytes: number;
}

/** Cuts a byte stream of any chunking into its top-level boxes, ISO/IEC 14496-12 §4.2. Copies every kept byte once. */
export class BoxStream {
  readonly #options: BoxStreamOptions;
  readonly #header = new Uint8Array(HEADER_BYTES_MAX);
  #headerBytes = 0;
  #input: Uint8Array = NOTHING;
  #inputOffset = 0;
  #consumedBytes = 0;
  #open: OpenBox | undefined;

  constructor(options: BoxStreamOptions) {
    this.#options = options;
  }

  /** Bytes of memory that a box in the making holds. */
  get memoryBytes(): number {
    return this.#open?.memory?.length ?? 0;
  }

  /** Whether the stream stands between two boxes. */
  get isBetweenBoxes(): boolean {
    return this.#open === undefined && this.#headerBytes === 0 && this.#inputOffset === this.#input.length;
  }

  /** Only when `next` has returned undefined; the array is not kept after the next such return. */
  push(bytes: Uint8Array): void {
    if (this.#inputOffset < this.#input.length) throw new Error('pushed before everything was taken');
    this.#input = bytes;
    this.#inputOffset = 0;
  }

  /** The next whole box; undefined when more bytes are needed. Throws `MalformedFragment`, or what `onMemory` throws. */
  next(): StreamedBox | undefined {
    this.#open ??= this.#readHeader();
    const box = this.#open;
    if (box === undefined) return undefined;
    this.#fill(box);
    if (box.filledBytes < box.sizeBytes) return undefined;
    this.#open = undefined;
    const { memory, filledBytes: _filled, ...known } = box;
    return { ...known, bytes: memory };
  }

  #take(wantedBytes: number): Uint8Array {
    const taken = this.#input.subarray(this.#inputOffset, this.#inputOffset + wantedBytes);
    this.#inputOffset += taken.length;
    this.#consumedBytes += taken.length;
    return taken;
  }

  #readHeader(): OpenBox | undefined {
    for (let wanted = this.#headerSize(); this.#headerBytes < wanted; wanted = this.#headerSize()) {
      const taken = this.#take(wanted - this.#headerBytes);
      if (taken.length === 0) return undefined;
      this.#header.set(taken, this.#headerBytes);
      this.#headerBytes += taken.length;
    }
    const headerSizeBytes = this.#headerBytes;
    this.#headerBytes = 0;
    return this.#openBox(headerSizeBytes);
  }

  /** As far as can be said from the bytes of it that are here. */
  #headerSize(): number {
    if (this.#headerBytes < SHORT_HEADER_BYTES) return SHORT_HEADER_BYTES;
    const view = new DataView(this.#header.buffer);
    const long = view.getUint32(0) === 1 ? LONG_SIZE_BYTES : 0;
    return SHORT_HEADER_BYTES + long + (this.#type() === 'uuid' ? USER_TYPE_BYTES : 0);
  }

  #type(): string {
    return Buffer.from(this.#header.buffer, 4, 4).toString('latin1');
  }

  #openBox(headerSizeBytes: number): OpenBox {
    const view = new DataView(this.#header.buffer);
    const type = this.#type();
    const size32 = view.getUint32(0);
    const sizeBytes = size32 === 1 ? Number(view.getBigUint64(SHORT_HEADER_BYTES)) : size32;
    // Size 0 means "to the end of the file", which a live stream does not have.
    if (sizeBytes < headerSizeBytes)
      throw new MalformedFragment(`${JSON.stringify(type)} box of ${sizeBytes} bytes`);
    const userType =
      type === 'uuid'
        ? Buffer.from(this.#header.buffer, headerSizeBytes - USER_TYPE_BYTES, USER_TYPE_BYTES).toString('hex')
        : undefined;
    const keptMax = this.#options.sizeBytesMax(type, userType);
    if (sizeBytes > (keptMax ?? this.#options.skippedSizeBytesMax)) {
      throw new MalformedFragment(`${JSON.stringify(type)} box of ${sizeBytes} bytes is too large`);
    }
    const box: OpenBox = {
      type,
      userType,
      streamOffset: this.#consumedBytes - headerSizeBytes,
      headerSizeBytes,
      sizeBytes,
      memory: undefined,
      filledBytes: headerSizeBytes,
    };
    if (keptMax !== undefined) {
      box.memory = this.#allocate(Math.min(sizeBytes, FIRST_MEMORY_BYTES));
      box.memory.set(this.#header.subarray(0, headerSizeBytes));
    }
    return box;
  }

  #fill(box: OpenBox): void {
    const taken = this.#take(box.sizeBytes - box.filledBytes);
    const filledBytes = box.filledBytes + taken.length;
    if (box.memory !== undefined) {
      if (filledBytes > box.memory.length) box.memory = this.#grow(box, box.memory, filledBytes);
      box.memory.set(taken, box.filledBytes);
    }
    box.filledBytes = filledBytes;
  }

  #grow(box: OpenBox, memory: Uint8Array, neededBytes: number): Uint8Array {
    const grown = this.#allocate(Math.min(box.sizeBytes, Math.max(neededBytes, memory.length * 2)));
    grown.set(memory.subarray(0, box.filledBytes));
    return grown;
  }

  #allocate(bytes: number): Uint8Array {
    this.#options.onMemory(bytes);
    // Not from the pool: samples are views of it that outlive the connection.
    return Buffer.allocUnsafeSlow(bytes);
  }
}
