import { type Block, blockListXml, type NamedFile, planBlocks, readBlockList } from './block-plan.ts';

/** What is uploaded: a browser's `File`. */
export interface UploadFile extends NamedFile {
  readonly type: string;
  slice(start: number, end: number): Blob;
}

/** Where it goes, for a time. */
export interface UploadPlace {
  /** Address of the blob with a signature. */
  readonly url: string;
  readonly expiresAtMs: number;
  readonly blocksMax: number;
  readonly blockBytesMax: number;
}

export interface UploadProgress {
  readonly state: 'sending' | 'waiting' | 'paused' | 'finishing' | 'done' | 'failed';
  readonly sentBytes: number;
  readonly totalBytes: number;
  /** Over the last seconds; undefined while nothing is known. */
  readonly bytesPerSecond: number | undefined;
  /** Why it waits or has failed, in a sentence. */
  readonly problem: string | undefined;
}

export interface UploadOptions {
  readonly file: UploadFile;
  /** Asked at the beginning, and again when the signature is about to end or is refused. */
  place(): Promise<UploadPlace>;
  onProgress(progress: UploadProgress): void;
  /** The first wait after a failure, in milliseconds. */
  readonly retryMs?: number;
  /** The browser's, unless given. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

const BLOCKS_AT_ONCE = 3;
const ATTEMPTS_MAX = 12;
const RETRY_MS = 500;
const RETRY_MS_MAX = 15_000;
/** 8 MiB at 0.2 Mbit/s. */
const BLOCK_WITHIN_MS = 330_000;
const ASK_WITHIN_MS = 30_000;
/** Signatures that are asked for because the last one was refused. */
const RENEWALS_MAX = 5;
const RENEW_BEFORE_MS = 300_000;
const SPEED_OVER_MS = 8000;
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
const API_VERSION = '2021-12-02';

class Refused extends Error {
  readonly status: number;
  constructor(status: number, code: string) {
    super(`The storage refuses the upload (${status}${code === '' ? '' : ` ${code}`}).`);
    this.name = 'Refused';
    this.status = status;
  }
}

/** One file on its way into storage: in blocks, three at a time, which are tried again, and not sent twice. */
export class BlockUpload {
  readonly #options: UploadOptions;
  readonly #sent: { readonly atMs: number; readonly bytes: number }[] = [];
  #place: UploadPlace | undefined;
  #pausing = new AbortController();
  #state: UploadProgress['state'] = 'paused';
  #problem: string | undefined;
  #sentBytes = 0;
  #renewals = 0;

  constructor(options: UploadOptions) {
    this.#options = options;
  }

  get progress(): UploadProgress {
    const { size } = this.#options.file;
    return {
      state: this.#state,
      sentBytes: this.#sentBytes,
      totalBytes: size,
      bytesPerSecond: this.#state === 'sending' ? this.#speed() : undefined,
      problem: this.#problem,
    };
  }

