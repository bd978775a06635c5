const INITIAL_CAPACITY = 256;

/**
 * What of a fragment's samples is encrypted: ranges in the order of the file, in flat arrays that grow, because a
 * fragment has thousands. Each range belongs to one sample; what of a sample is in no range stays clear.
 */
export class ProtectedRanges {
  count = 0;
  /** In the fragment. */
  offsets: Uint32Array;
  sizes: Uint32Array;
  /** Of each sample, the first of its ranges; one more than there are samples once all were begun and closed. */
  readonly firstOfSample: Uint32Array;
  #samples = 0;

  constructor(sampleCount: number) {
    // Sound has one for each sample.
    const capacity = Math.max(INITIAL_CAPACITY, sampleCount);
    this.offsets = new Uint32Array(capacity);
    this.sizes = new Uint32Array(capacity);
    this.firstOfSample = new Uint32Array(sampleCount + 1);
  }

  /** What is added from now on belongs to the next sample. After the last one it is called once more. */
  beginSample(): void {
    this.firstOfSample[this.#samples] = this.count;
    this.#samples += 1;
  }

  add(offset: number, sizeBytes: number): void {
    if (this.count === this.offsets.length) this.#grow();
    this.offsets[this.count] = offset;
    this.sizes[this.count] = sizeBytes;
    this.count += 1;
  }

  #grow(): void {
    const grown = { offsets: new Uint32Array(2 * this.count), sizes: new Uint32Array(2 * this.count) };
    grown.offsets.set(this.offsets);
    grown.sizes.set(this.sizes);
    this.offsets = grown.offsets;
    this.sizes = grown.sizes;
  }
}
