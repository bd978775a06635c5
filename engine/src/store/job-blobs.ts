import type { ContainerClient } from '@azure/storage-blob';
import type { ContainerPlace } from '../resources/container-place.ts';
import type { JobBlobs, ListedBlob } from '../worker/job-blobs.ts';
import { claimBlob } from './job-blob-claim.ts';
import { downloadBlob, stageBlob } from './job-blob-transfer.ts';
import type { StorageAccounts } from './storage-accounts.ts';
import { patiently } from './storage-patience.ts';

const CALL_MS_MAX = 15_000;
const LISTED_MAX = 20_000;
const TEXT_BYTES_MAX = 16 * 1024 * 1024;

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
    claim: (place, name, options) => claimBlob(containerOf(place).getBlockBlobClient(name), options),
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
      if (codeOf(error) === 'BlobAlreadyExists' || statusOf(error) === 412) return false;
      if (codeOf(error) !== 'ContainerNotFound') throw unlessBusy(error);
      await container.createIfNotExists({ abortSignal }).catch((refusal: unknown) => {
        throw unlessBusy(refusal);
      });
      return upload();
    }
  });
}

/** The container of a deleted account of the same name is there for half a minute: that passes by itself. */
const unlessBusy = (error: unknown): unknown =>
  codeOf(error) === 'ContainerBeingDeleted' ? new ContainerBusy({ cause: error }) : error;

class ContainerBusy extends Error {
  readonly code = 'ContainerBusy';
  readonly statusCode = 503;
  constructor(options: ErrorOptions) {
    super('the container is being deleted', options);
    this.name = 'ContainerBusy';
  }
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
