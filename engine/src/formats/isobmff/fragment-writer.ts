import type { TimedSample } from '../../model/sample.ts';
import type { Track } from '../../model/track.ts';
import {
  NON_SYNC_SAMPLE_FLAGS,
  SAMPLES_PER_FRAGMENT_MAX,
  SYNC_SAMPLE_FLAGS,
  TFHD_DEFAULT_BASE_IS_MOOF,
  TFHD_DEFAULT_DURATION,
  TFHD_DEFAULT_FLAGS,
  TFXD_USER_TYPE,
  TRUN_COMPOSITION_OFFSETS,
  TRUN_DATA_OFFSET,
  TRUN_DURATIONS,
  TRUN_FIRST_SAMPLE_FLAGS,
  TRUN_FLAGS,
  TRUN_SIZES,
} from './sample-flags.ts';

export interface FragmentToWrite {
  readonly track: Track;
  readonly sequence: number;
  readonly decodeTimeTicks: number;
  readonly samples: readonly TimedSample[];
}

/** A fragment in pieces, for a gathering write: `head` then every `payload`. */
export interface WrittenFragment {
  /** moof, and the header of mdat. */
  readonly head: Uint8Array;
  /** The samples' own bytes, not copied. */
  readonly payload: readonly Uint8Array[];
  readonly sizeBytes: number;
}

const UINT32_LIMIT = 2 ** 32;
const INT32_LIMIT = 2 ** 31;
const MDAT_HEADER_SIZE_BYTES = 8;
const MFHD_SIZE_BYTES = 16;
const TFDT_SIZE_BYTES = 20;
const TFXD_SIZE_BYTES = 44;
const TFXD_USER_TYPE_BYTES = Uint8Array.from(TFXD_USER_TYPE.match(/../g) ?? [], (pair) =>
  Number.parseInt(pair, 16),
);

/**
 * Writes one fragment: `<moof> mfhd <traf> tfhd tfdt trun tfxd </traf> </moof> mdat`, ISO/IEC 14496-12 §8.8. The track's
 * timescale is ticks. What all samples share is said once. Throws a RangeError for 0 samples, more than
 * `SAMPLES_PER_FRAGMENT_MAX`, or a value its field cannot hold.
 */
export function writeFragment(fragment: FragmentToWrite): WrittenFragment {
  const { track, sequence, decodeTimeTicks, samples } = fragment;
  const summary = summarize(samples);
  const trunSize = trunSizeBytes(summary, samples.length);
  const tfhdSize = 16 + (summary.sharedDurationTicks === undefined ? 0 : 4) + 4;
  const trafSize = 8 + tfhdSize + TFDT_SIZE_BYTES + trunSize + TFXD_SIZE_BYTES;
  const moofSize = 8 + MFHD_SIZE_BYTES + trafSize;
  const mdatSize = MDAT_HEADER_SIZE_BYTES + summary.payloadSizeBytes;
  if (mdatSize >= UINT32_LIMIT) throw new RangeError(`fragment of ${mdatSize} bytes exceeds 2^32 - 1`);

  const head = new Uint8Array(moofSize + MDAT_HEADER_SIZE_BYTES);
  const cursor = new HeadCursor(head);
  cursor.box(moofSize, 'moof');
  cursor.fullBox(MFHD_SIZE_BYTES, 'mfhd', 0, 0).u32(sequence);
  cursor.box(trafSize, 'traf');
  writeTfhd(cursor, { sizeBytes: tfhdSize, trackId: track.ordinal, summary });
  cursor.fullBox(TFDT_SIZE_BYTES, 'tfdt', 1, 0).u64(decodeTimeTicks);
  writeTrun(cursor, { sizeBytes: trunSize, dataOffset: head.length, summary, samples });
  cursor.box(TFXD_SIZE_BYTES, 'uuid').bytes(TFXD_USER_TYPE_BYTES).u32(0x0100_0000); // version 1: 64 bits
  cursor.u64(decodeTimeTicks).u64(summary.durationTicks);
  cursor.box(mdatSize, 'mdat');
  return { head, payload: samples.map((sample) => sample.data), sizeBytes: moofSize + mdatSize };
}

interface Summary {
  readonly payloadSizeBytes: number;
  readonly durationTicks: number;
  /** Undefined when the samples differ. */
  readonly sharedDurationTicks: number | undefined;
  readonly hasCompositionOffsets: boolean;
  readonly defaultFlags: number;
  /** Where flags differ from the default: nowhere, at the first sample only, or at others too. */
  readonly exceptions: 'none' | 'first' | 'several';
}

