import type { ContainerClient } from '@azure/storage-blob';
import { type IndexLine, MalformedIndexLine, parseIndexLine } from '../model/index-line.ts';
import { type FragmentEntry, followsFromTicks, type TrackIndex } from '../model/presentation.ts';
import type { Track } from '../model/track.ts';

/** What a track's index blobs say, and where the next line would go. */
export interface StoredTrackIndex extends TrackIndex {
  readonly ended: boolean;
  /** As its `end` line has it. */
  readonly archiveWindowTicks: number | undefined;
  readonly fragmentsPerTsSegment: number | undefined;
  readonly epoch: number;
  readonly tail: IndexTail;
  /** Every roll still stored, ascending. */
  readonly rolls: readonly StoredRoll[];
}

/** Undefined: it has no fragment. */
export interface StoredRoll {
  readonly roll: number;
  /** When its first fragment was committed, Unix milliseconds. */
  readonly startedAtMs: number | undefined;
  /** Where its last fragment ends. */
  readonly endTicks: number | undefined;
}

/** The last index blob of a track. */
export interface IndexTail {
  readonly roll: number;
  readonly sizeBytes: number;
  readonly blockCount: number;
  /** When its last line was appended, by the storage's clock, Unix milliseconds. */
  readonly modifiedAtMs: number | undefined;
  /** It has its `roll` line: the next line belongs into the next blob. */
  readonly isClosed: boolean;
}

export class CorruptRecording extends Error {
  readonly code = 'CorruptRecording';
  constructor(blobName: string, what: string, options?: ErrorOptions) {
    super(`${blobName}: ${what}`, options);
    this.name = 'CorruptRecording';
  }
}

export const TRACKS_PER_RECORDING_MAX = 64;
const ROLLS_PER_RECORDING_MAX = 20_000;
const ROLL_SIZE_BYTES_MAX = 64 * 1024 * 1024;
const FRAGMENTS_PER_TRACK_MAX = 1_000_000;
const READ_TIMEOUT_MS = 30_000;

export interface StoredRecording {
  readonly tracks: readonly TrackIndex[];
  readonly ended: boolean;
  /** Of a finished recording; undefined while it is live. */
  readonly archiveWindowTicks: number | undefined;
  /** As in `PresentationIndex`. */
  readonly fragmentsPerTsSegment: number | undefined;
  /** When its last `end` line was committed; the same for all who read it. Undefined while it is live. */
  readonly endedAtMs: number | undefined;
}

/**
 * Reads a recording's index from its container: all tracks with every fragment whose line is committed (not cut to the
 * archive window). Undefined when nothing was ever recorded under this name; throws `CorruptRecording`.
 */
export async function readRecording(
  container: ContainerClient,
  manifestName: string,
): Promise<StoredRecording | undefined> {
  const tracks = await readTrackIndexes(container, manifestName);
  if (tracks.length === 0) return undefined;
  const ended = tracks.every((track) => track.ended);
  return {
    tracks: tracks.map(({ track, fragments }) => ({ track, fragments })),
    ended,
    endedAtMs: ended ? Math.max(...tracks.map(({ tail }) => tail.modifiedAtMs ?? 0)) : undefined,
    archiveWindowTicks: tracks.find((track) => track.archiveWindowTicks !== undefined)?.archiveWindowTicks,
    fragmentsPerTsSegment: tracks.find((track) => track.fragmentsPerTsSegment !== undefined)
      ?.fragmentsPerTsSegment,
  };
}

/** The same with positions, for a writer that takes over. Tracks ascend by ordinal. */
export async function readTrackIndexes(
  container: ContainerClient,
  manifestName: string,
): Promise<StoredTrackIndex[]> {
  const rollsByFolder = await listRolls(container, manifestName);
  const tracks = await Promise.all(
    [...rollsByFolder].map(([folder, rolls]) => readTrackIndex(container, { manifestName, folder, rolls })),
  );
  return tracks
    .filter((track) => track !== undefined)
    .sort((left, right) => left.track.ordinal - right.track.ordinal);
}

export function indexBlobName(place: { manifestName: string; folder: string; roll: number }): string {
  return `${place.manifestName}.headend/${place.folder}/${String(place.roll).padStart(6, '0')}`;
}

async function listRolls(container: ContainerClient, manifestName: string): Promise<Map<string, number[]>> {
  const prefix = `${manifestName}.headend/`;
  const rolls = new Map<string, number[]>();
  let count = 0;
  try {
    for await (const blob of container.listBlobsFlat({ prefix })) {
      const match = /^([^/]+)\/(\d{6})$/.exec(blob.name.slice(prefix.length));
      const folder = match?.[1];
      if (folder === undefined) continue;
      count += 1;
      const list = rolls.get(folder) ?? [];
      list.push(Number(match?.[2]));
      rolls.set(folder, list);
      if (count > ROLLS_PER_RECORDING_MAX || rolls.size > TRACKS_PER_RECORDING_MAX) {
        throw new CorruptRecording(
          prefix,
          `more than ${ROLLS_PER_RECORDING_MAX} index blobs or too many tracks`,
        );
      }
    }
  } catch (error) {
    if (statusOf(error) === 404) return new Map();
    throw error;
  }
  return rolls;
}

interface TrackPlace {
  readonly manifestName: string;
  readonly folder: string;
  readonly rolls: readonly number[];
}

