import { ByteReader } from '../../bits/byte-reader.ts';
import { ByteWriter } from '../../bits/byte-writer.ts';
import { type Box, getBox, readBoxes } from './box-reader.ts';
import { MalformedFragment, parsingFragment } from './malformed-fragment.ts';
import {
  SAMPLES_PER_FRAGMENT_MAX,
  TFHD_BASE_DATA_OFFSET,
  TFHD_DEFAULT_BASE_IS_MOOF,
  TFRF_USER_TYPE,
  TFXD_USER_TYPE,
  TRUN_COMPOSITION_OFFSETS,
  TRUN_DATA_OFFSET,
  TRUN_DURATIONS,
  TRUN_FIRST_SAMPLE_FLAGS,
  TRUN_FLAGS,
  TRUN_SIZES,
} from './sample-flags.ts';

export interface SmoothTime {
  readonly startTicks: number;
  readonly durationTicks: number;
}

const VERSION_1 = 0x0100_0000; // 64-bit times, signed offsets
const MDAT_HEADER_SIZE_BYTES = 8;
const UINT32_LIMIT = 2 ** 32;
/** `tfxd`, `tfrf` with two times, the header of mdat. */
const ADDED_SIZE_BYTES = 160;
const SAMPLE_FIELDS_BEFORE_OFFSETS = [TRUN_DURATIONS, TRUN_SIZES, TRUN_FLAGS] as const;
const TFXD = bytesOf(TFXD_USER_TYPE);
const TFRF = bytesOf(TFRF_USER_TYPE);

/** A fragment in two pieces, one after the other. */
export interface SmoothFragment {
  /** moof, and the header of mdat. */
  readonly head: Uint8Array;
  /** The samples: a view of the fragment that it was made of. */
  readonly payload: Uint8Array;
}

/**
 * A stored fragment (moof + mdat, one track) as Smooth Streaming has it, [MS-SSTR] §2.2.4: its time in `tfxd` and nowhere
 * else, since clients count from a beginning of their own; the times of those that follow in `tfrf`; `trun` version 0
 * where its offsets allow, as the first clients read it. What else is in `traf` is kept. Throws `MalformedFragment`.
 */
export function toSmoothFragment(
  fragment: Uint8Array,
  times: { readonly time: SmoothTime; readonly following: readonly SmoothTime[] },
): SmoothFragment {
  return parsingFragment('fragment', () => {
    const boxes = readBoxes(fragment);
    const moof = getBox(boxes, 'moof');
    const mdat = getBox(boxes, 'mdat');
    const mdatSize = MDAT_HEADER_SIZE_BYTES + mdat.body.length;
    if (mdatSize >= UINT32_LIMIT) throw new MalformedFragment(`an mdat of ${mdatSize} bytes`);
    const payloadOffset = mdat.offset + mdat.sizeBytes - mdat.body.length - moof.offset;
    const runs: RunPlace[] = [];
    const writer = new ByteWriter(moof.sizeBytes + ADDED_SIZE_BYTES);
    writeMoof(writer, moof, { ...times, payloadOffset, runs });
    const head = writer.u32(mdatSize).ascii('mdat').finish();
    const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
    for (const { at, offset } of runs) view.setInt32(at, offset - payloadOffset + head.length);
    return { head, payload: mdat.body };
  });
}

/** Where a run's data offset stands in the new moof, and what it was, counted from the old moof's first byte. */
interface RunPlace {
  readonly at: number;
  readonly offset: number;
}

interface Rewriting {
  readonly time: SmoothTime;
  readonly following: readonly SmoothTime[];
  readonly payloadOffset: number;
  /** Filled while runs are written. */
  readonly runs: RunPlace[];
}

function writeMoof(writer: ByteWriter, moof: Box, rewriting: Rewriting): void {
  const boxes = readBoxes(moof.body);
  getBox(boxes, 'traf');
  writer.box('moof', (copy) => {
    for (const box of boxes) {
      if (box.type === 'traf') copy.box('traf', (traf) => writeTraf(traf, box, rewriting));
      else copy.bytes(wholeBox(moof, box));
    }
  });
}

