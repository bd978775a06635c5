import { type Box, getBox, readBoxes } from '../formats/isobmff/box-reader.ts';
import { MalformedFragment, parsingFragment } from '../formats/isobmff/malformed-fragment.ts';
import {
  SAMPLES_PER_FRAGMENT_MAX,
  TFHD_BASE_DATA_OFFSET,
  TFHD_DEFAULT_DURATION,
  TFHD_DEFAULT_SIZE,
  TFHD_SAMPLE_DESCRIPTION_INDEX,
  TRUN_COMPOSITION_OFFSETS,
  TRUN_DATA_OFFSET,
  TRUN_DURATIONS,
  TRUN_FIRST_SAMPLE_FLAGS,
  TRUN_FLAGS,
  TRUN_SIZES,
} from '../formats/isobmff/sample-flags.ts';

/** A box with its place in the whole fragment. */
export interface PlacedBox extends Box {
  /** Of its first byte, in the fragment. */
  readonly start: number;
}

/** One `trun`, and where its samples begin. */
export interface SampleRun {
  readonly box: PlacedBox;
  readonly flags: number;
  /** In the fragment. */
  readonly dataStart: number;
}

/** Where everything of a fragment with one track is: numbers only, for there may be hundreds of samples in a few KiB. */
export interface FragmentLayout {
  readonly moof: PlacedBox;
  readonly moofBoxes: readonly PlacedBox[];
  readonly trafBoxes: readonly PlacedBox[];
  readonly tfhd: PlacedBox;
  readonly hasBaseDataOffset: boolean;
  readonly runs: readonly SampleRun[];
  readonly sampleCount: number;
  /** In the fragment, ascending; samples do not overlap and lie within the mdat. */
  readonly sampleOffsets: Uint32Array;
  readonly sampleSizes: Uint32Array;
}

/** PIFF 1.1 §5.3.2: the sample encryption box of Smooth Streaming. */
export const PIFF_SAMPLE_ENCRYPTION = 'a2394f525a9b4f14a2446c427c648df4';
const ENCRYPTED_BOXES: ReadonlySet<string> = new Set(['senc', 'saiz', 'saio']);
const RUNS_MAX = 1024;
const FRAGMENT_SIZE_BYTES_LIMIT = 2 ** 31;

/** Throws `MalformedFragment`, also for a fragment that is encrypted. */
export function readFragmentLayout(bytes: Uint8Array): FragmentLayout {
  if (bytes.length >= FRAGMENT_SIZE_BYTES_LIMIT) {
    throw new MalformedFragment(`fragment of ${bytes.length} bytes, limit ${FRAGMENT_SIZE_BYTES_LIMIT}`);
  }
  return parsingFragment('fragment', () => {
    const boxes = placed(readBoxes(bytes), 0);
    const moof = getPlaced(boxes, 'moof');
    const mdat = getPlaced(boxes, 'mdat');
    if (mdat.start < moof.start) throw new MalformedFragment('mdat before moof');
    const moofBoxes = childrenOf(moof);
    const traf = getPlaced(moofBoxes, 'traf');
    const trafBoxes = childrenOf(traf);
    if (trafBoxes.some(isEncryption)) throw new MalformedFragment('the fragment is encrypted already');
    const tfhd = getPlaced(trafBoxes, 'tfhd');
    const samples = readSamples(trafBoxes, { moof, mdat, tfhd });
    return { moof, moofBoxes, trafBoxes, tfhd, ...samples };
  });
}

function isEncryption({ type, userType }: Box): boolean {
  return ENCRYPTED_BOXES.has(type) || userType === PIFF_SAMPLE_ENCRYPTION;
}

function placed(boxes: readonly Box[], parentStart: number): PlacedBox[] {
  // Field by field: to spread an object takes several times as long, for a dozen boxes of every fragment.
  return boxes.map(({ type, offset, sizeBytes, body, userType }) => {
    return { type, offset, sizeBytes, body, userType, start: parentStart + offset };
  });
}

function childrenOf(box: PlacedBox): PlacedBox[] {
  return placed(readBoxes(box.body), bodyStart(box));
}

function bodyStart({ start, sizeBytes, body }: PlacedBox): number {
  return start + sizeBytes - body.length;
}

function getPlaced(boxes: readonly PlacedBox[], type: string): PlacedBox {
  getBox(boxes, type);
  const box = boxes.find((candidate) => candidate.type === type);
  if (box === undefined) throw new MalformedFragment(`no ${type} box`);
  return box;
}

interface Surroundings {
  readonly moof: PlacedBox;
  readonly mdat: PlacedBox;
  readonly tfhd: PlacedBox;
}

type Samples = Pick<
  FragmentLayout,
  'hasBaseDataOffset' | 'runs' | 'sampleCount' | 'sampleOffsets' | 'sampleSizes'
>;

