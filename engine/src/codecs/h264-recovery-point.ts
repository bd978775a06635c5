import { NAL_UNITS_PER_ACCESS_UNIT_MAX } from './h264.ts';

const NAL_UNIT_LENGTH_SIZE_BYTES = 4;
const NAL_UNIT_TYPE_SEI = 6;
/** ITU-T H.264 table D-1. */
const PAYLOAD_TYPE_RECOVERY_POINT = 6;
const SEI_MESSAGES_MAX = 32;

/**
 * Whether a length-prefixed access unit has a recovery point SEI (ITU-T H.264 §D.2.8), as the intra pictures of open
 * GOPs do. False too when its lengths do not add up.
 */
export function containsRecoveryPoint(accessUnit: Uint8Array): boolean {
  const view = new DataView(accessUnit.buffer, accessUnit.byteOffset, accessUnit.byteLength);
  let offset = 0;
  for (let count = 0; count < NAL_UNITS_PER_ACCESS_UNIT_MAX; count += 1) {
    if (offset + NAL_UNIT_LENGTH_SIZE_BYTES >= accessUnit.length) return false;
    const sizeBytes = view.getUint32(offset);
    offset += NAL_UNIT_LENGTH_SIZE_BYTES;
    if (sizeBytes > accessUnit.length - offset) return false;
    const isSei = sizeBytes > 0 && (view.getUint8(offset) & 0x1f) === NAL_UNIT_TYPE_SEI;
    if (isSei && hasRecoveryPoint(accessUnit.subarray(offset + 1, offset + sizeBytes))) return true;
    offset += sizeBytes;
  }
  return false;
}

/** §7.3.2.3.1. Emulation prevention bytes may only shift what comes after a long message: then it is not found. */
function hasRecoveryPoint(seiPayload: Uint8Array): boolean {
  let offset = 0;
  const readNumber = (): number => {
    let sum = 0;
    while (seiPayload[offset] === 0xff) {
      sum += 0xff;
      offset += 1;
    }
    sum += seiPayload[offset] ?? 0;
    offset += 1;
    return sum;
  };
  for (let count = 0; count < SEI_MESSAGES_MAX && offset + 2 < seiPayload.length; count += 1) {
    const payloadType = readNumber();
    if (payloadType === PAYLOAD_TYPE_RECOVERY_POINT) return true;
    offset += readNumber();
  }
  return false;
}
