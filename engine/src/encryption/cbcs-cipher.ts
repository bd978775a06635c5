import { type Cipher, createCipheriv } from 'node:crypto';
import { BLOCK_SIZE_BYTES } from './initialization-vector.ts';
import type { ProtectedRanges } from './protected-ranges.ts';

export interface CbcsInput {
  readonly key: Uint8Array;
  /** 16 bytes; every range begins with it anew. */
  readonly iv: Uint8Array;
  readonly ranges: ProtectedRanges;
  /** From one encrypted block to the next: 16 is every block, 160 the 1:9 pattern. */
  readonly strideBytes: number;
  /** The fragment, in the clear, encrypted in place; its byte n is at n + `shift`. */
  readonly output: Uint8Array;
  readonly shift: number;
}

/** How many blocks of a range make its chain worth an update of its own. */
const OWN_CHAIN_BLOCKS_MIN = 48;
/** Ranges that are encrypted block by block, all at once. */
const LAYER_RANGES_MAX = 1024;
const GATHERED_BLOCKS = 2048;
const GATHERED = new DataView(new ArrayBuffer(GATHERED_BLOCKS * BLOCK_SIZE_BYTES));
const GATHERED_BYTES = new Uint8Array(GATHERED.buffer);

/**
 * AES-CBC of one block of each stride, ISO/IEC 23001-7 §9.6, §9.7 and §10.4; a block cut short at the end of a range stays
 * clear. One cipher makes all chains: a chain begins anew when its first block also holds the last block before, XOR the
 * initialization vector.
 */
export function encryptCbcs(input: CbcsInput): void {
  const chains = new LongChains(input);
  const layers = new ShortChains(input);
  const { ranges, strideBytes } = input;
  for (let range = 0; range < ranges.count; range += 1) {
    const blocks = encryptedBlocks(ranges.sizes[range] ?? 0, strideBytes);
    const offset = (ranges.offsets[range] ?? 0) + input.shift;
    if (blocks >= OWN_CHAIN_BLOCKS_MIN) chains.encrypt(offset, blocks);
    else if (blocks > 0) layers.add(offset, blocks);
  }
  layers.flush();
}

/** Of a range: each whole block where a stride begins. */
function encryptedBlocks(sizeBytes: number, strideBytes: number): number {
  return sizeBytes < BLOCK_SIZE_BYTES ? 0 : Math.floor((sizeBytes - BLOCK_SIZE_BYTES) / strideBytes) + 1;
}

class LongChains {
  readonly #output: DataView;
  readonly #strideBytes: number;
  readonly #cipher: Cipher;
  readonly #iv: DataView;
  /** The last block of the chain before. */
  #last: DataView;

  constructor({ key, iv, output, strideBytes }: CbcsInput) {
    this.#output = new DataView(output.buffer, output.byteOffset, output.byteLength);
    this.#strideBytes = strideBytes;
    this.#iv = new DataView(iv.buffer, iv.byteOffset, iv.byteLength);
    this.#last = this.#iv;
    this.#cipher = createCipheriv('aes-128-cbc', key, iv);
  }

