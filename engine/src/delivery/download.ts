import type { Readable } from 'node:stream';
import { parseStreamingPath } from '../packager/streaming-path.ts';
import { contentTypeOf, isDownloadable } from '../resources/asset-files.ts';
import { writeCacheControl } from './cache-policy.ts';
import type { LocatorView } from './delivery-directory.ts';
import type { DirectoryCache } from './directory-cache.ts';
import { checkServing, checkViewer, endpointFor } from './endpoint-view.ts';
import { checkTime } from './locator-time.ts';
import type { Clock } from './lookup-cache.ts';
import { OriginError } from './origin-errors.ts';

/** Of one process; who comes when there are so many asks again. */
const DOWNLOADS_MAX = 256;

/** A file of an asset, as storage tells it. */
export interface AssetFile {
  readonly sizeBytes: number;
  /** Strong, with its quotes: different whenever the bytes are. */
  readonly entityTag: string;
  readonly lastModifiedMs: number;
}

export interface FilePart {
  readonly offset: number;
  readonly sizeBytes: number;
  readonly signal: AbortSignal;
}

/** Files in the root of asset containers. Throw when storage fails. */
export interface AssetFiles {
  /** Undefined when it is not there. */
  find(container: string, fileName: string): Promise<AssetFile | undefined>;
  /** Undefined when it is not that file any more. */
  read(
    container: string,
    fileName: string,
    part: FilePart & { readonly entityTag: string },
  ): Promise<Readable | undefined>;
}

/** A complete 200 answer whose bytes are still in storage. */
export interface FileContent extends AssetFile {
  readonly contentType: string;
  readonly cacheControl: string;
  /** Throws `OriginError`. */
  open(part: FilePart): Promise<Readable>;
}

interface Asking {
  readonly address: string;
  readonly url: string;
  readonly host: string;
  header(name: string): string | undefined;
}

interface DownloadsDeps {
  readonly directory: DirectoryCache;
  readonly files: AssetFiles;
  readonly endpointName: string;
  readonly clock: Clock;
}

/** Whether a decoded path can only be a file: presentations have more in it. */
export const isDownloadPath = (path: string): boolean => path.split('/').length === 3;

/** Progressive download of what streaming policies let through in the clear. */
export class Downloads {
  readonly #deps: DownloadsDeps;
  #openCount = 0;

  constructor(deps: DownloadsDeps) {
    this.#deps = deps;
  }

  /** `path` is decoded. Throws `OriginError`. */
  async respond(path: string, client: Asking): Promise<FileContent> {
    const { directory, clock, endpointName, files } = this.#deps;
    const { locatorId, fileName } = parseDownload(path);
    const locator = await directory.findLocator(locatorId);
    const endpoints = await directory.streamingEndpoints(locator?.account);
    const endpoint = checkServing(endpointFor(client.host, endpoints, endpointName));
    if (locator?.kind !== 'asset') {
      throw new OriginError('MPE_RESOURCE_NOT_FOUND', 'no such streaming locator');
    }
    const secondsUntilExpiry = checkTime(locator, clock.nowMs());
    const audience = checkViewer(endpoint, client, clock.nowMs());
    checkAllowed(locator);
    const { container } = locator;
    const file = isDownloadable(fileName) ? await this.#find(container, fileName) : undefined;
    if (file === undefined) throw new OriginError('MPE_RESOURCE_NOT_FOUND', 'no such file');
    const { entityTag } = file;
    const cached = { kind: 'manifest', isLive: false, targetDurationSeconds: 0 } as const;
    return {
      ...file,
      contentType: contentTypeOf(fileName),
      cacheControl: writeCacheControl(cached, secondsUntilExpiry, audience, endpoint.maxAgeSeconds),
      open: (part) => this.#open(() => files.read(container, fileName, { ...part, entityTag })),
    };
  }

  async #find(container: string, fileName: string): Promise<AssetFile | undefined> {
    try {
      return await this.#deps.files.find(container, fileName);
    } catch (error) {
      throw new OriginError('MPE_STORAGE_SERVER_BUSY', 'storage does not answer', { cause: error });
    }
  }

  async #open(read: () => Promise<Readable | undefined>): Promise<Readable> {
    if (this.#openCount >= DOWNLOADS_MAX) {
      throw new OriginError('MPE_STORAGE_SERVER_BUSY', `${DOWNLOADS_MAX} downloads are under way`);
    }
    this.#openCount += 1;
    let stream: Readable | undefined;
    try {
      stream = await read();
    } catch (error) {
      throw new OriginError('MPE_STORAGE_SERVER_BUSY', 'storage does not answer', { cause: error });
    } finally {
      if (stream === undefined) this.#openCount -= 1;
    }
    if (stream === undefined) {
      throw new OriginError('MPE_STORAGE_SERVER_BUSY', 'the file has just been replaced');
    }
    return stream.once('close', () => {
      this.#openCount -= 1;
    });
  }
}

function parseDownload(path: string): { readonly locatorId: string; readonly fileName: string } {
  try {
    // It decodes once more; a percent sign that is part of a name must survive that.
    const parsed = parseStreamingPath(path.replaceAll('%', '%25'));
    if (parsed.kind === 'download') return parsed;
  } catch (error) {
    throw new OriginError('MPE_BAD_URL_SYNTAX', error instanceof Error ? error.message : 'not a path');
  }
  throw new OriginError('MPE_BAD_URL_SYNTAX', 'not a file');
}

/** A file cannot be filtered, so who has filters has no files. */
function checkAllowed(locator: Extract<LocatorView, { kind: 'asset' }>): void {
  if (!locator.rules.clear.download) {
    throw new OriginError('MPE_OUTPUT_FORMAT_BLOCKED', 'the streaming policy does not enable downloads');
  }
  if (locator.filters.length > 0) {
    throw new OriginError('MPE_OUTPUT_FORMAT_BLOCKED', 'a locator with filters has no downloads');
  }
}
