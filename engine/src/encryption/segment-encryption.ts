import { createCipheriv } from 'node:crypto';
import type { ProtectionKey } from '../model/protection.ts';
import { keyValueOf } from './content-key.ts';
import { BLOCK_SIZE_BYTES } from './initialization-vector.ts';
import { type AllocateOutput, allocateOutput } from './output-buffer.ts';

/** What a cipher makes of larger pieces is memory fresh from the system, whose page faults cost more than the cipher. */
const PIECE_SIZE_BYTES = 32 * 1024;

/**
 * A whole segment in AES-128 CBC with PKCS#7 (RFC 8216 §4.3.2.4, `METHOD=AES-128`): the pieces one after another, in one
 * buffer, 1 to 16 bytes longer. `iv` has 16 bytes. Throws a RangeError for another key or IV.
 */
export function encryptSegment(
  pieces: readonly Uint8Array[],
  o: {
    readonly key: Pick<ProtectionKey, 'value'>;
    readonly iv: Uint8Array;
    readonly allocate?: AllocateOutput;
  },
): Uint8Array {
  if (o.iv.length !== BLOCK_SIZE_BYTES) throw new RangeError(`IV of ${o.iv.length} bytes, not 16`);
  const cipher = createCipheriv('aes-128-cbc', keyValueOf(o.key), o.iv);
  const output = allocateOutput(encryptedSizeBytes(pieces), o.allocate);
  let written = 0;
  for (const piece of pieces) {
    for (let offset = 0; offset < piece.length; offset += PIECE_SIZE_BYTES) {
      const encrypted = cipher.update(piece.subarray(offset, offset + PIECE_SIZE_BYTES));
      output.set(encrypted, written);
      written += encrypted.length;
    }
  }
  output.set(cipher.final(), written);
  return output;
}

/** What `encryptSegment` makes of these pieces. */
export function encryptedSizeBytes(pieces: readonly Uint8Array[]): number {
  const sizeBytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return sizeBytes - (sizeBytes % BLOCK_SIZE_BYTES) + BLOCK_SIZE_BYTES;
}
