import { BitReader } from '../bits/bit-reader.ts';
import { MalformedCodecConfiguration } from './malformed-codec-configuration.ts';
import { removeEmulationPrevention } from './parameter-set.ts';

const PARAMETER_SET_SIZE_BYTES_MAX = 4096;

/** A reader of what follows the NAL unit header. Throws `MalformedCodecConfiguration` when it is of another type. */
export function openHevcParameterSet(nalUnit: Uint8Array, type: number): BitReader {
  if (nalUnit.length > PARAMETER_SET_SIZE_BYTES_MAX) {
    throw new MalformedCodecConfiguration(
      `parameter set of ${nalUnit.length} bytes exceeds ${PARAMETER_SET_SIZE_BYTES_MAX}`,
    );
  }
  const reader = new BitReader(removeEmulationPrevention(nalUnit));
  const found = (reader.readBits(16) >>> 9) & 0x3f;
  if (found !== type) {
    throw new MalformedCodecConfiguration(`NAL unit type ${found} where ${type} belongs`);
  }
  return reader;
}
