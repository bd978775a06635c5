import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { KeyDeliveryError } from './key-delivery-error.ts';
import type { IncomingKeyRequest, KeyAnswer, KeyService } from './key-service.ts';
import type { RefusalLog } from './refusal-log.ts';

/** A token may be in the URL and another in a header. */
const HEADER_BYTES_MAX = 48 * 1024;
const BODY_BYTES_MAX = 128 * 1024;
const CONNECTIONS_MAX = 20_000;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
/** Longer than the idle time of common load balancers (60 s), so that it is they who close. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
const ONE_WRITE_BYTES_MAX = 1_024;
const DRAIN_MS_MAX = 5_000;
const DRAIN_LOOK_EVERY_MS = 20;
const RETRY_AFTER_SECONDS = '1';
const REQUESTED_HEADERS = /^[\w!#$%&'*+.^`|~, -]{1,1000}$/;

export interface KeyServerDeps {
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly certPem: string; readonly keyPem: string } | undefined;
  readonly service: KeyService;
  readonly clientOf: (peer: string | undefined, forwardedFor: string | undefined) => string;
  readonly refusals: RefusalLog;
}

export interface KeyServer {
  readonly port: number;
  /** Takes no new connections, answers what is asked, then closes them. */
  close(): Promise<void>;
}

const ORIGIN = /^(?:https?:\/\/[\w.:[\]-]{1,300}|null)$/;

/** Keys are nobody else's: no cache keeps an answer. */
const COMMON_HEADERS = [
  ...['Vary', 'Origin'],
  ...['Access-Control-Expose-Headers', 'Retry-After, WWW-Authenticate'],
  ...['Cross-Origin-Resource-Policy', 'cross-origin'],
  ...['Cache-Control', 'no-store'],
  ...['X-Content-Type-Options', 'nosniff'],
];

/**
 * Any page may ask with its token. A page that sends an `Authorization` header by dash.js asks in credentials mode, for
 * which `*` is not enough (Fetch §3.3.5); there are no cookies here that it could use.
 */
function corsHeaders({ req }: ServerResponse): readonly string[] {
  const { origin } = req.headers;
  if (origin === undefined || !ORIGIN.test(origin)) return ['Access-Control-Allow-Origin', '*'];
  return ['Access-Control-Allow-Origin', origin, 'Access-Control-Allow-Credentials', 'true'];
}

/** The HTTP of key delivery: methods, limits, CORS, errors. What is asked for is the service's. */
export async function startKeyServer(deps: KeyServerDeps): Promise<KeyServer> {
  let isDraining = false;
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    response.shouldKeepAlive = !isDraining;
    respond(request, response, deps);
  };
  const options = { maxHeaderSize: HEADER_BYTES_MAX, noDelay: true };
  const server =
    deps.tls === undefined
      ? createServer(options, listener)
      : createTlsServer({ ...options, cert: deps.tls.certPem, key: deps.tls.keyPem }, listener);
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  server.maxConnections = CONNECTIONS_MAX;
  const port = await listen(server, deps);
  return {
    port,
    async close() {
      isDraining = true;
      await drain(server);
    },
  };
}

function respond(request: IncomingMessage, response: ServerResponse, deps: KeyServerDeps): void {
  if (request.method === 'OPTIONS') {
    sendPreflight(request, response);
    return;
  }
  const incoming = incomingOf(request, deps);
  try {
    const answer = deps.service.answerNow(incoming);
    if (answer !== undefined) {
      send(response, answer);
      return;
    }
  } catch (error) {
    sendProblem(response, { error, incoming, request, refusals: deps.refusals });
    return;
  }
  deps.service.answer(incoming).then(
    (answer) => send(response, answer),
    (error: unknown) => sendProblem(response, { error, incoming, request, refusals: deps.refusals }),
  );
}

