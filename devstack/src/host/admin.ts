import { describeError, type Log } from '../log.ts';
import { readBody } from '../request-body.ts';
import { isAuthorized } from './authorization.ts';
import type { Generation } from './generation.ts';
import type { HostSettings } from './host-settings.ts';
import { type Exchange, end, endEarly, json } from './http-exchange.ts';
import type { LoadedFunction } from './triggers.ts';
import type { RpcTypedData } from './worker-protocol.ts';

export interface AdminOptions {
  readonly settings: HostSettings;
  readonly generation: Generation;
  readonly isReloading: boolean;
  /** Of functions with HTTP triggers, running and waiting. */
  readonly outstandingRequests: number;
  /** Loads the app anew. */
  readonly reload: () => Promise<void>;
  readonly log: Log;
}

const ADMIN_BYTES_MAX = 1024 * 1024;

/** `/admin/…` as HostController, KeysController and FunctionsController of the real host answer it; keys cannot be changed. */
export async function answerAdmin(options: AdminOptions, exchange: Exchange): Promise<void> {
  const { request, response, url } = exchange;
  const path = url.pathname.toLowerCase().replace(/\/$/, '');
  if (path === '/admin/host/ping') return end(response, 200);
  if (!isAuthorized('admin', request, url.searchParams, options.settings.keys)) return end(response, 401);
  if (path === '/admin/host/restart') return restart(options, exchange);
  if (path.startsWith('/admin/functions/') && request.method === 'POST') {
    return runByHand(options, exchange, path.slice('/admin/functions/'.length));
  }
  const found = describe(options, path, url);
  if (found === undefined) return end(response, 404);
  if (request.method !== 'GET') return end(response, 405);
  return json(response, 200, found);
}

/** What is there to be read at a path; undefined when there is nothing. */
function describe(options: AdminOptions, path: string, url: URL): object | undefined {
  const { generation } = options;
  if (path === '/admin/host/status') return hostStatus(options);
  if (path === '/admin/functions') {
    return generation.functions.map((loaded) => describeFunction(loaded, options, url));
  }
  const hostKeys = /^\/admin\/host\/(keys|functionkeys|systemkeys)(?:\/([^/]+))?$/.exec(path);
  if (hostKeys !== null) return keysOf(options.settings, hostKeys[1] === 'systemkeys', hostKeys[2]);
  const [name = '', part, ...more] = path.replace('/admin/functions/', '').split('/');
  const loaded = findFunction(generation, name);
  if (!path.startsWith('/admin/functions/') || loaded === undefined || more.length > 0) return undefined;
  if (part === undefined) return describeFunction(loaded, options, url);
  if (part === 'status') return {};
  // No function has a key of its own here: the host's opens all of them.
  return part === 'keys' ? { keys: [] } : undefined;
}

function keysOf({ keys }: HostSettings, ofSystem: boolean, name: string | undefined): object | undefined {
  const listed = ofSystem
    ? [{ name: 'eventgrid_extension', value: keys.eventGrid }]
    : [{ name: 'default', value: keys.function }];
  if (name === undefined) return { keys: listed };
  // The master key is in neither list, and can be asked for by its name.
  return [...listed, { name: '_master', value: keys.master }].find((key) => key.name === name);
}

function hostStatus({ generation, isReloading, outstandingRequests }: AdminOptions): object {
  const { workers, functions } = generation;
  return {
    id: 'headend',
    state: isReloading ? 'Initialized' : 'Running',
    version: '4.0.0-headend',
    processUptime: Math.round(process.uptime() * 1000),
    functionCount: functions.length,
    workerRestarts: workers.restarts,
    invocationsInFlight: workers.inFlight,
    outstandingRequests,
  };
}

function describeFunction(loaded: LoadedFunction, { generation }: AdminOptions, url: URL): object {
  const { info, isDisabled } = loaded;
  const bindings = Object.entries(info.bindings).map(([name, binding]) => ({ name, ...binding }));
  const http = generation.httpFunctions.find(({ name }) => name === info.name);
  return {
    name: info.name,
    href: `${url.origin}/admin/functions/${info.name}`,
    language: 'node',
    isDisabled,
    ...(http === undefined ? {} : { invoke_url_template: `${url.origin}/${http.route.template}` }),
    config: {
      name: info.name,
      scriptFile: info.scriptFile,
      disabled: isDisabled,
      bindings,
      ...(info.retryOptions === undefined ? {} : { retry: info.retryOptions }),
    },
  };
}

async function restart(options: AdminOptions, { request, response }: Exchange): Promise<void> {
  if (request.method !== 'POST') return end(response, 405);
  // As on Azure the answer does not wait for it.
  options.reload().catch((error: unknown) => options.log.error('app.notReloaded', describeError(error)));
  return json(response, 200, { scriptPath: options.settings.appDir });
}

/** `POST /admin/functions/{name}` with `{"input":"…"}`: the answer does not wait for the function. */
async function runByHand(options: AdminOptions, exchange: Exchange, name: string): Promise<void> {
  const { request, response, url } = exchange;
  const loaded = findFunction(options.generation, name);
  if (loaded === undefined) return end(response, 404);
  const body = await readBody(request, ADMIN_BYTES_MAX);
  if (body === undefined) return endEarly(response, 413);
  const input = inputFor(loaded, readInput(body.toString()), url);
  if (input === undefined) return end(response, 400);
  loaded.invoke(input, metadataFor(loaded, input)).then(
    ({ result }) => {
      if (result.status === 'success') return;
      options.log.error('function.failed', { function: loaded.info.name, ...result.exception });
    },
    (error: unknown) =>
      options.log.error('function.failed', { function: loaded.info.name, ...describeError(error) }),
  );
  end(response, 202);
}

/** The input as the function's trigger gives it; undefined when it cannot be made of that text. */
function inputFor({ trigger, info }: LoadedFunction, text: string, url: URL): RpcTypedData | undefined {
  switch (trigger.type.toLowerCase()) {
    case 'timertrigger':
      return {
        json: JSON.stringify({
          Schedule: { AdjustForDST: true },
          ScheduleStatus: null,
          IsPastDue: false,
        }),
      };
    case 'httptrigger':
      return {
        http: {
          method: 'POST',
          url: `${url.origin}/api/${info.name}`,
          nullableHeaders: { 'content-type': { value: 'application/json' } },
          nullableParams: {},
          nullableQuery: {},
          ...(text === '' ? {} : { body: { bytes: Buffer.from(text) } }),
        },
      };
    case 'eventgridtrigger':
      if (!isJsonObject(text)) return undefined;
      return trigger['cardinality'] === 'many' ? { collectionString: { string: [text] } } : { json: text };
    default:
      return { string: text };
  }
}

function metadataFor({ trigger }: LoadedFunction, input: RpcTypedData): Record<string, RpcTypedData> {
  const type = trigger.type.toLowerCase();
  if (type === 'queuetrigger') return { QueueTrigger: input, DequeueCount: { json: '1' } };
  return type === 'eventgridtrigger' ? { data: input } : {};
}

/** The `input` of `{"input":"…"}`. */
function readInput(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'input' in parsed) {
      return typeof parsed.input === 'string' ? parsed.input : JSON.stringify(parsed.input);
    }
  } catch {
    // Not JSON: an empty input.
  }
  return '';
}

function isJsonObject(text: string): boolean {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
  } catch {
    return false;
  }
}

function findFunction({ functions }: Generation, name: string): LoadedFunction | undefined {
  return functions.find(({ info }) => info.name.toLowerCase() === name);
}
