import { ByteReader } from '../bits/byte-reader.ts';
import { readEnhancedAudio, readEnhancedVideo } from './enhanced-flv.ts';
import { type FlvAudioTag, type FlvVideoTag, FRAME_TYPE, IGNORED, videoAccessUnit } from './flv-tag.ts';
import { MalformedFlv } from './malformed-flv.ts';

const EX_HEADER = 0x80;
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

/** The name of a codec by its number in a video tag or in `videocodecid`; undefined when it is H.264 or unknown. */
export function unsupportedVideoCodec(codecId: number): string | undefined {
  return VIDEO_CODEC_NAMES[codecId];
}

/** The same of a sound format, as in `audiocodecid`; undefined when it is AAC or unknown. */
export function unsupportedSoundFormat(soundFormat: number): string | undefined {
  return SOUND_FORMAT_NAMES[soundFormat];
}

/** Parses the body of a video tag, FLV 10.1 §E.4.3 or Enhanced RTMP v2; one entry per track. Throws `MalformedFlv`. */
export function parseFlvVideoTag(payload: Uint8Array): readonly FlvVideoTag[] {
  if (payload.length === 0) return [IGNORED];
  return parsingFlv('video tag', () => {
    const reader = new ByteReader(payload);
    const head = reader.u8();
    return (head & EX_HEADER) === 0 ? [readVideoTag(reader, head)] : readEnhancedVideo(reader, head);
  });
}

/** Parses the body of an audio tag, FLV 10.1 §E.4.2 or Enhanced RTMP v2; one entry per track. Throws `MalformedFlv`. */
export function parseFlvAudioTag(payload: Uint8Array): readonly FlvAudioTag[] {
  if (payload.length === 0) return [IGNORED];
  return parsingFlv('audio tag', () => {
    const reader = new ByteReader(payload);
    const head = reader.u8();
    const isEnhanced = head >>> 4 === SOUND_FORMAT_EX_HEADER;
    return isEnhanced ? readEnhancedAudio(reader, head) : [readAudioTag(reader, head >>> 4)];
  });
}

const H264_TRACK = { trackId: 0, codec: 'h264' } as const;

function readVideoTag(reader: ByteReader, head: number): FlvVideoTag {
  const frameType = head >>> 4;
  if (frameType === FRAME_TYPE.command) return IGNORED;
  const codecId = head & 0x0f;
  if (codecId !== VIDEO_CODEC_AVC) {
    const name = unsupportedVideoCodec(codecId) ?? `video codec ${codecId}`;
    return { kind: 'unsupportedCodec', trackId: 0, name };
  }
  const packetType = reader.u8();
  const compositionTimeMs = reader.i24();
  const data = reader.bytes(reader.bytesLeft);
  switch (packetType) {
    case AVC_SEQUENCE_HEADER:
      return { kind: 'sequenceHeader', ...H264_TRACK, configurationRecord: data };
    case AVC_END_OF_SEQUENCE:
      return IGNORED;
    case AVC_NALU:
      return videoAccessUnit(H264_TRACK, {
        compositionTimeMs,
        isKeyFrame: frameType === FRAME_TYPE.key,
        data,
      });
    default:
      throw new MalformedFlv(`AVC packet type ${packetType}`);
  }
}

function readAudioTag(reader: ByteReader, soundFormat: number): FlvAudioTag {
  if (soundFormat !== SOUND_FORMAT_AAC) {
    const name = unsupportedSoundFormat(soundFormat) ?? `sound format ${soundFormat}`;
    return { kind: 'unsupportedCodec', trackId: 0, name };
  }
  const packetType = reader.u8();
  const data = reader.bytes(reader.bytesLeft);
  if (packetType !== AAC_SEQUENCE_HEADER && packetType !== AAC_RAW) {
    throw new MalformedFlv(`AAC packet type ${packetType}`);
  }
  if (data.length === 0) return IGNORED;
  return packetType === AAC_SEQUENCE_HEADER
    ? { kind: 'sequenceHeader', trackId: 0, configurationRecord: data }
    : { kind: 'accessUnit', trackId: 0, data };
}

function parsingFlv<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof MalformedFlv) throw error;
    throw new MalformedFlv(`${what} is cut short`, { cause: error });
  }
}