function summarize(samples: readonly TimedSample[]): Summary {
  const [first] = samples;
  if (first === undefined) throw new RangeError('a fragment needs a sample');
  if (samples.length > SAMPLES_PER_FRAGMENT_MAX) {
    throw new RangeError(`${samples.length} samples exceed ${SAMPLES_PER_FRAGMENT_MAX}`);
  }
  let payloadSizeBytes = 0;
  let durationTicks = 0;
  let sameDuration = true;
  let hasCompositionOffsets = false;
  let syncAfterFirst = 0;
  for (const sample of samples) {
    assertFits(sample);
    payloadSizeBytes += sample.data.length;
    durationTicks += sample.durationTicks;
    sameDuration &&= sample.durationTicks === first.durationTicks;
    hasCompositionOffsets ||= sample.compositionOffsetTicks !== 0;
    if (sample !== first && sample.isRandomAccessPoint) syncAfterFirst += 1;
  }
  const allSync = first.isRandomAccessPoint && syncAfterFirst === samples.length - 1;
  return {
    payloadSizeBytes,
    durationTicks,
    sharedDurationTicks: sameDuration ? first.durationTicks : undefined,
    hasCompositionOffsets,
    defaultFlags: allSync ? SYNC_SAMPLE_FLAGS : NON_SYNC_SAMPLE_FLAGS,
    exceptions: flagExceptions({ allSync, syncAfterFirst, firstIsSync: first.isRandomAccessPoint }),
  };
}

function flagExceptions(found: { allSync: boolean; syncAfterFirst: number; firstIsSync: boolean }) {
  if (found.allSync) return 'none';
  if (found.syncAfterFirst > 0) return 'several';
  return found.firstIsSync ? 'first' : 'none';
}

function assertFits(sample: TimedSample): void {
  const { durationTicks, compositionOffsetTicks } = sample;
  if (!Number.isInteger(durationTicks) || durationTicks < 0 || durationTicks >= UINT32_LIMIT) {
    throw new RangeError(`sample duration of ${durationTicks} ticks does not fit 32 bits`);
  }
  if (!Number.isInteger(compositionOffsetTicks) || Math.abs(compositionOffsetTicks) >= INT32_LIMIT) {
    throw new RangeError(`composition offset of ${compositionOffsetTicks} ticks does not fit 32 bits`);
  }
}

function trunSizeBytes(summary: Summary, sampleCount: number): number {
  const perSample =
    4 +
    (summary.sharedDurationTicks === undefined ? 4 : 0) +
    (summary.exceptions === 'several' ? 4 : 0) +
    (summary.hasCompositionOffsets ? 4 : 0);
  return 20 + (summary.exceptions === 'first' ? 4 : 0) + perSample * sampleCount;
}

function writeTfhd(
  cursor: HeadCursor,
  values: { readonly sizeBytes: number; readonly trackId: number; readonly summary: Summary },
): void {
  const { sharedDurationTicks, defaultFlags } = values.summary;
  const durationFlag = sharedDurationTicks === undefined ? 0 : TFHD_DEFAULT_DURATION;
  const flags = TFHD_DEFAULT_BASE_IS_MOOF | TFHD_DEFAULT_FLAGS | durationFlag;
  cursor.fullBox(values.sizeBytes, 'tfhd', 0, flags).u32(values.trackId);
  if (sharedDurationTicks !== undefined) cursor.u32(sharedDurationTicks);
  cursor.u32(defaultFlags);
}

function writeTrun(
  cursor: HeadCursor,
  values: {
    readonly sizeBytes: number;
    readonly dataOffset: number;
    readonly summary: Summary;
    readonly samples: readonly TimedSample[];
  },
): void {
  const { summary, samples } = values;
  const hasDurations = summary.sharedDurationTicks === undefined;
  const hasFlags = summary.exceptions === 'several';
  const flags =
    TRUN_DATA_OFFSET |
    TRUN_SIZES |
    (summary.exceptions === 'first' ? TRUN_FIRST_SAMPLE_FLAGS : 0) |
    (hasDurations ? TRUN_DURATIONS : 0) |
    (hasFlags ? TRUN_FLAGS : 0) |
    (summary.hasCompositionOffsets ? TRUN_COMPOSITION_OFFSETS : 0);
  // Version 1: composition offsets are signed.
  cursor.fullBox(values.sizeBytes, 'trun', 1, flags).u32(samples.length).u32(values.dataOffset);
  if (summary.exceptions === 'first') cursor.u32(SYNC_SAMPLE_FLAGS);
  for (const sample of samples) {
    if (hasDurations) cursor.u32(sample.durationTicks);
    cursor.u32(sample.data.length);
    if (hasFlags) cursor.u32(sample.isRandomAccessPoint ? SYNC_SAMPLE_FLAGS : NON_SYNC_SAMPLE_FLAGS);
    if (summary.hasCompositionOffsets) cursor.i32(sample.compositionOffsetTicks);
  }
}

/** Fills a head whose size is known beforehand, so that nothing is moved or grown. */
class HeadCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  box(sizeBytes: number, type: string): this {
    this.u32(sizeBytes);
    for (let index = 0; index < 4; index += 1) this.#bytes[this.#offset + index] = type.charCodeAt(index);
    this.#offset += 4;
    return this;
  }

  fullBox(sizeBytes: number, type: string, version: number, flags: number): this {
    return this.box(sizeBytes, type).u32(version * 2 ** 24 + flags);
  }

  u32(value: number): this {
    this.#view.setUint32(this.#offset, value);
    this.#offset += 4;
    return this;
  }

  i32(value: number): this {
    this.#view.setInt32(this.#offset, value);
    this.#offset += 4;
    return this;
  }

  u64(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`time ${value} is no tick count`);
    return this.u32(Math.floor(value / UINT32_LIMIT)).u32(value % UINT32_LIMIT);
  }

  bytes(value: Uint8Array): this {
    this.#bytes.set(value, this.#offset);
    this.#offset += value.length;
    return this;
  }
}
