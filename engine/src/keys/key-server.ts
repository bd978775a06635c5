import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { AnswerWriter, commonHeaders, headersOf, type KeyAnswer, problemAnswer } from './key-answers.ts';
import { KeyDeliveryError } from './key-delivery-error.ts';
import type { IncomingKeyRequest, KeyService } from './key-service.ts';
import type { PlainGet } from './plain-get.ts';
import { QuickConnection, type QuickConnectionDeps } from './quick-connection.ts';
import type { RefusalLog } from './refusal-log.ts';

/** A token may be in the URL and another in a header. */
const HEADER_BYTES_MAX = 48 * 1024;
const BODY_BYTES_MAX = 128 * 1024;
const CONNECTIONS_MAX = 20_000;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
/** Longer than the idle time of common load balancers (60 s), so that it is they who close. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
const DRAIN_MS_MAX = 5_000;
const DRAIN_LOOK_EVERY_MS = 20;
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

/** The HTTP of key delivery: methods, limits, CORS, errors. What is asked for is the service's. */
export async function startKeyServer(deps: KeyServerDeps): Promise<KeyServer> {
  let isDraining = false;
  const http = createHttpServer({ maxHeaderSize: HEADER_BYTES_MAX }, (request, response) => {
    response.shouldKeepAlive = !isDraining;
    respond(request, response, deps);
  });
  http.headersTimeout = HEADERS_TIMEOUT_MS;
  http.requestTimeout = REQUEST_TIMEOUT_MS;
  http.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  // What node:http begins when it listens: watching over time-outs and idle connections.
  http.emit('listening');
  const writer = new AnswerWriter({ keepAliveMs: KEEP_ALIVE_TIMEOUT_MS, nowMs: Date.now });
  const quick = new Set<QuickConnection>();
  const connectionDeps: QuickConnectionDeps = {
    firstRequestMs: HEADERS_TIMEOUT_MS,
    keepAliveMs: KEEP_ALIVE_TIMEOUT_MS,
    answer: (request, peer) => quickAnswer(request, { peer, writer, deps }),
    handOver: (socket, rest) => handOver(socket, rest, http),
    onGone: (connection) => quick.delete(connection),
  };
  const door = openDoor(deps.tls, (socket) => quick.add(new QuickConnection(socket, connectionDeps)));
  door.maxConnections = CONNECTIONS_MAX;
  const port = await listen(door, deps);
  return {
    port,
    async close() {
      isDraining = true;
      await drain({ door, http, quick });
    },
  };
}

function openDoor(tls: KeyServerDeps['tls'], onConnection: (socket: Socket) => void): NetServer {
  const options = { noDelay: true, allowHalfOpen: true };
  if (tls === undefined) return createServer(options, onConnection);
  const { certPem: cert, keyPem: key } = tls;
  const door = createTlsServer(
    { ...options, cert, key, ALPNProtocols: ['http/1.1'], handshakeTimeout: HEADERS_TIMEOUT_MS },
    onConnection,
  );
  return door.on('tlsClientError', (_error, socket) => socket.destroy());
}

/** As node's documentation has it for connections that come from elsewhere. */
function handOver(socket: Socket, rest: Buffer, http: HttpServer): void {
  socket.pause();
  socket.unshift(rest);
  http.emit('connection', socket);
  process.nextTick(() => socket.resume());
}

function quickAnswer(
  { url, host, authorization, origin, forwardedFor }: PlainGet,
  { peer, writer, deps }: { peer: string | undefined; writer: AnswerWriter; deps: KeyServerDeps },
): Buffer | Promise<Buffer> {
  const answer = answerTo(
    {
      url,
      method: 'GET',
      host,
      authorization,
      contentType: undefined,
      client: deps.clientOf(peer, forwardedFor),
      hasBody: false,
      readBody: noBody,
    },
    deps,
  );
  return answer instanceof Promise
    ? answer.then((late) => writer.write(late, origin))
    : writer.write(answer, origin);
}

const noBody = (): Promise<Uint8Array> => Promise.resolve(new Uint8Array());

/** Never rejects: what goes wrong is an answer too. */
function answerTo(
  incoming: IncomingKeyRequest,
  { service, refusals }: KeyServerDeps,
): KeyAnswer | Promise<KeyAnswer> {
  try {
    const answer = service.answerNow(incoming);
    if (answer !== undefined) return answer;
  } catch (error) {
    return failed(error, refusals);
  }
  return service.answer(incoming).catch((error: unknown) => failed(error, refusals));
}

