import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { describeError } from '../log.ts';
import { readBody } from '../request-body.ts';
import { type Answer, failure } from './answer.ts';
import { parsePublished, publishFormat } from './event-input.ts';
import { PUBLISH_BYTES_MAX } from './event-schema.ts';
import type { Journal } from './journal.ts';
import { isAdministrator, isPublisher } from './publish-authorization.ts';
import {
  describe,
  putSubscription,
  removeSubscription,
  type SubscriptionResourceOptions,
  validateByHand,
} from './subscription-resource.ts';
import { SUBSCRIPTION_NAME } from './subscriptions.ts';

export interface BrokerServerOptions extends SubscriptionResourceOptions {
  readonly journal: Journal;
}

const SUBSCRIPTION_BYTES_MAX = 256 * 1024;
const REQUESTS_OUTSTANDING_MAX = 256;
const API_VERSION = '2018-01-01';
const CONNECTIONS_MAX = 512;

/** Publishing as at an Event Grid custom topic, and what administers subscriptions. */
export function createBrokerServer(options: BrokerServerOptions): Server {
  let outstanding = 0;
  const server = createServer({ requestTimeout: 60_000 }, (request, response) => {
    if (outstanding >= REQUESTS_OUTSTANDING_MAX) {
      write(response, failure(503, 'ServerBusy', 'too many requests at once'));
      return;
    }
    outstanding += 1;
    answer(options, request)
      .then((answered) => write(response, answered))
      .catch((error: unknown) => {
        options.log.error('http.failed', describeError(error));
        write(response, failure(503, 'ServiceUnavailable', 'the event could not be stored'));
      })
      .finally(() => {
        outstanding -= 1;
      });
  });
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

async function answer(options: BrokerServerOptions, request: IncomingMessage): Promise<Answer> {
  const url = new URL(request.url?.replace(/^\/+/, '/') ?? '/', 'http://broker');
  const key = `${request.method} ${url.pathname.replace(/\/$/, '')}`;
  const validated = /^GET \/eventSubscriptions\/([^/]+)\/validate$/i.exec(key);
  if (validated !== null) {
    return validateByHand(options, validated[1] ?? '', url.searchParams.get('id') ?? '');
  }
  const isPublishing = key === 'POST /api/events';
  const { headers } = request;
  const isAllowed = isPublishing
    ? isPublisher(headers, options.settings.key, url.pathname, new Date())
    : isAdministrator(headers, options.settings.key);
  if (!isAllowed) return failure(401, 'Unauthorized', 'the aeg-sas-key or aeg-sas-token is missing or wrong');
  if (isPublishing) return publish(options, request, url);
  if (key === 'GET /stats') return { status: 200, body: stats(options) };
  return administer(options, request, key);
}

async function administer(
  options: BrokerServerOptions,
  request: IncomingMessage,
  key: string,
): Promise<Answer> {
  const { subscriptions, settings, now } = options;
  if (key === 'GET /eventSubscriptions') {
    const value = subscriptions.list().map((subscription) => describe(subscription, settings, now()));
    return { status: 200, body: { value } };
  }
  const found = /^(GET|PUT|DELETE) \/eventSubscriptions\/([^/]+)$/.exec(key);
  if (found === null) return failure(404, 'NotFound', 'no such resource');
  const [, method, name = ''] = found;
  if (!SUBSCRIPTION_NAME.test(name)) {
    return failure(400, 'InvalidRequest', 'a name is 3 to 64 letters, digits and hyphens');
  }
  if (method === 'PUT') {
    const body = await readBody(request, SUBSCRIPTION_BYTES_MAX);
    if (body === undefined) return failure(413, 'PayloadTooLarge', 'the body is too long');
    return putSubscription(options, name, parseJson(body.toString()), baseOf(request));
  }
  const subscription = subscriptions.find(name);
  if (subscription === undefined) {
    if (method === 'DELETE') return { status: 204 };
    return failure(404, 'ResourceNotFound', `no event subscription "${name}"`);
  }
  if (method === 'GET') return { status: 200, body: describe(subscription, settings, now()) };
  return removeSubscription(options, subscription);
}

async function publish(options: BrokerServerOptions, request: IncomingMessage, url: URL): Promise<Answer> {
  const { settings, journal, subscriptions, delivery } = options;
  if (url.searchParams.get('api-version') !== API_VERSION) {
    return failure(400, 'BadRequest', `api-version must be ${API_VERSION}`);
  }
  const format = publishFormat(request.headers, settings.input.schema);
  if (format === undefined) {
    const type = (request.headers['content-type'] ?? '').slice(0, 100);
    const message = `content type "${type}" is none of a topic of ${settings.input.schema}`;
    return failure(400, 'BadRequest', message);
  }
  const body = await readBody(request, PUBLISH_BYTES_MAX);
  if (body === undefined) {
    return failure(413, 'PayloadTooLarge', `the body exceeds ${PUBLISH_BYTES_MAX} bytes`);
  }
  const published = parsePublished(body, format, settings.input);
  if (published.kind === 'refused') return failure(published.status, published.code, published.message);
  const wanted = published.events
    .map((event) => ({ event, subscriptions: subscriptions.matching(event) }))
    .filter(({ subscriptions: names }) => names.length > 0);
  if (
    journal.pending.size + wanted.length > settings.pendingEventsMax ||
    journal.pendingBytes > settings.pendingBytesMax
  ) {
    return failure(503, 'ServerBusy', `${journal.pending.size} events are waiting for delivery`);
  }
  // On disk before the 200: from here on the event survives anything that happens to this process.
  for (const event of await journal.append(wanted)) delivery.enqueue(event);
  return { status: 200 };
}

function stats({ journal, delivery }: BrokerServerOptions): object {
  return { pending: journal.pending.size, pendingBytes: journal.pendingBytes, ...delivery.stats() };
}

/** Everything listens on the loopback address: whatever name it was called by is good for the way back. */
function baseOf(request: IncomingMessage): string {
  const { localAddress, localPort } = request.socket;
  return `http://${localAddress}:${localPort}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function write(response: ServerResponse, { status, body }: Answer): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, {
    'content-length': Buffer.byteLength(text),
    ...(body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }),
    // The body was not read.
    ...(status === 413 || status === 401 ? { connection: 'close' } : {}),
  });
  response.end(text);
}
