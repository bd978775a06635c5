import { BitReader } from '../bits/bit-reader.ts';
import { ByteReader } from '../bits/byte-reader.ts';
import { CONFIGURATION_RECORD_SIZE_BYTES_MAX, type VideoFormat } from '../model/track.ts';
import { NAL_UNITS_PER_ACCESS_UNIT_MAX } from './h264.ts';
import { type HevcProfile, hevcCodecString, readHevcProfile } from './hevc-profile.ts';
import { parseHevcSps, parseHevcVpsFrameRate } from './hevc-sps.ts';
import { MalformedCodecConfiguration, parsingConfiguration } from './malformed-codec-configuration.ts';

/** HEVCDecoderConfigurationRecord, ISO/IEC 14496-15 §8.3.3.1. */
export interface HevcDecoderConfigurationRecord {
  readonly profile: HevcProfile;
  /** Frames per second; undefined when the encoder did not say. */
  readonly averageFrameRate: number | undefined;
  readonly nalUnitLengthSizeBytes: number;
  readonly videoParameterSets: readonly Uint8Array[];
  readonly sequenceParameterSets: readonly Uint8Array[];
  readonly pictureParameterSets: readonly Uint8Array[];
  /** Where the header byte of each array stands in the record. */
  readonly arrayOffsets: readonly number[];
}

const NAL_UNIT_LENGTH_SIZE_BYTES = 4;
const FIXED_SIZE_BYTES = 23;
const ARRAYS_MAX = 16;
const NAL_UNITS_PER_ARRAY_MAX = 64;
const ARRAY_COMPLETENESS = 0x80;
const AVERAGE_FRAME_RATE_UNITS = 256;
/** ITU-T H.265 table 7-1. */
const NAL_UNIT_TYPE = { bla: 16, reservedIrap: 23, firstNonVcl: 32, vps: 32, sps: 33, pps: 34 } as const;

/** Parses the record an encoder declares its video with. Throws `MalformedCodecConfiguration`. */
export function parseHevcFormat(configurationRecord: Uint8Array): VideoFormat {
  const record = parseHevcDecoderConfigurationRecord(configurationRecord);
  if (record.nalUnitLengthSizeBytes !== NAL_UNIT_LENGTH_SIZE_BYTES) {
    throw new MalformedCodecConfiguration(
      `NAL unit length size ${record.nalUnitLengthSizeBytes}, only ${NAL_UNIT_LENGTH_SIZE_BYTES} is supported`,
    );
  }
  const [vps] = record.videoParameterSets;
  const [sps] = record.sequenceParameterSets;
  if (vps === undefined || sps === undefined || record.pictureParameterSets.length === 0) {
    throw new MalformedCodecConfiguration('no VPS, SPS or PPS in the configuration record');
  }
  const { width, height, frameRate } = parseHevcSps(sps);
  return {
    kind: 'hevc',
    configurationRecord: withCompleteArrays(configurationRecord, record),
    codecString: hevcCodecString(record.profile),
    width,
    height,
    frameRate: frameRate ?? parseHevcVpsFrameRate(vps) ?? record.averageFrameRate,
  };
}

/** Throws `MalformedCodecConfiguration`. The parameter sets are views into `bytes`. */
export function parseHevcDecoderConfigurationRecord(bytes: Uint8Array): HevcDecoderConfigurationRecord {
  return parsingConfiguration('HEVCDecoderConfigurationRecord', () => {
    if (bytes.length > CONFIGURATION_RECORD_SIZE_BYTES_MAX) {
      throw new MalformedCodecConfiguration(
        `configuration record of ${bytes.length} bytes exceeds ${CONFIGURATION_RECORD_SIZE_BYTES_MAX}`,
      );
    }
    const bits = new BitReader(bytes.subarray(0, FIXED_SIZE_BYTES));
    const version = bits.readBits(8);
    // Encoders that follow drafts of the standard write 0.
    if (version > 1) throw new MalformedCodecConfiguration(`configuration version ${version}, not 1`);
    const profile = readHevcProfile(bits);
    bits.skipBits(16 + 8 + 8 + 8 + 8); // segmentation, parallelism, chroma format, bit depths: the SPS has what counts
    const averageFrameRate = bits.readBits(16) / AVERAGE_FRAME_RATE_UNITS || undefined;
    bits.skipBits(6); // constantFrameRate, numTemporalLayers, temporalIdNested
    const nalUnitLengthSizeBytes = bits.readBits(2) + 1;
    return { profile, averageFrameRate, nalUnitLengthSizeBytes, ...readArrays(bytes, bits.readBits(8)) };
  });
}

