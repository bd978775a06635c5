import { createCipheriv } from 'node:crypto';
import type { FragmentLayout } from './fragment-layout.ts';
import { BLOCK_SIZE_BYTES } from './initialization-vector.ts';
import type { ProtectedRanges } from './protected-ranges.ts';

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

/** Updates of more make memory that comes fresh from the system, at the price of its page faults. */
const PIECE_SIZE_BYTES = 32 * 1024;
/** Below, a cipher of its own costs more than the key stream made as blocks of counters and added here. */
const OWN_CIPHER_BYTES_MIN = 12 * 1024;
const BATCH_BLOCKS = 2048;
const COUNTERS = new DataView(new ArrayBuffer(BATCH_BLOCKS * BLOCK_SIZE_BYTES));
const COUNTER_BYTES = new Uint8Array(COUNTERS.buffer);

/**
 * AES-CTR of every range, ISO/IEC 23001-7 §9.3 and §10.1: in a sample the block counter runs on from range to range. Also
 * copies what is clear from `from` to `to`.
 */
export function encryptCenc(input: CencInput, from: number, to: number): void {
  const { layout, source, output, shift } = input;
  const small: number[] = [];
  let copied = from;
  for (let sample = 0; sample < layout.sampleCount; sample += 1) {
    const protectedBytes = protectedBytesOf(input.ranges, sample);
    if (protectedBytes >= OWN_CIPHER_BYTES_MIN) copied = encryptSample(input, sample, copied);
    else if (protectedBytes > 0) small.push(sample);
  }
  output.set(source.subarray(copied, to), copied + shift);
  const batch = new KeyStreamBatch(input);
  for (const sample of small) batch.add(sample, protectedBytesOf(input.ranges, sample));
  batch.flush();
}

function protectedBytesOf({ firstOfSample, sizes }: ProtectedRanges, sample: number): number {
  const last = firstOfSample[sample + 1] ?? 0;
  let sum = 0;
  for (let range = firstOfSample[sample] ?? 0; range < last; range += 1) sum += sizes[range] ?? 0;
  return sum;
}

/** With a cipher of its own; copies the clear bytes up to its last range, whose end it returns. */
function encryptSample(input: CencInput, sample: number, copiedBefore: number): number {
  const { ranges, source, output, shift } = input;
  const counter = new DataView(new ArrayBuffer(BLOCK_SIZE_BYTES));
  counter.setUint32(0, input.ivs[2 * sample] ?? 0);
  counter.setUint32(4, input.ivs[2 * sample + 1] ?? 0);
  const cipher = createCipheriv('aes-128-ctr', input.key, counter);
  let copied = copiedBefore;
  const last = ranges.firstOfSample[sample + 1] ?? 0;
  for (let range = ranges.firstOfSample[sample] ?? 0; range < last; range += 1) {
    let offset = ranges.offsets[range] ?? 0;
    const end = offset + (ranges.sizes[range] ?? 0);
    output.set(source.subarray(copied, offset), copied + shift);
    for (; offset < end; offset += PIECE_SIZE_BYTES) {
      const piece = source.subarray(offset, Math.min(offset + PIECE_SIZE_BYTES, end));
      output.set(cipher.update(piece), offset + shift);
    }
    copied = end;
  }
  return copied;
}

/** Samples too small for a cipher each: one makes the key stream of many of them, which is added to their copies. */
class KeyStreamBatch {
  readonly #input: CencInput;
  readonly #output: DataView;
  #cipher: ReturnType<typeof createCipheriv> | undefined;
  readonly #samples: number[] = [];
  #blocks = 0;

  constructor(input: CencInput) {
    this.#input = input;
    const { output } = input;
    this.#output = new DataView(output.buffer, output.byteOffset, output.byteLength);
  }

  add(sample: number, protectedBytes: number): void {
    const blocks = Math.ceil(protectedBytes / BLOCK_SIZE_BYTES);
    if (this.#blocks + blocks > BATCH_BLOCKS) this.flush();
    const { ivs } = this.#input;
    writeCounters(this.#blocks, blocks, { high: ivs[2 * sample] ?? 0, low: ivs[2 * sample + 1] ?? 0 });
    this.#blocks += blocks;
    this.#samples.push(sample);
  }

  flush(): void {
    if (this.#blocks === 0) return;
    this.#cipher ??= createCipheriv('aes-128-ecb', this.#input.key, null);
    const stream = this.#cipher.update(COUNTER_BYTES.subarray(0, this.#blocks * BLOCK_SIZE_BYTES));
    const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
    let at = 0;
    for (const sample of this.#samples) at = this.#addStream(sample, view, at);
    this.#samples.length = 0;
    this.#blocks = 0;
  }

  #addStream(sample: number, stream: DataView, start: number): number {
    const { ranges, shift } = this.#input;
    const last = ranges.firstOfSample[sample + 1] ?? 0;
    let at = start;
    for (let range = ranges.firstOfSample[sample] ?? 0; range < last; range += 1) {
      const sizeBytes = ranges.sizes[range] ?? 0;
      addBytes(this.#output, (ranges.offsets[range] ?? 0) + shift, stream, at, sizeBytes);
      // Only the last range of a sample may end within a block.
      at += sizeBytes;
    }
    return Math.ceil(at / BLOCK_SIZE_BYTES) * BLOCK_SIZE_BYTES;
  }
}

function writeCounters(
  first: number,
  blocks: number,
  iv: { readonly high: number; readonly low: number },
): void {
  let at = first * BLOCK_SIZE_BYTES;
  for (let block = 0; block < blocks; block += 1) {
    COUNTERS.setInt32(at, iv.high);
    COUNTERS.setInt32(at + 4, iv.low);
    COUNTERS.setInt32(at + 8, 0, true);
    COUNTERS.setInt32(at + 12, block);
    at += BLOCK_SIZE_BYTES;
  }
}

/** XOR, four bytes at a time at any alignment; the byte order is the same on both sides, so either will do. */
function addBytes(output: DataView, to: number, stream: DataView, from: number, sizeBytes: number): void {
  let at = 0;
  for (; at + 16 <= sizeBytes; at += 16) {
    const write = to + at;
    const read = from + at;
    output.setInt32(write, output.getInt32(write, true) ^ stream.getInt32(read, true), true);
    output.setInt32(write + 4, output.getInt32(write + 4, true) ^ stream.getInt32(read + 4, true), true);
    output.setInt32(write + 8, output.getInt32(write + 8, true) ^ stream.getInt32(read + 8, true), true);
    output.setInt32(write + 12, output.getInt32(write + 12, true) ^ stream.getInt32(read + 12, true), true);
  }
  for (; at < sizeBytes; at += 1) {
    output.setUint8(to + at, output.getUint8(to + at) ^ stream.getUint8(from + at));
  }
}
