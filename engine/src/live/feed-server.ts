import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { FeedLog } from './feed-log.ts';

const WAIT_MS_MAX = 25_000;
const URL_LENGTH_MAX = 1024;
const HEADER_BYTES_MAX = 8192;
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;
const CONNECTIONS_MAX = 1024;

/** What the feed serves of one live event. */
export interface LiveFeed {
  readonly epoch: number;
  /** `preview`, or `output!{name}`. */
  source(name: string): FeedLog | undefined;
  fragment(folder: string, decodeTimeTicks: number): Uint8Array | undefined;
  header(folder: string, formatIndex: number): Uint8Array | undefined;
}

export interface FeedServerOptions {
  readonly port: number;
  readonly host: string;
  readonly feeds: { find(liveEventName: string): LiveFeed | undefined };
  readonly log: { warn(message: string, fields?: object): void };
  /** The control plane of another process says that this live event's rows have changed. */
  readonly refresh?: (liveEventName: string) => Promise<void>;
}

class FeedError extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** The live feed of docs/architecture.md: internal HTTP for origins. */
export async function startFeedServer(
  options: FeedServerOptions,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const closing = new AbortController();
  const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX, requestTimeout: REQUEST_TIMEOUT_MS });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.maxConnections = CONNECTIONS_MAX;
  server.on('request', (request, response) => {
    answer(options, request, response, closing.signal).catch((error: unknown) =>
      fail(options, response, error),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    async close() {
      closing.abort();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), 1000).unref();
      await closed;
    },
  };
}

async function answer(
  options: FeedServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  closing: AbortSignal,
): Promise<void> {
  const { segments, query } = parseUrl(request.url ?? '');
  const [area, liveEventName = '', ...rest] = segments;
  if (area === 'live-events' && rest[0] === 'refresh' && rest.length === 1) {
    await refresh(options, request, response, liveEventName);
    return;
  }
  if (area !== 'feed' || request.method !== 'GET') throw new FeedError(404, 'NotFound', 'no such address');
  const feed = options.feeds.find(liveEventName);
  if (feed === undefined) throw new FeedError(404, 'NotOwned', 'this process does not own the live event');
  const [kind = '', folder = '', number = ''] = rest;
  if (rest.length === 3 && kind === 'fragment') sendBytes(response, feed.fragment(folder, whole(number)));
  else if (rest.length === 3 && kind === 'header') sendBytes(response, feed.header(folder, whole(number)));
  else if (rest.length === 1) await poll(feed.source(kind), query, response, closing);
  else throw new FeedError(404, 'NotFound', 'no such address');
}

async function refresh(
  options: FeedServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  liveEventName: string,
): Promise<void> {
  if (options.refresh === undefined || request.method !== 'POST') {
    throw new FeedError(404, 'NotFound', 'no such address');
  }
  request.resume();
  await options.refresh(liveEventName);
  response.writeHead(204).end();
}

async function poll(
  source: FeedLog | undefined,
  query: URLSearchParams,
  response: ServerResponse,
  closing: AbortSignal,
): Promise<void> {
  if (source === undefined) throw new FeedError(404, 'NoSource', 'no such source');
  const waitMs = Math.min(WAIT_MS_MAX, whole(query.get('waitMs') ?? '0'));
  const left = new AbortController();
  response.once('close', () => left.abort());
  const reply = await source.read(
    query.get('after') ?? undefined,
    waitMs,
    AbortSignal.any([left.signal, closing]),
  );
  if (reply === 'gone') throw new FeedError(410, 'CursorGone', 'begin again without a cursor');
  sendJson(response, 200, reply);
}

function parseUrl(url: string): { segments: string[]; query: URLSearchParams } {
  if (url.length > URL_LENGTH_MAX) throw new FeedError(414, 'UrlTooLong', `longer than ${URL_LENGTH_MAX}`);
  const [path = '', query = ''] = url.split('?', 2);
  try {
    return { segments: path.split('/').slice(1).map(decodeURIComponent), query: new URLSearchParams(query) };
  } catch {
    throw new FeedError(400, 'BadUrl', 'not a percent-encoded path');
  }
}

function whole(text: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new FeedError(400, 'BadNumber', 'not a whole number');
  return value;
}

function sendBytes(response: ServerResponse, bytes: Uint8Array | undefined): void {
  if (bytes === undefined) throw new FeedError(404, 'NotInWindow', 'not in the live window');
  response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': bytes.byteLength }).end(bytes);
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  response.writeHead(status, headers).end(text);
}

function fail(options: FeedServerOptions, response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  if (error instanceof FeedError) {
    sendJson(response, error.status, { error: { code: error.code, message: error.message } });
    return;
  }
  options.log.warn('feed.failed', { error });
  sendJson(response, 500, { error: { code: 'InternalError', message: 'the feed failed' } });
}
