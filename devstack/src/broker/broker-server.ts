import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { describeError, type Log } from '../log.ts';
import type { BrokerSettings } from './broker-settings.ts';
import type { Delivery } from './delivery.ts';
import { PUBLISH_BYTES_MAX, parsePublished } from './event-schema.ts';
import type { Journal } from './journal.ts';
import { isPublisher } from './publish-authorization.ts';
import {
  SUBSCRIPTION_NAME,
  type Subscription,
  SubscriptionBody,
  type Subscriptions,
} from './subscriptions.ts';
import type { WebhookClient } from './webhook-client.ts';

export interface BrokerServerOptions {
  readonly settings: BrokerSettings;
  readonly journal: Journal;
  readonly subscriptions: Subscriptions;
  readonly delivery: Delivery;
  readonly webhooks: WebhookClient;
  readonly log: Log;
}

interface Answer {
  readonly status: number;
  readonly body?: object;
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
  if (!isPublisher(request.headers, options.settings.key, new Date())) {
    return failure(401, 'Unauthorized', 'the aeg-sas-key or aeg-sas-token is missing or wrong');
  }
  if (key === 'POST /api/events') return publish(options, request, url);
  if (key === 'GET /stats') return { status: 200, body: stats(options) };
  if (key === 'GET /eventSubscriptions') {
    return { status: 200, body: { value: options.subscriptions.list().map(describe) } };
  }
  const found = /^(GET|PUT|DELETE) \/eventSubscriptions\/([^/]+)$/.exec(key);
  if (found === null) return failure(404, 'NotFound', 'no such resource');
  const [, method, name = ''] = found;
  if (!SUBSCRIPTION_NAME.test(name)) {
    return failure(400, 'InvalidRequest', 'a name is 3 to 64 letters, digits and hyphens');
  }
  if (method === 'PUT') return putSubscription(options, request, name);
  const subscription = options.subscriptions.find(name);
  if (subscription === undefined) return method === 'GET' ? notFound(name) : { status: 204 };
  if (method === 'GET') return { status: 200, body: describe(subscription) };
  await options.subscriptions.remove(name);
  options.delivery.forget(name);
  return { status: 200 };
}

async function publish(options: BrokerServerOptions, request: IncomingMessage, url: URL): Promise<Answer> {
  const { settings, journal, subscriptions, delivery } = options;
  if (url.searchParams.get('api-version') !== API_VERSION) {
    return failure(400, 'BadRequest', `api-version must be ${API_VERSION}`);
  }
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/json\b/i.test(type)) {
    return failure(400, 'BadRequest', `content type "${type.slice(0, 100)}" is not application/json`);
  }
  const text = await readText(request, PUBLISH_BYTES_MAX);
  if (text === undefined)
    return failure(413, 'PayloadTooLarge', `the body exceeds ${PUBLISH_BYTES_MAX} bytes`);
  const published = parsePublished(text, settings.topic);
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

async function putSubscription(
  options: BrokerServerOptions,
  request: IncomingMessage,
  name: string,
): Promise<Answer> {
  const text = await readText(request, SUBSCRIPTION_BYTES_MAX);
  const parsed = SubscriptionBody.safeParse(text === undefined ? undefined : parseJson(text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return failure(400, 'InvalidRequest', `${issue?.path.join('.')}: ${issue?.message}`);
  }
  const subscription: Subscription = { name, ...parsed.data };
  const validated = await options.webhooks.validate(subscription, options.settings.topic);
  if (!validated.isValid) {
    options.log.warn('subscription.notValidated', { subscription: name, outcome: validated.outcome });
    const why =
      validated.status === 200 ? 'did not echo the validation code' : `answered ${validated.outcome}`;
    return failure(400, 'Url validation', `the endpoint ${why} to the SubscriptionValidationEvent`);
  }
  const result = await options.subscriptions.put(subscription);
  if (result === 'full') return failure(400, 'QuotaExceeded', 'too many subscriptions');
  return { status: result === 'created' ? 201 : 200, body: describe(subscription) };
}

/** Without the endpoint's query: keys are in it, and Azure does not show them either. */
function describe({ name, properties }: Subscription): object {
  const { endpointUrl } = properties.destination.properties;
  return {
    name,
    properties: {
      ...properties,
      provisioningState: 'Succeeded',
      destination: {
        endpointType: 'WebHook',
        properties: { endpointBaseUrl: endpointUrl.replace(/\?.*$/s, '') },
      },
    },
  };
}

function stats({ journal, delivery }: BrokerServerOptions): object {
  return { pending: journal.pending.size, pendingBytes: journal.pendingBytes, ...delivery.stats() };
}

async function readText(request: IncomingMessage, bytesMax: number): Promise<string | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) return undefined;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += chunk.length;
    if (length > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function notFound(name: string): Answer {
  return failure(404, 'ResourceNotFound', `no event subscription "${name}"`);
}

function failure(status: number, code: string, message: string): Answer {
  return { status, body: { error: { code, message } } };
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
