import { parseFragmentIndex } from '../formats/isobmff/fragment-index-reader.ts';
import { parseMovieFragment } from '../formats/isobmff/fragment-reader.ts';
import { MalformedFragment } from '../formats/isobmff/malformed-fragment.ts';
import type { TrackHeader } from '../formats/isobmff/movie-header-reader.ts';
import type { FileTrack } from '../formats/isobmff/sample-table-reader.ts';
import { type ArchivedSamples, readArchivedSamples } from './archive-samples.ts';
import { type StoredFragments, type TimedFragment, ticksOfTime } from './archive-track.ts';
import type { LibraryContainer } from './library-container.ts';
import { boxHeader } from './mp4-file.ts';

const MFRO_BYTES = 16;
const INDEX_BYTES_MAX = 16 * 1024 * 1024;
/** Without an index, fragments are found by reading all of their headers: 5 h of 2 s. */
const FRAGMENTS_WALKED_MAX = 10_000;
const BOXES_WALKED_MAX = 4 * FRAGMENTS_WALKED_MAX;
/** Of a `moof` and the beginning of its `mdat`; there are larger ones. */
const WALK_BYTES = 8 * 1024;
const MOOF_BYTES_MAX = 1024 * 1024;
const FRAGMENT_BYTES_MAX = 64 * 1024 * 1024;

/** A fragment of the track as the file tells it: by its index, or by its own header. */
interface FoundFragment {
  readonly offset: number;
  /** In the track's timescale. */
  readonly time: bigint;
  readonly duration: number | undefined;
}

interface FoundFragments {
  readonly fragments: readonly [FoundFragment, ...FoundFragment[]];
  /** Where others of any track begin, ascending, and where the last one ends. */
  readonly borders: readonly number[];
}

/**
 * The fragments of a track of a file that has all of them (`.ismv`, `.isma`, fragmented MP4): by the file's index (`mfra`,
 * ISO/IEC 14496-12 §8.8.9), else by going from fragment to fragment. Undefined: there are none. Throws `MalformedFragment`.
 */
export async function openFragmentedFile(
  container: LibraryContainer,
  name: string,
  { header, editShift }: FileTrack,
): Promise<StoredFragments | undefined> {
  const found = (await byIndex(container, name, header)) ?? (await byWalking(container, name, header));
  if (found === undefined) return undefined;
  const { fragments, borders } = found;
  const read = reader({ container, name, header, ...found });
  const first = await read(0);
  if (first === undefined) return undefined;
  const last = fragments.length === 1 ? first : await read(fragments.length - 1);
  // An index tells when the first picture is shown, and that is after it is decoded.
  const shift = BigInt(editShift) + (first.time === undefined ? 0n : signed(first.time) - fragments[0].time);
  const ticks = (time: bigint) => ticksOfTime(time + shift, header.timescale);
  // A file that was cut off ends with the last fragment that is whole.
  const whole = last === undefined ? fragments.slice(0, -1) : fragments;
  const timed = whole.map(({ offset, time, duration }, at): TimedFragment => {
    const end = at === fragments.length - 1 ? last?.durationTicks : undefined;
    const known = duration === undefined ? undefined : Number(ticks(time + BigInt(duration)) - ticks(time));
    const border = bordersOf(borders, offset, fragments[at + 1]?.offset);
    return { ticks: ticks(time), durationTicks: known ?? end, sizeBytes: border.near - offset };
  });
  return { isInFile: true, fragments: timed, first, samples: read };
}

/** Between a fragment and the next one of its track there may be others; `far` is where that begins. */
function bordersOf(borders: readonly number[], offset: number, next: number | undefined) {
  const end = borders.at(-1) ?? offset;
  return { near: borderAfter(borders, offset) ?? end, far: next ?? end };
}

