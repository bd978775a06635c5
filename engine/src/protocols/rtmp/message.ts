import { RtmpError } from './rtmp-error.ts';

/** Message type ids, RTMP 1.0 §5.4 and §7.1. */
export const MESSAGE_TYPE = {
  setChunkSize: 1,
  abort: 2,
  acknowledgement: 3,
  userControl: 4,
  windowAcknowledgementSize: 5,
  setPeerBandwidth: 6,
  audio: 8,
  video: 9,
  dataAmf3: 15,
  sharedObjectAmf3: 16,
  commandAmf3: 17,
  dataAmf0: 18,
  sharedObjectAmf0: 19,
  commandAmf0: 20,
  aggregate: 22,
} as const;

/** User control event types, §7.1.7. */
export const USER_CONTROL = { streamBegin: 0, pingRequest: 6, pingResponse: 7 } as const;

export interface RtmpMessage {
  readonly typeId: number;
  readonly messageStreamId: number;
  /** 32 bits, wraps after 49.7 days. */
  readonly timestampMs: number;
  readonly payload: Uint8Array;
}

const CONTROL_BYTES_MAX = 64;
const AUDIO_BYTES_MAX = 256 * 1024;
/** A 2160p intra picture at the highest input bitrate (20 Mbit/s per layer) stays well below. */
const VIDEO_BYTES_MAX = 8 * 1024 * 1024;
const TEXT_BYTES_MAX = 64 * 1024;

/** How large a message of this type may be, asked before anything is allocated for it. */
export function messageBytesMax(typeId: number): number {
  switch (typeId) {
    case MESSAGE_TYPE.audio:
      return AUDIO_BYTES_MAX;
    case MESSAGE_TYPE.video:
    case MESSAGE_TYPE.aggregate:
      return VIDEO_BYTES_MAX;
    case MESSAGE_TYPE.dataAmf0:
    case MESSAGE_TYPE.dataAmf3:
    case MESSAGE_TYPE.commandAmf0:
    case MESSAGE_TYPE.commandAmf3:
    case MESSAGE_TYPE.sharedObjectAmf0:
    case MESSAGE_TYPE.sharedObjectAmf3:
      return TEXT_BYTES_MAX;
    default:
      return CONTROL_BYTES_MAX;
  }
}

export function isMediaMessage(typeId: number): boolean {
  return typeId === MESSAGE_TYPE.audio || typeId === MESSAGE_TYPE.video || typeId === MESSAGE_TYPE.aggregate;
}

/** The big-endian number that most control messages are, §5.4. */
export function readControlNumber(payload: Uint8Array): number {
  if (payload.length < 4) {
    throw new RtmpError('MalformedChunk', `control message of ${payload.length} bytes, not 4`);
  }
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
}

export function controlMessage(typeId: number, value: number): RtmpMessage {
  const payload = new Uint8Array(typeId === MESSAGE_TYPE.setPeerBandwidth ? 5 : 4);
  new DataView(payload.buffer).setUint32(0, value);
  // §5.4.5: limit type "dynamic".
  if (typeId === MESSAGE_TYPE.setPeerBandwidth) payload[4] = 2;
  return { typeId, messageStreamId: 0, timestampMs: 0, payload };
}

export function userControlMessage(eventType: number, value: number): RtmpMessage {
  const payload = new Uint8Array(6);
  const view = new DataView(payload.buffer);
  view.setUint16(0, eventType);
  view.setUint32(2, value);
  return { typeId: MESSAGE_TYPE.userControl, messageStreamId: 0, timestampMs: 0, payload };
}

const AGGREGATE_PARTS_MAX = 4096;
const PART_HEADER_BYTES = 11;
const PART_BACK_POINTER_BYTES = 4;

/**
 * The messages inside an aggregate (§7.1.6), whose parts look like FLV tags. Their times are moved so that the first
 * one has the time of the aggregate.
 */
export function splitAggregate(message: RtmpMessage): RtmpMessage[] {
  const { payload } = message;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const parts: RtmpMessage[] = [];
  let offset = 0;
  let shiftMs: number | undefined;
  while (offset < payload.length) {
    if (parts.length >= AGGREGATE_PARTS_MAX)
      throw malformedAggregate(`more than ${AGGREGATE_PARTS_MAX} parts`);
    if (payload.length - offset < PART_HEADER_BYTES) throw malformedAggregate('part header cut off');
    const sizeBytes = view.getUint32(offset) & 0xffffff;
    const timeMs = ((view.getUint8(offset + 7) << 24) | (view.getUint32(offset + 4) >>> 8)) >>> 0;
    const start = offset + PART_HEADER_BYTES;
    if (sizeBytes > payload.length - start) throw malformedAggregate('part longer than the message');
    shiftMs ??= message.timestampMs - timeMs;
    parts.push({
      typeId: view.getUint8(offset),
      messageStreamId: message.messageStreamId,
      timestampMs: (timeMs + shiftMs) >>> 0,
      payload: payload.subarray(start, start + sizeBytes),
    });
    offset = start + sizeBytes + PART_BACK_POINTER_BYTES;
  }
  return parts;
}

function malformedAggregate(message: string): RtmpError {
  return new RtmpError('MalformedChunk', `aggregate message: ${message}`);
}
