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
  readonly #input: CbcsInput;
  readonly #iv: DataView;
  #cipher: Cipher | undefined;
  /** The last block of the chain before. */
  #last: DataView;

  constructor(input: CbcsInput) {
    this.#input = input;
    this.#output = viewOf(input.output);
    this.#iv = viewOf(input.iv);
    this.#last = this.#iv;
  }

  encrypt(start: number, blocks: number): void {
    const { key, iv, strideBytes: stride } = this.#input;
    this.#cipher ??= createCipheriv('aes-128-cbc', key, iv);
    let offset = start;
    for (let left = blocks; left > 0; ) {
      const count = Math.min(left, GATHERED_BLOCKS);
      copyBlocks({ from: this.#output, at: offset, stride }, { to: GATHERED, count });
      if (offset === start) this.#resetChain();
      const encrypted = this.#cipher.update(GATHERED_BYTES.subarray(0, count * BLOCK_SIZE_BYTES));
      const view = viewOf(encrypted);
      scatterBlocks(view, { to: this.#output, at: offset, stride, count });
      const last = view.byteOffset + (count - 1) * BLOCK_SIZE_BYTES;
      this.#last = new DataView(view.buffer, last, BLOCK_SIZE_BYTES);
      offset += count * stride;
      left -= count;
    }
  }

  #resetChain(): void {
    for (let at = 0; at < BLOCK_SIZE_BYTES; at += 4) {
      const word = GATHERED.getInt32(at, true) ^ this.#last.getInt32(at, true) ^ this.#iv.getInt32(at, true);
      GATHERED.setInt32(at, word, true);
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
  #cipher: Cipher | undefined;
  readonly #starts = new Uint32Array(LAYER_RANGES_MAX);
  readonly #blocks = new Uint32Array(LAYER_RANGES_MAX);
  #count = 0;

  constructor(input: CbcsInput) {
    this.#input = input;
    this.#output = viewOf(input.output);
    this.#iv = viewOf(input.iv);
  }

  add(start: number, blocks: number): void {
    if (this.#count === LAYER_RANGES_MAX) this.flush();
    this.#starts[this.#count] = start;
    this.#blocks[this.#count] = blocks;
    this.#count += 1;
  }

  flush(): void {
    const { key, strideBytes } = this.#input;
    for (let layer = 0; this.#count > 0 && layer < OWN_CHAIN_BLOCKS_MIN; layer += 1) {
      const chains = { starts: this.#starts, count: this.#count, offset: layer * strideBytes };
      if (layer === 0) gatherFirst(this.#output, chains, this.#iv);
      else gatherNext(this.#output, chains, strideBytes);
      this.#cipher ??= createCipheriv('aes-128-ecb', key, null);
      const encrypted = this.#cipher.update(GATHERED_BYTES.subarray(0, this.#count * BLOCK_SIZE_BYTES));
      scatterLayer(viewOf(encrypted), this.#output, chains);
      this.#dropEnded(layer + 1);
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

/** A block of each of the first `count` chains, `offset` bytes after its start. */
interface ChainLayer {
  readonly starts: Uint32Array;
  readonly count: number;
  readonly offset: number;
}

function gatherFirst(output: DataView, { starts, count }: ChainLayer, iv: DataView): void {
  const words = [
    iv.getInt32(0, true),
    iv.getInt32(4, true),
    iv.getInt32(8, true),
    iv.getInt32(12, true),
  ] as const;
  for (let chain = 0, to = 0; chain < count; chain += 1, to += BLOCK_SIZE_BYTES) {
    const from = starts[chain] ?? 0;
    GATHERED.setInt32(to, output.getInt32(from, true) ^ words[0], true);
    GATHERED.setInt32(to + 4, output.getInt32(from + 4, true) ^ words[1], true);
    GATHERED.setInt32(to + 8, output.getInt32(from + 8, true) ^ words[2], true);
    GATHERED.setInt32(to + 12, output.getInt32(from + 12, true) ^ words[3], true);
  }
}

/** The block before is encrypted in its place already. */
function gatherNext(output: DataView, { starts, count, offset }: ChainLayer, strideBytes: number): void {
  for (let chain = 0, to = 0; chain < count; chain += 1, to += BLOCK_SIZE_BYTES) {
    const from = (starts[chain] ?? 0) + offset;
    const before = from - strideBytes;
    GATHERED.setInt32(to, output.getInt32(from, true) ^ output.getInt32(before, true), true);
    GATHERED.setInt32(to + 4, output.getInt32(from + 4, true) ^ output.getInt32(before + 4, true), true);
    GATHERED.setInt32(to + 8, output.getInt32(from + 8, true) ^ output.getInt32(before + 8, true), true);
    GATHERED.setInt32(to + 12, output.getInt32(from + 12, true) ^ output.getInt32(before + 12, true), true);
  }
}

function scatterLayer(encrypted: DataView, output: DataView, { starts, count, offset }: ChainLayer): void {
  for (let chain = 0, from = 0; chain < count; chain += 1, from += BLOCK_SIZE_BYTES) {
    const to = (starts[chain] ?? 0) + offset;
    output.setInt32(to, encrypted.getInt32(from, true), true);
    output.setInt32(to + 4, encrypted.getInt32(from + 4, true), true);
    output.setInt32(to + 8, encrypted.getInt32(from + 8, true), true);
    output.setInt32(to + 12, encrypted.getInt32(from + 12, true), true);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function copyBlocks(
  source: { readonly from: DataView; readonly at: number; readonly stride: number },
  target: { readonly to: DataView; readonly count: number },
): void {
  const { from, stride } = source;
  const { to, count } = target;
  for (let block = 0, read = source.at, write = 0; block < count; block += 1) {
    to.setInt32(write, from.getInt32(read, true), true);
    to.setInt32(write + 4, from.getInt32(read + 4, true), true);
    to.setInt32(write + 8, from.getInt32(read + 8, true), true);
    to.setInt32(write + 12, from.getInt32(read + 12, true), true);
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
    to.setInt32(write, from.getInt32(read, true), true);
    to.setInt32(write + 4, from.getInt32(read + 4, true), true);
    to.setInt32(write + 8, from.getInt32(read + 8, true), true);
    to.setInt32(write + 12, from.getInt32(read + 12, true), true);
    read += BLOCK_SIZE_BYTES;
    write += stride;
  }
}
