import { ByteReader } from '../bits/byte-reader.ts';
import { CONFIGURATION_RECORD_SIZE_BYTES_MAX, type VideoFormat } from '../model/track.ts';
import { parseH264Sps } from './h264-sps.ts';
import { MalformedCodecConfiguration, parsingConfiguration } from './malformed-codec-configuration.ts';

/** AVCDecoderConfigurationRecord, ISO/IEC 14496-15 §5.3.3.1. */
export interface AvcDecoderConfigurationRecord {
  readonly profileIdc: number;
  readonly constraintFlags: number;
  readonly levelIdc: number;
  readonly nalUnitLengthSizeBytes: number;
  readonly sequenceParameterSets: readonly Uint8Array[];
  readonly pictureParameterSets: readonly Uint8Array[];
}

export const NAL_UNITS_PER_ACCESS_UNIT_MAX = 256;
const NAL_UNIT_TYPE_IDR = 5;
/** What every encoder sends. One size everywhere keeps samples untouched from ingest to player. */
const NAL_UNIT_LENGTH_SIZE_BYTES = 4;

/** Parses the record an encoder declares its video with. Throws `MalformedCodecConfiguration`. */
export function parseH264Format(configurationRecord: Uint8Array): VideoFormat {
  const record = parseAvcDecoderConfigurationRecord(configurationRecord);
  if (record.nalUnitLengthSizeBytes !== NAL_UNIT_LENGTH_SIZE_BYTES) {
    throw new MalformedCodecConfiguration(
      `NAL unit length size ${record.nalUnitLengthSizeBytes}, only ${NAL_UNIT_LENGTH_SIZE_BYTES} is supported`,
    );
  }
  const [firstSps] = record.sequenceParameterSets;
  if (firstSps === undefined) throw new MalformedCodecConfiguration('no SPS in the configuration record');
  if (record.pictureParameterSets.length === 0) {
    throw new MalformedCodecConfiguration('no PPS in the configuration record');
  }
  const sps = parseH264Sps(firstSps);
  const { width, height } = sps;
  const codecString = `avc1.${hex(sps.profileIdc)}${hex(sps.constraintFlags)}${hex(sps.levelIdc)}`;
  return { kind: 'h264', configurationRecord, codecString, width, height, frameRate: sps.vui.frameRate };
}

/** Throws `MalformedCodecConfiguration`. The parameter sets are views into `bytes`. */
export function parseAvcDecoderConfigurationRecord(bytes: Uint8Array): AvcDecoderConfigurationRecord {
  return parsingConfiguration('AVCDecoderConfigurationRecord', () => {
    if (bytes.length > CONFIGURATION_RECORD_SIZE_BYTES_MAX) {
      throw new MalformedCodecConfiguration(
        `configuration record of ${bytes.length} bytes exceeds ${CONFIGURATION_RECORD_SIZE_BYTES_MAX}`,
      );
    }
    const reader = new ByteReader(bytes);
    const version = reader.u8();
    if (version !== 1) throw new MalformedCodecConfiguration(`configuration version ${version}, not 1`);
    const profileIdc = reader.u8();
    const constraintFlags = reader.u8();
    const levelIdc = reader.u8();
    const nalUnitLengthSizeBytes = (reader.u8() & 3) + 1;
    const sequenceParameterSets = readParameterSets(reader, reader.u8() & 0x1f);
    const pictureParameterSets = readParameterSets(reader, reader.u8());
    // The chroma format and SPS extensions of the high profiles may follow; encoders disagree, nobody needs them.
    return {
      profileIdc,
      constraintFlags,
      levelIdc,
      nalUnitLengthSizeBytes,
      sequenceParameterSets,
      pictureParameterSets,
    };
  });
}

/**
 * Whether a length-prefixed access unit holds an IDR slice. False too when its lengths do not add up before one is
 * found, or when more than `NAL_UNITS_PER_ACCESS_UNIT_MAX` come first: then it is no place to start decoding.
 */
export function containsIdr(accessUnit: Uint8Array): boolean {
  const view = new DataView(accessUnit.buffer, accessUnit.byteOffset, accessUnit.byteLength);
  let offset = 0;
  for (let count = 0; count < NAL_UNITS_PER_ACCESS_UNIT_MAX; count += 1) {
    if (offset + NAL_UNIT_LENGTH_SIZE_BYTES >= accessUnit.length) return false;
    const sizeBytes = view.getUint32(offset);
    offset += NAL_UNIT_LENGTH_SIZE_BYTES;
    if (sizeBytes > accessUnit.length - offset) return false;
    if (sizeBytes > 0 && (view.getUint8(offset) & 0x1f) === NAL_UNIT_TYPE_IDR) return true;
    offset += sizeBytes;
  }
  return false;
}

function readParameterSets(reader: ByteReader, count: number): Uint8Array[] {
  return Array.from({ length: count }, () => reader.bytes(reader.u16()));
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
