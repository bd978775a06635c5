import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { describeError, type Log } from '../log.ts';
import { readBody } from '../request-body.ts';
import { answerAdmin } from './admin.ts';
import { isAuthorized } from './authorization.ts';
import { applyCors } from './cors.ts';
import { answerWebhook, type EventGridFunction, type EventGridFunctions } from './event-grid-webhook.ts';
import type { Generation } from './generation.ts';
import type { HostSettings } from './host-settings.ts';
import { type Exchange, end, endEarly, header, parseUrl } from './http-exchange.ts';
import { toRpcRequest, writeRpcResponse } from './http-trigger.ts';
import { openRequestGate, type RequestGate } from './request-gate.ts';
import { findRoute } from './routes.ts';
import { type HttpFunction, type LoadedFunction, withTrigger } from './triggers.ts';

export interface HostServerOptions {
  readonly settings: HostSettings;
  /** The app as it is loaded at the moment. */
  readonly generation: () => Generation;
  readonly isReloading: () => boolean;
  readonly reload: () => Promise<void>;
  readonly log: Log;
}

// Event Grid delivers at most 1 MB at once; the rest is room for its envelope.
const WEBHOOK_BYTES_MAX = 1_536_000;
const CONNECTIONS_MAX = 2048;
const TRACE_PARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The host's HTTP side: functions with HTTP triggers, the Event Grid webhook, `/admin`. */
export function createHostServer(options: HostServerOptions): Server {
  const { concurrentRequestsMax, outstandingRequestsMax } = options.settings;
  const gate = openRequestGate(concurrentRequestsMax, outstandingRequestsMax);
  const server = createServer({ requestTimeout: 240_000, headersTimeout: 30_000 }, (request, response) => {
    answer(options, gate, request, response).catch((error: unknown) => {
      options.log.warn('http.failed', describeError(error));
      if (response.headersSent) response.destroy();
      else end(response, 500);
    });
  });
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

async function answer(
  options: HostServerOptions,
  gate: RequestGate,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { settings } = options;
  if (applyCors(request, response, settings.corsOrigins, settings.corsCredentials)) return;
  const url = parseUrl(request);
  if (url === undefined) return end(response, 400);
  const exchange = { request, response, url };
  const path = url.pathname.toLowerCase();
  if (path === '/runtime/webhooks/eventgrid') return answerEventGrid(options, exchange);
  if (path.startsWith('/admin/')) {
    const { log, reload } = options;
    const admin = { settings, reload, log, outstandingRequests: gate.outstanding };
    const state = { generation: options.generation(), isReloading: options.isReloading() };
    return answerAdmin({ ...admin, ...state }, exchange);
  }
  return answerGated(options, gate, exchange);
}

/** The limits of host.json are those of functions; `/admin` and Event Grid must get through when they are reached. */
async function answerGated(options: HostServerOptions, gate: RequestGate, exchange: Exchange): Promise<void> {
  const { response } = exchange;
  const mayEnter = await gate.enter();
  if (!mayEnter) {
    response.writeHead(429, { 'retry-after': '1', 'content-length': '0' }).end();
    return;
  }
  try {
    // Whoever waited in line may be gone.
    if (!response.destroyed) await answerFunction(options, exchange);
  } finally {
    gate.leave();
  }
}

async function answerFunction(
  options: HostServerOptions,
  { request, response, url }: Exchange,
): Promise<void> {
  const { settings } = options;
  const method = request.method ?? 'GET';
  const target = findTarget(options.generation().httpFunctions, method, url.pathname);
  if (target === undefined) {
    // The real host's home page.
    return end(response, url.pathname === '/' && method === 'GET' ? 200 : 404);
  }
  const { authLevel, name } = target.loaded;
  if (!isAuthorized(authLevel, request, url.searchParams, settings.keys)) return end(response, 401);
  const body = await readBody(request, settings.bodyBytesMax);
  if (body === undefined) return endEarly(response, 413);
  // The real host forwards only bodies with a Content-Length (GrpcMessageConversionExtensions.cs).
  const isChunked = request.headers['content-length'] === undefined;
  if (isChunked && body.byteLength > 0) options.log.warn('http.chunkedBodyDropped', { function: name });
  const http = toRpcRequest(request, url, target.params, isChunked ? new Uint8Array() : body);
  const trace = header(request, 'traceparent');
  const traceParent = trace !== undefined && TRACE_PARENT.test(trace) ? trace : undefined;
  // The body took its time: the app may have been loaded anew meanwhile.
  const current = findTarget(options.generation().httpFunctions, method, url.pathname) ?? target;
  const invocation = await current.loaded.invoke({ http }, {}, { traceParent });
  if (invocation.result.status === 'failure') {
    options.log.error('function.failed', { function: name, ...invocation.result.exception });
  }
  writeRpcResponse(response, invocation);
}

function findTarget(
  functions: readonly HttpFunction[],
  method: string,
  path: string,
): { readonly loaded: HttpFunction; readonly params: Record<string, string> } | undefined {
  const routes = functions.map(({ route }) => route);
  const found = findRoute(routes, method, path);
  const loaded = found && functions.find(({ route }) => route === found.route);
  return found && loaded && { loaded, params: found.params };
}

async function answerEventGrid(
  options: HostServerOptions,
  { request, response, url }: Exchange,
): Promise<void> {
  if (!isAuthorized('eventGrid', request, url.searchParams, options.settings.keys)) return end(response, 401);
  const body = await readBody(request, WEBHOOK_BYTES_MAX);
  if (body === undefined) return endEarly(response, 413);
  const candidates = withTrigger(options.generation().functions, 'eventGridTrigger');
  const functions: EventGridFunctions = {
    find: (name) => {
      const loaded = candidates.find(({ info }) => info.name.toLowerCase() === name.toLowerCase());
      return loaded && eventGridFunction(options.log, loaded);
    },
  };
  const answered = await answerWebhook(
    {
      method: request.method ?? 'POST',
      functionName: url.searchParams.get('functionName') ?? '',
      eventType: header(request, 'aeg-event-type'),
      requestOrigin: header(request, 'webhook-request-origin'),
      body,
    },
    functions,
  );
  response.writeHead(answered.status, answered.headers).end(answered.body);
}

function eventGridFunction(log: Log, loaded: LoadedFunction): EventGridFunction {
  const takesMany = loaded.trigger['cardinality'] === 'many';
  return {
    takesMany,
    async invoke(events) {
      const texts = events.map((event) => JSON.stringify(event));
      const input = takesMany ? { collectionString: { string: texts } } : { json: texts[0] ?? 'null' };
      const response = await loaded.invoke(input, { data: input });
      if (response.result.status === 'failure') {
        log.error('function.failed', { function: loaded.info.name, ...response.result.exception });
      }
      return response;
    },
  };
}
