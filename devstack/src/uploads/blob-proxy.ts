import { once } from 'node:events';
import {
  Agent,
  createServer,
  type IncomingMessage,
  request as openRequest,
  type Server,
  type ServerResponse,
} from 'node:http';
import { describeError, type Log } from '../log.ts';
import type { DoneOperation } from './blob-events.ts';
import { blobOperationOf } from './blob-operation.ts';
import { corsHeaders, preflightHeaders } from './browser-access.ts';

export interface BlobProxyOptions {
  /** 0: any free one. */
  readonly port: number;
  /** Where the storage listens, on this machine. */
  readonly upstreamPort: number;
  /** Browsers' pages that may upload. */
  readonly origins: readonly string[];
  /** A blob was made, replaced or deleted. */
  onDone(operation: DoneOperation): void;
  readonly log: Log;
}

const HOST = '127.0.0.1';
const CONNECTIONS_MAX = 512;
/** Of a connection on which nothing moves, in either direction. */
const SILENCE_MS_MAX = 120_000;
const HEADERS_WITHIN_MS = 30_000;
/** RFC 9110 §7.6.1: they are of one connection. Node makes its own. */
const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'upgrade',
  'te',
]);

/**
 * A server before the storage's blob port that hands everything through as it comes, both ways, without keeping any of
 * it, and says when a blob was made or deleted: the emulator tells nobody.
 */
export async function startBlobProxy(options: BlobProxyOptions): Promise<Server> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX });
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    const cors = corsHeaders(request.headers, options.origins);
    for (const [name, value] of Object.entries(cors)) response.setHeader(name, value);
    const preflight = preflightHeaders(request, options.origins);
    if (preflight === undefined) forward(request, response, { options, agent });
    else response.writeHead(200, preflight).end();
  };
  const server = createServer({ requestTimeout: 0, headersTimeout: HEADERS_WITHIN_MS }, handle);
  // Not answered here: the storage may refuse before anything is sent.
  server.on('checkContinue', handle);
  server.maxConnections = CONNECTIONS_MAX;
  server.timeout = SILENCE_MS_MAX;
  server.once('close', () => agent.destroy());
  server.listen(options.port, HOST);
  await once(server, 'listening');
  return server;
}

interface Way {
  readonly options: BlobProxyOptions;
  readonly agent: Agent;
}

function forward(request: IncomingMessage, response: ServerResponse, { options, agent }: Way): void {
  const { method = 'GET', url = '/', headers } = request;
  const upstream = openRequest({
    ...{ host: HOST, port: options.upstreamPort, agent, method, path: url, setHost: false },
    headers: withoutConnection(request.rawHeaders),
  });
  upstream.setTimeout(SILENCE_MS_MAX, () => upstream.destroy(new Error('the storage is silent')));
  upstream.once('error', (error) => {
    if (request.destroyed && !request.complete) return;
    refuse(response, { error, isUnread: headers.expect !== undefined, log: options.log });
    // Whoever is still sending is told only when nothing of his is left in the way.
    request.resume();
  });
  upstream.once('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, withoutConnection(answer.rawHeaders));
    // An answer that breaks off must not look whole.
    answer.once('error', () => response.destroy());
    answer.pipe(response);
    const isDone = answer.statusCode !== undefined && answer.statusCode < 300;
    const operation = isDone ? blobOperationOf(method, url, headers) : undefined;
    if (operation === undefined) return;
    answer.once('end', () =>
      options.onDone({
        ...operation,
        atMs: Date.now(),
        origin: `http://${headers.host ?? HOST}`,
        requestId: textOf(answer.headers['x-ms-request-id']) ?? '',
        clientRequestId: textOf(headers['x-ms-client-request-id']),
        eTag: answer.headers.etag,
      }),
    );
  });
  response.once('close', () => {
    if (!response.writableFinished) upstream.destroy();
  });
  if (headers.expect === undefined) {
    request.pipe(upstream);
    return;
  }
  upstream.once('continue', () => {
    response.writeContinue();
    request.pipe(upstream);
  });
  upstream.flushHeaders();
}

function withoutConnection(raw: readonly string[]): string[] {
  return raw.filter((_, at) => !CONNECTION_HEADERS.has(raw[at - (at % 2)]?.toLowerCase() ?? ''));
}

interface Refusal {
  readonly error: Error;
  /** Whether a body may come that nobody asked for. */
  readonly isUnread: boolean;
  readonly log: Log;
}

function refuse(response: ServerResponse, { error, isUnread, log }: Refusal): void {
  const { message, code } = describeError(error);
  log.warn('uploads.storageUnreachable', { message, code });
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const text = `The storage does not answer (${code ?? message}); the upload can be tried again.`;
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>StorageUnreachable</Code><Message>${text}</Message></Error>`;
  response.writeHead(502, {
    'content-type': 'application/xml',
    'content-length': Buffer.byteLength(body),
    'x-ms-error-code': 'StorageUnreachable',
    ...(isUnread ? { connection: 'close' } : {}),
  });
  response.end(body);
}

function textOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}
