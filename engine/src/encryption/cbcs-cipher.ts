import { type BlockCipher, withBlockCipher } from './block-cipher.ts';
import { BLOCK_SIZE_BYTES } from './initialization-vector.ts';
import type { ProtectedRanges } from './protected-ranges.ts';
import { BATCH_BLOCKS, WINDOW_SIZE_BYTES, windowMemory } from './window-memory.ts';

export interface CbcsInput {
  readonly key: Uint8Array;
  /** 16 bytes; every range begins with it anew. */
  readonly iv: Uint8Array;
  readonly ranges: ProtectedRanges;
  /** From one encrypted block to the next: 16 is every block, 160 the 1:9 pattern. */
  readonly strideBytes: number;
  /** The fragment, in the clear. */
  readonly source: Uint8Array;
  /** Where it goes; the bytes of a fragment at n are at n + `shift` there. */
  readonly output: Uint8Array;
  readonly shift: number;
}

/** How many blocks of a range make its chain worth a call of its own. */
const OWN_CHAIN_BLOCKS_MIN = 48;

interface Chain {
  /** In the fragment. */
  readonly offset: number;
  readonly blocks: number;
}

/**
 * AES-CBC of one block of each stride, ISO/IEC 23001-7 §9.6, §9.7 and §10.4; a block cut short at the end of a range stays
 * clear. Also copies what is clear from `from` to `to`.
 */
export function encryptCbcs(input: CbcsInput, from: number, to: number): void {
  const { key, ranges, strideBytes, source, output, shift } = input;
  const short: Chain[] = [];
  const long: Chain[] = [];
  for (let range = 0; range < ranges.count; range += 1) {
    const blocks = encryptedBlocks(ranges.sizes[range] ?? 0, strideBytes);
    const chains = blocks < OWN_CHAIN_BLOCKS_MIN ? short : long;
    if (blocks > 0) chains.push({ offset: ranges.offsets[range] ?? 0, blocks });
  }
  let copied = from;
  if (long.length > 0) {
    withBlockCipher('cbc', key, (cipher) => {
      const chains = new LongChains(input, cipher);
      for (const chain of long) {
        output.set(source.subarray(copied, chain.offset), copied + shift);
        copied = chains.encrypt(chain);
      }
    });
  }
  output.set(source.subarray(copied, to), copied + shift);
  if (short.length === 0) return;
  withBlockCipher('ecb', key, (cipher) => {
    const chains = new ShortChains(input, cipher);
    for (const chain of short) chains.add(chain);
    chains.flush();
  });
}

/** Of a range: each whole block where a stride begins. */
function encryptedBlocks(sizeBytes: number, strideBytes: number): number {
  return sizeBytes < BLOCK_SIZE_BYTES ? 0 : Math.floor((sizeBytes - BLOCK_SIZE_BYTES) / strideBytes) + 1;
}

/** One after another; nothing else may place blocks in the window meanwhile. */
class LongChains {
  readonly #input: CbcsInput;
  readonly #cipher: BlockCipher;
  readonly #memory = windowMemory();

  constructor(input: CbcsInput, cipher: BlockCipher) {
    this.#input = input;
    this.#cipher = cipher;
    const { places } = this.#memory;
    for (let block = 0; block < BATCH_BLOCKS; block += 1) places[block] = block * input.strideBytes;
  }

  /** From source to output by way of the window; returns where its last block ends. */
  encrypt(chain: Chain): number {
    const { iv, strideBytes, source, output, shift } = this.#input;
    const { window, blocks, gather, scatter } = this.#memory;
    this.#cipher.restart(iv);
    let { offset } = chain;
    for (let left = chain.blocks; left > 0; ) {
      const count = Math.min(left, BATCH_BLOCKS);
      left -= count;
      // Up to where the next batch begins.
      const spanBytes = left > 0 ? count * strideBytes : (count - 1) * strideBytes + BLOCK_SIZE_BYTES;
      const gathered = blocks.subarray(0, count * BLOCK_SIZE_BYTES).fill(0);
      window.set(source.subarray(offset, offset + spanBytes));
      gather(count, 0);
      this.#cipher.encrypt(gathered, gathered);
      scatter(count, 0);
      output.set(window.subarray(0, spanBytes), offset + shift);
      offset += spanBytes;
    }
    return offset;
  }
}

/**
 * Chains of a few blocks, such as audio's: the first blocks of all of them in one call, then the second ones, and so on.
 * So a call serves hundreds of chains, and the processor encrypts several blocks at a time, which CBC forbids.
 */
class ShortChains {
  readonly #input: CbcsInput;
  readonly #cipher: BlockCipher;
  readonly #memory = windowMemory();
  readonly #chains: Chain[] = [];
  /** What the chains span, in the fragment. */
  #start = 0;
  #end = 0;

  constructor(input: CbcsInput, cipher: BlockCipher) {
    this.#input = input;
    this.#cipher = cipher;
  }

  add(chain: Chain): void {
    const end = chain.offset + (chain.blocks - 1) * this.#input.strideBytes + BLOCK_SIZE_BYTES;
    const isFull = this.#chains.length === BATCH_BLOCKS || end - this.#start > WINDOW_SIZE_BYTES;
    if (this.#chains.length > 0 && isFull) this.flush();
    if (this.#chains.length === 0) this.#start = chain.offset;
    this.#end = end;
    this.#chains.push(chain);
  }

  flush(): void {
    if (this.#chains.length === 0) return;
    const { output, shift, strideBytes, iv } = this.#input;
    const { window, blocks, gather, scatter } = this.#memory;
    const spanned = output.subarray(this.#start + shift, this.#end + shift);
    window.set(spanned);
    const active = this.#placeLongestFirst();
    // What is gathered is added to what the blocks were encrypted to before: that is the chaining.
    for (let chain = 0; chain < this.#chains.length; chain += 1) blocks.set(iv, chain * BLOCK_SIZE_BYTES);
    for (let layer = 0; layer < OWN_CHAIN_BLOCKS_MIN; layer += 1) {
      const count = active[layer] ?? 0;
      if (count === 0) break;
      const gathered = blocks.subarray(0, count * BLOCK_SIZE_BYTES);
      gather(count, layer * strideBytes);
      this.#cipher.encrypt(gathered, gathered);
      scatter(count, layer * strideBytes);
    }
    spanned.set(window.subarray(0, spanned.length));
    this.#chains.length = 0;
  }

  /** So that those with a block in a layer are always the first; returns how many have more blocks than each number. */
  #placeLongestFirst(): Uint32Array {
    const active = new Uint32Array(OWN_CHAIN_BLOCKS_MIN + 1);
    for (const { blocks } of this.#chains) active[blocks - 1] = (active[blocks - 1] ?? 0) + 1;
    for (let blocks = OWN_CHAIN_BLOCKS_MIN - 1; blocks >= 0; blocks -= 1) {
      active[blocks] = (active[blocks] ?? 0) + (active[blocks + 1] ?? 0);
    }
    const next = active.slice();
    for (const { offset, blocks } of this.#chains) {
      const at = next[blocks] ?? 0;
      this.#memory.places[at] = offset - this.#start;
      next[blocks] = at + 1;
    }
    return active;
  }
}
