import { ByteReader } from '../../bits/byte-reader.ts';
import { MalformedFragment, parsingFragment } from './malformed-fragment.ts';

export interface Box {
  readonly type: string;
  /** Of the box's first byte, in the bytes given to `readBoxes`. */
  readonly offset: number;
  readonly sizeBytes: number;
  /** What follows size, type and (for `uuid`) the user type: a view. */
  readonly body: Uint8Array;
  /** 32 lower-case hex digits, for `uuid` boxes. */
  readonly userType: string | undefined;
}

export const BOXES_PER_LEVEL_MAX = 1024;

/** The boxes of one level, in order, ISO/IEC 14496-12 §4.2. Throws `MalformedFragment`. */
export function readBoxes(bytes: Uint8Array): readonly Box[] {
  return parsingFragment('box', () => {
    const boxes: Box[] = [];
    for (let offset = 0; offset < bytes.length; ) {
      if (boxes.length === BOXES_PER_LEVEL_MAX) {
        throw new MalformedFragment(`more than ${BOXES_PER_LEVEL_MAX} boxes on a level`);
      }
      const box = readBox(bytes, offset);
      boxes.push(box);
      offset += box.sizeBytes;
    }
    return boxes;
  });
}

export function findBox(boxes: readonly Box[], type: string): Box | undefined {
  return boxes.find((box) => box.type === type);
}

/** The only box of that type, which must be there. Throws `MalformedFragment`. */
export function getBox(boxes: readonly Box[], type: string): Box {
  const found = boxes.filter((box) => box.type === type);
  const [box] = found;
  if (box === undefined || found.length > 1) {
    throw new MalformedFragment(`${found.length} ${type} boxes where one belongs`);
  }
  return box;
}

function readBox(bytes: Uint8Array, offset: number): Box {
  const available = bytes.length - offset;
  const reader = new ByteReader(bytes.subarray(offset));
  const size32 = reader.u32();
  const type = typeOf(reader.u32());
  const sizeBytes = size32 === 1 ? reader.u64() : size32 === 0 ? available : size32;
  const userType = type === 'uuid' ? hexOf(reader.bytes(16)) : undefined;
  if (sizeBytes < reader.offset || sizeBytes > available) {
    throw new MalformedFragment(`${type} box of ${sizeBytes} bytes where ${available} are left`);
  }
  return {
    type,
    offset,
    sizeBytes,
    userType,
    body: bytes.subarray(offset + reader.offset, offset + sizeBytes),
  };
}

/** By hand: a decoder takes longer for four characters than the rest of the box. */
function typeOf(code: number): string {
  return String.fromCharCode(code >>> 24, (code >>> 16) & 0xff, (code >>> 8) & 0xff, code & 0xff);
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
