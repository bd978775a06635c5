import { ByteReader } from '../bits/byte-reader.ts';
import { MalformedFlv } from './malformed-flv.ts';

/** What the body of one FLV video tag, or of one RTMP video message, carries. Bytes are views, not copies. */
export type FlvVideoTag =
  | { readonly kind: 'sequenceHeader'; readonly configurationRecord: Uint8Array }
  | {
      readonly kind: 'accessUnit';
      /** pts − dts. */
      readonly compositionTimeMs: number;
      /** As the encoder flagged it; `containsIdr` tells what the access unit really is. */
      readonly isKeyFrame: boolean;
      readonly data: Uint8Array;
    }
  | { readonly kind: 'endOfSequence' }
  | UnsupportedCodec
  | Ignored;

/** The same for audio. */
export type FlvAudioTag =
  | { readonly kind: 'sequenceHeader'; readonly configurationRecord: Uint8Array }
  | { readonly kind: 'accessUnit'; readonly data: Uint8Array }
  | UnsupportedCodec
  | Ignored;

/** The name is safe to show: ours, or a FourCC in printable ASCII. */
export interface UnsupportedCodec {
  readonly kind: 'unsupportedCodec';
  readonly name: string;
}

/** Empty bodies and command frames, which encoders send now and then and which carry no media. */
export interface Ignored {
  readonly kind: 'ignored';
}

/** Bounds what a 24-bit field could claim (± 2.3 hours), so that it fits the 32 bits of a `trun` in any timescale. */
export const COMPOSITION_TIME_MS_MAX = 60_000;

const IGNORED: Ignored = { kind: 'ignored' };
const EX_HEADER = 0x80;
const FRAME_TYPE_KEY = 1;
const FRAME_TYPE_COMMAND = 5;
const VIDEO_CODEC_AVC = 7;
const AVC_SEQUENCE_HEADER = 0;
const AVC_NALU = 1;
const AVC_END_OF_SEQUENCE = 2;
const SOUND_FORMAT_EX_HEADER = 9;
const SOUND_FORMAT_AAC = 10;
const AAC_SEQUENCE_HEADER = 0;
const AAC_RAW = 1;

/** Adobe FLV 10.1 §E.4.3.1; 12 is what encoders used for HEVC before Enhanced RTMP. */
const VIDEO_CODEC_NAMES: Readonly<Record<number, string>> = {
  2: 'Sorenson H.263',
  3: 'Screen video',
  4: 'VP6',
  5: 'VP6 with alpha',
  6: 'Screen video 2',
  12: 'HEVC (codec id 12)',
};

/** §E.4.2.1. */
const SOUND_FORMAT_NAMES: Readonly<Record<number, string>> = {
  0: 'PCM, platform endian',
  1: 'ADPCM',
  2: 'MP3',
  3: 'PCM, little endian',
  4: 'Nellymoser 16 kHz mono',
  5: 'Nellymoser 8 kHz mono',
  6: 'Nellymoser',
  7: 'G.711 A-law',
  8: 'G.711 mu-law',
  11: 'Speex',
  13: 'Opus (sound format 13)',
  14: 'MP3 8 kHz',
};

/** Parses the body of a video tag, FLV 10.1 §E.4.3. Throws `MalformedFlv`. */
export function parseFlvVideoTag(payload: Uint8Array): FlvVideoTag {
  if (payload.length === 0) return IGNORED;
  return parsingFlv('video tag', () => readVideoTag(new ByteReader(payload)));
}

/** Parses the body of an audio tag, FLV 10.1 §E.4.2. Throws `MalformedFlv`. */
export function parseFlvAudioTag(payload: Uint8Array): FlvAudioTag {
  if (payload.length === 0) return IGNORED;
  return parsingFlv('audio tag', () => readAudioTag(new ByteReader(payload)));
}

function readVideoTag(reader: ByteReader): FlvVideoTag {
  const head = reader.u8();
  if ((head & EX_HEADER) !== 0) return unsupported(readFourCc(reader));
  const frameType = head >>> 4;
  if (frameType === FRAME_TYPE_COMMAND) return IGNORED;
  const codecId = head & 0x0f;
  if (codecId !== VIDEO_CODEC_AVC) return unsupported(VIDEO_CODEC_NAMES[codecId] ?? `video codec ${codecId}`);
  const packetType = reader.u8();
  const compositionTimeMs = reader.i24();
  const data = reader.bytes(reader.bytesLeft);
  switch (packetType) {
    case AVC_SEQUENCE_HEADER:
      return { kind: 'sequenceHeader', configurationRecord: data };
    case AVC_END_OF_SEQUENCE:
      return { kind: 'endOfSequence' };
    case AVC_NALU:
      break;
    default:
      throw new MalformedFlv(`AVC packet type ${packetType}`);
  }
  if (data.length === 0) return IGNORED;
  if (Math.abs(compositionTimeMs) > COMPOSITION_TIME_MS_MAX) {
    throw new MalformedFlv(`composition time ${compositionTimeMs} ms exceeds ${COMPOSITION_TIME_MS_MAX}`);
  }
  return { kind: 'accessUnit', compositionTimeMs, isKeyFrame: frameType === FRAME_TYPE_KEY, data };
}

function readAudioTag(reader: ByteReader): FlvAudioTag {
  const soundFormat = reader.u8() >>> 4;
  if (soundFormat === SOUND_FORMAT_EX_HEADER) return unsupported(readFourCc(reader));
  if (soundFormat !== SOUND_FORMAT_AAC) {
    return unsupported(SOUND_FORMAT_NAMES[soundFormat] ?? `sound format ${soundFormat}`);
  }
  const packetType = reader.u8();
  const data = reader.bytes(reader.bytesLeft);
  if (packetType !== AAC_SEQUENCE_HEADER && packetType !== AAC_RAW) {
    throw new MalformedFlv(`AAC packet type ${packetType}`);
  }
  if (data.length === 0) return IGNORED;
  return packetType === AAC_SEQUENCE_HEADER
    ? { kind: 'sequenceHeader', configurationRecord: data }
    : { kind: 'accessUnit', data };
}

/** Enhanced RTMP v2: the FourCC follows the first byte, except in multitrack and ModEx packets (types 6 and 7). */
function readFourCc(reader: ByteReader): string {
  const fourCc = reader.ascii(4);
  return /^[\x21-\x7e]{4}$/.test(fourCc) ? fourCc : 'Enhanced RTMP';
}

function unsupported(name: string): UnsupportedCodec {
  return { kind: 'unsupportedCodec', name };
}

function parsingFlv<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof MalformedFlv) throw error;
    throw new MalformedFlv(`${what} is cut short`, { cause: error });
  }
}
