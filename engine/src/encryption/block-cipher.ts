import { type Cipher, createCipheriv } from 'node:crypto';
import { BLOCK_SIZE_BYTES } from './initialization-vector.ts';
import { type OpenSsl, openSslInPlace } from './openssl-in-place.ts';

export type BlockCipherMode = 'ctr' | 'cbc' | 'ecb';

/** AES-128 that writes where it is told to, so that what it makes is in no buffer of its own first. */
export interface BlockCipher {
  /** What follows begins anew, with this initialization vector of 16 bytes; needed before the first use, but for ECB. */
  restart(iv: Uint8Array): void;
  /**
   * Writes to `target` what becomes of `source`, of the same size: one place, or two that do not overlap. Goes on from
   * call to call, CTR also within a block; CBC and ECB take whole blocks.
   */
  encrypt(source: Uint8Array, target: Uint8Array): void;
}

const KEY_SIZE_BYTES = 16;
/** OpenSSL counts in `int`. */
const SIZE_BYTES_MAX = 2 ** 31 - BLOCK_SIZE_BYTES;
/** What node:crypto makes of larger pieces is memory fresh from the system, whose page faults cost more than AES. */
const PIECE_SIZE_BYTES = 32 * 1024;

type Implementation = 'openssl' | 'node';

let chosen: Implementation | undefined;

/** Which implementation is in use: OpenSSL in place where it can be loaded and passes its test, else node:crypto. */
export function blockCiphers(): Implementation {
  chosen ??= openSslInPlace() === undefined ? 'node' : 'openssl';
  return chosen;
}

/** From now on node:crypto, whatever could be loaded. */
export function useNodeCiphers(): void {
  chosen = 'node';
}

/**
 * A cipher that is good until `use` returns, which must not be asynchronous; then its key schedule is wiped. Throws a
 * RangeError for a key, a vector or a piece of another size, and for pieces that overlap.
 */
export function withBlockCipher<T>(
  mode: BlockCipherMode,
  key: Uint8Array,
  use: (cipher: BlockCipher) => T,
  implementation: Implementation = blockCiphers(),
): T {
  if (key.length !== KEY_SIZE_BYTES) throw new RangeError(`key of ${key.length} bytes, not 16`);
  const openSsl = implementation === 'openssl' ? openSslInPlace() : undefined;
  const cipher = openSsl === undefined ? new NodeCipher(mode, key) : new OpenSslCipher(openSsl, mode, key);
  try {
    return use(cipher);
  } finally {
    cipher.close();
  }
}

/** A native call past the end of a buffer would write over somebody else's memory: nothing unchecked reaches it. */
function checkPieces(mode: BlockCipherMode, source: Uint8Array, target: Uint8Array): void {
  const { length } = source;
  if (target.length !== length) throw new RangeError(`place of ${target.length} bytes for ${length}`);
  if (length > SIZE_BYTES_MAX) throw new RangeError(`${length} bytes at once, limit ${SIZE_BYTES_MAX}`);
  if (mode !== 'ctr' && length % BLOCK_SIZE_BYTES !== 0)
    throw new RangeError(`${length} bytes are no blocks`);
  if (source === target || source.buffer !== target.buffer) return;
  const distance = Math.abs(source.byteOffset - target.byteOffset);
  if (distance !== 0 && distance < length) throw new RangeError('pieces that overlap');
}

function checkVector(mode: BlockCipherMode, iv: Uint8Array): void {
  if (mode === 'ecb') throw new RangeError('ECB has no initialization vector');
  if (iv.length !== BLOCK_SIZE_BYTES) throw new RangeError(`IV of ${iv.length} bytes, not 16`);
}

class OpenSslCipher implements BlockCipher {
  readonly #openSsl: OpenSsl;
  readonly #mode: BlockCipherMode;
  /** Undefined once it is freed. */
  #context: bigint | undefined;
  #hasVector: boolean;

  constructor(openSsl: OpenSsl, mode: BlockCipherMode, key: Uint8Array) {
    this.#openSsl = openSsl;
    this.#mode = mode;
    this.#context = openSsl.open(mode, key);
    this.#hasVector = mode === 'ecb';
  }

  restart(iv: Uint8Array): void {
    checkVector(this.#mode, iv);
    this.#openSsl.restart(this.#opened(), iv);
    this.#hasVector = true;
  }

  encrypt(source: Uint8Array, target: Uint8Array): void {
    checkPieces(this.#mode, source, target);
    if (!this.#hasVector) throw new RangeError('no initialization vector');
    if (source.length > 0) this.#openSsl.encrypt(this.#opened(), source, target);
  }

  close(): void {
    const context = this.#context;
    this.#context = undefined;
    if (context !== undefined) this.#openSsl.close(context);
  }

  #opened(): bigint {
    if (this.#context === undefined) throw new RangeError('the cipher is closed');
    return this.#context;
  }
}

class NodeCipher implements BlockCipher {
  readonly #mode: BlockCipherMode;
  #key: Uint8Array | undefined;
  #cipher: Cipher | undefined;

  constructor(mode: BlockCipherMode, key: Uint8Array) {
    this.#mode = mode;
    this.#key = key;
    if (mode === 'ecb') this.#cipher = createCipheriv('aes-128-ecb', key, null);
  }

  restart(iv: Uint8Array): void {
    checkVector(this.#mode, iv);
    if (this.#key === undefined) throw new RangeError('the cipher is closed');
    this.#cipher = createCipheriv(`aes-128-${this.#mode}`, this.#key, iv);
  }

  encrypt(source: Uint8Array, target: Uint8Array): void {
    checkPieces(this.#mode, source, target);
    if (this.#cipher === undefined) throw new RangeError('no initialization vector, or closed');
    for (let at = 0; at < source.length; at += PIECE_SIZE_BYTES) {
      target.set(this.#cipher.update(source.subarray(at, at + PIECE_SIZE_BYTES)), at);
    }
  }

  close(): void {
    this.#key = undefined;
    this.#cipher = undefined;
  }
}
