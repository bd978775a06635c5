import { createHash } from 'node:crypto';
import type { AppendBlobClient, ContainerClient } from '@azure/storage-blob';
import { type StorageAttempts, statusOf } from './storage-attempts.ts';

export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly contentType: string;
}

/** The index was moved on by somebody else, or is not where this writer left it. */
export class RecorderFenced extends Error {
  readonly code = 'RecorderFenced';
  constructor(blobName: string, what: string) {
    super(`${blobName}: ${what}`);
    this.name = 'RecorderFenced';
  }
}

const CALL_TIMEOUT_MS = 10_000;
/** On top of it for every byte: a slow uplink is not an outage. */
const BYTES_PER_MS_MIN = 1000;
const BLOBS_LISTED_MAX = 500_000;
/** The tails of a recording's tracks, with room for their next rolls. */
const INDEX_CLIENTS_MAX = 64;

/** The blobs of one recording, as its writer changes them. Calls are repeated until storage answers them. */
export class RecordingBlobs {
  readonly #container: ContainerClient;
  readonly #attempts: StorageAttempts;
  readonly #indexClients = new Map<string, AppendBlobClient>();

  constructor(container: ContainerClient, attempts: StorageAttempts) {
    this.#container = container;
    this.#attempts = attempts;
  }

  /** Create-only. `taken`: a blob with other content has this name. */
  async putNew(blob: NamedBytes): Promise<'stored' | 'taken'> {
    try {
      await this.#put(blob, { ifNoneMatch: '*' });
      return 'stored';
    } catch (error) {
      if (!isConflict(error)) throw error;
      // An attempt of ours whose answer was lost, or a writer that died before it appended the line.
      return (await this.#hasContent(blob)) ? 'stored' : 'taken';
    }
  }

  /** Overwrites a blob that no index line refers to. The caller has made sure that it still is the writer. */
  async replace(blob: NamedBytes): Promise<void> {
    const found = await this.#properties(blob.name);
    try {
      await this.#put(blob, found?.etag === undefined ? {} : { ifMatch: found.etag });
    } catch (error) {
      if (!isConflict(error)) throw error;
      if (!(await this.#hasContent(blob))) throw new RecorderFenced(blob.name, 'written by somebody else');
    }
  }

  /** An empty index blob; one that exists is left alone. */
  async createIndex(name: string): Promise<void> {
    const client = this.#indexClient(name);
    try {
      await this.#attempts.untilDone('index.create', CALL_TIMEOUT_MS, (abortSignal) =>
        client.create({ abortSignal, conditions: { ifNoneMatch: '*' } }),
      );
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }

  /**
   * Appends at this position and nowhere else, once, however often it has to be sent. `moved`: the blob goes on with
   * something else there.
   */
  async append(name: string, bytes: Uint8Array, positionBytes: number): Promise<'appended' | 'moved'> {
    const client = this.#indexClient(name);
    try {
      await this.#attempts.untilDone('index.append', CALL_TIMEOUT_MS, (abortSignal) =>
        client.appendBlock(bufferOf(bytes), bytes.byteLength, {
          abortSignal,
          conditions: { appendPosition: positionBytes },
        }),
      );
      return 'appended';
    } catch (error) {
      if (statusOf(error) !== 412) throw error;
      // Perhaps an earlier attempt of ours got through: the same bytes are sent each time, so its bytes tell.
      return (await this.#readsAs(name, bytes, positionBytes)) ? 'appended' : 'moved';
    }
  }

  async sizeOf(name: string): Promise<number | undefined> {
    return (await this.#properties(name))?.sizeBytes;
  }

  /** Unconditional and repeated. */
  async overwrite(blob: NamedBytes): Promise<void> {
    await this.#put(blob, {});
  }

  /** One attempt. Returns the new ETag; `moved`: the blob no longer has the given one. */
  async overwriteOnce(blob: NamedBytes, etag: string | undefined): Promise<string | 'moved' | undefined> {
    try {
      const { etag: written } = await this.#attempts.once(timeoutFor(blob), (abortSignal) =>
        this.#upload(blob, abortSignal, etag === undefined ? {} : { ifMatch: etag }),
      );
      return written;
    } catch (error) {
      if (statusOf(error) === 412) return 'moved';
      throw error;
    }
  }

  /** One attempt; what is gone already is fine. */
  async removeOnce(name: string): Promise<void> {
    await this.#attempts.once(CALL_TIMEOUT_MS, (abortSignal) =>
      this.#container.getBlobClient(name).deleteIfExists({ abortSignal }),
    );
  }

  /** One attempt for all, at most `BLOBS_LISTED_MAX` of them. */
  async listOnce(prefix: string, timeoutMs: number): Promise<string[]> {
    return this.#attempts.once(timeoutMs, async (abortSignal) => {
      const names: string[] = [];
      for await (const { name } of this.#container.listBlobsFlat({ prefix, abortSignal })) {
        names.push(name);
        if (names.length >= BLOBS_LISTED_MAX) break;
      }
      return names;
    });
  }