function incomingOf(request: IncomingMessage, { clientOf }: KeyServerDeps): IncomingKeyRequest {
  const { headers, method = '', url = '' } = request;
  const length = headers['content-length'];
  return {
    url,
    method,
    host: headers.host ?? '',
    authorization: headers.authorization,
    contentType: headers['content-type'],
    client: clientOf(request.socket.remoteAddress, headers['x-forwarded-for']?.toString()),
    hasBody: headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0'),
    readBody: () => readBody(request),
  };
}

async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  if (Number(request.headers['content-length'] ?? 0) > BODY_BYTES_MAX) throw tooLarge();
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    sizeBytes += bytes.byteLength;
    if (sizeBytes > BODY_BYTES_MAX) throw tooLarge();
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

const tooLarge = (): KeyDeliveryError => new KeyDeliveryError('RequestTooLarge', 'the body is too large');

function send(response: ServerResponse, { status, contentType, body }: KeyAnswer): void {
  const length = String(Buffer.byteLength(body));
  response.writeHead(status, [
    ...COMMON_HEADERS,
    ...corsHeaders(response),
    ...['Content-Type', contentType, 'Content-Length', length],
  ]);
  // Node writes head and text together, but head and bytes one by one, which takes three times as long for a key.
  if (typeof body !== 'string' && body.byteLength <= ONE_WRITE_BYTES_MAX) {
    response.end(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1'), 'latin1');
  } else response.end(body);
}

interface Problem {
  readonly error: unknown;
  readonly incoming: IncomingKeyRequest;
  readonly request: IncomingMessage;
  readonly refusals: RefusalLog;
}

function sendProblem(response: ServerResponse, { error, incoming, request, refusals }: Problem): void {
  if (response.destroyed) return;
  if (!(error instanceof KeyDeliveryError)) refusals.failed({ error });
  else if (error.status >= 500) {
    const { code, reason, cause } = error;
    refusals.failed({ code, reason, cause });
  }
  const problem = error instanceof KeyDeliveryError ? error : new KeyDeliveryError('InternalError', 'error');
  const body = JSON.stringify({ error: { code: problem.code, message: problem.message } });
  const headers = [...COMMON_HEADERS, ...corsHeaders(response)];
  headers.push('Content-Type', 'application/json; charset=utf-8');
  headers.push('Content-Length', String(Buffer.byteLength(body)));
  // RFC 6750 §3; which fault a token has is nobody's business, so there is no `error`.
  if (problem.status === 401) headers.push('WWW-Authenticate', 'Bearer realm="key delivery"');
  if (problem.status === 503) headers.push('Retry-After', RETRY_AFTER_SECONDS);
  if (problem.status === 405) headers.push('Allow', 'GET, POST, OPTIONS');
  // What is left of a body nobody reads would stand before the next request.
  if (incoming.hasBody && !request.complete) response.shouldKeepAlive = false;
  response.writeHead(problem.status, headers);
  response.end(incoming.method === 'HEAD' ? undefined : body);
}

/** `Authorization` has to be named: `*` does not stand for it (Fetch §3.3.3). */
function sendPreflight(request: IncomingMessage, response: ServerResponse): void {
  const asked = request.headers['access-control-request-headers'] ?? '';
  const allowed = REQUESTED_HEADERS.test(asked) ? asked : 'Authorization, Content-Type, SOAPAction';
  response.writeHead(204, [
    ...COMMON_HEADERS,
    ...corsHeaders(response),
    ...['Access-Control-Allow-Methods', 'GET, POST, OPTIONS'],
    ...['Access-Control-Allow-Headers', allowed],
    ...['Access-Control-Max-Age', '86400'],
    ...['Allow', 'GET, POST, OPTIONS'],
    ...['Vary', 'Access-Control-Request-Headers'],
  ]);
  response.end();
}

function listen(server: Server, { host, port }: KeyServerDeps): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

async function drain(server: Server): Promise<void> {
  let isClosed = false;
  server.close(() => {
    isClosed = true;
  });
  const startedAtMs = performance.now();
  while (!isClosed) {
    server.closeIdleConnections();
    if (performance.now() - startedAtMs > DRAIN_MS_MAX) server.closeAllConnections();
    await sleep(DRAIN_LOOK_EVERY_MS);
  }
}