function failed(error: unknown, refusals: RefusalLog): KeyAnswer {
  if (!(error instanceof KeyDeliveryError)) refusals.failed({ error });
  else if (error.status >= 500) {
    const { code, reason, cause } = error;
    refusals.failed({ code, reason, cause });
  }
  return problemAnswer(error);
}

/** Whatever is not asked for by a plain GET. */
function respond(request: IncomingMessage, response: ServerResponse, deps: KeyServerDeps): void {
  if (request.method === 'OPTIONS') {
    sendPreflight(request, response);
    return;
  }
  const answer = answerTo(incomingOf(request, deps), deps);
  if (answer instanceof Promise) void answer.then((late) => send(request, response, late));
  else send(request, response, answer);
}

function incomingOf(request: IncomingMessage, { clientOf }: KeyServerDeps): IncomingKeyRequest {
  const { headers, method = '', url = '' } = request;
  return {
    url,
    method,
    host: headers.host ?? '',
    authorization: headers.authorization,
    contentType: headers['content-type'],
    client: clientOf(request.socket.remoteAddress, headers['x-forwarded-for']?.toString()),
    hasBody: hasBody(request),
    readBody: () => readBody(request),
  };
}

function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

/** Throws `KeyDeliveryError`. */
async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  if (Number(request.headers['content-length'] ?? 0) > BODY_BYTES_MAX) throw tooLarge();
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of request) {
      const bytes = Buffer.from(chunk);
      sizeBytes += bytes.byteLength;
      if (sizeBytes > BODY_BYTES_MAX) break;
      chunks.push(bytes);
    }
  } catch (cause) {
    throw new KeyDeliveryError('MalformedRequest', 'the body ended early', { cause });
  }
  if (sizeBytes > BODY_BYTES_MAX) throw tooLarge();
  return Buffer.concat(chunks);
}

const tooLarge = (): KeyDeliveryError => new KeyDeliveryError('RequestTooLarge', 'the body is too large');

function send(request: IncomingMessage, response: ServerResponse, answer: KeyAnswer): void {
  if (response.destroyed) return;
  // What is left of a body nobody reads would stand before the next request.
  if (hasBody(request) && !request.complete) response.shouldKeepAlive = false;
  response.writeHead(answer.status, headersOf(answer, request.headers.origin));
  response.end(request.method === 'HEAD' ? undefined : answer.body);
}

/** `Authorization` has to be named: `*` does not stand for it (Fetch §3.3.3). */
function sendPreflight(request: IncomingMessage, response: ServerResponse): void {
  const asked = request.headers['access-control-request-headers'] ?? '';
  const allowed = REQUESTED_HEADERS.test(asked) ? asked : 'Authorization, Content-Type, SOAPAction';
  response.writeHead(204, [
    ...commonHeaders(request.headers.origin),
    ...['Access-Control-Allow-Methods', 'GET, POST, OPTIONS'],
    ...['Access-Control-Allow-Headers', allowed],
    ...['Access-Control-Max-Age', '86400'],
    ...['Allow', 'GET, POST, OPTIONS'],
    ...['Vary', 'Access-Control-Request-Headers'],
  ]);
  response.end();
}

function listen(door: NetServer, { host, port }: KeyServerDeps): Promise<number> {
  return new Promise((resolve, reject) => {
    door.once('error', reject);
    door.listen(port, host, () => {
      door.off('error', reject);
      const address = door.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

async function drain({
  door,
  http,
  quick,
}: {
  readonly door: NetServer;
  readonly http: HttpServer;
  readonly quick: ReadonlySet<QuickConnection>;
}): Promise<void> {
  const open = new Promise<'closed'>((resolve) => door.close(() => resolve('closed')));
  const startedAtMs = performance.now();
  do {
    for (const connection of quick) connection.close();
    http.closeIdleConnections();
    if (performance.now() - startedAtMs > DRAIN_MS_MAX) {
      for (const connection of quick) connection.destroy();
      http.closeAllConnections();
    }
  } while ((await Promise.race([open, sleep(DRAIN_LOOK_EVERY_MS)])) !== 'closed');
  http.close();
}
