import { MalformedFragment } from '../formats/isobmff/malformed-fragment.ts';
import type { FragmentLayout } from './fragment-layout.ts';
import { PIFF_SAMPLE_ENCRYPTION } from './fragment-layout.ts';
import { SAMPLE_IV_SIZE_BYTES } from './initialization-vector.ts';
import type { ProtectedRanges } from './protected-ranges.ts';

/** `cmaf`: `senc`, `saiz`, `saio`, ISO/IEC 23001-7 §7. `piff`: one `uuid` box, PIFF 1.1 §5.3.2, for Smooth Streaming. */
export type EncryptionBoxes = 'cmaf' | 'piff';

export interface SampleEncryption {
  readonly layout: FragmentLayout;
  readonly ranges: ProtectedRanges;
  /** Two words for each sample; undefined: the track's constant one. */
  readonly ivs: Uint32Array | undefined;
  /** Whether the samples have clear parts: then each tells them. */
  readonly hasSubsamples: boolean;
}

const CLEAR_BYTES_MAX = 0xffff;
const SUBSAMPLES_PER_SAMPLE_MAX = 0xffff;
const SUBSAMPLE_SIZE_BYTES = 6;
const USE_SUBSAMPLES = 2;
/** §7.2 with ISO/IEC 14496-12 §8.7.8: a sample's information is at most what a byte of `saiz` can say. */
const INFORMATION_SIZE_BYTES_MAX = 0xff;
const FULL_BOX_SIZE_BYTES = 12;
const USER_TYPE_BYTES = Uint8Array.from(PIFF_SAMPLE_ENCRYPTION.match(/../g) ?? [], (pair) =>
  Number.parseInt(pair, 16),
);

/**
 * What the boxes of a fragment need: nothing when every sample is encrypted whole with the constant IV. More than 40
 * slices in a picture are more than `saiz` can tell of: then `senc` stands alone, as players accept it.
 */
export interface PlannedBoxes {
  readonly sizeBytes: number;
  /** Fills exactly `sizeBytes` from `offset`, counted from the moof's first byte, which is that of `moof`. */
  write(moof: Uint8Array, offset: number): void;
}

export function planEncryptionBoxes(encryption: SampleEncryption, boxes: EncryptionBoxes): PlannedBoxes {
  const { layout, hasSubsamples, ivs } = encryption;
  const ivSizeBytes = ivs === undefined ? 0 : SAMPLE_IV_SIZE_BYTES;
  if (ivSizeBytes === 0 && !hasSubsamples) return { sizeBytes: 0, write: () => undefined };
  const counts = hasSubsamples ? countSubsamples(encryption) : undefined;
  const informationSize = (sample: number) =>
    ivSizeBytes + (counts === undefined ? 0 : 2 + SUBSAMPLE_SIZE_BYTES * (counts[sample] ?? 0));
  const sizes = new Uint32Array(layout.sampleCount);
  let informationBytes = 0;
  let largest = 0;
  for (let sample = 0; sample < sizes.length; sample += 1) {
    const size = informationSize(sample);
    sizes[sample] = size;
    informationBytes += size;
    if (size > largest) largest = size;
  }
  const sencHead = FULL_BOX_SIZE_BYTES + 4 + (boxes === 'piff' ? USER_TYPE_BYTES.length : 0);
  const saiz = boxes === 'cmaf' && largest <= INFORMATION_SIZE_BYTES_MAX ? planSizes(sizes) : undefined;
  const referenceBytes = saiz === undefined ? 0 : saiz.sizeBytes + SAIO_SIZE_BYTES;
  const sencBytes = sencHead + informationBytes;
  return {
    sizeBytes: referenceBytes + sencBytes,
    write: (moof, offset) => {
      const view = new DataView(moof.buffer, moof.byteOffset, moof.byteLength);
      const sencStart = offset + referenceBytes;
      if (saiz !== undefined) {
        saiz.write(moof, offset);
        writeSaio(view, offset + saiz.sizeBytes, sencStart + sencHead);
      }
      const head = { start: sencStart, sizeBytes: sencBytes, boxes };
      writeSenc(moof, { ...head, sampleCount: layout.sampleCount, hasSubsamples });
      writeInformation(view, { ...encryption, counts, at: sencStart + sencHead });
    },
  };
}

/** How many pairs of clear and protected bytes each sample has: 16 bits hold the clear ones of each. */
function countSubsamples({ layout, ranges }: SampleEncryption): Uint32Array {
  const counts = new Uint32Array(layout.sampleCount);
  for (let sample = 0; sample < counts.length; sample += 1) {
    let position = layout.sampleOffsets[sample] ?? 0;
    const end = position + (layout.sampleSizes[sample] ?? 0);
    let count = 0;
    const last = ranges.firstOfSample[sample + 1] ?? 0;
    for (let range = ranges.firstOfSample[sample] ?? 0; range < last; range += 1) {
      const offset = ranges.offsets[range] ?? 0;
      count += Math.max(1, Math.ceil((offset - position) / CLEAR_BYTES_MAX));
      position = offset + (ranges.sizes[range] ?? 0);
    }
    count += Math.ceil((end - position) / CLEAR_BYTES_MAX);
    if (count > SUBSAMPLES_PER_SAMPLE_MAX) {
      throw new MalformedFragment(`${count} subsamples exceed ${SUBSAMPLES_PER_SAMPLE_MAX}`);
    }
    counts[sample] = count;
  }
  return counts;
}

