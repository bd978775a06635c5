import { ByteWriter } from '../bits/byte-writer.ts';
import { MalformedCodecConfiguration } from './malformed-codec-configuration.ts';

const NAL_UNIT_TYPE_SPS = 7;
const NAL_UNIT_TYPE_PPS = 8;
const PARAMETER_SETS_BYTES_MAX = 16_384;
const PARAMETER_SETS_MAX = 31;
const CONFIGURATION_VERSION = 1;
const LENGTH_SIZE_4 = 0xff; // six reserved bits, lengthSizeMinusOne 3
const SPS_COUNT_RESERVED = 0xe0;

/**
 * The AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1, 4-byte lengths) of parameter sets with start codes
 * (ITU-T H.264 annex B), as Smooth Streaming's CodecPrivateData has them. Throws `MalformedCodecConfiguration`.
 */
export function avcConfigurationFromAnnexB(bytes: Uint8Array): Uint8Array {
  const nalUnits = splitAnnexB(bytes);
  const ofType = (type: number) => nalUnits.filter((nalUnit) => ((nalUnit[0] ?? 0) & 0x1f) === type);
  const [spsList, ppsList] = [ofType(NAL_UNIT_TYPE_SPS), ofType(NAL_UNIT_TYPE_PPS)];
  const [sps] = spsList;
  if (sps === undefined || sps.length < 4 || spsList.length > PARAMETER_SETS_MAX) {
    throw new MalformedCodecConfiguration('no usable SPS among the parameter sets');
  }
  const writer = new ByteWriter();
  writer.u8(CONFIGURATION_VERSION).bytes(sps.subarray(1, 4)).u8(LENGTH_SIZE_4);
  writer.u8(SPS_COUNT_RESERVED + spsList.length);
  for (const nalUnit of spsList) writer.u16(nalUnit.length).bytes(nalUnit);
  writer.u8(Math.min(ppsList.length, PARAMETER_SETS_MAX));
  for (const nalUnit of ppsList.slice(0, PARAMETER_SETS_MAX)) writer.u16(nalUnit.length).bytes(nalUnit);
  return writer.finish();
}

/** What lies between start codes, without the zero bytes that end it. */
function splitAnnexB(bytes: Uint8Array): Uint8Array[] {
  if (bytes.length > PARAMETER_SETS_BYTES_MAX) {
    throw new MalformedCodecConfiguration(`parameter sets of ${bytes.length} bytes`);
  }
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const startCode = Buffer.from([0, 0, 1]);
  const nalUnits: Uint8Array[] = [];
  for (let at = buffer.indexOf(startCode); at !== -1; ) {
    const begin = at + startCode.length;
    const next = buffer.indexOf(startCode, begin);
    let end = next === -1 ? buffer.length : next;
    while (end > begin && buffer[end - 1] === 0) end -= 1;
    if (end > begin) nalUnits.push(bytes.subarray(begin, end));
    at = next;
  }
  return nalUnits;
}
