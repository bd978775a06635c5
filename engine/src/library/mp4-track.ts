import type { FileTrack } from '../formats/isobmff/sample-table-reader.ts';
import type { FragmentEntry } from '../model/presentation.ts';
import type { TimedSample } from '../model/sample.ts';
import type { Track } from '../model/track.ts';
import { rescale, TICKS_PER_SECOND } from '../time/timescale.ts';
import { canonicalFragment, type LibraryContainer, type LibraryTrack } from './library-container.ts';
import { decodeTicksOf, endTicksOfSample, type FragmentCut } from './mp4-fragments.ts';

const FRAGMENT_BYTES_MAX = 64 * 1024 * 1024;
/** What lies between the samples of a fragment is read with them up to this; more, and they are read in pieces. */
const READ_BETWEEN_BYTES_MAX = 512 * 1024;
const READS_AT_ONCE_MAX = 4;
/** moof and mdat around the samples, and what each sample adds to it: an estimate for bandwidths. */
const FRAGMENT_OVERHEAD_BYTES = 120;
const SAMPLE_OVERHEAD_BYTES = 16;
const TABLE_BYTES_PER_SAMPLE = 29;

export interface Mp4TrackPlace {
  readonly container: LibraryContainer;
  readonly fileName: string;
  readonly file: FileTrack;
  readonly track: Track;
  /** None is empty. */
  readonly cuts: readonly FragmentCut[];
  /** Added to every time, so that none is before 0. */
  readonly shiftTicks: number;
  /** Added to the numbers of samples, which initialization vectors are made of. */
  readonly firstSampleNumber?: number;
}

/** A track of a progressive MP4 file as fragments that nobody has written. */
export function mp4Track(place: Mp4TrackPlace): LibraryTrack {
  const { track, cuts } = place;
  return {
    index: { track, fragments: cuts.map((_, sequence) => entryOf(place, sequence)) },
    tableBytes: place.file.samples.sizes.length * TABLE_BYTES_PER_SAMPLE,
    async fragment(entry) {
      const { first, end } = samplesOf(place, entry.sequence);
      const payload = await readSamples(place, first, end);
      if (payload === undefined) return undefined;
      return canonicalFragment(track, entry, timedSamples(place, first, payload));
    },
  };
}

function samplesOf({ cuts }: Mp4TrackPlace, sequence: number): FragmentCut {
  const cut = cuts[sequence];
  if (cut === undefined) throw new RangeError(`no fragment ${sequence}`);
  return cut;
}

function entryOf(place: Mp4TrackPlace, sequence: number): FragmentEntry {
  const { file, shiftTicks, firstSampleNumber = 0 } = place;
  const { samples, header } = file;
  const { first, end, discontinuity } = samplesOf(place, sequence);
  let sizeBytes = FRAGMENT_OVERHEAD_BYTES + (end - first) * SAMPLE_OVERHEAD_BYTES;
  for (let at = first; at < end; at += 1) sizeBytes += samples.sizes[at] ?? 0;
  const startTicks = decodeTicksOf(samples, first, header.timescale);
  return {
    sequence,
    decodeTimeTicks: startTicks + shiftTicks,
    durationTicks: Math.max(1, endTicksOfSample(samples, end - 1, header.timescale) - startTicks),
    sizeBytes,
    sampleCount: end - first,
    firstSample: firstSampleNumber + first,
    discontinuity,
    formatIndex: 0,
    committedAtMs: 0,
  };
}

function timedSamples(
  { file }: Mp4TrackPlace,
  first: number,
  payload: readonly Uint8Array[],
): readonly TimedSample[] {
  const { samples, header } = file;
  return payload.map((data, index) => {
    const at = first + index;
    const dtsTicks = decodeTicksOf(samples, at, header.timescale);
    const time = (samples.decodeTimes[at] ?? 0) + (samples.compositionOffsets[at] ?? 0);
    return {
      dtsTicks,
      compositionOffsetTicks: rescale(time, { from: header.timescale, to: TICKS_PER_SECOND }) - dtsTicks,
      isRandomAccessPoint: samples.isSync[at] === 1,
      durationTicks: endTicksOfSample(samples, at, header.timescale) - dtsTicks,
      data,
    };
  });
}

interface Run {
  readonly first: number;
  readonly end: number;
  readonly offset: number;
  readonly sizeBytes: number;
}

/** The bytes of each sample. */
async function readSamples(
  { container, fileName, file }: Mp4TrackPlace,
  first: number,
  end: number,
): Promise<readonly Uint8Array[] | undefined> {
  const { offsets, sizes } = file.samples;
  const payload: Uint8Array[] = [];
  const runs = runsOf(file, first, end);
  const total = runs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (total > FRAGMENT_BYTES_MAX)
    throw new RangeError(`a fragment of ${total} bytes exceeds ${FRAGMENT_BYTES_MAX}`);
  for (let from = 0; from < runs.length; from += READS_AT_ONCE_MAX) {
    const batch = runs.slice(from, from + READS_AT_ONCE_MAX);
    const read = await Promise.all(batch.map((run) => container.read(fileName, run)));
    for (const [index, run] of batch.entries()) {
      const bytes = read[index];
      if (bytes === undefined || bytes.length < run.sizeBytes) return undefined;
      for (let at = run.first; at < run.end; at += 1) {
        const offset = (offsets[at] ?? 0) - run.offset;
        payload.push(bytes.subarray(offset, offset + (sizes[at] ?? 0)));
      }
    }
  }
  return payload;
}

/** Samples that are read together: they follow one another in the file, with little of others between them. */
function runsOf({ samples }: FileTrack, first: number, end: number): readonly Run[] {
  const { offsets, sizes } = samples;
  const runs: Run[] = [];
  let run: Run | undefined;
  for (let at = first; at < end; at += 1) {
    const offset = offsets[at] ?? 0;
    const size = sizes[at] ?? 0;
    const reached = run === undefined ? 0 : run.offset + run.sizeBytes;
    if (run !== undefined && offset >= reached && offset - reached <= READ_BETWEEN_BYTES_MAX) {
      run = { ...run, end: at + 1, sizeBytes: offset + size - run.offset };
      runs[runs.length - 1] = run;
    } else {
      run = { first: at, end: at + 1, offset, sizeBytes: size };
      runs.push(run);
    }
  }
  return runs;
}
