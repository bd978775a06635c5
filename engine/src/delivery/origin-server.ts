import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { Server as NetServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SecureContext } from 'node:tls';
import type { FileContent } from './download.ts';
import { sendFile } from './download-response.ts';
import { ClientGone, OriginError } from './origin-errors.ts';
import type { DeliveryLog } from './origin-ports.ts';
import { type Content, sendContent, sendError, sendPreflight } from './origin-response.ts';
import type { AnswerFacts, RequestMeter } from './request-meter.ts';
import type { DrainTimes } from './serving-process.ts';

const URL_CHARS_MAX = 2_048;
const HEADER_BYTES_MAX = 16 * 1024;
const CONNECTIONS_MAX = 20_000;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than the idle time of common load balancers (60 s), so that it is they who close. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** A reader that takes nothing for this long is gone. */
const STALLED_SOCKET_MS = 120_000;
const IDLE_DRAIN_MS_DEFAULT = 500;
const DRAIN_MS_MAX = 9_000;
const DRAIN_LOOK_EVERY_MS = 20;

const TLS_HANDSHAKE_MS_MAX = 10_000;
const TLS_MIN = 'TLSv1.2';

/** Certificates by the host name that a client asks for. */
export interface HostCertificates {
  /** Undefined: there is none for it, and the handshake fails. */
  contextOf(serverName: string): SecureContext | undefined;
  /** Hands over that of clients that ask for no name, now and whenever it changes; not called while there is none. */
  followDefault(use: (certificate: { readonly cert: Buffer; readonly key: Buffer }) => void): void;
}

export interface OriginServerDeps {
  /** Undefined: it serves what `accept` is given. */
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  /** Answers a GET of a path without its query; throws `OriginError`. */
  readonly respond: (path: string, request: IncomingMessage) => Promise<Content | FileContent>;
  /** The same at once, where that is possible; undefined: `respond` does it. */
  readonly respondNow: (request: IncomingMessage) => Content | undefined;
  /** Before anything else of a request; throws `OriginError`. */
  readonly admit: (request: IncomingMessage) => void;
  /** Undefined: it speaks no TLS. */
  readonly certificates?: HostCertificates | undefined;
  readonly log: DeliveryLog;
  /** Undefined: nobody wants to know. */
  readonly meter?: RequestMeter | undefined;
}

export interface OriginServer {
  /** Undefined when it does not listen. */
  readonly port: number | undefined;
  /** Serves a connection that another process has accepted, with TLS or without. */
  accept(socket: Socket, isTls: boolean): void;
  /** Tells each open connection with the probability `share` to connect anew after its next answer. */
  shed(share: number): void;
  /** Takes no new connections, answers what is asked on open ones with `Connection: close`, then closes them. */
  close(times?: Partial<DrainTimes>): Promise<void>;
}

/** The HTTP of a streaming endpoint: methods, limits, errors, draining. What a path means is `respond`'s. */
export async function startOriginServer(deps: OriginServerDeps): Promise<OriginServer> {
  let isDraining = false;
  const leaving = new WeakSet<Socket>();
  const open = new Set<Socket>();
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    if (isDraining || leaving.has(request.socket)) response.setHeader('Connection', 'close');
    const facts = measured(request, response, deps.meter);
    if (answerNow(request, response, { deps, facts })) return;
    answer(request, response, { deps, facts }).catch((error: unknown) => {
      deps.log.error('origin.answerFailed', { error });
      response.destroy();
    });
  };
  const onOpen = (socket: Socket): void => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  };
  const plain = limited(createServer(HTTP_OPTIONS, onRequest));
  plain.on('connection', onOpen);
  const secure = deps.certificates && limited(secureServer(deps.certificates, onRequest));
  secure?.on('secureConnection', onOpen);
  const port = deps.listen === undefined ? undefined : await listen(plain, deps.listen);
  // What node:http begins when it listens: watching over time-outs and idle connections.
  if (port === undefined) plain.emit('listening');
  secure?.emit('listening');
  return {
    port,
    accept(socket, isTls) {
      const server = isTls ? secure : plain;
      if (server === undefined || open.size >= CONNECTIONS_MAX) {
        socket.destroy();
        return;
      }
      // As node:http has it of connections that it accepts itself.
      socket.setNoDelay(true);
      socket.allowHalfOpen = true;
      server.emit('connection', socket);
    },
    shed(share) {
      for (const socket of open) if (Math.random() < share) leaving.add(socket);
    },
    close: (times = {}) => {
      isDraining = true;
      const servers = secure === undefined ? [plain] : [plain, secure];
      return drain(servers, open, { idleMs: IDLE_DRAIN_MS_DEFAULT, allMs: DRAIN_MS_MAX, ...times });
    },
  };
}

const HTTP_OPTIONS = { maxHeaderSize: HEADER_BYTES_MAX, noDelay: true } as const;

