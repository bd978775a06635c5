import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { FeedReply } from './feed-log.ts';
import { type FeedRequest, FeedRequestRefused, parseFeedRequest } from './feed-request.ts';
import type { LiveLog } from './live-deps.ts';

const HEADER_BYTES_MAX = 16 * 1024;
const CONNECTIONS_MAX = 1024;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** Longer than the longest wait of a feed request. */
const STALLED_SOCKET_MS = 120_000;
/** What is being answered when the server closes gets this long. */
const DRAIN_MS_MAX = 2000;

/** What one live event offers to origins. `FeedLog` and `LiveWindow` are behind it. */
export interface LiveFeed {
  readonly epoch: number;
  /** `preview` or `output!{name}`. */
  source(name: string): FeedSource | undefined;
  fragment(folder: string, decodeTimeTicks: number): Uint8Array | undefined;
  header(folder: string, formatIndex: number): Uint8Array | undefined;
}

export interface FeedSource {
  read(after: string | undefined, waitMs: number, signal: AbortSignal): Promise<FeedReply | 'gone'>;
}

export interface FeedServerDeps {
  /** 0 picks a free one. */
  readonly port: number;
  readonly host: string;
  readonly feeds: { find(liveEventId: string): LiveFeed | undefined };
  readonly log: LiveLog;
  /** For a control role in another process: what is remembered of the live event's encoders. */
  readonly telemetry?: ((liveEventId: string) => Promise<object | undefined>) | undefined;
  /** For a control role in another process: the live event's rows have changed. */
  readonly refresh?: ((liveEventId: string) => Promise<void>) | undefined;
}

export interface FeedServer {
  readonly port: number;
  /** Answers those who wait at once, then closes all connections. */
  close(): Promise<void>;
}

/** Serves the live feed of this process's live events over internal HTTP (docs/architecture.md, "Live feed"). */
export async function startFeedServer(deps: FeedServerDeps): Promise<FeedServer> {
  const closing = new AbortController();
  const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX, noDelay: true }, (request, response) => {
    answer(request, response, { ...deps, closing: closing.signal }).catch((error: unknown) => {
      deps.log.error('feed.answerFailed', { error });
      response.destroy();
    });
  });
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  server.maxConnections = CONNECTIONS_MAX;
  server.setTimeout(STALLED_SOCKET_MS);
  const port = await listen(server, deps);
  let closed: Promise<void> | undefined;
  return {
    port,
    close: () => {
      closing.abort();
      closed ??= drain(server);
      return closed;
    },
  };
}

type AnswerDeps = FeedServerDeps & { readonly closing: AbortSignal };

async function answer(request: IncomingMessage, response: ServerResponse, deps: AnswerDeps): Promise<void> {
  try {
    refuseBody(request);
    const asked = parseFeedRequest(request.method ?? '', request.url ?? '');
    await answerRequest(asked, response, deps);
  } catch (error) {
    const isRefusal = error instanceof FeedRequestRefused;
    if (!isRefusal) deps.log.error('feed.requestFailed', { error });
    const { status, code, message } = isRefusal
      ? error
      : { status: 500, code: 'InternalError', message: 'see the log' };
    // What was sent with a request that is refused is not read.
    if (status === 413) response.setHeader('Connection', 'close');
    if (status === 405) response.setHeader('Allow', 'GET, POST');
    sendJson(response, deps, { status, body: { error: { code, message } } });
  }
}

async function answerRequest(asked: FeedRequest, response: ServerResponse, deps: AnswerDeps): Promise<void> {
  switch (asked.kind) {
    case 'lines':
      await answerLines(asked, response, deps);
      return;
    case 'fragment': {
      const bytes = getFeed(asked, deps).fragment(asked.folder, asked.decodeTimeTicks);
      sendMedia(response, deps, bytes);
      return;
    }
    case 'header': {
      const bytes = getFeed(asked, deps).header(asked.folder, asked.formatIndex);
      sendMedia(response, deps, bytes);
      return;
    }
    case 'telemetry': {
      const body = await deps.telemetry?.(asked.liveEventId);
      if (body === undefined) throw new FeedRequestRefused('NotFound', 'nothing is remembered of it here');
      sendJson(response, deps, { status: 200, body });
      return;
    }
    case 'refresh':
      if (deps.refresh === undefined) throw new FeedRequestRefused('NotFound', 'nothing is refreshed here');
      await deps.refresh(asked.liveEventId);
      sendHead(response, deps, 204);
      response.end();
      return;
  }
}

async function answerLines(
  asked: FeedRequest & { readonly kind: 'lines' },
  response: ServerResponse,
  deps: AnswerDeps,
): Promise<void> {
  const source = getFeed(asked, deps).source(asked.source);
  if (source === undefined) throw new FeedRequestRefused('NotFound', 'no such source');
  const left = new AbortController();
  const leave = () => left.abort();
  response.once('close', leave);
  deps.closing.addEventListener('abort', leave, { once: true });
  try {
    const waitMs = deps.closing.aborted ? 0 : asked.waitMs;
    const reply = await source.read(asked.after, waitMs, left.signal);
    if (reply === 'gone') throw new FeedRequestRefused('CursorGone', 'ask again without a cursor');
    sendJson(response, deps, { status: 200, body: reply });
  } finally {
    response.off('close', leave);
    deps.closing.removeEventListener('abort', leave);
  }
}

function getFeed({ liveEventId }: { readonly liveEventId: string }, deps: AnswerDeps): LiveFeed {
  const feed = deps.feeds.find(liveEventId);
  if (feed === undefined) throw new FeedRequestRefused('NotFound', 'no such live event here');
  return feed;
}

function refuseBody({ headers }: IncomingMessage): void {
  const hasBody =
    headers['transfer-encoding'] !== undefined ||
    (headers['content-length'] !== undefined && headers['content-length'] !== '0');
  if (hasBody) throw new FeedRequestRefused('BodyNotAllowed', 'requests have no body here');
}

function sendMedia(response: ServerResponse, deps: AnswerDeps, bytes: Uint8Array | undefined): void {
  if (bytes === undefined) throw new FeedRequestRefused('NotFound', 'not in the window');
  response.setHeader('Content-Type', 'video/mp4');
  response.setHeader('Content-Length', bytes.byteLength);
  sendHead(response, deps, 200);
  response.end(bytes);
}

function sendJson(
  response: ServerResponse,
  deps: AnswerDeps,
  { status, body }: { readonly status: number; readonly body: object },
): void {
  const text = Buffer.from(JSON.stringify(body));
  response.setHeader('Content-Type', 'application/json');
  response.setHeader('Content-Length', text.byteLength);
  sendHead(response, deps, status);
  response.end(text);
}

function sendHead(response: ServerResponse, deps: AnswerDeps, status: number): void {
  response.setHeader('Cache-Control', 'no-store');
  if (deps.closing.aborted) response.setHeader('Connection', 'close');
  response.writeHead(status);
}

function listen(server: Server, { port, host }: FeedServerDeps): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('not listening on TCP'));
      else resolve(address.port);
    });
  });
}

function drain(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const all = setTimeout(() => server.closeAllConnections(), DRAIN_MS_MAX);
    // Closes idle connections too; the others close with their answer.
    server.close(() => {
      clearTimeout(all);
      resolve();
    });
  });
}
