const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The 16 bytes of a GUID in the order it is written in, as `tenc` and `pssh` have it. Throws a RangeError. */
export function keyIdBytes(guid: string): Uint8Array {
  if (!GUID.test(guid)) throw new RangeError('a key id is a GUID with hyphens');
  return new Uint8Array(Buffer.from(guid.replaceAll('-', ''), 'hex'));
}

/** The same GUID as Windows keeps it (DWORD, WORD, WORD little-endian, then 8 bytes), as PlayReady has it. */
export function littleEndianGuid(guid: string): Uint8Array {
  const bytes = keyIdBytes(guid);
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

export function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