const SAIO_SIZE_BYTES = FULL_BOX_SIZE_BYTES + 4 + 4;

/** ISO/IEC 14496-12 §8.7.8: one size for all, or a byte for each. */
function planSizes(sizes: Uint32Array): PlannedBoxes {
  const [first = 0] = sizes;
  const isShared = sizes.every((size) => size === first);
  const sizeBytes = FULL_BOX_SIZE_BYTES + 5 + (isShared ? 0 : sizes.length);
  return {
    sizeBytes,
    write: (moof, offset) => {
      const view = new DataView(moof.buffer, moof.byteOffset, moof.byteLength);
      writeFullBox(view, offset, { sizeBytes, type: 'saiz', flags: 0 });
      view.setUint8(offset + 12, isShared ? first : 0);
      view.setUint32(offset + 13, sizes.length);
      if (!isShared) moof.set(sizes, offset + 17);
    },
  };
}

/** §8.7.9: one place for the whole fragment, counted from the first byte of the moof. */
function writeSaio(view: DataView, offset: number, informationOffset: number): void {
  writeFullBox(view, offset, { sizeBytes: SAIO_SIZE_BYTES, type: 'saio', flags: 0 });
  view.setUint32(offset + 12, 1);
  view.setUint32(offset + 16, informationOffset);
}

function writeSenc(
  moof: Uint8Array,
  senc: {
    readonly start: number;
    readonly sizeBytes: number;
    readonly boxes: EncryptionBoxes;
    readonly sampleCount: number;
    readonly hasSubsamples: boolean;
  },
): void {
  const view = new DataView(moof.buffer, moof.byteOffset, moof.byteLength);
  const flags = senc.hasSubsamples ? USE_SUBSAMPLES : 0;
  writeFullBox(view, senc.start, { sizeBytes: senc.sizeBytes, type: 'senc', flags });
  let at = senc.start + FULL_BOX_SIZE_BYTES;
  if (senc.boxes === 'piff') {
    writeType(view, senc.start + 4, 'uuid');
    moof.set(USER_TYPE_BYTES, senc.start + 8);
    at += USER_TYPE_BYTES.length;
    view.setUint32(at - 4, flags);
  }
  view.setUint32(at, senc.sampleCount);
}

function writeInformation(
  view: DataView,
  information: SampleEncryption & { readonly counts: Uint32Array | undefined; readonly at: number },
): void {
  const { layout, ivs, counts } = information;
  let { at } = information;
  for (let sample = 0; sample < layout.sampleCount; sample += 1) {
    if (ivs !== undefined) {
      view.setUint32(at, ivs[2 * sample] ?? 0);
      view.setUint32(at + 4, ivs[2 * sample + 1] ?? 0);
      at += SAMPLE_IV_SIZE_BYTES;
    }
    if (counts !== undefined) {
      view.setUint16(at, counts[sample] ?? 0);
      at = writeSubsamples(view, at + 2, { ...information, sample });
    }
  }
}

function writeSubsamples(
  view: DataView,
  start: number,
  { layout, ranges, sample }: SampleEncryption & { readonly sample: number },
): number {
  let at = start;
  let position = layout.sampleOffsets[sample] ?? 0;
  const end = position + (layout.sampleSizes[sample] ?? 0);
  const write = (clearBytes: number, protectedBytes: number) => {
    view.setUint16(at, clearBytes);
    view.setUint32(at + 2, protectedBytes);
    at += SUBSAMPLE_SIZE_BYTES;
  };
  const last = ranges.firstOfSample[sample + 1] ?? 0;
  for (let range = ranges.firstOfSample[sample] ?? 0; range < last; range += 1) {
    const offset = ranges.offsets[range] ?? 0;
    for (; offset - position > CLEAR_BYTES_MAX; position += CLEAR_BYTES_MAX) write(CLEAR_BYTES_MAX, 0);
    const sizeBytes = ranges.sizes[range] ?? 0;
    write(offset - position, sizeBytes);
    position = offset + sizeBytes;
  }
  while (position < end) {
    const clearBytes = Math.min(end - position, CLEAR_BYTES_MAX);
    write(clearBytes, 0);
    position += clearBytes;
  }
  return at;
}

function writeFullBox(
  view: DataView,
  offset: number,
  box: { readonly sizeBytes: number; readonly type: string; readonly flags: number },
): void {
  view.setUint32(offset, box.sizeBytes);
  writeType(view, offset + 4, box.type);
  view.setUint32(offset + 8, box.flags);
}

function writeType(view: DataView, offset: number, type: string): void {
  for (let index = 0; index < 4; index += 1) view.setUint8(offset + index, type.charCodeAt(index));
}