type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

function secureServer(certificates: HostCertificates, onRequest: RequestListener): TlsServer {
  const server = createTlsServer(
    {
      ...HTTP_OPTIONS,
      handshakeTimeout: TLS_HANDSHAKE_MS_MAX,
      minVersion: TLS_MIN,
      SNICallback: (serverName, callback) => callback(null, certificates.contextOf(serverName)),
    },
    onRequest,
  );
  certificates.followDefault(({ cert, key }) => server.setSecureContext({ cert, key, minVersion: TLS_MIN }));
  // Who speaks no TLS here, or asks for a name that there is no certificate for.
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return server;
}

function limited<S extends Server | TlsServer>(server: S): S {
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  server.maxConnections = CONNECTIONS_MAX;
  server.setTimeout(STALLED_SOCKET_MS);
  return server;
}

async function listen(server: Server, { host, port }: { readonly host: string; readonly port: number }) {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  return address.port;
}

/** To be filled in by who answers; counted when the answer is gone, or its reader. */
function measured(
  { url = '' }: IncomingMessage,
  response: ServerResponse,
  meter: RequestMeter | undefined,
): AnswerFacts {
  const facts = { sentBytes: 0, errorCode: 'None' };
  if (meter === undefined) return facts;
  const beganAtMs = performance.now();
  // It comes once, and whatever became of the answer.
  response.on('close', () => {
    if (!response.headersSent) return;
    meter.add({ url, status: response.statusCode, ms: performance.now() - beganAtMs }, facts);
  });
  return facts;
}

interface Answering {
  readonly deps: OriginServerDeps;
  readonly facts: AnswerFacts;
}

/** False: nothing was sent. What goes wrong is said by `answer`, which runs into it too. */
function answerNow(request: IncomingMessage, response: ServerResponse, { deps, facts }: Answering): boolean {
  if (request.method !== 'GET' || (request.url ?? '').length > URL_CHARS_MAX) return false;
  let content: Content | undefined;
  try {
    deps.admit(request);
    content = deps.respondNow(request);
  } catch {
    return false;
  }
  if (content !== undefined) facts.sentBytes = sendContent(request, response, content);
  return content !== undefined;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { deps, facts }: Answering,
): Promise<void> {
  try {
    deps.admit(request);
    if (request.method === 'OPTIONS') {
      sendPreflight(response);
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new OriginError('METHOD_NOT_ALLOWED', 'GET, HEAD and OPTIONS are answered here');
    }
    const content = await deps.respond(parsePath(request.url ?? ''), request);
    facts.sentBytes =
      'body' in content
        ? sendContent(request, response, content)
        : await sendFile(request, response, content);
  } catch (error) {
    if (error instanceof ClientGone) {
      response.destroy();
      return;
    }
    if (!(error instanceof OriginError)) deps.log.error('origin.requestFailed', { error });
    else if (error.cause !== undefined) deps.log.warn('origin.requestFailed', { error });
    const problem = error instanceof OriginError ? error : new OriginError('INTERNAL_ERROR', 'see the log');
    facts.errorCode = problem.code;
    facts.sentBytes = sendError(request, response, problem);
  }
}

/** The path, decoded once, without the query. Everything that is not a plain path is refused. */
export function parsePath(url: string): string {
  if (url.length > URL_CHARS_MAX) {
    throw new OriginError('MPE_BAD_URL_SYNTAX', `${url.length} characters exceed ${URL_CHARS_MAX}`);
  }
  const [encoded = ''] = url.split('?', 1);
  let path: string;
  try {
    path = decodeURIComponent(encoded);
  } catch {
    throw new OriginError('MPE_BAD_URL_SYNTAX', 'the path is not percent-encoded UTF-8');
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be in a path
  if (!path.startsWith('/') || /[\u0000-\u001f\u007f\\]|\/\/|(^|\/)\.\.?(\/|$)/.test(path)) {
    throw new OriginError(
      'MPE_BAD_URL_SYNTAX',
      'not an absolute path, or one with empty, "." or ".." segments',
    );
  }
  return path;
}

/** Late: an idle connection may have a request on its way, which is answered and told to connect anew. */
async function drain(
  servers: readonly (Server | TlsServer)[],
  open: ReadonlySet<Socket>,
  { idleMs, allMs }: DrainTimes,
): Promise<void> {
  // http.Server.close() would cut idle connections at once.
  for (const server of servers) if (server.listening) NetServer.prototype.close.call(server);
  const startedAtMs = performance.now();
  while (open.size > 0) {
    await sleep(DRAIN_LOOK_EVERY_MS);
    const sinceMs = performance.now() - startedAtMs;
    if (sinceMs >= idleMs) for (const server of servers) server.closeIdleConnections();
    if (sinceMs >= allMs) for (const socket of open) socket.destroy();
  }
}