  encrypt(start: number, blocks: number): void {
    let offset = start;
    for (let left = blocks; left > 0; ) {
      const count = Math.min(left, GATHERED_BLOCKS);
      copyBlocks({ from: this.#output, at: offset, stride: this.#strideBytes }, { to: GATHERED, count });
      if (offset === start) this.#resetChain();
      const encrypted = this.#cipher.update(GATHERED_BYTES.subarray(0, count * BLOCK_SIZE_BYTES));
      const view = new DataView(encrypted.buffer, encrypted.byteOffset, encrypted.byteLength);
      scatterBlocks(view, { to: this.#output, at: offset, stride: this.#strideBytes, count });
      const last = view.byteOffset + (count - 1) * BLOCK_SIZE_BYTES;
      this.#last = new DataView(view.buffer, last, BLOCK_SIZE_BYTES);
      offset += count * this.#strideBytes;
      left -= count;
    }
  }

  #resetChain(): void {
    for (let at = 0; at < BLOCK_SIZE_BYTES; at += 4) {
      GATHERED.setInt32(at, GATHERED.getInt32(at) ^ this.#last.getInt32(at) ^ this.#iv.getInt32(at));
    }
  }
}

/**
 * Chains of a few blocks, such as audio's: the first blocks of all of them in one update, then the second ones, and so
 * on. So an update serves hundreds of chains, and the processor encrypts several blocks at a time, which CBC forbids.
 */
class ShortChains {
  readonly #input: CbcsInput;
  readonly #output: DataView;
  readonly #iv: DataView;
  readonly #cipher: Cipher;
  readonly #starts = new Uint32Array(LAYER_RANGES_MAX);
  readonly #blocks = new Uint32Array(LAYER_RANGES_MAX);
  #count = 0;

  constructor(input: CbcsInput) {
    this.#input = input;
    const { key, iv, output } = input;
    this.#output = new DataView(output.buffer, output.byteOffset, output.byteLength);
    this.#iv = new DataView(iv.buffer, iv.byteOffset, iv.byteLength);
    this.#cipher = createCipheriv('aes-128-ecb', key, null);
  }

  add(start: number, blocks: number): void {
    if (this.#count === LAYER_RANGES_MAX) this.flush();
    this.#starts[this.#count] = start;
    this.#blocks[this.#count] = blocks;
    this.#count += 1;
  }

  flush(): void {
    for (let layer = 0; this.#count > 0 && layer < OWN_CHAIN_BLOCKS_MIN; layer += 1) {
      this.#gather(layer);
      const encrypted = this.#cipher.update(GATHERED_BYTES.subarray(0, this.#count * BLOCK_SIZE_BYTES));
      this.#scatter(layer, new DataView(encrypted.buffer, encrypted.byteOffset, encrypted.byteLength));
      this.#dropEnded(layer + 1);
    }
  }

  #gather(layer: number): void {
    const { strideBytes } = this.#input;
    const previous = layer === 0 ? this.#iv : this.#output;
    for (let chain = 0, to = 0; chain < this.#count; chain += 1, to += BLOCK_SIZE_BYTES) {
      const from = (this.#starts[chain] ?? 0) + layer * strideBytes;
      const before = layer === 0 ? 0 : from - strideBytes;
      for (let at = 0; at < BLOCK_SIZE_BYTES; at += 4) {
        const word = this.#output.getInt32(from + at, true) ^ previous.getInt32(before + at, true);
        GATHERED.setInt32(to + at, word, true);
      }
    }
  }

  #scatter(layer: number, encrypted: DataView): void {
    const { strideBytes } = this.#input;
    for (let chain = 0, from = 0; chain < this.#count; chain += 1, from += BLOCK_SIZE_BYTES) {
      const to = (this.#starts[chain] ?? 0) + layer * strideBytes;
      for (let at = 0; at < BLOCK_SIZE_BYTES; at += 4) {
        this.#output.setInt32(to + at, encrypted.getInt32(from + at, true), true);
      }
    }
  }

  #dropEnded(layers: number): void {
    let kept = 0;
    for (let chain = 0; chain < this.#count; chain += 1) {
      const blocks = this.#blocks[chain] ?? 0;
      if (blocks <= layers) continue;
      this.#starts[kept] = this.#starts[chain] ?? 0;
      this.#blocks[kept] = blocks;
      kept += 1;
    }
    this.#count = kept;
  }
}

function copyBlocks(
  source: { readonly from: DataView; readonly at: number; readonly stride: number },
  target: { readonly to: DataView; readonly count: number },
): void {
  const { from, stride } = source;
  const { to, count } = target;
  for (let block = 0, read = source.at, write = 0; block < count; block += 1) {
    to.setInt32(write, from.getInt32(read));
    to.setInt32(write + 4, from.getInt32(read + 4));
    to.setInt32(write + 8, from.getInt32(read + 8));
    to.setInt32(write + 12, from.getInt32(read + 12));
    read += stride;
    write += BLOCK_SIZE_BYTES;
  }
}

function scatterBlocks(
  from: DataView,
  target: { readonly to: DataView; readonly at: number; readonly stride: number; readonly count: number },
): void {
  const { to, stride, count } = target;
  for (let block = 0, read = 0, write = target.at; block < count; block += 1) {
    to.setInt32(write, from.getInt32(read));
    to.setInt32(write + 4, from.getInt32(read + 4));
    to.setInt32(write + 8, from.getInt32(read + 8));
    to.setInt32(write + 12, from.getInt32(read + 12));
    read += BLOCK_SIZE_BYTES;
    write += stride;
  }
}
