import { ByteReader } from '../bits/byte-reader.ts';
import { MalformedFlv } from './malformed-flv.ts';

/** One tag of an FLV file; an RTMP message carries the same body and timestamp. */
export interface FlvTag {
  readonly type: 'audio' | 'video' | 'script';
  /** Unsigned 32 bits. */
  readonly timestampMs: number;
  readonly body: Uint8Array;
}

const FILE_HEADER_SIZE_BYTES = 9;
/** FLV 10.1 §E.2: larger headers are allowed for the future; this is where we stop believing in one. */
const FILE_HEADER_SIZE_BYTES_MAX = 1024;
const TAG_HEADER_SIZE_BYTES = 11;
const BACK_POINTER_SIZE_BYTES = 4;
const TAG_TYPES: Readonly<Record<number, FlvTag['type']>> = { 8: 'audio', 9: 'video', 18: 'script' };

/**
 * Reads the tags of an FLV file from its bytes or its pieces, in order. A last tag that is cut off is left out, as
 * players do. Throws `MalformedFlv`.
 */
export async function* readFlvTags(source: Uint8Array | AsyncIterable<Uint8Array>): AsyncGenerator<FlvTag> {
  const queue = new PieceQueue(source instanceof Uint8Array ? piecesOf(source) : source);
  if (!(await skipFileHeader(queue))) throw new MalformedFlv('FLV header is cut short');
  for (;;) {
    const head = await queue.take(TAG_HEADER_SIZE_BYTES); // ends with the source
    if (head === undefined) return;
    const { type, sizeBytes, timestampMs } = readTagHeader(head);
    const body = await queue.take(sizeBytes);
    if (body === undefined) return;
    if (type !== undefined) yield { type, timestampMs, body };
    if ((await queue.take(BACK_POINTER_SIZE_BYTES)) === undefined) return;
  }
}

async function skipFileHeader(queue: PieceQueue): Promise<boolean> {
  const header = await queue.take(FILE_HEADER_SIZE_BYTES);
  if (header === undefined) return false;
  const reader = new ByteReader(header);
  if (reader.ascii(3) !== 'FLV') throw new MalformedFlv('not an FLV file');
  reader.skip(2);
  const sizeBytes = reader.u32();
  if (sizeBytes < FILE_HEADER_SIZE_BYTES || sizeBytes > FILE_HEADER_SIZE_BYTES_MAX) {
    throw new MalformedFlv(`FLV header of ${sizeBytes} bytes, limit ${FILE_HEADER_SIZE_BYTES_MAX}`);
  }
  const rest = await queue.take(sizeBytes - FILE_HEADER_SIZE_BYTES + BACK_POINTER_SIZE_BYTES);
  return rest !== undefined;
}

function readTagHeader(head: Uint8Array): {
  type: FlvTag['type'] | undefined;
  sizeBytes: number;
  timestampMs: number;
} {
  const reader = new ByteReader(head);
  const flags = reader.u8();
  if ((flags & 0x20) !== 0) throw new MalformedFlv('encrypted FLV is not supported');
  const sizeBytes = reader.u24();
  const lowerBits = reader.u24();
  const timestampMs = reader.u8() * 2 ** 24 + lowerBits; // TimestampExtended is the upper byte
  return { type: TAG_TYPES[flags & 0x1f], sizeBytes, timestampMs };
}

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Takes exact counts from arriving pieces; joins them only when a count spans several. */
class PieceQueue {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Undefined when the source ends first. A count is at most 2^24 − 1 by FLV's own field widths. */
  async take(count: number): Promise<Uint8Array | undefined> {
    while (this.#waitingBytes < count) {
      const next = await this.#pieces.next();
      if (next.done === true) return undefined;
      this.#waiting.push(next.value);
      this.#waitingBytes += next.value.length;
    }
    const joined = this.#join();
    this.#waiting = [joined.subarray(count)];
    this.#waitingBytes -= count;
    return joined.subarray(0, count);
  }

  #join(): Uint8Array {
    const [first] = this.#waiting;
    if (first !== undefined && this.#waiting.length === 1) return first;
    const joined = new Uint8Array(this.#waitingBytes);
    let offset = 0;
    for (const piece of this.#waiting) {
      joined.set(piece, offset);
      offset += piece.length;
    }
    return joined;
  }
}
