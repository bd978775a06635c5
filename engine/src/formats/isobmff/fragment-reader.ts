import { ByteReader } from '../../bits/byte-reader.ts';
import { type Box, findBox, getBox, readBoxes } from './box-reader.ts';
import { MalformedFragment, parsingFragment } from './malformed-fragment.ts';
import {
  IS_NON_SYNC_FLAG,
  SAMPLES_PER_FRAGMENT_MAX,
  TFHD_BASE_DATA_OFFSET,
  TFHD_DEFAULT_DURATION,
  TFHD_DEFAULT_FLAGS,
  TFHD_DEFAULT_SIZE,
  TFHD_SAMPLE_DESCRIPTION_INDEX,
  TFXD_USER_TYPE,
  TRUN_COMPOSITION_OFFSETS,
  TRUN_DATA_OFFSET,
  TRUN_DURATIONS,
  TRUN_FIRST_SAMPLE_FLAGS,
  TRUN_FLAGS,
  TRUN_SIZES,
} from './sample-flags.ts';

export interface ParsedFragment {
  readonly sequence: number;
  readonly trackId: number;
  /** From `tfdt`, else from `tfxd`: old archives carry only that. */
  readonly decodeTimeTicks: number;
  readonly tfxd: { readonly absoluteTimeTicks: number; readonly durationTicks: number } | undefined;
  readonly samples: readonly ParsedSample[];
}

export interface ParsedSample {
  /** Of its first byte, in the bytes that were parsed. */
  readonly offset: number;
  readonly sizeBytes: number;
  readonly durationTicks: number;
  readonly compositionOffsetTicks: number;
  readonly isRandomAccessPoint: boolean;
}

interface Defaults {
  readonly trackId: number;
  readonly durationTicks: number;
  readonly sizeBytes: number;
  readonly flags: number;
}

/** Parses one moof + mdat with one track. Every sample lies within the mdat. Throws `MalformedFragment`. */
export function parseFragment(bytes: Uint8Array): ParsedFragment {
  return parsingFragment('fragment', () => {
    const boxes = readBoxes(bytes);
    const moof = getBox(boxes, 'moof');
    const mdat = getBox(boxes, 'mdat');
    const moofBoxes = readBoxes(moof.body);
    const mfhd = new ByteReader(getBox(moofBoxes, 'mfhd').body);
    mfhd.skip(4);
    const trafBoxes = readBoxes(getBox(moofBoxes, 'traf').body);
    const defaults = readTfhd(getBox(trafBoxes, 'tfhd'));
    const tfxd = readTfxd(trafBoxes);
    const tfdt = findBox(trafBoxes, 'tfdt');
    const decodeTimeTicks = tfdt === undefined ? tfxd?.absoluteTimeTicks : readTfdt(tfdt);
    if (decodeTimeTicks === undefined) throw new MalformedFragment('neither tfdt nor tfxd says the time');
    const samples = readRuns(trafBoxes, { defaults, moof, mdat });
    return { sequence: mfhd.u32(), trackId: defaults.trackId, decodeTimeTicks, tfxd, samples };
  });
}

function readTfhd(box: Box): Defaults {
  const reader = new ByteReader(box.body);
  const flags = reader.u32() & 0xff_ffff;
  const trackId = reader.u32();
  if ((flags & TFHD_BASE_DATA_OFFSET) !== 0) throw new MalformedFragment('tfhd with a base data offset');
  if ((flags & TFHD_SAMPLE_DESCRIPTION_INDEX) !== 0) reader.skip(4);
  const durationTicks = (flags & TFHD_DEFAULT_DURATION) === 0 ? 0 : reader.u32();
  const sizeBytes = (flags & TFHD_DEFAULT_SIZE) === 0 ? 0 : reader.u32();
  const sampleFlags = (flags & TFHD_DEFAULT_FLAGS) === 0 ? 0 : reader.u32();
  return { trackId, durationTicks, sizeBytes, flags: sampleFlags };
}

function readTfdt(box: Box): number {
  const reader = new ByteReader(box.body);
  const version = reader.u8();
  reader.skip(3);
  return version === 0 ? reader.u32() : reader.u64();
}

function readTfxd(trafBoxes: readonly Box[]): ParsedFragment['tfxd'] {
  const box = trafBoxes.find(({ userType }) => userType === TFXD_USER_TYPE);
  if (box === undefined) return undefined;
  const reader = new ByteReader(box.body);
  const version = reader.u8();
  reader.skip(3);
  const read = () => (version === 0 ? reader.u32() : reader.u64());
  const absoluteTimeTicks = read();
  return { absoluteTimeTicks, durationTicks: read() };
}

interface FragmentLayout {
  readonly defaults: Defaults;
  readonly moof: Box;
  readonly mdat: Box;
}

function readRuns(trafBoxes: readonly Box[], layout: FragmentLayout): ParsedSample[] {
  const samples: ParsedSample[] = [];
  const end = layout.mdat.offset + layout.mdat.sizeBytes;
  let offset = end - layout.mdat.body.length;
  for (const box of trafBoxes) {
    if (box.type === 'trun') offset = readTrun(box, { ...layout, samples, offset });
  }
  if (samples.length === 0) throw new MalformedFragment('a fragment without samples');
  return samples;
}

/** Appends the run's samples; returns where the next one starts. */
function readTrun(
  box: Box,
  into: FragmentLayout & { readonly samples: ParsedSample[]; readonly offset: number },
): number {
  const { defaults, samples } = into;
  const reader = new ByteReader(box.body);
  const versionAndFlags = reader.u32();
  const isSigned = versionAndFlags >= 0x0100_0000;
  const flags = versionAndFlags & 0xff_ffff;
  const has = (flag: number) => (flags & flag) !== 0;
  const sampleCount = reader.u32();
  if (sampleCount + samples.length > SAMPLES_PER_FRAGMENT_MAX) {
    throw new MalformedFragment(`${sampleCount} samples exceed ${SAMPLES_PER_FRAGMENT_MAX}`);
  }
  let offset = has(TRUN_DATA_OFFSET) ? into.moof.offset + reader.i32() : into.offset;
  const firstFlags = has(TRUN_FIRST_SAMPLE_FLAGS) ? reader.u32() : undefined;
  for (let index = 0; index < sampleCount; index += 1) {
    const durationTicks = has(TRUN_DURATIONS) ? reader.u32() : defaults.durationTicks;
    const sizeBytes = has(TRUN_SIZES) ? reader.u32() : defaults.sizeBytes;
    const ownFlags = has(TRUN_FLAGS) ? reader.u32() : defaults.flags;
    const sampleFlags = index === 0 ? (firstFlags ?? ownFlags) : ownFlags;
    const compositionOffsetTicks = has(TRUN_COMPOSITION_OFFSETS) ? readOffset(reader, isSigned) : 0;
    assertInside(into.mdat, offset, sizeBytes);
    const isRandomAccessPoint = (sampleFlags & IS_NON_SYNC_FLAG) === 0;
    samples.push({ offset, sizeBytes, durationTicks, compositionOffsetTicks, isRandomAccessPoint });
    offset += sizeBytes;
  }
  return offset;
}

function readOffset(reader: ByteReader, isSigned: boolean): number {
  return isSigned ? reader.i32() : reader.u32();
}

function assertInside(mdat: Box, offset: number, sizeBytes: number): void {
  const end = mdat.offset + mdat.sizeBytes;
  if (offset < end - mdat.body.length || offset + sizeBytes > end) {
    throw new MalformedFragment(`sample of ${sizeBytes} bytes at ${offset} lies outside the mdat`);
  }
}
