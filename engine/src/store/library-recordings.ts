import { createHash } from 'node:crypto';
import type { ContainerClient } from '@azure/storage-blob';
import { LRUCache } from 'lru-cache';
import type { RecordingReader } from '../delivery/origin-ports.ts';
import { canonicalHeader, type LibraryTrack } from '../library/library-container.ts';
import { type LibraryRecording, openLibraryRecording } from '../library/library-recording.ts';
import { libraryContainer } from './library-blobs.ts';
import type { StorageAccounts } from './storage-accounts.ts';

/** Sample tables and lists of fragments of what is watched; one of two hours and six qualities takes some 30 MiB. */
const OPEN_BYTES_MAX = 256 * 1024 * 1024;
const OPEN_MS = 10 * 60_000;
const CALL_MS_MAX = 15_000;
/** As in `folder` of a track of the library: `{manifestName}.ism/{stream}_{bitrate}`. */
const FOLDER = /^(.+)\.ism\/[^/]+$/;

/**
 * What the original service has recorded or encoded, and MP4 files with a server manifest, in place: opened when somebody
 * asks, read by ranges, and cut into fragments like our own.
 */
export function createLibraryReader(accounts: StorageAccounts): Omit<RecordingReader, 'files'> {
  const recordings = new LRUCache<string, OpenRecording>({
    maxSize: OPEN_BYTES_MAX,
    sizeCalculation: ({ recording }) => Math.min(OPEN_BYTES_MAX, memoryBytes(recording)),
    ttl: OPEN_MS,
  });
  const opening = new Map<string, Promise<OpenRecording | undefined>>();
  const openAnew = async (container: string, manifestName: string): Promise<OpenRecording | undefined> => {
    const key = `${container}/${manifestName}`;
    try {
      const client = accounts.container(container);
      // Asked for first: what changes meanwhile is found to have changed.
      const manifestTag = await tagOf(client, manifestName);
      const recording =
        manifestTag === undefined
          ? undefined
          : await openLibraryRecording(libraryContainer(client), manifestName);
      if (manifestTag === undefined || recording === undefined) {
        recordings.delete(key);
        return undefined;
      }
      const opened = { recording, manifestTag, version: versionOf(manifestTag, recording) };
      recordings.set(key, opened);
      return opened;
    } finally {
      opening.delete(key);
    }
  };
  const reopen = (container: string, manifestName: string): Promise<OpenRecording | undefined> => {
    const key = `${container}/${manifestName}`;
    const underway = opening.get(key) ?? openAnew(container, manifestName);
    opening.set(key, underway);
    return underway;
  };
  const open = async (container: string, manifestName: string): Promise<LibraryRecording | undefined> => {
    const known = recordings.get(`${container}/${manifestName}`);
    return (known ?? (await reopen(container, manifestName)))?.recording;
  };
  /** The same as long as the server manifest is. */
  const openNow = async (container: string, manifestName: string): Promise<OpenRecording | undefined> => {
    const known = recordings.get(`${container}/${manifestName}`);
    const isSame =
      known !== undefined && (await tagOf(accounts.container(container), manifestName)) === known.manifestTag;
    return isSame ? known : reopen(container, manifestName);
  };
  const findTrack = async (container: string, folder: string): Promise<LibraryTrack | undefined> => {
    const manifestName = FOLDER.exec(folder)?.[1];
    const recording = manifestName === undefined ? undefined : await open(container, manifestName);
    return recording?.tracks.find(({ index }) => index.track.folder === folder);
  };
  return {
    async readRecording(container, manifestName) {
      const opened = await openNow(container, manifestName);
      if (opened === undefined) return undefined;
      const { tracks, zeroMs, filesZeroTicks } = opened.recording;
      return {
        version: opened.version,
        filesZeroTicks,
        state: 'ended',
        tracks: tracks.map(({ index }) => index),
        archiveWindowTicks: undefined,
        endedAtMs: undefined,
        zeroMs: zeroMs ?? 'unknown',
      };
    },
    async header(container, folder, formatIndex) {
      const found = await findTrack(container, folder);
      return found && canonicalHeader(found.index.track, formatIndex);
    },
    async fragment(container, folder, decodeTimeTicks) {
      const found = await findTrack(container, folder);
      const entry = found?.index.fragments.find((one) => one.decodeTimeTicks === decodeTimeTicks);
      return entry && found?.fragment(entry);
    },
  };
}

interface OpenRecording {
  readonly recording: LibraryRecording;
  /** The server manifest's. */
  readonly manifestTag: string;
  readonly version: string;
}

async function tagOf(container: ContainerClient, manifestName: string): Promise<string | undefined> {
  try {
    const { etag } = await container
      .getBlobClient(`${manifestName}.ism`)
      .getProperties({ abortSignal: AbortSignal.timeout(CALL_MS_MAX) });
    return etag;
  } catch (error) {
    if (Reflect.get(Object(error), 'statusCode') === 404) return undefined;
    throw error;
  }
}

/** Of the manifest and of what it leads to: files can be replaced too. */
function versionOf(manifestTag: string, { tracks }: LibraryRecording): string {
  const facts = tracks.map(({ index }) => [index.track.folder, index.fragments.length]);
  return createHash('sha256')
    .update(JSON.stringify([manifestTag, facts]))
    .digest('base64url')
    .slice(0, 16);
}

/** Whether a track's folder is of the library: those of our own recordings have no slash. */
export const isOfLibrary = (folder: string): boolean => FOLDER.test(folder);

const FRAGMENT_BYTES = 300;

function memoryBytes({ tracks }: LibraryRecording): number {
  return tracks.reduce(
    (sum, { index, tableBytes }) => sum + tableBytes + index.fragments.length * FRAGMENT_BYTES,
    FRAGMENT_BYTES,
  );
}
