import type { ByteReader } from '../bits/byte-reader.ts';
import {
  type FlvAudioTag,
  type FlvVideoTag,
  FRAME_TYPE,
  IGNORED,
  type UnsupportedCodec,
  type VideoTrack,
  videoAccessUnit,
} from './flv-tag.ts';
import { MalformedFlv } from './malformed-flv.ts';

// Veovera Enhanced RTMP v2, "Enhanced Audio" and "Enhanced Video".

const PACKET_TYPE = {
  sequenceStart: 0,
  codedFrames: 1,
  codedFramesX: 3,
  audioMultitrack: 5,
  videoMultitrack: 6,
  modEx: 7,
} as const;
const VIDEO_METADATA = 4;
const MULTITRACK = { oneTrack: 0, manyTracks: 1, manyTracksManyCodecs: 2 } as const;
const TRACKS_PER_MESSAGE_MAX = 16;
const MODIFIERS_MAX = 8;
const VIDEO_CODECS: Readonly<Record<string, VideoTrack['codec']>> = { avc1: 'h264', hvc1: 'hevc' };
const AUDIO_CODEC = 'mp4a';

/** Reads the rest of a video body whose first byte is `head`. Throws `MalformedFlv` or what the reader throws. */
export function readEnhancedVideo(reader: ByteReader, head: number): FlvVideoTag[] {
  const frameType = (head >>> 4) & 7;
  const packetType = skipModifiers(reader, head & 0x0f);
  if (packetType === VIDEO_METADATA || frameType === FRAME_TYPE.command) return [IGNORED];
  const isKeyFrame = frameType === FRAME_TYPE.key;
  return readTracks(reader, packetType, PACKET_TYPE.videoMultitrack).map((track) =>
    readVideoTrack(track, isKeyFrame),
  );
}

/** The same for audio. */
export function readEnhancedAudio(reader: ByteReader, head: number): FlvAudioTag[] {
  const packetType = skipModifiers(reader, head & 0x0f);
  return readTracks(reader, packetType, PACKET_TYPE.audioMultitrack).map(readAudioTrack);
}

interface TrackPacket {
  readonly packetType: number;
  readonly fourCc: string;
  readonly trackId: number;
  readonly body: ByteReader;
}

/** ModEx packets come before the real one; what they change (nanoseconds of the timestamp) is finer than our clock. */
function skipModifiers(reader: ByteReader, firstType: number): number {
  let packetType = firstType;
  for (let count = 0; packetType === PACKET_TYPE.modEx; count += 1) {
    if (count >= MODIFIERS_MAX) throw new MalformedFlv(`more than ${MODIFIERS_MAX} modifiers`);
    const shortSize = reader.u8() + 1;
    reader.skip(shortSize === 256 ? reader.u16() + 1 : shortSize);
    packetType = reader.u8() & 0x0f;
  }
  return packetType;
}

function readTracks(reader: ByteReader, packetType: number, multitrackType: number): TrackPacket[] {
  if (packetType !== multitrackType) {
    return [{ packetType, fourCc: readFourCc(reader), trackId: 0, body: reader }];
  }
  const head = reader.u8();
  const kind = head >>> 4;
  const innerType = head & 0x0f;
  if (kind > MULTITRACK.manyTracksManyCodecs || innerType === multitrackType) {
    throw new MalformedFlv(`multitrack type ${kind} of packets of type ${innerType}`);
  }
  const shared = kind === MULTITRACK.manyTracksManyCodecs ? undefined : readFourCc(reader);
  const packets: TrackPacket[] = [];
  do {
    if (packets.length >= TRACKS_PER_MESSAGE_MAX) {
      throw new MalformedFlv(`more than ${TRACKS_PER_MESSAGE_MAX} tracks in a message`);
    }
    const fourCc = shared ?? readFourCc(reader);
    const trackId = reader.u8();
    const sizeBytes = kind === MULTITRACK.oneTrack ? reader.bytesLeft : reader.u24();
    packets.push({ packetType: innerType, fourCc, trackId, body: reader.part(sizeBytes) });
  } while (reader.bytesLeft > 0);
  return packets;
}

function readVideoTrack(
  { packetType, fourCc, trackId, body }: TrackPacket,
  isKeyFrame: boolean,
): FlvVideoTag {
  const codec = VIDEO_CODECS[fourCc];
  if (codec === undefined) return unsupported(fourCc, trackId);
  const track = { trackId, codec };
  switch (packetType) {
    case PACKET_TYPE.sequenceStart:
      return { kind: 'sequenceHeader', ...track, configurationRecord: body.bytes(body.bytesLeft) };
    case PACKET_TYPE.codedFrames:
    case PACKET_TYPE.codedFramesX: {
      const compositionTimeMs = packetType === PACKET_TYPE.codedFrames ? body.i24() : 0;
      return videoAccessUnit(track, { compositionTimeMs, isKeyFrame, data: body.bytes(body.bytesLeft) });
    }
    default:
      return IGNORED;
  }
}

function readAudioTrack({ packetType, fourCc, trackId, body }: TrackPacket): FlvAudioTag {
  if (fourCc !== AUDIO_CODEC) return unsupported(fourCc, trackId);
  const data = body.bytes(body.bytesLeft);
  if (packetType === PACKET_TYPE.sequenceStart) {
    return { kind: 'sequenceHeader', trackId, configurationRecord: data };
  }
  const isMedia = packetType === PACKET_TYPE.codedFrames && data.length > 0;
  return isMedia ? { kind: 'accessUnit', trackId, data } : IGNORED;
}

function readFourCc(reader: ByteReader): string {
  const fourCc = reader.ascii(4);
  return /^[\x21-\x7e]{4}$/.test(fourCc) ? fourCc : 'Enhanced RTMP';
}

function unsupported(name: string, trackId: number): UnsupportedCodec {
  return { kind: 'unsupportedCodec', trackId, name };
}
