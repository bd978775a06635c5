import type { ContainerClient } from '@azure/storage-blob';
import type { ByteRange, LibraryBlob, LibraryContainer } from '../library/library-container.ts';

/** A day of half-second fragments, with room. */
const BLOBS_PER_FOLDER_MAX = 200_000;
const WHOLE_BLOB_BYTES_MAX = 64 * 1024 * 1024;
const CALL_MS_MAX = 15_000;
const LIST_MS_MAX = 60_000;

/** The container of an asset, as archives are read from it. */
export function libraryContainer(container: ContainerClient): LibraryContainer {
  return {
    list: (folder) => listFolder(container, folder),
    read: (name, range) =>
      readRange(container, name, range ?? { offset: 0, sizeBytes: WHOLE_BLOB_BYTES_MAX }),
  };
}

async function listFolder(container: ContainerClient, folder: string): Promise<readonly LibraryBlob[]> {
  const blobs: LibraryBlob[] = [];
  const prefix = folder === '' ? '' : `${folder}/`;
  const abortSignal = AbortSignal.timeout(LIST_MS_MAX);
  try {
    for await (const item of container.listBlobsByHierarchy('/', { prefix, abortSignal })) {
      if (item.kind !== 'blob') continue;
      blobs.push({ name: item.name, sizeBytes: item.properties.contentLength ?? 0 });
      if (blobs.length >= BLOBS_PER_FOLDER_MAX) break;
    }
    return blobs;
  } catch (error) {
    if (statusOf(error) === 404) return [];
    throw error;
  }
}

/** At most as much as the range has; fewer at the end of the blob, none behind it; undefined when there is no such blob. */
async function readRange(
  container: ContainerClient,
  name: string,
  { offset, sizeBytes }: ByteRange,
): Promise<Uint8Array | undefined> {
  try {
    const response = await container
      .getBlobClient(name)
      .download(offset, sizeBytes, { abortSignal: AbortSignal.timeout(CALL_MS_MAX) });
    const chunks: Buffer[] = [];
    // The service sends no more than was asked for.
    for await (const chunk of response.readableStreamBody ?? []) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks);
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    if (statusOf(error) === 416) return new Uint8Array();
    throw error;
  }
}

const statusOf = (error: unknown): unknown => Reflect.get(Object(error), 'statusCode');
