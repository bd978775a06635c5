import type { ProtectionKey } from '../model/protection.ts';

const KEY_SIZE_BYTES = 16;
const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The 16 bytes of a content key. Throws a RangeError that says nothing of them. */
export function keyValueOf({ value }: Pick<ProtectionKey, 'value'>): Uint8Array {
  if (value.length !== KEY_SIZE_BYTES) throw new RangeError(`content key of ${value.length} bytes, not 16`);
  return value;
}

/** The 16 bytes of a key id as `tenc` and `pssh` have them: in the order they are written. Throws a RangeError. */
export function keyIdBytes(id: string): Uint8Array {
  if (!GUID.test(id)) throw new RangeError('key id is no GUID');
  const hex = id.replaceAll('-', '');
  return Uint8Array.from({ length: KEY_SIZE_BYTES }, (_, at) =>
    Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16),
  );
}
