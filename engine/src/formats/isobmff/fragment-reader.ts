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

/** What a `moof` says. Times are the track's own timescale and as large as an encoder's clock may be. */
export interface MovieFragment {
  readonly sequence: number;
  readonly trackId: number;
  readonly tfdt: bigint | undefined;
  readonly tfxd: { readonly absoluteTime: bigint; readonly duration: bigint } | undefined;
  /** Offsets count from the moof's first byte. */
  readonly samples: readonly ParsedSample[];
}

/** Where the payload of the fragment's mdat lies, counted from the first byte of its moof. */
export interface PayloadPlace {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** What `trex` says of the samples of a track, ISO/IEC 14496-12 §8.8.3. */
export interface SampleDefaults {
  readonly durationTicks: number;
  readonly sizeBytes: number;
  readonly flags: number;
}

interface TrackDefaults extends SampleDefaults {
  readonly trackId: number;
  readonly hasBaseDataOffset: boolean;
}

const NO_DEFAULTS: SampleDefaults = { durationTicks: 0, sizeBytes: 0, flags: 0 };

/** Parses one moof + mdat with one track. Every sample lies within the mdat. Throws `MalformedFragment`. */
export function parseFragment(bytes: Uint8Array): ParsedFragment {
  return parsingFragment('fragment', () => {
    const boxes = readBoxes(bytes);
    const moof = getBox(boxes, 'moof');
    const mdat = getBox(boxes, 'mdat');
    const payloadStart = mdat.offset + mdat.sizeBytes - mdat.body.length;
    const payload = { offset: payloadStart - moof.offset, sizeBytes: mdat.body.length };
    const { sequence, trackId, tfdt, tfxd, samples } = readMoof(moof, payload, () => NO_DEFAULTS);
    const decodeTime = tfdt ?? tfxd?.absoluteTime;
    if (decodeTime === undefined) throw new MalformedFragment('neither tfdt nor tfxd says the time');
    return {
      sequence,
      trackId,
      decodeTimeTicks: ticksOf(decodeTime),
      tfxd: tfxd && {
        absoluteTimeTicks: ticksOf(tfxd.absoluteTime),
        durationTicks: ticksOf(tfxd.duration),
      },
      samples: samples.map((sample) => ({ ...sample, offset: sample.offset + moof.offset })),
    };
  });
}

/**
 * Parses the moof (a whole box) of a fragment with one track, whose mdat is somewhere else. Every sample lies within the
 * payload. Throws `MalformedFragment`.
 */
export function parseMovieFragment(
  bytes: Uint8Array,
  payload: PayloadPlace,
  defaultsOf: (trackId: number) => SampleDefaults | undefined,
): MovieFragment {
  return parsingFragment('moof', () =>
    readMoof(getBox(readBoxes(bytes), 'moof'), payload, (trackId) => defaultsOf(trackId) ?? NO_DEFAULTS),
  );
}

function readMoof(
  moof: Box,
  payload: PayloadPlace,
  defaultsOf: (trackId: number) => SampleDefaults,
): MovieFragment {
  const moofBoxes = readBoxes(moof.body);
  const mfhd = new ByteReader(getBox(moofBoxes, 'mfhd').body);
  mfhd.skip(4);
  const trafBoxes = readBoxes(getBox(moofBoxes, 'traf').body);
  const defaults = readTfhd(getBox(trafBoxes, 'tfhd'), defaultsOf);
  const tfdt = findBox(trafBoxes, 'tfdt');
  return {
    sequence: mfhd.u32(),
    trackId: defaults.trackId,
    tfdt: tfdt && readTfdt(tfdt),
    tfxd: readTfxd(trafBoxes),
    samples: readRuns(trafBoxes, { defaults, payload }),
  };
}

function ticksOf(time: bigint): number {
  const ticks = Number(time);
  if (!Number.isSafeInteger(ticks)) throw new MalformedFragment(`time ${time} exceeds 2^53 - 1`);
  return ticks;
}

function readTfhd(box: Box, defaultsOf: (trackId: number) => SampleDefaults): TrackDefaults {
  const reader = new ByteReader(box.body);
  const flags = reader.u32() & 0xff_ffff;
  const trackId = reader.u32();
  const known = defaultsOf(trackId);
  const hasBaseDataOffset = (flags & TFHD_BASE_DATA_OFFSET) !== 0;
  if (hasBaseDataOffset) reader.skip(8);
  if ((flags & TFHD_SAMPLE_DESCRIPTION_INDEX) !== 0) reader.skip(4);
  const durationTicks = (flags & TFHD_DEFAULT_DURATION) === 0 ? known.durationTicks : reader.u32();
  const sizeBytes = (flags & TFHD_DEFAULT_SIZE) === 0 ? known.sizeBytes : reader.u32();
  const sampleFlags = (flags & TFHD_DEFAULT_FLAGS) === 0 ? known.flags : reader.u32();
  return { trackId, hasBaseDataOffset, durationTicks, sizeBytes, flags: sampleFlags };
}

function readTfdt(box: Box): bigint {
  const view = viewOf(box);
  return view.getUint8(0) === 0 ? BigInt(view.getUint32(4)) : view.getBigUint64(4);
}

function readTfxd(trafBoxes: readonly Box[]): MovieFragment['tfxd'] {
  const box = trafBoxes.find(({ userType }) => userType === TFXD_USER_TYPE);
  if (box === undefined) return undefined;
  const view = viewOf(box);
  // Version 2 adds a fragment index after the two times.
  return view.getUint8(0) === 0
    ? { absoluteTime: BigInt(view.getUint32(4)), duration: BigInt(view.getUint32(8)) }
    : { absoluteTime: view.getBigUint64(4), duration: view.getBigUint64(12) };
}

function viewOf({ body }: Box): DataView {
  return new DataView(body.buffer, body.byteOffset, body.byteLength);
}

interface FragmentLayout {
  readonly defaults: TrackDefaults;
  readonly payload: PayloadPlace;
}

function readRuns(trafBoxes: readonly Box[], layout: FragmentLayout): ParsedSample[] {
  const samples: ParsedSample[] = [];
  let { offset } = layout.payload;
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
  const flags = versionAndFlags & 0xff_ffff;
  const has = (flag: number) => (flags & flag) !== 0;
  const sampleCount = reader.u32();
  if (sampleCount + samples.length > SAMPLES_PER_FRAGMENT_MAX) {
    throw new MalformedFragment(`${sampleCount} samples exceed ${SAMPLES_PER_FRAGMENT_MAX}`);
  }
  const dataOffset = has(TRUN_DATA_OFFSET) ? reader.i32() : undefined;
  let offset = runOffset(defaults, dataOffset) ?? into.offset;
  const firstFlags = has(TRUN_FIRST_SAMPLE_FLAGS) ? reader.u32() : undefined;
  for (let index = 0; index < sampleCount; index += 1) {
    const sample = readSample(reader, { flags, isSigned: versionAndFlags >= 0x0100_0000, defaults });
    const sampleFlags = index === 0 ? (firstFlags ?? sample.flags) : sample.flags;
    const { sizeBytes, durationTicks, compositionOffsetTicks } = sample;
    assertInside(into.payload, offset, sizeBytes);
    const isRandomAccessPoint = (sampleFlags & IS_NON_SYNC_FLAG) === 0;
    samples.push({ offset, sizeBytes, durationTicks, compositionOffsetTicks, isRandomAccessPoint });
    offset += sizeBytes;
  }
  return offset;
}

/** A base data offset counts from the start of a file that a stream does not have: runs then lie one after another. */
function runOffset(defaults: TrackDefaults, dataOffset: number | undefined): number | undefined {
  return defaults.hasBaseDataOffset ? undefined : dataOffset;
}

function readSample(
  reader: ByteReader,
  run: { readonly flags: number; readonly isSigned: boolean; readonly defaults: SampleDefaults },
) {
  const { defaults } = run;
  const has = (flag: number) => (run.flags & flag) !== 0;
  const durationTicks = has(TRUN_DURATIONS) ? reader.u32() : defaults.durationTicks;
  const sizeBytes = has(TRUN_SIZES) ? reader.u32() : defaults.sizeBytes;
  const flags = has(TRUN_FLAGS) ? reader.u32() : defaults.flags;
  const compositionOffsetTicks = has(TRUN_COMPOSITION_OFFSETS) ? readOffset(reader, run.isSigned) : 0;
  return { durationTicks, sizeBytes, flags, compositionOffsetTicks };
}

function readOffset(reader: ByteReader, isSigned: boolean): number {
  return isSigned ? reader.i32() : reader.u32();
}

function assertInside(payload: PayloadPlace, offset: number, sizeBytes: number): void {
  const end = payload.offset + payload.sizeBytes;
  if (offset < payload.offset || offset + sizeBytes > end) {
    throw new MalformedFragment(`sample of ${sizeBytes} bytes at ${offset} lies outside the mdat`);
  }
}
