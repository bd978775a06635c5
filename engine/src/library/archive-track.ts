import type { TrackHeader } from '../formats/isobmff/movie-header-reader.ts';
import type { ListedStream } from '../manifests/client-manifest-reader.ts';
import type { FragmentEntry } from '../model/presentation.ts';
import type { Track } from '../model/track.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import { type ArchivedSamples, readArchivedSamples } from './archive-samples.ts';
import { canonicalFragment, type LibraryContainer, type LibraryTrack } from './library-container.ts';

/** Sample numbers have 48 bits in initialization vectors. */
const SAMPLE_NUMBERS = 2n ** 48n;
const BLOB_NAME = /^(?:.*\/)?(\d{1,20})$/;

/** The fragments of one quality that somebody has written, before they are put on a timeline. */
export interface StoredFragments {
  /** With the times of a file, and not those of an encoder's clock. */
  readonly isInFile: boolean;
  readonly fragments: readonly TimedFragment[];
  readonly first: ArchivedSamples;
  /** Undefined: gone. Throws `MalformedFragment`. */
  samples(at: number): Promise<ArchivedSamples | undefined>;
}

export interface TimedFragment {
  readonly sizeBytes: number;
  /** Ticks, exact. */
  readonly ticks: bigint;
  readonly durationTicks: number | undefined;
}

/**
 * Finds the fragments of a folder by the names of their blobs, which are times: of the track's timescale if the first
 * fragment says so, else of 10 MHz. Undefined: there are none. Throws `MalformedFragment`.
 */
export async function openArchiveFolder(
  container: LibraryContainer,
  folder: string,
  known: { readonly header: TrackHeader; readonly stream: ListedStream | undefined },
): Promise<StoredFragments | undefined> {
  const { header, stream } = known;
  const listed = (await container.list(folder)).flatMap((blob) => {
    const time = BLOB_NAME.exec(blob.name)?.[1];
    return time === undefined ? [] : [{ ...blob, time: BigInt(time) }];
  });
  listed.sort((a, b) => (a.time < b.time ? -1 : 1));
  const [oldest] = listed;
  const bytes = oldest && (await container.read(oldest.name));
  if (oldest === undefined || bytes === undefined) return undefined;
  const first = readArchivedSamples(bytes, header);
  const timescale = first.time === oldest.time ? header.timescale : TICKS_PER_SECOND;
  const fragments = listed.map(({ sizeBytes, time }): TimedFragment => {
    const duration = stream?.durations.get(time);
    const scale = stream?.timescale ?? timescale;
    const durationTicks =
      duration === undefined ? undefined : Math.round((duration * TICKS_PER_SECOND) / scale);
    return { sizeBytes, ticks: ticksOfTime(time, timescale), durationTicks };
  });
  const samples = async (at: number) => {
    const blob = listed[at];
    const stored = blob && (await container.read(blob.name));
    return stored && readArchivedSamples(stored, header);
  };
  return { isInFile: false, fragments, first, samples };
}

/** Rounds to the nearest. */
export const ticksOfTime = (time: bigint, timescale: number): bigint => {
  const scale = BigInt(timescale);
  return (time * BigInt(TICKS_PER_SECOND) + scale / 2n) / scale;
};

export const firstTicksOf = ({ fragments }: StoredFragments): bigint => fragments[0]?.ticks ?? 0n;
export const lastTicksOf = ({ fragments }: StoredFragments): bigint => fragments.at(-1)?.ticks ?? 0n;

/** A track whose times count from `zeroTicks`. */
export function archiveTrack(stored: StoredFragments, track: Track, zeroTicks: bigint): LibraryTrack {
  return {
    index: { track, fragments: stored.fragments.map((_, sequence) => entryOf(stored, sequence, zeroTicks)) },
    tableBytes: stored.fragments.length * FRAGMENT_TABLE_BYTES,
    async fragment(entry) {
      const read = await stored.samples(entry.sequence);
      return read && canonicalFragment(track, entry, read.samples);
    },
  };
}

/** What is remembered of a fragment. */
const FRAGMENT_TABLE_BYTES = 300;
/** A fragment that would last so many times the first one has a hole behind it. */
const HOLE_FACTOR = 3;

/**
 * Where nothing says how long a fragment is, it lasts until the next one, and the last as long as the first. How many
 * samples it has is not known without reading it: as many as the first, by its duration.
 */
function entryOf({ fragments, first }: StoredFragments, sequence: number, zeroTicks: bigint): FragmentEntry {
  const fragment = fragments[sequence];
  if (fragment === undefined) throw new RangeError(`no fragment ${sequence}`);
  const { ticks, sizeBytes } = fragment;
  const next = fragments[sequence + 1];
  const untilNext = next === undefined ? undefined : Number(next.ticks - ticks);
  const usual = first.durationTicks;
  const guessed = untilNext === undefined || untilNext > HOLE_FACTOR * usual ? usual : untilNext;
  const durationTicks = Math.max(
    1,
    Math.min(fragment.durationTicks ?? guessed, untilNext ?? Number.MAX_SAFE_INTEGER),
  );
  const samplesPerTick = first.samples.length / Math.max(1, first.durationTicks);
  return {
    sequence,
    decodeTimeTicks: Number(ticks - zeroTicks),
    durationTicks,
    sizeBytes: Math.max(1, sizeBytes),
    sampleCount: Math.max(1, Math.round(durationTicks * samplesPerTick)),
    // Each sample takes a tick at least, so no two samples of the track have one number.
    sampleNumbers: untilNext ?? durationTicks,
    firstSample: Number((ticks - zeroTicks) % SAMPLE_NUMBERS),
    discontinuity: 0,
    formatIndex: 0,
    committedAtMs: 0,
  };
}
