import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { describeError, type Log } from '../log.ts';
import { isAuthorized } from './authorization.ts';
import { applyCors } from './cors.ts';
import { answerWebhook, type EventGridFunctions } from './event-grid-webhook.ts';
import type { HostSettings } from './host-settings.ts';
import { toRpcRequest, writeRpcResponse } from './http-trigger.ts';
import { readBody } from './request-body.ts';
import { findRoute } from './routes.ts';
import { type HttpFunction, type LoadedFunction, withTrigger } from './triggers.ts';
import type { WorkerSupervision } from './worker-supervision.ts';

export interface HostServerOptions {
  readonly settings: HostSettings;
  readonly workers: WorkerSupervision;
  readonly functions: readonly LoadedFunction[];
  readonly httpFunctions: readonly HttpFunction[];
  readonly log: Log;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
}

// Event Grid delivers at most 1 MB at once; the rest is room for its envelope.
const WEBHOOK_BYTES_MAX = 1_536_000;
const ADMIN_BYTES_MAX = 1024 * 1024;
const TRACE_PARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The host's HTTP side: functions with HTTP triggers, the Event Grid webhook, `/admin`. */
export function createHostServer(options: HostServerOptions): Server {
  let outstanding = 0;
  const server = createServer({ requestTimeout: 240_000, headersTimeout: 30_000 }, (request, response) => {
    if (outstanding >= options.settings.outstandingRequestsMax) {
      response.writeHead(429, { 'retry-after': '1', 'content-length': '0' }).end();
      return;
    }
    outstanding += 1;
    response.once('close', () => {
      outstanding -= 1;
    });
    answer(options, request, response).catch((error: unknown) => {
      options.log.warn('http.failed', describeError(error));
      if (response.headersSent) response.destroy();
      else response.writeHead(500, { 'content-length': '0' }).end();
    });
  });
  return server;
}

async function answer(
  options: HostServerOptions,
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
  if (path.startsWith('/admin/')) return answerAdmin(options, exchange);
  return answerFunction(options, exchange);
}

async function answerFunction(
  options: HostServerOptions,
  { request, response, url }: Exchange,
): Promise<void> {
  const { settings, httpFunctions } = options;
  const method = request.method ?? 'GET';
  const routes = httpFunctions.map(({ route }) => route);
  const found = findRoute(routes, method, url.pathname);
  const target = found && httpFunctions.find(({ route }) => route === found.route);
  if (found === undefined || target === undefined) {
    // The real host's home page.
    return end(response, url.pathname === '/' && method === 'GET' ? 200 : 404);
  }
  if (!isAuthorized(target.authLevel, request, url.searchParams, settings.keys)) return end(response, 401);
  const body = await readBody(request, settings.bodyBytesMax);
  if (body === undefined) return endEarly(response, 413);
  // The real host forwards only bodies with a Content-Length (GrpcMessageConversionExtensions.cs).
  const isChunked = request.headers['content-length'] === undefined;
  if (isChunked && body.byteLength > 0)
    options.log.warn('http.chunkedBodyDropped', { function: target.name });
  const http = toRpcRequest(request, url, found.params, isChunked ? new Uint8Array() : body);
  const trace = request.headers['traceparent'];
  const invocation = await target.invoke(
    { http },
    {},
    typeof trace === 'string' && TRACE_PARENT.test(trace) ? trace : undefined,
  );
  if (invocation.result.status === 'failure') {
    options.log.error('function.failed', { function: target.name, ...invocation.result.exception });
  }
  writeRpcResponse(response, invocation);
}

async function answerEventGrid(
  options: HostServerOptions,
  { request, response, url }: Exchange,
): Promise<void> {
  if (!isAuthorized('eventGrid', request, url.searchParams, options.settings.keys)) return end(response, 401);
  const body = await readBody(request, WEBHOOK_BYTES_MAX);
  if (body === undefined) return endEarly(response, 413);
  const candidates = withTrigger(options.functions, 'eventGridTrigger');
  const functions: EventGridFunctions = {
    find: (name) => {
      const loaded = candidates.find(({ info }) => info.name.toLowerCase() === name.toLowerCase());
      return loaded && ((event) => invokeLogged(options.log, loaded, event));
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

async function invokeLogged(
  log: Log,
  loaded: LoadedFunction,
  event: Parameters<LoadedFunction['invoke']>[0],
) {
  const response = await loaded.invoke(event, { data: event });
  if (response.result.status === 'failure') {
    log.error('function.failed', { function: loaded.info.name, ...response.result.exception });
  }
  return response;
}

async function answerAdmin(options: HostServerOptions, { request, response, url }: Exchange): Promise<void> {
  const path = url.pathname.toLowerCase().replace(/\/$/, '');
  if (path === '/admin/host/ping') return end(response, 200);
  if (!isAuthorized('admin', request, url.searchParams, options.settings.keys)) return end(response, 401);
  if (path === '/admin/host/status') return json(response, 200, hostStatus(options));
  if (path === '/admin/functions') {
    return json(response, 200, options.functions.map(describeFunction));
  }
  const name = path.startsWith('/admin/functions/') ? path.slice('/admin/functions/'.length) : '';
  const loaded = options.functions.find(({ info }) => info.name.toLowerCase() === name);
  if (loaded === undefined) return end(response, 404);
  if (request.method === 'GET') return json(response, 200, describeFunction(loaded));
  if (request.method !== 'POST') return end(response, 405);
  const body = await readBody(request, ADMIN_BYTES_MAX);
  if (body === undefined) return endEarly(response, 413);
  // The answer does not wait for the function, as on Azure.
  startByHand(options.log, loaded, body.toString());
  end(response, 202);
}

function startByHand(log: Log, loaded: LoadedFunction, body: string): void {
  const isTimer = loaded.trigger.type.toLowerCase() === 'timertrigger';
  const timer = { Schedule: { AdjustForDST: true }, ScheduleStatus: null, IsPastDue: false };
  const input = isTimer ? { json: JSON.stringify(timer) } : readInput(body);
  loaded.invoke(input).catch((error: unknown) => {
    log.error('function.failed', { function: loaded.info.name, ...describeError(error) });
  });
}

/** The `input` of `{"input":"…"}`. */
function readInput(body: string): { string: string } {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'input' in parsed) {
      return { string: typeof parsed.input === 'string' ? parsed.input : JSON.stringify(parsed.input) };
    }
  } catch {
    // Not JSON: an empty input.
  }
  return { string: '' };
}

function hostStatus({ workers, functions }: HostServerOptions): object {
  return {
    id: 'headend',
    state: 'Running',
    version: '4.0.0-headend',
    processUptime: Math.round(process.uptime() * 1000),
    functionCount: functions.length,
    workerRestarts: workers.restarts,
    invocationsInFlight: workers.inFlight,
  };
}

function describeFunction({ info, isDisabled }: LoadedFunction): object {
  const bindings = Object.entries(info.bindings).map(([name, binding]) => ({ name, ...binding }));
  return { name: info.name, language: 'node', isDisabled, config: { name: info.name, bindings } };
}

function parseUrl(request: IncomingMessage): URL | undefined {
  // An absolute or protocol-relative target must not choose the host.
  const target = request.url?.replace(/^\/{2,}/, '/') ?? '/';
  const base = `http://${request.headers.host ?? 'localhost'}`;
  return target.startsWith('/') && URL.canParse(target, base) ? new URL(target, base) : undefined;
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-length': '0' }).end();
}

/** Answers before the body has been read, so the connection cannot be used again. */
function endEarly(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-length': '0', connection: 'close' }).end();
}
