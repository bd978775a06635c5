import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { BlobServiceClient } from '@azure/storage-blob';
import { describeError, type Log } from '../log.ts';
import { type BlobOperation, eventTypeOf } from './blob-operation.ts';

/** A successful request, as its headers and those of its answer tell it. */
export interface DoneOperation extends BlobOperation {
  readonly atMs: number;
  /** `http://127.0.0.1:10000` */
  readonly origin: string;
  readonly requestId: string;
  readonly clientRequestId: string | undefined;
  readonly eTag: string | undefined;
}

interface BlobFacts {
  readonly contentType: string;
  readonly contentLength: number;
  readonly blobType: string;
}

export interface BlobEventsOptions {
  /** Connection string of the account, to look at what was made. */
  readonly storage: string;
  /** `http://127.0.0.1:6060/api/events` */
  readonly endpoint: string;
  readonly key: string;
  /** ARM id of the storage account. */
  readonly topic: string;
  readonly log: Log;
}

/** Operations that wait to be told; whoever polls or sweeps finds what is dropped beyond that. */
const WAITING_MAX = 10_000;
const ATTEMPTS_MAX = 30;
const RETRY_MS = 500;
const RETRY_MS_MAX = 5000;
const CALL_WITHIN_MS = 10_000;
const SEQUENCER_DIGITS = 32;

/** Tells the broker of what happened to blobs, in the order in which it did, in the schema of storage accounts. */
export class BlobEvents {
  readonly #options: BlobEventsOptions;
  readonly #ending = new AbortController();
  #waiting = 0;
  #sequence = BigInt(Date.now()) << 20n;
  #last: Promise<void> = Promise.resolve();
  #client: Promise<BlobServiceClient> | undefined;

  constructor(options: BlobEventsOptions) {
    this.#options = options;
  }

  tell(operation: DoneOperation): void {
    const { log } = this.#options;
    if (this.#waiting >= WAITING_MAX) {
      log.error('uploads.eventDropped', { blob: `${operation.container}/${operation.blob}` });
      return;
    }
    this.#waiting += 1;
    this.#sequence += 1n;
    const sequencer = this.#sequence.toString(16).toUpperCase().padStart(SEQUENCER_DIGITS, '0');
    this.#last = this.#last
      .then(async () => {
        const event = await this.#eventOf(operation, sequencer);
        if (event !== undefined) await this.#publish(event);
      })
      .catch((error: unknown) => log.error('uploads.eventLost', describeError(error)))
      .finally(() => {
        this.#waiting -= 1;
      });
  }

  /** What waits is told if the broker answers at once, and lost otherwise. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#last;
  }

  /** Undefined: it is gone again, which the event of that tells. */
  async #eventOf(operation: DoneOperation, sequencer: string): Promise<object | undefined> {
    const facts = operation.api === 'DeleteBlob' ? NO_FACTS : await this.#look(operation);
    if (facts === undefined) return undefined;
    const { api, container, blob, requestId, clientRequestId, eTag, atMs, origin, path } = operation;
    return {
      topic: this.#options.topic,
      subject: `/blobServices/default/containers/${container}/blobs/${blob}`,
      eventType: eventTypeOf(operation),
      id: randomUUID(),
      eventTime: new Date(atMs).toISOString(),
      dataVersion: '',
      metadataVersion: '1',
      data: {
        api,
        ...(clientRequestId === undefined ? {} : { clientRequestId }),
        requestId,
        ...(eTag === undefined || api === 'DeleteBlob' ? {} : { eTag: eTag.replaceAll('"', '') }),
        ...facts,
        url: `${origin}${path}`,
        sequencer,
        storageDiagnostics: { batchId: randomUUID() },
      },
    };
  }

  async #look({ container, blob }: DoneOperation): Promise<BlobFacts | undefined> {
    // The storage SDK costs a start 150 ms, and an upload comes later.
    this.#client ??= import('@azure/storage-blob').then((sdk) =>
      sdk.BlobServiceClient.fromConnectionString(this.#options.storage),
    );
    const client = (await this.#client).getContainerClient(container).getBlobClient(blob);
    try {
      const found = await client.getProperties({ abortSignal: AbortSignal.timeout(CALL_WITHIN_MS) });
      return {
        contentType: found.contentType ?? 'application/octet-stream',
        contentLength: found.contentLength ?? 0,
        blobType: found.blobType ?? 'BlockBlob',
      };
    } catch (error) {
      if (Reflect.get(Object(error), 'statusCode') === 404) return undefined;
      throw error;
    }
  }

  async #publish(event: object): Promise<void> {
    const { endpoint, key } = this.#options;
    let problem = '';
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
      try {
        const response = await fetch(`${endpoint}?api-version=2018-01-01`, {
          method: 'POST',
          headers: { 'aeg-sas-key': key, 'content-type': 'application/json' },
          body: JSON.stringify([event]),
          signal: AbortSignal.timeout(CALL_WITHIN_MS),
        });
        if (response.ok) return;
        problem = `${response.status} ${(await response.text()).slice(0, 300)}`;
        if (response.status < 500) break;
      } catch (error) {
        problem = describeError(error).message;
      }
      if (this.#ending.signal.aborted) break;
      const waitMs = Math.min(RETRY_MS * attempt, RETRY_MS_MAX);
      await delay(waitMs, undefined, { signal: this.#ending.signal }).catch(() => undefined);
    }
    throw new Error(`the broker did not take an event: ${problem}`);
  }
}

const NO_FACTS = { contentType: 'application/octet-stream', blobType: 'BlockBlob' };