function borderAfter(borders: readonly number[], offset: number): number | undefined {
  let low = 0;
  let high = borders.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((borders[middle] ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return borders[low];
}

/**
 * Reads up to the next fragment of any track that is known. Of an index that leaves out fragments without a key frame that
 * may be too little, which their duration tells: then up to the next one of the track.
 */
function reader(
  file: FoundFragments & {
    readonly container: LibraryContainer;
    readonly name: string;
    readonly header: TrackHeader;
  },
): (at: number) => Promise<ArchivedSamples | undefined> {
  const { container, name, header, fragments, borders } = file;
  const readTo = async (offset: number, end: number) => {
    const sizeBytes = end - offset;
    if (sizeBytes > FRAGMENT_BYTES_MAX) {
      throw new MalformedFragment(`a fragment of ${sizeBytes} bytes exceeds ${FRAGMENT_BYTES_MAX}`);
    }
    const bytes = await container.read(name, { offset, sizeBytes });
    return bytes === undefined || bytes.length < sizeBytes
      ? undefined
      : readArchivedSamples(bytes, header, header.trackId);
  };
  return async (at) => {
    const fragment = fragments[at];
    if (fragment === undefined) throw new RangeError(`no fragment ${at}`);
    const next = fragments[at + 1];
    const { near, far } = bordersOf(borders, fragment.offset, next?.offset);
    const read = await readTo(fragment.offset, near);
    if (read === undefined || near >= far) return read;
    const expected =
      next && Number(ticksOfTime(next.time, header.timescale) - ticksOfTime(fragment.time, header.timescale));
    const usual = read.durationTicks / read.samples.length;
    const isWhole = expected !== undefined && read.durationTicks >= expected - usual;
    return isWhole ? read : readTo(fragment.offset, far);
  };
}

/** Undefined: the file has no index of the track. */
async function byIndex(
  container: LibraryContainer,
  name: string,
  { trackId }: TrackHeader,
): Promise<FoundFragments | undefined> {
  const folder = name.slice(0, Math.max(0, name.lastIndexOf('/')));
  const fileBytes = (await container.list(folder)).find((blob) => blob.name === name)?.sizeBytes ?? 0;
  if (fileBytes < MFRO_BYTES) return undefined;
  const mfro = await container.read(name, { offset: fileBytes - MFRO_BYTES, sizeBytes: MFRO_BYTES });
  if (mfro === undefined || boxHeader(mfro)?.type !== 'mfro') return undefined;
  const sizeBytes = Buffer.from(mfro).readUInt32BE(MFRO_BYTES - 4);
  const offset = fileBytes - sizeBytes;
  if (sizeBytes > INDEX_BYTES_MAX || offset < 0) return undefined;
  const mfra = await container.read(name, { offset, sizeBytes });
  if (mfra === undefined || boxHeader(mfra)?.type !== 'mfra') return undefined;
  const index = parseFragmentIndex(mfra);
  const [first, ...others] = index.get(trackId) ?? [];
  if (first === undefined) return undefined;
  const offsets = new Set([...index.values()].flatMap((entries) => entries.map((entry) => entry.offset)));
  const toFound = (entry: { readonly time: bigint; readonly offset: number }) => ({
    ...entry,
    duration: undefined,
  });
  return {
    fragments: [toFound(first), ...others.map(toFound)],
    borders: [...offsets]
      .filter((one) => one < offset)
      .sort((a, b) => a - b)
      .concat(offset),
  };
}

/** Reads the header of every fragment, and none of the media. */
async function byWalking(
  container: LibraryContainer,
  name: string,
  header: TrackHeader,
): Promise<FoundFragments | undefined> {
  const fragments: FoundFragment[] = [];
  const borders: number[] = [];
  let offset = 0;
  for (let walked = 0; walked < BOXES_WALKED_MAX; walked += 1) {
    const window = await container.read(name, { offset, sizeBytes: WALK_BYTES });
    const box = window && boxHeader(window);
    if (window === undefined || box === undefined) break;
    if (box.type === 'moof') {
      borders.push(offset);
      if (borders.length > FRAGMENTS_WALKED_MAX) {
        throw new MalformedFragment(`more than ${FRAGMENTS_WALKED_MAX} fragments, and no index of them`);
      }
      const moof = await wholeMoof(container, name, { window, offset, sizeBytes: box.sizeBytes });
      const fragment = foundFragment(moof, { header, offset, before: fragments.at(-1) });
      if (fragment !== undefined) fragments.push(fragment);
    }
    offset += box.sizeBytes;
  }
  const [first, ...others] = fragments;
  return first && { fragments: [first, ...others], borders: [...borders, offset] };
}

/** Undefined: of another track. Where its samples lie is looked at when they are read. */
function foundFragment(
  moof: Uint8Array,
  at: { readonly header: TrackHeader; readonly offset: number; readonly before: FoundFragment | undefined },
): FoundFragment | undefined {
  const { header, offset, before } = at;
  const anywhere = { offset: 0, sizeBytes: Number.MAX_SAFE_INTEGER };
  const { trackId, tfdt, tfxd, samples } = parseMovieFragment(moof, anywhere, (id) =>
    id === header.trackId ? header.defaults : undefined,
  );
  if (trackId !== header.trackId) return undefined;
  const end = before === undefined ? 0n : before.time + BigInt(before.duration ?? 0);
  const told = tfdt ?? tfxd?.absoluteTime;
  const time = told === undefined ? end : signed(told);
  if (before !== undefined && time < end) throw new MalformedFragment('fragments that overlap');
  return { offset, time, duration: samples.reduce((sum, { durationTicks }) => sum + durationTicks, 0) };
}

/** FFmpeg writes times before 0 too, of sound that an encoder needs to begin with. */
const signed = (time: bigint): bigint => BigInt.asIntN(64, time);

async function wholeMoof(
  container: LibraryContainer,
  name: string,
  box: { readonly window: Uint8Array; readonly offset: number; readonly sizeBytes: number },
): Promise<Uint8Array> {
  const { window, offset, sizeBytes } = box;
  if (sizeBytes <= window.length) return window.subarray(0, sizeBytes);
  if (sizeBytes > MOOF_BYTES_MAX) throw new MalformedFragment(`a moof of ${sizeBytes} bytes`);
  return (await container.read(name, { offset, sizeBytes })) ?? new Uint8Array();
}
