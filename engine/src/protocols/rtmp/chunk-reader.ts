import {
  isMediaMessage,
  MESSAGE_TYPE,
  messageBytesMax,
  type RtmpMessage,
  readControlNumber,
  splitAggregate,
} from './message.ts';
import { RtmpError } from './rtmp-error.ts';

/** RTMP 1.0 §5.4.1. */
const DEFAULT_CHUNK_BYTES = 128;
const CHUNK_BYTES_MAX = 0xffffff;
const EXTENDED_TIMESTAMP = 0xffffff;
const MESSAGE_HEADER_BYTES = [11, 7, 3, 0] as const;

export const CHUNK_STREAMS_MAX = 64;
/** All unfinished messages of a connection together: while it may only send commands, and once it may send media. */
export const ASSEMBLY_BYTES_MAX = { commands: 128 * 1024, media: 16 * 1024 * 1024 } as const;

interface RtmpChunkStream {
  timestampMs: number;
  /** What the last chunk of type 0, 1 or 2 said: an absolute time or a delta. A type 3 chunk that begins a message repeats it. */
  timestampField: number;
  hasExtendedTimestamp: boolean;
  messageBytes: number;
  typeId: number;
  messageStreamId: number;
  /** The unfinished message, and how much of it is here. */
  assembly: Uint8Array | undefined;
  assembledBytes: number;
}

/**
 * Turns received bytes into messages. It is asked (`next`), never calls back: who cannot take the next message yet
 * stops asking. Chunk size and abort messages are obeyed inside. Throws `RtmpError` when the peer breaks the protocol or
 * a limit, after which the reader is of no more use.
 *
 * A payload is either a view of one array given to `append` or an array of its own; nothing writes to it again.
 */
export class RtmpChunkReader {
  #input: Uint8Array = new Uint8Array(0);
  #view = new DataView(this.#input.buffer);
  #offset = 0;
  #chunkBytesMax = DEFAULT_CHUNK_BYTES;
  #assemblyBytes = 0;
  #acceptsMedia = false;
  readonly #streams = new Map<number, RtmpChunkStream>();
  /** The chunk whose payload is being read. */
  #current: RtmpChunkStream | undefined;
  #chunkBytesLeft = 0;
  #parts: RtmpMessage[] = [];
  #nextPart = 0;

  /** Until this is called audio and video are refused, so that a stranger cannot make us allocate. */
  acceptMedia(): void {
    this.#acceptsMedia = true;
  }

  append(bytes: Uint8Array): void {
    const left = this.#input.length - this.#offset;
    if (left === 0) {
      this.#input = bytes;
    } else {
      const joined = new Uint8Array(left + bytes.length);
      joined.set(this.#input.subarray(this.#offset));
      joined.set(bytes, left);
      this.#input = joined;
    }
    this.#view = new DataView(this.#input.buffer, this.#input.byteOffset, this.#input.byteLength);
    this.#offset = 0;
  }

  /** The next whole message, undefined when more bytes are needed. */
  next(): RtmpMessage | undefined {
    while (true) {
      const part = this.#parts[this.#nextPart];
      if (part !== undefined) {
        this.#nextPart += 1;
        return part;
      }
      const message = this.#readMessage();
      if (message === undefined) return undefined;
      if (message.typeId === MESSAGE_TYPE.aggregate) {
        this.#parts = splitAggregate(message);
        this.#nextPart = 0;
      } else if (!this.#obey(message)) {
        return message;
      }
    }
  }

  #readMessage(): RtmpMessage | undefined {
    while (this.#current !== undefined || this.#readChunkHeader()) {
      if (this.#chunkBytesLeft > 0 && this.#offset === this.#input.length) return undefined;
      const message = this.#readPayload();
      if (message !== undefined) return message;
    }
    return undefined;
  }

  /** Consumes a chunk's header, all of it or nothing. */
  #readChunkHeader(): boolean {
    const view = this.#view;
    const start = this.#offset;
    if (start >= view.byteLength) return false;
    const first = view.getUint8(start);
    const format = first >> 6;
    const low = first & 0x3f;
    // §5.3.1.1: ids 0 and 1 announce a one- or two-byte id.
    const fieldsAt = start + (low > 1 ? 1 : low + 2);
    const extensionAt = fieldsAt + (MESSAGE_HEADER_BYTES[format] ?? 0);
    if (extensionAt > view.byteLength) return false;
    const id = chunkStreamId(view, start, low);
    const stream = this.#streams.get(id) ?? this.#openStream(id, format);

    const isExtended =
      format === 3 ? stream.hasExtendedTimestamp : uint24(view, fieldsAt) === EXTENDED_TIMESTAMP;
    if (isExtended && extensionAt + 4 > view.byteLength) return false;
    const extension = isExtended ? view.getUint32(extensionAt) : undefined;
    // §5.3.1.3 repeats the extended timestamp in every chunk of the message. Older Flash encoders leave it out of
    // type 3 chunks: then these four bytes are payload.
    const isLeftOut = format === 3 && stream.assembly !== undefined && extension !== stream.timestampField;
    this.#offset = isExtended && !isLeftOut ? extensionAt + 4 : extensionAt;
    if (format !== 3) readMessageHeader(stream, view, { format, fieldsAt, extension });
    this.#beginChunk(stream, format);
    return true;
  }

