import { LRUCache } from 'lru-cache';
import type { RecordingReader } from '../delivery/origin-ports.ts';
import { writeCmafHeader } from '../formats/isobmff/cmaf-header-writer.ts';
import type { LibraryTrack } from '../library/library-container.ts';
import { type LibraryRecording, openLibraryRecording } from '../library/library-recording.ts';
import { libraryContainer } from './library-blobs.ts';
import type { StorageAccounts } from './storage-accounts.ts';

/** Sample tables and lists of fragments of what is watched; one of two hours and six qualities takes some 30 MiB. */
const OPEN_BYTES_MAX = 256 * 1024 * 1024;
const OPEN_MS = 10 * 60_000;
/** As in `folder` of a track of the library: `{manifestName}.ism/{stream}_{bitrate}`. */
const FOLDER = /^(.+)\.ism\/[^/]+$/;

/**
 * What the original service has recorded or encoded, and MP4 files with a server manifest, in place: opened when somebody
 * asks, read by ranges, and cut into fragments like our own.
 */
export function createLibraryReader(accounts: StorageAccounts): RecordingReader {
  const recordings = new LRUCache<string, LibraryRecording>({
    maxSize: OPEN_BYTES_MAX,
    sizeCalculation: (recording) => Math.min(OPEN_BYTES_MAX, memoryBytes(recording)),
    ttl: OPEN_MS,
  });
  const opening = new Map<string, Promise<LibraryRecording | undefined>>();
  const open = (container: string, manifestName: string): Promise<LibraryRecording | undefined> => {
    const key = `${container}/${manifestName}`;
    const known = recordings.get(key);
    if (known !== undefined) return Promise.resolve(known);
    const underway =
      opening.get(key) ?? openLibraryRecording(libraryContainer(accounts.container(container)), manifestName);
    opening.set(key, underway);
    return underway.then(
      (recording) => {
        if (recording !== undefined) recordings.set(key, recording);
        opening.delete(key);
        return recording;
      },
      (error: unknown) => {
        opening.delete(key);
        throw error;
      },
    );
  };
  const findTrack = async (container: string, folder: string): Promise<LibraryTrack | undefined> => {
    const manifestName = FOLDER.exec(folder)?.[1];
    const recording = manifestName === undefined ? undefined : await open(container, manifestName);
    return recording?.tracks.find(({ index }) => index.track.folder === folder);
  };
  return {
    async readRecording(container, manifestName) {
      const recording = await open(container, manifestName);
      if (recording === undefined) return undefined;
      const { tracks, zeroMs } = recording;
      return {
        state: 'ended',
        tracks: tracks.map(({ index }) => index),
        archiveWindowTicks: undefined,
        endedAtMs: undefined,
        zeroMs: zeroMs ?? 'unknown',
      };
    },
    async header(container, folder, formatIndex) {
      const found = await findTrack(container, folder);
      return found && writeCmafHeader(found.index.track, formatIndex);
    },
    async fragment(container, folder, decodeTimeTicks) {
      const found = await findTrack(container, folder);
      const entry = found?.index.fragments.find((one) => one.decodeTimeTicks === decodeTimeTicks);
      return entry && found?.fragment(entry);
    },
  };
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