function writeTraf(traf: ByteWriter, old: Box, rewriting: Rewriting): void {
  const boxes = readBoxes(old.body);
  const { hasBaseDataOffset } = writeTfhd(traf, getBox(boxes, 'tfhd'));
  for (const box of boxes) {
    if (box.type === 'trun') writeTrun(traf, box, { ...rewriting, hasBaseDataOffset });
  }
  for (const box of boxes) {
    if (!isRewritten(box)) traf.bytes(wholeBox(old, box));
  }
  traf.box('uuid', (tfxd) => writeTime(tfxd.bytes(TFXD).u32(VERSION_1), rewriting.time));
  traf.box('uuid', (tfrf) => {
    tfrf.bytes(TFRF).u32(VERSION_1).u8(rewriting.following.length);
    for (const time of rewriting.following) writeTime(tfrf, time);
  });
}

function isRewritten({ type, userType }: Box): boolean {
  if (type === 'uuid') return userType === TFXD_USER_TYPE || userType === TFRF_USER_TYPE;
  return type === 'tfhd' || type === 'trun' || type === 'tfdt';
}

function writeTime(writer: ByteWriter, { startTicks, durationTicks }: SmoothTime): void {
  writer.u64(startTicks).u64(durationTicks);
}

/** Without what counts from the beginning of a file, and without what came after [MS-SSTR]: offsets count from the moof. */
function writeTfhd(traf: ByteWriter, { body }: Box): { readonly hasBaseDataOffset: boolean } {
  const reader = new ByteReader(body);
  const flags = reader.u32();
  const trackId = reader.u32();
  const hasBaseDataOffset = (flags & TFHD_BASE_DATA_OFFSET) !== 0;
  if (hasBaseDataOffset) reader.skip(8);
  traf.box('tfhd', (tfhd) => {
    tfhd.u32(flags & ~(TFHD_BASE_DATA_OFFSET | TFHD_DEFAULT_BASE_IS_MOOF)).u32(trackId);
    tfhd.bytes(reader.bytes(reader.bytesLeft));
  });
  return { hasBaseDataOffset };
}

function writeTrun(
  traf: ByteWriter,
  { body }: Box,
  { runs, payloadOffset, hasBaseDataOffset }: Rewriting & { readonly hasBaseDataOffset: boolean },
): void {
  const reader = new ByteReader(body);
  const versionAndFlags = reader.u32();
  const sampleCount = reader.u32();
  if (sampleCount > SAMPLES_PER_FRAGMENT_MAX) {
    throw new MalformedFragment(`${sampleCount} samples exceed ${SAMPLES_PER_FRAGMENT_MAX}`);
  }
  const told = (versionAndFlags & TRUN_DATA_OFFSET) === 0 ? undefined : reader.i32();
  // Against a file's beginning it says nothing here: then runs lie one after another.
  const known = hasBaseDataOffset ? undefined : told;
  const offset = known ?? (runs.length === 0 ? payloadOffset : undefined);
  const rest = reader.bytes(reader.bytesLeft);
  const flags = versionAndFlags & 0xff_ffff & ~TRUN_DATA_OFFSET;
  const version = hasNegativeOffsets(rest, { versionAndFlags, sampleCount }) ? VERSION_1 : 0;
  traf.box('trun', (trun) => {
    trun.u32(version + flags + (offset === undefined ? 0 : TRUN_DATA_OFFSET)).u32(sampleCount);
    if (offset !== undefined) {
      runs.push({ at: trun.length, offset });
      trun.u32(0); // known when all is written
    }
    trun.bytes(rest);
  });
}

function hasNegativeOffsets(
  fields: Uint8Array,
  run: { readonly versionAndFlags: number; readonly sampleCount: number },
): boolean {
  const has = (flag: number) => (run.versionAndFlags & flag) !== 0;
  if (run.versionAndFlags < VERSION_1 || !has(TRUN_COMPOSITION_OFFSETS)) return false;
  const reader = new ByteReader(fields);
  if (has(TRUN_FIRST_SAMPLE_FLAGS)) reader.skip(4);
  const before = 4 * SAMPLE_FIELDS_BEFORE_OFFSETS.filter(has).length;
  for (let sample = 0; sample < run.sampleCount; sample += 1) {
    reader.skip(before);
    if (reader.i32() < 0) return true;
  }
  return false;
}

function wholeBox(parent: Box, { offset, sizeBytes }: Box): Uint8Array {
  return parent.body.subarray(offset, offset + sizeBytes);
}

function bytesOf(userType: string): Uint8Array {
  return Uint8Array.from(userType.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
