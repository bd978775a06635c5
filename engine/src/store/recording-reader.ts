import type { ContainerClient } from '@azure/storage-blob';
import type { Owner, OwnershipReader, Recording, RecordingReader } from '../delivery/origin-ports.ts';
import { libraryContainer } from './library-blobs.ts';
import { createLibraryReader, isOfLibrary } from './library-recordings.ts';
import { readRecording } from './recording-index.ts';
import type { StorageAccounts } from './storage-accounts.ts';

const BLOB_BYTES_MAX = 64 * 1024 * 1024;
const BLOB_TIMEOUT_MS = 15_000;
const SYSTEM_CONTAINER = 'headend-system';
const OWNERSHIP_BYTES_MAX = 4096;

/**
 * Recordings as the origin reads them: index, headers and fragments in asset containers; without an index of ours, what
 * the server manifest there refers to.
 */
export function createRecordingReader(accounts: StorageAccounts): RecordingReader {
  const library = createLibraryReader(accounts);
  return {
    readRecording: async (container, manifestName): Promise<Recording | undefined> => {
      const found = await readRecording(accounts.container(container), manifestName);
      if (found === undefined) return library.readRecording(container, manifestName);
      const { tracks, ended, archiveWindowTicks, fragmentsPerTsSegment, endedAtMs } = found;
      const state = ended ? 'ended' : 'live';
      return { state, tracks, archiveWindowTicks, fragmentsPerTsSegment, endedAtMs };
    },
    header: (container, folder, formatIndex) => {
      if (isOfLibrary(folder)) return library.header(container, folder, formatIndex);
      const name = formatIndex === 0 ? 'header' : `header-${formatIndex}`;
      return readBlob(accounts.container(container), `${folder}/${name}`, BLOB_BYTES_MAX);
    },
    fragment: (container, folder, decodeTimeTicks) =>
      isOfLibrary(folder)
        ? library.fragment(container, folder, decodeTimeTicks)
        : readBlob(accounts.container(container), `${folder}/${decodeTimeTicks}`, BLOB_BYTES_MAX),
    files: (container) => libraryContainer(accounts.container(container)),
  };
}

/** Who owns a live event, as its ownership record says. */
export function createOwnershipReader(accounts: StorageAccounts): OwnershipReader {
  const container = accounts.container({ container: SYSTEM_CONTAINER });
  return {
    find: async (liveEventId) => {
      const name = `ownership/${liveEventId.toLowerCase()}`;
      const bytes = await readBlob(container, name, OWNERSHIP_BYTES_MAX);
      return bytes && parseOwner(new TextDecoder().decode(bytes));
    },
  };
}

function parseOwner(text: string): Owner | undefined {
  const value: unknown = JSON.parse(text);
  const epoch: unknown = Reflect.get(Object(value), 'epoch');
  const address: unknown = Reflect.get(Object(value), 'address');
  if (typeof epoch !== 'number' || typeof address !== 'string') return undefined;
  return /^https?:\/\//.test(address) ? { epoch, address } : undefined;
}

async function readBlob(
  container: ContainerClient,
  name: string,
  sizeBytesMax: number,
): Promise<Uint8Array | undefined> {
  try {
    const response = await container
      .getBlobClient(name)
      .download(0, undefined, { abortSignal: AbortSignal.timeout(BLOB_TIMEOUT_MS) });
    const sizeBytes = response.contentLength ?? 0;
    const body = response.readableStreamBody;
    if (body === undefined || sizeBytes > sizeBytesMax) {
      throw new Error(`blob size ${sizeBytes} exceeds ${sizeBytesMax}`);
    }
    const bytes = Buffer.allocUnsafeSlow(sizeBytes);
    let offset = 0;
    for await (const part of body) offset += Buffer.from(part).copy(bytes, offset);
    if (offset !== sizeBytes) throw new Error(`${offset} of ${sizeBytes} bytes arrived`);
    return bytes;
  } catch (error) {
    if (Reflect.get(Object(error), 'statusCode') === 404) return undefined;
    throw error;
  }
}