function readSamples(trafBoxes: readonly PlacedBox[], around: Surroundings): Samples {
  const truns = trafBoxes.filter(({ type }) => type === 'trun');
  if (truns.length > RUNS_MAX) throw new MalformedFragment(`${truns.length} runs exceed ${RUNS_MAX}`);
  const sampleCount = truns.reduce((sum, { body }) => sum + viewOf(body).getUint32(4), 0);
  if (sampleCount === 0 || sampleCount > SAMPLES_PER_FRAGMENT_MAX) {
    throw new MalformedFragment(`${sampleCount} samples, limit ${SAMPLES_PER_FRAGMENT_MAX}`);
  }
  const defaults = readTfhd(around.tfhd);
  const sampleOffsets = new Uint32Array(sampleCount);
  const sampleSizes = new Uint32Array(sampleCount);
  const payloadStart = bodyStart(around.mdat);
  const runs: SampleRun[] = [];
  let first = 0;
  let end = payloadStart;
  for (const box of truns) {
    const head = readRunHead(box);
    // A base data offset counts from the start of a file that there is not: runs then lie one after another.
    const isTold = head.dataOffset !== undefined && !defaults.hasBaseDataOffset;
    const dataStart = isTold ? around.moof.start + (head.dataOffset ?? 0) : end;
    if (dataStart < end) throw new MalformedFragment(`run at ${dataStart}, the one before ends at ${end}`);
    const count = head.sampleCount;
    const run = { sizes: sampleSizes.subarray(first, first + count), defaultSizeBytes: defaults.sizeBytes };
    readSizes(head, run);
    end = placeSamples(run.sizes, sampleOffsets.subarray(first, first + count), dataStart);
    runs.push({ box, flags: head.flags, dataStart });
    first += count;
  }
  const payloadEnd = payloadStart + around.mdat.body.length;
  if (end > payloadEnd) throw new MalformedFragment(`samples end at ${end}, the mdat at ${payloadEnd}`);
  return { hasBaseDataOffset: defaults.hasBaseDataOffset, runs, sampleCount, sampleOffsets, sampleSizes };
}

/** Returns where the last one ends; that no offset is wrong is sure once this is known to lie in the mdat. */
function placeSamples(sizes: Uint32Array, offsets: Uint32Array, dataStart: number): number {
  let offset = dataStart;
  for (let sample = 0; sample < sizes.length; sample += 1) {
    offsets[sample] = offset;
    offset += sizes[sample] ?? 0;
  }
  return offset;
}

function readTfhd({ body }: PlacedBox): { hasBaseDataOffset: boolean; sizeBytes: number } {
  const view = viewOf(body);
  const flags = view.getUint32(0) & 0xff_ffff;
  const has = (flag: number, bytes: number) => ((flags & flag) === 0 ? 0 : bytes);
  const sizeAt =
    8 + has(TFHD_BASE_DATA_OFFSET, 8) + has(TFHD_SAMPLE_DESCRIPTION_INDEX, 4) + has(TFHD_DEFAULT_DURATION, 4);
  return {
    hasBaseDataOffset: (flags & TFHD_BASE_DATA_OFFSET) !== 0,
    sizeBytes: (flags & TFHD_DEFAULT_SIZE) === 0 ? 0 : view.getUint32(sizeAt),
  };
}

interface RunHead {
  readonly flags: number;
  readonly sampleCount: number;
  readonly dataOffset: number | undefined;
  /** What follows the head: one entry for each sample, all of them there. */
  readonly entries: DataView;
  readonly entrySizeBytes: number;
}

function readRunHead({ body }: PlacedBox): RunHead {
  const view = viewOf(body);
  const flags = view.getUint32(0) & 0xff_ffff;
  const sampleCount = view.getUint32(4);
  const has = (flag: number) => ((flags & flag) === 0 ? 0 : 4);
  const headSizeBytes = 8 + has(TRUN_DATA_OFFSET) + has(TRUN_FIRST_SAMPLE_FLAGS);
  const entrySizeBytes =
    has(TRUN_DURATIONS) + has(TRUN_SIZES) + has(TRUN_FLAGS) + has(TRUN_COMPOSITION_OFFSETS);
  if (headSizeBytes + sampleCount * entrySizeBytes > body.length) {
    throw new MalformedFragment(`run of ${sampleCount} samples in ${body.length} bytes`);
  }
  return {
    flags,
    sampleCount,
    dataOffset: (flags & TRUN_DATA_OFFSET) === 0 ? undefined : view.getInt32(8),
    entries: viewOf(body.subarray(headSizeBytes)),
    entrySizeBytes,
  };
}

function readSizes(
  head: RunHead,
  into: { readonly sizes: Uint32Array; readonly defaultSizeBytes: number },
): void {
  if ((head.flags & TRUN_SIZES) === 0) {
    into.sizes.fill(into.defaultSizeBytes);
    return;
  }
  let at = (head.flags & TRUN_DURATIONS) === 0 ? 0 : 4;
  for (let sample = 0; sample < head.sampleCount; sample += 1) {
    into.sizes[sample] = head.entries.getUint32(at);
    at += head.entrySizeBytes;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
