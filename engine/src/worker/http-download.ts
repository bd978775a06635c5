import { open } from 'node:fs/promises';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { type PinnedAddress, pinAddress } from './http-address.ts';
import { JobFailure, jobFailure } from './job-errors.ts';

export interface HttpDownloadOptions {
  readonly signal: AbortSignal;
  readonly allowPrivate: boolean;
  readonly sizeBytesMax: number;
  /** How many have arrived; `total` where the server says. */
  readonly onProgress?: (bytes: number, total: number | undefined) => void;
  readonly timing?: Partial<typeof TIMING>;
}

const REDIRECTS_MAX = 5;
const TIMING = {
  /** Until the answer begins. */
  answerMs: 30_000,
  /** Without a byte. */
  silenceMs: 30_000,
  /** Of one download, whatever its size. */
  totalMs: 6 * 60 * 60_000,
  /** Between attempts; the third is the last without progress. */
  pauseMs: 1000,
};
const ATTEMPTS_MAX = 3;
/** Answers that may be another one soon. */
const PASSING_STATUS: readonly number[] = [408, 425, 429, 500, 502, 503, 504];

/**
 * Fetches one file of the open network to `path`: each address on the way is looked up once, checked and used as it was
 * checked. Goes on where a connection breaks, if the server can. Sends no credentials but those of the address itself.
 * Throws `JobFailure`, or the signal's reason.
 */
export async function downloadHttp(url: string, path: string, options: HttpDownloadOptions): Promise<void> {
  const timing = { ...TIMING, ...options.timing };
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(timing.totalMs)]);
  const state: DownloadState = { written: 0, entityTag: undefined };
  for (let attempt = 1; ; attempt += 1) {
    const before = state.written;
    try {
      await attemptDownload(url, path, { ...options, signal, timing, state });
      return;
    } catch (error) {
      options.signal.throwIfAborted();
      if (error instanceof JobFailure && error.error.code !== 'DownloadTransientError') throw error;
      if (state.written > before) attempt = 0;
      if (attempt >= ATTEMPTS_MAX || signal.aborted) throw asFailure(error, url);
      await sleep(timing.pauseMs * 2 ** attempt, undefined, { signal }).catch(() => undefined);
      options.signal.throwIfAborted();
    }
  }
}

interface DownloadState {
  written: number;
  entityTag: string | undefined;
}

interface Attempt extends HttpDownloadOptions {
  readonly timing: typeof TIMING;
  readonly state: DownloadState;
}

async function attemptDownload(url: string, path: string, attempt: Attempt): Promise<void> {
  const { state, sizeBytesMax } = attempt;
  const answer = await follow(url, attempt);
  const isRest = answer.statusCode === 206 && state.written > 0;
  if (!isRest) state.written = 0;
  state.entityTag = strongTag(answer);
  const length = Number(answer.headers['content-length'] ?? Number.NaN);
  const total = Number.isFinite(length) ? state.written + length : undefined;
  if (total !== undefined && total > sizeBytesMax) {
    answer.destroy();
    throw tooLarge(sizeBytesMax);
  }
  answer.setTimeout(attempt.timing.silenceMs, () => answer.destroy(new Error('silence')));
  const file = await open(path, isRest ? 'r+' : 'w', 0o600);
  try {
    for await (const chunk of answer) {
      const bytes = Buffer.from(chunk);
      if (state.written + bytes.byteLength > sizeBytesMax) throw tooLarge(sizeBytesMax);
      const { bytesWritten } = await file.write(bytes, 0, bytes.byteLength, state.written);
      if (bytesWritten < bytes.byteLength) throw new Error('the disk is full');
      state.written += bytes.byteLength;
      attempt.onProgress?.(state.written, total);
    }
  } finally {
    await file.close();
  }
  if (total !== undefined && state.written < total) throw new Error('the answer ended too early');
}

/** The answer with the file, behind all redirections. */
async function follow(from: string, attempt: Attempt): Promise<IncomingMessage> {
  let url = parseAddress(from);
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
    const pinned = await pinAddress(url.hostname, attempt);
    const answer = await ask(url, pinned, attempt);
    const status = answer.statusCode ?? 0;
    const location = answer.headers.location;
    if (status === 200 || status === 206) return answer;
    answer.destroy();
    if (status >= 300 && status < 400 && location !== undefined && URL.canParse(location, url.href)) {
      url = parseAddress(new URL(location, url.href).href);
      continue;
    }
    throw PASSING_STATUS.includes(status)
      ? jobFailure('DownloadTransientError', `The server of the input answers ${status}.`)
      : jobFailure('DownloadNotAccessible', `The server of the input answers ${status}.`);
  }
  throw jobFailure('DownloadNotAccessible', `The input is behind more than ${REDIRECTS_MAX} redirections.`);
}

/** User names and passwords of an address are refused: they would be shown with the job. */
function parseAddress(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol) || url.username || url.password) {
    throw jobFailure(
      'DownloadNotAccessible',
      'The address of an input is https, without user name and password.',
    );
  }
  return url;
}

function ask(url: URL, pinned: PinnedAddress, { state, signal, timing }: Attempt): Promise<IncomingMessage> {
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  const rest =
    state.written > 0 && state.entityTag !== undefined
      ? { range: `bytes=${state.written}-`, 'if-range': state.entityTag }
      : {};
  return new Promise((resolve, reject) => {
    const request = send(url, {
      signal,
      agent: false,
      headers: { 'user-agent': 'Headend', 'accept-encoding': 'identity', ...rest },
      // Whatever the name means by now, this is the address that was checked.
      lookup: (_name, options, done) =>
        options.all ? done(null, [pinned]) : done(null, pinned.address, pinned.family),
    });
    request.setTimeout(timing.answerMs, () => request.destroy(new Error('no answer')));
    request.once('response', resolve);
    request.once('error', reject);
    request.end();
  });
}

function strongTag(answer: IncomingMessage): string | undefined {
  const tag = answer.headers.etag;
  return tag?.startsWith('"') ? tag : undefined;
}

const tooLarge = (sizeBytesMax: number): JobFailure =>
  jobFailure('ContentUnsupported', `The input is larger than ${Math.floor(sizeBytesMax / 2 ** 30)} GiB.`);

function asFailure(error: unknown, url: string): JobFailure {
  if (error instanceof JobFailure) return error;
  const code = String(Reflect.get(Object(error), 'code') ?? 'no answer');
  const { hostname } = new URL(url);
  return jobFailure('DownloadTransientError', `The input could not be fetched from '${hostname}' (${code}).`);
}