async function readTrackIndex(
  container: ContainerClient,
  place: TrackPlace,
): Promise<StoredTrackIndex | undefined> {
  const state = newState();
  const rolls: StoredRoll[] = [];
  let tail: IndexTail | undefined;
  for (const roll of [...place.rolls].sort((left, right) => left - right)) {
    const blobName = indexBlobName({ ...place, roll });
    const blob = await downloadIndexBlob(container, blobName);
    if (blob === undefined) continue;
    state.isClosed = false;
    const before = state.fragments.length;
    applyLines(state, blobName, blob.text);
    const first = state.fragments[before];
    rolls.push({
      roll,
      startedAtMs: first?.committedAtMs,
      endTicks: first && endTicks(state.fragments.at(-1)),
    });
    const { sizeBytes, blockCount, modifiedAtMs } = blob;
    tail = { roll, sizeBytes, blockCount, modifiedAtMs, isClosed: state.isClosed };
  }
  // A blob that was created but never got its first line is a writer that died in between.
  if (state.track === undefined || tail === undefined) return undefined;
  const { track, fragments, ended, archiveWindowTicks, fragmentsPerTsSegment, epoch } = state;
  return { track, fragments, ended, archiveWindowTicks, fragmentsPerTsSegment, epoch, tail, rolls };
}

interface ReadState {
  track: Track | undefined;
  readonly fragments: FragmentEntry[];
  ended: boolean;
  archiveWindowTicks: number | undefined;
  fragmentsPerTsSegment: number | undefined;
  epoch: number;
  isClosed: boolean;
}

function newState(): ReadState {
  return {
    track: undefined,
    fragments: [],
    ended: false,
    archiveWindowTicks: undefined,
    fragmentsPerTsSegment: undefined,
    epoch: 0,
    isClosed: false,
  };
}

function applyLines(state: ReadState, blobName: string, text: string): void {
  if (text !== '' && !text.endsWith('\n')) throw new CorruptRecording(blobName, 'its last line is torn');
  let start = 0;
  while (start < text.length) {
    const end = text.indexOf('\n', start);
    applyLine(state, blobName, parseLine(blobName, text.slice(start, end)));
    start = end + 1;
  }
}

function parseLine(blobName: string, text: string): IndexLine {
  try {
    return parseIndexLine(text);
  } catch (cause) {
    if (cause instanceof MalformedIndexLine) throw new CorruptRecording(blobName, cause.message, { cause });
    throw cause;
  }
}

function applyLine(state: ReadState, blobName: string, line: IndexLine): void {
  switch (line.kind) {
    case 'track':
      state.track = line.track;
      return;
    case 'epoch':
      state.epoch = line.epoch;
      return;
    case 'roll':
      state.isClosed = true;
      return;
    case 'end':
      state.ended = true;
      state.archiveWindowTicks = line.archiveWindowTicks;
      state.fragmentsPerTsSegment = line.fragmentsPerTsSegment;
      return;
    case 'fragment':
      addFragment(state, blobName, line.entry);
      return;
  }
}

function addFragment(state: ReadState, blobName: string, entry: FragmentEntry): void {
  const last = state.fragments.at(-1);
  if (state.track === undefined) throw new CorruptRecording(blobName, 'a fragment before its track');
  if (entry.formatIndex >= state.track.formats.length) {
    throw new CorruptRecording(blobName, `format ${entry.formatIndex} of ${state.track.formats.length}`);
  }
  if (last !== undefined && entry.sequence !== last.sequence + 1) {
    throw new CorruptRecording(blobName, `sequence ${entry.sequence} after ${last.sequence}`);
  }
  if (last !== undefined && entry.decodeTimeTicks < followsFromTicks(state.track, last)) {
    throw new CorruptRecording(
      blobName,
      `decode time ${entry.decodeTimeTicks} inside ${last.decodeTimeTicks}`,
    );
  }
  if (state.fragments.length >= FRAGMENTS_PER_TRACK_MAX) {
    throw new CorruptRecording(blobName, `more than ${FRAGMENTS_PER_TRACK_MAX} fragments`);
  }
  state.fragments.push(entry);
}

function endTicks(entry: FragmentEntry | undefined): number | undefined {
  return entry === undefined ? undefined : entry.decodeTimeTicks + entry.durationTicks;
}

async function downloadIndexBlob(
  container: ContainerClient,
  blobName: string,
): Promise<(Omit<IndexTail, 'roll' | 'isClosed'> & { readonly text: string }) | undefined> {
  const blob = container.getAppendBlobClient(blobName);
  try {
    const abortSignal = AbortSignal.timeout(READ_TIMEOUT_MS);
    const properties = await blob.getProperties({ abortSignal });
    const sizeBytes = properties.contentLength ?? 0;
    const blockCount = properties.blobCommittedBlockCount ?? 0;
    const modifiedAtMs = properties.lastModified?.getTime();
    if (sizeBytes > ROLL_SIZE_BYTES_MAX) {
      throw new CorruptRecording(blobName, `size ${sizeBytes} exceeds ${ROLL_SIZE_BYTES_MAX}`);
    }
    if (sizeBytes === 0) return { text: '', sizeBytes, blockCount, modifiedAtMs };
    const bytes = await blob.downloadToBuffer(0, sizeBytes, { abortSignal });
    return { text: bytes.toString('utf8'), sizeBytes, blockCount, modifiedAtMs };
  } catch (error) {
    // Deleted by the archive window between listing and reading.
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

function statusOf(error: unknown): unknown {
  return Reflect.get(Object(error), 'statusCode');
}