  /** The folders in the root, without their slash. One attempt. */
  async listFoldersOnce(timeoutMs: number): Promise<string[]> {
    return this.#attempts.once(timeoutMs, async (abortSignal) => {
      const names: string[] = [];
      for await (const item of this.#container.listBlobsByHierarchy('/', { abortSignal })) {
        if (item.kind === 'prefix') names.push(item.name.slice(0, -1));
        if (names.length >= BLOBS_LISTED_MAX) break;
      }
      return names;
    });
  }

  /** Kept, because making one takes as long as a call does, and an index is appended to for an hour. */
  #indexClient(name: string): AppendBlobClient {
    const known = this.#indexClients.get(name);
    if (known !== undefined) return known;
    if (this.#indexClients.size >= INDEX_CLIENTS_MAX) this.#indexClients.clear();
    const client = this.#container.getAppendBlobClient(name);
    this.#indexClients.set(name, client);
    return client;
  }

  async #put(blob: NamedBytes, conditions: Conditions): Promise<void> {
    await this.#attempts.untilDone('blob.put', timeoutFor(blob), (abortSignal) =>
      this.#upload(blob, abortSignal, conditions),
    );
  }

  #upload(blob: NamedBytes, abortSignal: AbortSignal, conditions: Conditions) {
    return this.#container.getBlockBlobClient(blob.name).upload(bufferOf(blob.bytes), blob.bytes.byteLength, {
      abortSignal,
      conditions,
      blobHTTPHeaders: { blobContentType: blob.contentType },
    });
  }

  async #hasContent(blob: NamedBytes): Promise<boolean> {
    const found = await this.#properties(blob.name);
    if (found?.sizeBytes !== blob.bytes.byteLength || found.md5 === undefined) return false;
    return createHash('md5').update(blob.bytes).digest().equals(found.md5);
  }

  async #readsAs(name: string, bytes: Uint8Array, positionBytes: number): Promise<boolean> {
    const sizeBytes = await this.sizeOf(name);
    if (sizeBytes === undefined || sizeBytes < positionBytes + bytes.byteLength) return false;
    const stored = await this.#attempts.untilDone('index.read', CALL_TIMEOUT_MS, (abortSignal) =>
      this.#container.getBlobClient(name).downloadToBuffer(positionBytes, bytes.byteLength, { abortSignal }),
    );
    return stored.equals(bytes);
  }

  async #properties(
    name: string,
  ): Promise<{ etag: string | undefined; sizeBytes: number; md5: Buffer | undefined } | undefined> {
    try {
      const found = await this.#attempts.untilDone('blob.properties', CALL_TIMEOUT_MS, (abortSignal) =>
        this.#container.getBlobClient(name).getProperties({ abortSignal }),
      );
      const md5 = found.contentMD5 === undefined ? undefined : Buffer.from(found.contentMD5);
      return { etag: found.etag, sizeBytes: found.contentLength ?? 0, md5 };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }
}

interface Conditions {
  readonly ifNoneMatch?: string;
  readonly ifMatch?: string;
}

/** A create-only put of what is there is 409; a condition that fails is 412. */
function isConflict(error: unknown): boolean {
  const code: unknown = Reflect.get(Object(error), 'code');
  return code === 'BlobAlreadyExists' || statusOf(error) === 412;
}

function timeoutFor(blob: NamedBytes): number {
  return CALL_TIMEOUT_MS + Math.ceil(blob.bytes.byteLength / BYTES_PER_MS_MIN);
}

/** A view, not a copy. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
