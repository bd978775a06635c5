import { Readable } from 'node:stream';
import type { AssetFiles } from '../delivery/download.ts';
import { type StorageAccounts, StorageAccountUnknown } from './storage-accounts.ts';

const FIND_MS_MAX = 15_000;

/** Files of assets as they are in their containers. */
export function createAssetFileReader(accounts: StorageAccounts): AssetFiles {
  return {
    async find(container, fileName) {
      try {
        const { contentLength, etag, lastModified } = await accounts
          .container(container)
          .getBlobClient(fileName)
          .getProperties({ abortSignal: AbortSignal.timeout(FIND_MS_MAX) });
        if (contentLength === undefined || etag === undefined || lastModified === undefined) {
          throw new Error('storage does not say what the file is');
        }
        return { sizeBytes: contentLength, entityTag: etag, lastModifiedMs: lastModified.getTime() };
      } catch (error) {
        if (statusOf(error) === 404 || error instanceof StorageAccountUnknown) return undefined;
        throw error;
      }
    },
    async read(container, fileName, { offset, sizeBytes, entityTag, signal }) {
      try {
        const { readableStreamBody } = await accounts
          .container(container)
          .getBlobClient(fileName)
          .download(offset, sizeBytes, { abortSignal: signal, conditions: { ifMatch: entityTag } });
        if (readableStreamBody === undefined) throw new Error('storage sends no body');
        return readableStreamBody instanceof Readable
          ? readableStreamBody
          : Readable.from(readableStreamBody);
      } catch (error) {
        if (statusOf(error) === 404 || statusOf(error) === 412) return undefined;
        throw error;
      }
    },
  };
}

const statusOf = (error: unknown): unknown => Reflect.get(Object(error), 'statusCode');