  #openStream(id: number, format: number): RtmpChunkStream {
    if (format !== 0 && format !== 1) {
      throw new RtmpError('MalformedChunk', `chunk stream ${id} begins with type ${format}`);
    }
    if (this.#streams.size >= CHUNK_STREAMS_MAX) {
      throw new RtmpError('TooManyChunkStreams', `more than ${CHUNK_STREAMS_MAX} chunk streams`);
    }
    const stream: RtmpChunkStream = {
      timestampMs: 0,
      timestampField: 0,
      hasExtendedTimestamp: false,
      messageBytes: 0,
      typeId: 0,
      messageStreamId: 0,
      assembly: undefined,
      assembledBytes: 0,
    };
    this.#streams.set(id, stream);
    return stream;
  }

  #beginChunk(stream: RtmpChunkStream, format: number): void {
    const continues = stream.assembly !== undefined;
    if (continues && format !== 3) {
      throw new RtmpError('MalformedChunk', `type ${format} chunk inside a message`);
    }
    if (!continues) {
      this.#checkSize(stream);
      const isAbsolute = format === 0;
      stream.timestampMs = isAbsolute
        ? stream.timestampField
        : (stream.timestampMs + stream.timestampField) >>> 0;
      stream.assembledBytes = 0;
    }
    this.#current = stream;
    this.#chunkBytesLeft = Math.min(stream.messageBytes - stream.assembledBytes, this.#chunkBytesMax);
  }

  #checkSize(stream: RtmpChunkStream): void {
    if (!this.#acceptsMedia && isMediaMessage(stream.typeId)) {
      throw new RtmpError('UnexpectedMessage', `message type ${stream.typeId} before publishing began`);
    }
    const bytesMax = messageBytesMax(stream.typeId);
    if (stream.messageBytes > bytesMax) {
      throw new RtmpError(
        'MessageTooLarge',
        `message type ${stream.typeId} of ${stream.messageBytes} bytes exceeds ${bytesMax}`,
      );
    }
  }

  /** Consumes what there is of the current chunk's payload; the message, when that was the last of it. */
  #readPayload(): RtmpMessage | undefined {
    const stream = this.#current;
    if (stream === undefined) return undefined;
    const length = Math.min(this.#chunkBytesLeft, this.#input.length - this.#offset);
    const bytes = this.#input.subarray(this.#offset, this.#offset + length);
    if (stream.assembly === undefined && length === stream.messageBytes) {
      // All of it in one piece: no copy.
      this.#offset += length;
      this.#current = undefined;
      return messageOf(stream, bytes);
    }
    const assembly = stream.assembly ?? this.#allocate(stream);
    assembly.set(bytes, stream.assembledBytes);
    stream.assembledBytes += length;
    this.#offset += length;
    this.#chunkBytesLeft -= length;
    if (this.#chunkBytesLeft > 0) return undefined;
    this.#current = undefined;
    if (stream.assembledBytes < stream.messageBytes) return undefined;
    this.#release(stream);
    return messageOf(stream, assembly);
  }

  #allocate(stream: RtmpChunkStream): Uint8Array {
    const bytesMax = this.#acceptsMedia ? ASSEMBLY_BYTES_MAX.media : ASSEMBLY_BYTES_MAX.commands;
    if (this.#assemblyBytes + stream.messageBytes > bytesMax) {
      throw new RtmpError('AssemblyBudgetExceeded', `unfinished messages exceed ${bytesMax} bytes`);
    }
    this.#assemblyBytes += stream.messageBytes;
    stream.assembly = new Uint8Array(stream.messageBytes);
    return stream.assembly;
  }

  #release(stream: RtmpChunkStream): void {
    if (stream.assembly !== undefined) this.#assemblyBytes -= stream.assembly.length;
    stream.assembly = undefined;
    stream.assembledBytes = 0;
  }

  #obey(message: RtmpMessage): boolean {
    if (message.typeId === MESSAGE_TYPE.setChunkSize) {
      // §5.4.1: the top bit must be zero.
      const size = readControlNumber(message.payload);
      if (size < 1 || size > 0x7fffffff) throw new RtmpError('MalformedChunk', `chunk size ${size}`);
      this.#chunkBytesMax = Math.min(size, CHUNK_BYTES_MAX);
      return true;
    }
    if (message.typeId === MESSAGE_TYPE.abort) {
      const stream = this.#streams.get(readControlNumber(message.payload));
      if (stream !== undefined) this.#release(stream);
      return true;
    }
    return false;
  }
}

function chunkStreamId(view: DataView, start: number, low: number): number {
  if (low > 1) return low;
  return 64 + (low === 0 ? view.getUint8(start + 1) : view.getUint16(start + 1, true));
}

/** §5.3.1.2, types 0 to 2. */
function readMessageHeader(
  stream: RtmpChunkStream,
  view: DataView,
  header: { readonly format: number; readonly fieldsAt: number; readonly extension: number | undefined },
): void {
  const { format, fieldsAt, extension } = header;
  if (stream.assembly !== undefined) return;
  stream.timestampField = extension ?? uint24(view, fieldsAt);
  stream.hasExtendedTimestamp = extension !== undefined;
  if (format > 1) return;
  stream.messageBytes = uint24(view, fieldsAt + 3);
  stream.typeId = view.getUint8(fieldsAt + 6);
  // The one little-endian field of the protocol.
  if (format === 0) stream.messageStreamId = view.getUint32(fieldsAt + 7, true);
}

function uint24(view: DataView, at: number): number {
  return (view.getUint16(at) << 8) | view.getUint8(at + 2);
}

function messageOf(stream: RtmpChunkStream, payload: Uint8Array): RtmpMessage {
  return {
    typeId: stream.typeId,
    messageStreamId: stream.messageStreamId,
    timestampMs: stream.timestampMs,
    payload,
  };
}
