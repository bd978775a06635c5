import type { ProtectionKey } from '../model/protection.ts';
import { type BlockCipher, withBlockCipher } from './block-cipher.ts';
import { keyValueOf } from './content-key.ts';
import { BLOCK_SIZE_BYTES } from './initialization-vector.ts';
import { type AllocateOutput, allocateOutput } from './output-buffer.ts';

interface SegmentEncryption {
  readonly key: Pick<ProtectionKey, 'value'>;
  /** 16 bytes. */
  readonly iv: Uint8Array;
  readonly allocate?: AllocateOutput;
}

/**
 * A whole segment in AES-128 CBC with PKCS#7 (RFC 8216 §4.3.2.4, `METHOD=AES-128`): the pieces one after another, in one
 * buffer, 1 to 16 bytes longer. Throws a RangeError for another key or IV.
 */
export function encryptSegment(pieces: readonly Uint8Array[], o: SegmentEncryption): Uint8Array {
  const sizeBytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return encryptSegmentOf(sizeBytes, o, (put) => pieces.forEach(put));
}

/** The same of what `write` puts, piece by piece, exactly `sizeBytes` in all; throws a RangeError when it is not. */
export function encryptSegmentOf(
  sizeBytes: number,
  o: SegmentEncryption,
  write: (put: (piece: Uint8Array) => void) => void,
): Uint8Array {
  return withBlockCipher('cbc', keyValueOf(o.key), (cipher) => {
    cipher.restart(o.iv);
    const output = allocateOutput(encryptedSizeBytes(sizeBytes), o.allocate);
    const writer = new CbcWriter(cipher, output);
    write((piece) => writer.put(piece));
    writer.end(sizeBytes);
    return output;
  });
}

/** What becomes of so many. */
export function encryptedSizeBytes(sizeBytes: number): number {
  return sizeBytes - (sizeBytes % BLOCK_SIZE_BYTES) + BLOCK_SIZE_BYTES;
}

/** Pieces of any size, straight from where they are to where they go. */
class CbcWriter {
  readonly #cipher: BlockCipher;
  readonly #output: Uint8Array;
  /** What is encrypted, and after it the bytes of a block that is not yet whole, in the clear. */
  #encrypted = 0;
  #pending = 0;

  constructor(cipher: BlockCipher, output: Uint8Array) {
    this.#cipher = cipher;
    this.#output = output;
  }

  put(piece: Uint8Array): void {
    // The last block is that of the padding, so that this leaves room for it too.
    if (this.#encrypted + this.#pending + piece.length >= this.#output.length) {
      throw new RangeError(`more than the ${this.#output.length} bytes there are`);
    }
    let at = 0;
    if (this.#pending > 0) {
      at = Math.min(BLOCK_SIZE_BYTES - this.#pending, piece.length);
      this.#keep(piece.subarray(0, at));
      if (this.#pending < BLOCK_SIZE_BYTES) return;
      this.#encryptPending();
    }
    const wholeBytes = piece.length - at - ((piece.length - at) % BLOCK_SIZE_BYTES);
    const target = this.#output.subarray(this.#encrypted, this.#encrypted + wholeBytes);
    this.#cipher.encrypt(piece.subarray(at, at + wholeBytes), target);
    this.#encrypted += wholeBytes;
    this.#keep(piece.subarray(at + wholeBytes));
  }

  /** PKCS#7: as often as it takes, the number of bytes that fill the block. */
  end(sizeBytes: number): void {
    const putBytes = this.#encrypted + this.#pending;
    if (putBytes !== sizeBytes) throw new RangeError(`${putBytes} bytes, not ${sizeBytes}`);
    this.#output.fill(BLOCK_SIZE_BYTES - this.#pending, putBytes);
    this.#encryptPending();
  }

  #keep(bytes: Uint8Array): void {
    this.#output.set(bytes, this.#encrypted + this.#pending);
    this.#pending += bytes.length;
  }

  #encryptPending(): void {
    const block = this.#output.subarray(this.#encrypted, this.#encrypted + BLOCK_SIZE_BYTES);
    this.#cipher.encrypt(block, block);
    this.#encrypted += BLOCK_SIZE_BYTES;
    this.#pending = 0;
  }
}
