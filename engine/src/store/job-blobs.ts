import { type ContainerClient, RestError } from '@azure/storage-blob';
import type { ContainerPlace } from '../resources/container-place.ts';
import type { BlobClaim, JobBlobs, ListedBlob } from '../worker/job-blobs.ts';
import { downloadBlob, stageBlob } from './job-blob-transfer.ts';
import type { StorageAccounts } from './storage-accounts.ts';
import { patiently } from './storage-patience.ts';

const CALL_MS_MAX = 15_000;
const LISTED_MAX = 20_000;
const TEXT_BYTES_MAX = 16 * 1024 * 1024;
/** Azure: 15 to 60. */
const CLAIM_SECONDS = 15;

/** The blobs of jobs: of their assets, and of the engine's own containers. */
export function createJobBlobs(accounts: StorageAccounts): JobBlobs {
  const containerOf = (place: ContainerPlace): ContainerClient => accounts.container(place, 'once');
  const call = <T>(signal: AbortSignal | undefined, once: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    patiently(signal, CALL_MS_MAX, once);
  return {
    list: (place, prefix, { isFlat }) =>
      call(undefined, (signal) => list(containerOf(place), prefix, { isFlat, signal })),
    folders: (place) => call(undefined, (signal) => folders(containerOf(place), signal)),
    facts: (place, name, signal) =>
      call(signal, (abortSignal) =>
        orAbsent(async () => {
          const { contentLength, etag } = await containerOf(place)
            .getBlobClient(name)
            .getProperties({ abortSignal });
          if (contentLength === undefined || etag === undefined)
            throw new Error('storage does not say what it is');
          return { sizeBytes: contentLength, entityTag: etag };
        }),
      ),
    download: (place, name, target, options) =>
      downloadBlob(containerOf(place).getBlobClient(name), target, options),
    readText: (place, name, signal) =>
      call(signal, (abortSignal) =>
        orAbsent(async () => {
          const bytes = await containerOf(place)
            .getBlobClient(name)
            .downloadToBuffer(0, undefined, { abortSignal, blockSize: TEXT_BYTES_MAX });
          return bytes.toString('utf8');
        }),
      ),
    createText: (place, name, text, signal) =>
      createText(accounts.container(place, 'once'), { name, text }, signal),
    stage: (place, name, body, options) =>
      stageBlob(containerOf(place).getBlockBlobClient(name), body, options),
    remove: (place, name) =>
      call(undefined, async (abortSignal) => {
        await orAbsent(() => containerOf(place).deleteBlob(name, { abortSignal }));
      }),
    claim: (place, name, signal) =>
      call(signal, (abortSignal) => claim(containerOf(place), name, abortSignal)),
  };
}

async function list(
  container: ContainerClient,
  prefix: string,
  { isFlat, signal }: { readonly isFlat: boolean; readonly signal: AbortSignal },
): Promise<readonly ListedBlob[]> {
  const found: ListedBlob[] = [];
  const options = { prefix, abortSignal: signal };
  const items = isFlat ? container.listBlobsFlat(options) : container.listBlobsByHierarchy('/', options);
  try {
    for await (const item of items) {
      if ('kind' in item && item.kind === 'prefix') continue;
      if ('properties' in item) {
        found.push({ name: item.name, sizeBytes: item.properties.contentLength ?? 0 });
      }
      if (found.length >= LISTED_MAX) break;
    }
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
  return found;
}

async function folders(container: ContainerClient, abortSignal: AbortSignal): Promise<readonly string[]> {
  const found: string[] = [];
  try {
    for await (const item of container.listBlobsByHierarchy('/', { abortSignal })) {
      if (item.kind === 'prefix') found.push(item.name.replace(/\/$/, ''));
      if (found.length >= LISTED_MAX) break;
    }
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
  return found;
}

async function createText(
  container: ContainerClient,
  { name, text }: { readonly name: string; readonly text: string },
  signal: AbortSignal,
): Promise<boolean> {
  return patiently(signal, CALL_MS_MAX, async (abortSignal) => {
    const upload = async () => {
      await container.getBlockBlobClient(name).upload(text, Buffer.byteLength(text), {
        abortSignal,
        conditions: { ifNoneMatch: '*' },
      });
      return true;
    };
    try {
      return await upload();
    } catch (error) {
      if (statusOf(error) === 409 || statusOf(error) === 412) return false;
      if (codeOf(error) !== 'ContainerNotFound') throw error;
      await container.createIfNotExists({ abortSignal });
      return upload();
    }
  });
}

async function claim(
  container: ContainerClient,
  name: string,
  abortSignal: AbortSignal,
): Promise<BlobClaim | undefined> {
  const blob = container.getBlockBlobClient(name);
  const lease = blob.getBlobLeaseClient();
  try {
    await blob.upload('', 0, { abortSignal, conditions: { ifNoneMatch: '*' } });
  } catch (error) {
    if (statusOf(error) !== 409 && statusOf(error) !== 412) throw error;
  }
  try {
    await lease.acquireLease(CLAIM_SECONDS, { abortSignal });
  } catch (error) {
    if (statusOf(error) === 409 || statusOf(error) === 404) return undefined;
    throw error;
  }
  return {
    async renew() {
      try {
        await lease.renewLease({ abortSignal: AbortSignal.timeout(CALL_MS_MAX) });
        return true;
      } catch (error) {
        // Storage that is away takes no work from anybody.
        return error instanceof RestError ? error.statusCode === undefined || error.statusCode >= 500 : true;
      }
    },
    async release() {
      await lease.releaseLease({ abortSignal: AbortSignal.timeout(CALL_MS_MAX) }).catch(() => undefined);
    },
  };
}

async function orAbsent<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

const statusOf = (error: unknown): unknown => Reflect.get(Object(error), 'statusCode');
const codeOf = (error: unknown): unknown => Reflect.get(Object(error), 'code');
