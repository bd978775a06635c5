import { type BlockCipher, withBlockCipher } from './block-cipher.ts';
import type { FragmentLayout } from './fragment-layout.ts';
import { BLOCK_SIZE_BYTES } from './initialization-vector.ts';
import type { ProtectedRanges } from './protected-ranges.ts';
import { BATCH_BLOCKS, WINDOW_SIZE_BYTES, windowMemory } from './window-memory.ts';

export interface CencInput {
  readonly key: Uint8Array;
  readonly layout: FragmentLayout;
  readonly ranges: ProtectedRanges;
  /** Two words for each sample. */
  readonly ivs: Uint32Array;
  /** The fragment, in the clear. */
  readonly source: Uint8Array;
  /** Where it goes; the bytes of a fragment at n are at n + `shift` there. */
  readonly output: Uint8Array;
  readonly shift: number;
}

/** Below, to begin anew for a sample costs more than its key stream made as blocks of counters and added here. */
const OWN_STREAM_BYTES_MIN = 2048;

/**
 * AES-CTR of every range, ISO/IEC 23001-7 §9.3 and §10.1: in a sample the block counter runs on from range to range. Also
 * copies what is clear from `from` to `to`.
 */
export function encryptCenc(input: CencInput, from: number, to: number): void {
  const { layout, source, output, shift, ranges, key } = input;
  const small: number[] = [];
  const large: number[] = [];
  for (let sample = 0; sample < layout.sampleCount; sample += 1) {
    const protectedBytes = protectedBytesOf(ranges, sample);
    if (protectedBytes === 0) continue;
    const spanBytes = protectedEndOf(ranges, sample) - protectedStartOf(ranges, sample);
    const isSmall = protectedBytes < OWN_STREAM_BYTES_MIN && spanBytes <= WINDOW_SIZE_BYTES;
    (isSmall ? small : large).push(sample);
  }
  let copied = from;
  if (large.length > 0) {
    withBlockCipher('ctr', key, (cipher) => {
      for (const sample of large) copied = encryptSample(input, { sample, cipher, copied });
    });
  }
  output.set(source.subarray(copied, to), copied + shift);
  if (small.length === 0) return;
  withBlockCipher('ecb', key, (cipher) => {
    const batch = new KeyStreamBatch(input, cipher);
    for (const sample of small) batch.add(sample, protectedBytesOf(ranges, sample));
    batch.flush();
  });
}

function protectedBytesOf({ firstOfSample, sizes }: ProtectedRanges, sample: number): number {
  const last = firstOfSample[sample + 1] ?? 0;
  let sum = 0;
  for (let range = firstOfSample[sample] ?? 0; range < last; range += 1) sum += sizes[range] ?? 0;
  return sum;
}

const COUNTER = new DataView(new ArrayBuffer(BLOCK_SIZE_BYTES));
const COUNTER_BYTES = new Uint8Array(COUNTER.buffer);

/** Copies the clear bytes up to its last range, whose end it returns. */
function encryptSample(
  { ranges, ivs, source, output, shift }: CencInput,
  o: { readonly sample: number; readonly cipher: BlockCipher; readonly copied: number },
): number {
  const { sample, cipher } = o;
  COUNTER.setUint32(0, ivs[2 * sample] ?? 0);
  COUNTER.setUint32(4, ivs[2 * sample + 1] ?? 0);
  cipher.restart(COUNTER_BYTES);
  let { copied } = o;
  const last = ranges.firstOfSample[sample + 1] ?? 0;
  for (let range = ranges.firstOfSample[sample] ?? 0; range < last; range += 1) {
    const offset = ranges.offsets[range] ?? 0;
    const end = offset + (ranges.sizes[range] ?? 0);
    output.set(source.subarray(copied, offset), copied + shift);
    cipher.encrypt(source.subarray(offset, end), output.subarray(offset + shift, end + shift));
    copied = end;
  }
  return copied;
}

/** Samples too small for a stream each: one cipher makes the key stream of many of them, which is added to their copies. */
class KeyStreamBatch {
  readonly #input: CencInput;
  readonly #cipher: BlockCipher;
  readonly #memory = windowMemory();
  readonly #samples: number[] = [];
  #blocks = 0;
  /** What the samples span, in the fragment. */
  #start = 0;
  #end = 0;

  constructor(input: CencInput, cipher: BlockCipher) {
    this.#input = input;
    this.#cipher = cipher;
  }

  add(sample: number, protectedBytes: number): void {
    const { ivs, ranges } = this.#input;
    const blocks = Math.ceil(protectedBytes / BLOCK_SIZE_BYTES);
    const end = protectedEndOf(ranges, sample);
    const isFull = this.#blocks + blocks > BATCH_BLOCKS || end - this.#start > WINDOW_SIZE_BYTES;
    if (this.#blocks > 0 && isFull) this.flush();
    if (this.#blocks === 0) this.#start = protectedStartOf(ranges, sample);
    this.#memory.writeCounters(this.#blocks, blocks, ivs[2 * sample] ?? 0, ivs[2 * sample + 1] ?? 0);
    this.#end = end;
    this.#blocks += blocks;
    this.#samples.push(sample);
  }

  flush(): void {
    if (this.#blocks === 0) return;
    const { output, shift } = this.#input;
    const { blocks, window } = this.#memory;
    const stream = blocks.subarray(0, this.#blocks * BLOCK_SIZE_BYTES);
    this.#cipher.encrypt(stream, stream);
    const spanned = output.subarray(this.#start + shift, this.#end + shift);
    window.set(spanned);
    let at = 0;
    for (const sample of this.#samples) at = this.#addStream(sample, at);
    spanned.set(window.subarray(0, spanned.length));
    this.#samples.length = 0;
    this.#blocks = 0;
  }

  #addStream(sample: number, start: number): number {
    const { ranges } = this.#input;
    const last = ranges.firstOfSample[sample + 1] ?? 0;
    let at = start;
    for (let range = ranges.firstOfSample[sample] ?? 0; range < last; range += 1) {
      const sizeBytes = ranges.sizes[range] ?? 0;
      this.#memory.addStream((ranges.offsets[range] ?? 0) - this.#start, at, sizeBytes);
      // Only the last range of a sample may end within a block.
      at += sizeBytes;
    }
    return Math.ceil(at / BLOCK_SIZE_BYTES) * BLOCK_SIZE_BYTES;
  }
}

/** Where the first range of a sample begins; it has one. */
function protectedStartOf({ firstOfSample, offsets }: ProtectedRanges, sample: number): number {
  return offsets[firstOfSample[sample] ?? 0] ?? 0;
}

/** Where the last one ends. */
function protectedEndOf({ firstOfSample, offsets, sizes }: ProtectedRanges, sample: number): number {
  const last = (firstOfSample[sample + 1] ?? 0) - 1;
  return (offsets[last] ?? 0) + (sizes[last] ?? 0);
}
