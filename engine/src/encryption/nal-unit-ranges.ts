import type { ProtectedRanges } from './protected-ranges.ts';

/** Tells slices from the rest, and where their headers end. */
export interface SliceHeaders {
  /**
   * How many bytes at the beginning of a NAL unit stay clear; its whole size when none of it is slice data. Called in the
   * order of the file: parameter sets among the samples are learnt from. `start` and `end` are places in `bytes`.
   */
  clearBytesOf(bytes: Uint8Array, start: number, end: number): number;
}

export interface NalUnitSample {
  readonly source: Uint8Array;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly lengthSizeBytes: number;
  /** Ranges are made of whole blocks by leaving more at their beginning clear: `cenc`, ISO/IEC 23001-7 §9.5.2. */
  readonly wholeBlocks: boolean;
}

const BLOCK_SIZE_BYTES = 16;

/**
 * Adds what of a sample of length-prefixed NAL units is encrypted. Where the lengths no longer add up, the rest counts as
 * one NAL unit: nothing is left clear because it is broken.
 */
export function addNalUnitRanges(
  ranges: ProtectedRanges,
  headers: SliceHeaders,
  { source, offset, sizeBytes, lengthSizeBytes, wholeBlocks }: NalUnitSample,
): void {
  const sampleEnd = offset + sizeBytes;
  for (let at = offset; at < sampleEnd; ) {
    const start = Math.min(at + lengthSizeBytes, sampleEnd);
    const end = Math.min(start + readLength(source, at, start), sampleEnd);
    if (end > start) {
      const dataStart = start + headers.clearBytesOf(source, start, end);
      const partial = wholeBlocks ? (end - dataStart) % BLOCK_SIZE_BYTES : 0;
      const protectedStart = dataStart + partial;
      if (end - protectedStart >= BLOCK_SIZE_BYTES) ranges.add(protectedStart, end - protectedStart);
    }
    at = end;
  }
}

function readLength(source: Uint8Array, start: number, end: number): number {
  let length = 0;
  for (let at = start; at < end; at += 1) length = length * 256 + (source[at] ?? 0);
  return length;
}
