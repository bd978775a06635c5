import type { ProtectionScheme } from '../model/protection.ts';

const WIRE_VARINT = 0;
const WIRE_BYTES = 2;
/** WidevinePsshData. */
const FIELD_KEY_IDS = 2;
const FIELD_PROTECTION_SCHEME = 9;
const SEVEN_BITS = 0x7f;
const MORE_FOLLOWS = 0x80;

/** The data of a Widevine `pssh`: the protocol buffer WidevinePsshData with key ids and the scheme's four characters. */
export function writeWidevineData(
  keyIds: readonly Uint8Array[],
  scheme: Exclude<ProtectionScheme, 'aes128'>,
): Uint8Array {
  const bytes: number[] = [];
  for (const keyId of keyIds) {
    bytes.push((FIELD_KEY_IDS << 3) | WIRE_BYTES, keyId.length, ...keyId);
  }
  bytes.push((FIELD_PROTECTION_SCHEME << 3) | WIRE_VARINT);
  let rest = fourCharacters(scheme);
  while (rest > SEVEN_BITS) {
    bytes.push((rest & SEVEN_BITS) | MORE_FOLLOWS);
    rest >>>= 7;
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

function fourCharacters(text: string): number {
  return [...text].reduce((value, character) => (value << 8) | character.charCodeAt(0), 0) >>> 0;
}