type Arrays = Pick<
  HevcDecoderConfigurationRecord,
  'videoParameterSets' | 'sequenceParameterSets' | 'pictureParameterSets' | 'arrayOffsets'
>;

function readArrays(bytes: Uint8Array, count: number): Arrays {
  if (count > ARRAYS_MAX) throw new MalformedCodecConfiguration(`${count} arrays exceed ${ARRAYS_MAX}`);
  const reader = new ByteReader(bytes);
  reader.skip(FIXED_SIZE_BYTES);
  const found = new Map<number, Uint8Array[]>();
  const arrayOffsets: number[] = [];
  for (let array = 0; array < count; array += 1) {
    arrayOffsets.push(reader.offset);
    const type = reader.u8() & 0x3f;
    const nalUnits = reader.u16();
    if (nalUnits > NAL_UNITS_PER_ARRAY_MAX) {
      throw new MalformedCodecConfiguration(`array of ${nalUnits} exceeds ${NAL_UNITS_PER_ARRAY_MAX}`);
    }
    const sets = Array.from({ length: nalUnits }, () => reader.bytes(reader.u16()));
    found.set(type, [...(found.get(type) ?? []), ...sets]);
  }
  return {
    videoParameterSets: found.get(NAL_UNIT_TYPE.vps) ?? [],
    sequenceParameterSets: found.get(NAL_UNIT_TYPE.sps) ?? [],
    pictureParameterSets: found.get(NAL_UNIT_TYPE.pps) ?? [],
    arrayOffsets,
  };
}

/** §8.4.1.1.1: a sample entry `hvc1` wants all arrays marked complete, which encoders that write `hev1` do not. */
function withCompleteArrays(bytes: Uint8Array, { arrayOffsets }: HevcDecoderConfigurationRecord): Uint8Array {
  const complete = bytes.slice();
  const view = new DataView(complete.buffer);
  for (const offset of arrayOffsets) view.setUint8(offset, view.getUint8(offset) | ARRAY_COMPLETENESS);
  view.setUint8(0, 1);
  return complete;
}

/**
 * Whether a length-prefixed access unit is an intra random access point (ITU-T H.265 §3.72: IDR, CRA or BLA), which its
 * first slice tells. False too when its lengths do not add up before one is found.
 */
export function containsIrap(accessUnit: Uint8Array): boolean {
  const view = new DataView(accessUnit.buffer, accessUnit.byteOffset, accessUnit.byteLength);
  let offset = 0;
  for (let count = 0; count < NAL_UNITS_PER_ACCESS_UNIT_MAX; count += 1) {
    if (offset + NAL_UNIT_LENGTH_SIZE_BYTES >= accessUnit.length) return false;
    const sizeBytes = view.getUint32(offset);
    offset += NAL_UNIT_LENGTH_SIZE_BYTES;
    if (sizeBytes > accessUnit.length - offset) return false;
    if (sizeBytes > 0) {
      const type = (view.getUint8(offset) >>> 1) & 0x3f;
      if (type < NAL_UNIT_TYPE.firstNonVcl) {
        return type >= NAL_UNIT_TYPE.bla && type <= NAL_UNIT_TYPE.reservedIrap;
      }
    }
    offset += sizeBytes;
  }
  return false;
}
