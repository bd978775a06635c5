import type { RtmpMessage } from './message.ts';

const DEFAULT_CHUNK_BYTES = 128;
const EXTENDED_TIMESTAMP = 0xffffff;

interface SentHeader {
  readonly timestampMs: number;
  readonly timestampField: number;
  readonly messageBytes: number;
  readonly typeId: number;
  readonly messageStreamId: number;
}

/** Cuts messages into chunks, with the shortest header that says enough (RTMP 1.0 §5.3.1.2). */
export class RtmpChunkWriter {
  #chunkBytesMax = DEFAULT_CHUNK_BYTES;
  readonly #sent = new Map<number, SentHeader>();

  /** Holds from the next message on; the caller has sent the Set Chunk Size message that says so. */
  setChunkSize(bytes: number): void {
    this.#chunkBytesMax = bytes;
  }

  /** The message's chunks as one array. `chunkStreamId`: 2…65599. */
  write(message: RtmpMessage, chunkStreamId: number): Uint8Array {
    const previous = this.#sent.get(chunkStreamId);
    const format = chooseFormat(message, previous);
    const timestampField =
      format === 0 ? message.timestampMs : message.timestampMs - (previous?.timestampMs ?? 0);
    this.#sent.set(chunkStreamId, {
      timestampMs: message.timestampMs,
      timestampField,
      messageBytes: message.payload.length,
      typeId: message.typeId,
      messageStreamId: message.messageStreamId,
    });
    return this.#layOut(message, { chunkStreamId, format, timestampField });
  }

  #layOut(
    message: RtmpMessage,
    header: { readonly chunkStreamId: number; readonly format: number; readonly timestampField: number },
  ): Uint8Array {
    const { payload } = message;
    const { chunkStreamId, format, timestampField } = header;
    const isExtended = timestampField >= EXTENDED_TIMESTAMP;
    const basicBytes = basicHeaderBytes(chunkStreamId);
    const chunkCount = Math.max(1, Math.ceil(payload.length / this.#chunkBytesMax));
    const continuationBytes = basicBytes + (isExtended ? 4 : 0);
    const headerBytes = [11, 7, 3, 0][format] ?? 0;
    const out = new Uint8Array(headerBytes + chunkCount * continuationBytes + payload.length);
    const view = new DataView(out.buffer);

    let at = writeBasicHeader(view, 0, { format, chunkStreamId });
    if (format < 3) {
      const short = isExtended ? EXTENDED_TIMESTAMP : timestampField;
      view.setUint16(at, short >>> 8);
      view.setUint8(at + 2, short & 0xff);
    }
    if (format < 2) {
      view.setUint16(at + 3, payload.length >>> 8);
      view.setUint8(at + 5, payload.length & 0xff);
      view.setUint8(at + 6, message.typeId);
    }
    if (format === 0) view.setUint32(at + 7, message.messageStreamId, true);
    at += headerBytes;
    for (let sent = 0; ; ) {
      if (isExtended) view.setUint32(at, timestampField);
      at += isExtended ? 4 : 0;
      const length = Math.min(this.#chunkBytesMax, payload.length - sent);
      out.set(payload.subarray(sent, sent + length), at);
      at += length;
      sent += length;
      if (sent >= payload.length) return out;
      at = writeBasicHeader(view, at, { format: 3, chunkStreamId });
    }
  }
}

function chooseFormat(message: RtmpMessage, previous: SentHeader | undefined): 0 | 1 | 2 | 3 {
  if (previous === undefined || previous.messageStreamId !== message.messageStreamId) return 0;
  // A delta cannot go back.
  if (message.timestampMs < previous.timestampMs) return 0;
  if (previous.messageBytes !== message.payload.length || previous.typeId !== message.typeId) return 1;
  return message.timestampMs - previous.timestampMs === previous.timestampField ? 3 : 2;
}

function basicHeaderBytes(chunkStreamId: number): 1 | 2 | 3 {
  if (chunkStreamId < 64) return 1;
  return chunkStreamId < 320 ? 2 : 3;
}

function writeBasicHeader(
  view: DataView,
  at: number,
  header: { readonly format: number; readonly chunkStreamId: number },
): number {
  const { format, chunkStreamId } = header;
  const bytes = basicHeaderBytes(chunkStreamId);
  const top = format << 6;
  if (bytes === 1) {
    view.setUint8(at, top | chunkStreamId);
  } else if (bytes === 2) {
    view.setUint8(at, top);
    view.setUint8(at + 1, chunkStreamId - 64);
  } else {
    view.setUint8(at, top | 1);
    view.setUint16(at + 1, chunkStreamId - 64, true);
  }
  return at + bytes;
}
