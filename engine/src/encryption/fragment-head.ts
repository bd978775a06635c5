import { ByteWriter } from '../bits/byte-writer.ts';
import { MalformedFragment } from '../formats/isobmff/malformed-fragment.ts';
import {
  TFHD_BASE_DATA_OFFSET,
  TFHD_DEFAULT_BASE_IS_MOOF,
  TRUN_DATA_OFFSET,
} from '../formats/isobmff/sample-flags.ts';
import type { FragmentLayout, PlacedBox, SampleRun } from './fragment-layout.ts';
import type { PlannedBoxes } from './sample-encryption-boxes.ts';

export interface FragmentHead {
  /** Everything up to the end of the moof, the boxes of the encryption in it. */
  readonly bytes: Uint8Array;
  /** Where the moof ends in the source: what follows is copied. */
  readonly sourceEnd: number;
  /** How much later what follows the moof is than in the source. */
  readonly shift: number;
}

const BOX_HEADER_SIZE_BYTES = 8;
const BASE_DATA_OFFSET_SIZE_BYTES = 8;
const INT32_LIMIT = 2 ** 31;

/**
 * The moof of a fragment anew, with all its boxes, `boxes` at the end of its `traf`, and samples that are found from the
 * moof: a base data offset, which only a whole file can have, is taken out, a data offset that was left out is written.
 */
export function writeFragmentHead(
  fragment: Uint8Array,
  layout: FragmentLayout,
  boxes: PlannedBoxes,
): FragmentHead {
  const { moof, moofBoxes, trafBoxes } = layout;
  const sourceEnd = moof.start + moof.sizeBytes;
  const trafSizeBytes =
    BOX_HEADER_SIZE_BYTES +
    trafBoxes.reduce((sum, box) => sum + box.sizeBytes + growthOf(box, layout), 0) +
    boxes.sizeBytes;
  const moofSizeBytes =
    BOX_HEADER_SIZE_BYTES +
    moofBoxes.reduce((sum, { type, sizeBytes }) => sum + (type === 'traf' ? trafSizeBytes : sizeBytes), 0);
  const shift = moofSizeBytes - moof.sizeBytes;
  const writer = new ByteWriter(moof.start + moofSizeBytes);
  writer.bytes(fragment.subarray(0, moof.start));
  writer.u32(moofSizeBytes).ascii('moof');
  for (const box of moofBoxes) {
    if (box.type !== 'traf') {
      writer.bytes(wholeBox(fragment, box));
      continue;
    }
    writer.u32(trafSizeBytes).ascii('traf');
    for (const child of trafBoxes) writeTrafBox(writer, child, { fragment, layout, shift });
    const at = writer.length;
    writer.zeros(boxes.sizeBytes);
    boxes.write(writer.finish().subarray(moof.start), at - moof.start);
  }
  return { bytes: writer.finish(), sourceEnd, shift };
}

function growthOf(box: PlacedBox, { tfhd, hasBaseDataOffset, runs }: FragmentLayout): number {
  if (box === tfhd && hasBaseDataOffset) return tfhdSizeBytes(box) - box.sizeBytes;
  const run = runs.find((candidate) => candidate.box === box);
  return run === undefined ? 0 : runSizeBytes(run) - box.sizeBytes;
}

interface Rewriting {
  readonly fragment: Uint8Array;
  readonly layout: FragmentLayout;
  readonly shift: number;
}

function writeTrafBox(writer: ByteWriter, box: PlacedBox, { fragment, layout, shift }: Rewriting): void {
  const run = layout.runs.find((candidate) => candidate.box === box);
  if (run !== undefined) writeRun(writer, run, run.dataStart + shift - layout.moof.start);
  else if (box === layout.tfhd && layout.hasBaseDataOffset) writeTfhd(writer, box);
  else writer.bytes(wholeBox(fragment, box));
}

function tfhdSizeBytes({ body }: PlacedBox): number {
  return BOX_HEADER_SIZE_BYTES + body.length - BASE_DATA_OFFSET_SIZE_BYTES;
}

function runSizeBytes({ box, flags }: SampleRun): number {
  return BOX_HEADER_SIZE_BYTES + box.body.length + ((flags & TRUN_DATA_OFFSET) === 0 ? 4 : 0);
}

/** ISO/IEC 14496-12 §8.8.7: what stands after the base data offset moves up. */
function writeTfhd(writer: ByteWriter, box: PlacedBox): void {
  const { body } = box;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const flags = (view.getUint32(0) & ~TFHD_BASE_DATA_OFFSET) | TFHD_DEFAULT_BASE_IS_MOOF;
  writer.u32(tfhdSizeBytes(box)).ascii('tfhd');
  writer
    .u32(flags >>> 0)
    .bytes(body.subarray(4, 8))
    .bytes(body.subarray(8 + BASE_DATA_OFFSET_SIZE_BYTES));
}

/** §8.8.8. */
function writeRun(writer: ByteWriter, run: SampleRun, dataOffset: number): void {
  if (dataOffset >= INT32_LIMIT) throw new MalformedFragment(`data offset ${dataOffset} exceeds 31 bits`);
  const hasDataOffset = (run.flags & TRUN_DATA_OFFSET) !== 0;
  const { body } = run.box;
  writer.u32(runSizeBytes(run)).ascii('trun');
  writer.u8(body[0] ?? 0).u24(run.flags | TRUN_DATA_OFFSET);
  writer
    .bytes(body.subarray(4, 8))
    .u32(dataOffset)
    .bytes(body.subarray(hasDataOffset ? 12 : 8));
}

function wholeBox(fragment: Uint8Array, { start, sizeBytes }: PlacedBox): Uint8Array {
  return fragment.subarray(start, start + sizeBytes);
}
