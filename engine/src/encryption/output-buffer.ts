/**
 * Where encrypted bytes go: `sizeBytes` or more, of any content. A fresh buffer of megabytes costs as much time in page
 * faults as its encryption does, so whoever knows when bytes are no longer used brings buffers that were used before.
 */
export type AllocateOutput = (sizeBytes: number) => Uint8Array;

/** Exactly `sizeBytes`, not cleared: every byte of it must be written. */
export function allocateOutput(sizeBytes: number, allocate: AllocateOutput | undefined): Uint8Array {
  // A Uint8Array would be cleared first, at the price of a copy.
  if (allocate === undefined) return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer);
  const buffer = allocate(sizeBytes);
  if (buffer.length < sizeBytes) throw new RangeError(`buffer of ${buffer.length} bytes for ${sizeBytes}`);
  return buffer.subarray(0, sizeBytes);
}