  /** Begins, or goes on after `pause` or a failure. Resolves when it is over or stands still; `progress` says which. */
  async run(): Promise<void> {
    this.#pausing = new AbortController();
    this.#sent.length = 0;
    this.#renewals = 0;
    this.#tell('sending');
    try {
      await this.#upload();
      this.#tell('done');
    } catch (error) {
      if (this.#pausing.signal.aborted) this.#tell('paused');
      else this.#tell('failed', error instanceof Error ? error.message : String(error));
      this.#pausing.abort();
    }
  }

  pause(): void {
    this.#pausing.abort();
  }

  async #upload(): Promise<void> {
    const { file } = this.#options;
    this.#place = await this.#options.place();
    const blocks = planBlocks(file, this.#place);
    const there = await this.#blocksThere();
    const missing = blocks.filter(({ id, start, end }) => there.get(id) !== end - start);
    this.#sentBytes = file.size - missing.reduce((sum, { start, end }) => sum + end - start, 0);
    this.#tell('sending');
    const next = missing.values();
    const sender = async () => {
      for (const block of next) await this.#send(block);
    };
    await Promise.all(Array.from({ length: BLOCKS_AT_ONCE }, sender));
    this.#tell('finishing');
    await this.#insist(() =>
      this.#call('PUT', 'comp=blocklist', {
        body: blockListXml(blocks),
        headers: {
          'content-type': 'application/xml',
          'x-ms-blob-content-type': file.type || 'application/octet-stream',
        },
      }),
    );
  }

  /** Blocks of an earlier try; they stay for a week. */
  async #blocksThere(): Promise<ReadonlyMap<string, number>> {
    const none = new Map<string, number>();
    return await this.#insist(async () => {
      const response = await this.#call('GET', 'comp=blocklist&blocklisttype=uncommitted').catch(
        (error: unknown) => {
          if (error instanceof Refused && error.status === 404) return undefined;
          throw error;
        },
      );
      return response === undefined ? none : readBlockList(await response.text());
    });
  }

  async #send({ id, start, end }: Block): Promise<void> {
    const body = this.#options.file.slice(start, end);
    await this.#insist(() =>
      this.#call('PUT', `comp=block&blockid=${encodeURIComponent(id)}`, { body, withinMs: BLOCK_WITHIN_MS }),
    );
    this.#sentBytes += end - start;
    this.#sent.push({ atMs: performance.now(), bytes: end - start });
    this.#tell('sending');
  }

  /** Tries again what may pass, with growing waits. */
  async #insist<Result>(work: () => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt += 1) {
      this.#pausing.signal.throwIfAborted();
      try {
        if (this.#isEnding()) this.#place = await this.#options.place();
        return await work();
      } catch (error) {
        if (this.#pausing.signal.aborted || attempt === ATTEMPTS_MAX) throw error;
        await this.#recover(error, attempt);
      }
    }
  }

  /** Resolves when it is worth another try. */
  async #recover(error: unknown, attempt: number): Promise<void> {
    const refused = error instanceof Refused ? error : undefined;
    // The signature may have ended.
    if (refused?.status === 403 && this.#renewals < RENEWALS_MAX) {
      this.#renewals += 1;
      this.#place = await this.#options.place();
      return;
    }
    if (refused !== undefined && !PASSING_STATUSES.has(refused.status)) throw error;
    const { retryMs = RETRY_MS } = this.#options;
    const waitMs = Math.min(retryMs * 2 ** (attempt - 1), RETRY_MS_MAX) * (0.75 + Math.random() / 2);
    const why = refused?.message ?? 'The storage does not answer.';
    this.#tell('waiting', `${why} Tried again in ${Math.ceil(waitMs / 1000)} s.`);
    await pause(waitMs, this.#pausing.signal);
    this.#tell('sending');
  }

  #isEnding(): boolean {
    return this.#place !== undefined && Date.now() > this.#place.expiresAtMs - RENEW_BEFORE_MS;
  }

  async #call(
    method: 'GET' | 'PUT',
    query: string,
    {
      body,
      headers = {},
      withinMs = ASK_WITHIN_MS,
    }: { body?: Blob | string; headers?: Record<string, string>; withinMs?: number } = {},
  ): Promise<Response> {
    const url = new URL(this.#place?.url ?? '');
    const { fetch: send = (address, init) => fetch(address, init) } = this.#options;
    const response = await send(`${url.href}${url.search === '' ? '?' : '&'}${query}`, {
      method,
      headers: { 'x-ms-version': API_VERSION, ...headers },
      ...(body === undefined ? {} : { body }),
      cache: 'no-store',
      signal: AbortSignal.any([this.#pausing.signal, AbortSignal.timeout(withinMs)]),
    });
    if (response.ok) return response;
    await response.body?.cancel();
    throw new Refused(response.status, response.headers.get('x-ms-error-code') ?? '');
  }

  #speed(): number | undefined {
    const sinceMs = performance.now() - SPEED_OVER_MS;
    const recent = this.#sent.filter(({ atMs }) => atMs >= sinceMs);
    const [first] = recent;
    if (first === undefined || recent.length < 2) return undefined;
    const bytes = recent.slice(1).reduce((sum, sent) => sum + sent.bytes, 0);
    return (bytes * 1000) / Math.max(performance.now() - first.atMs, 1);
  }

  #tell(state: UploadProgress['state'], problem?: string): void {
    this.#state = state;
    this.#problem = problem;
    this.#options.onProgress(this.progress);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
