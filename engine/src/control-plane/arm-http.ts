import type { IncomingMessage, ServerResponse } from 'node:http';
import createRouter, { type HTTPMethod } from 'find-my-way';
import type { Caller } from '../resources/account-scope.ts';
import { ArmError, armError } from '../resources/error-catalogue.ts';
import { type ArmAccess, actionOf, challengeOf, checkMayAct, scopeOf, signedInCaller } from './arm-access.ts';
import type { ControlContext } from './control-context.ts';

const BODY_BYTES_MAX = 1024 * 1024;
const NAME_LENGTH_MAX = 300;
const RETRY_AFTER_SECONDS = '5';
/** One client sends several: each group of operations has its own (reference §1.0). */
const API_VERSIONS = ['2021-11-01', '2022-07-01', '2022-08-01', '2022-11-01', '2023-01-01'];

const METHODS = ['GET', 'PUT', 'PATCH', 'POST', 'DELETE'] as const satisfies readonly HTTPMethod[];

export interface ArmRequest {
  readonly apiVersion: string;
  /** The named parts of the path, decoded, with their letter case. */
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly query: URLSearchParams;
  /** Undefined when none was sent. */
  readonly body: unknown;
  readonly caller: Caller;
  /** Undefined when it was not sent. `name` is lower-case. */
  header(name: string): string | undefined;
  /** `https://host:port`, as the client called it. */
  readonly origin: string;
  readonly pathname: string;
}

export interface ArmAnswer {
  readonly status: number;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

interface RouteBase {
  readonly method: (typeof METHODS)[number];
  readonly path: string;
  /** Where it is not one of Media Services' own. */
  readonly apiVersions?: readonly string[];
  /** What a caller must be allowed to do, where it does not follow from method and path (`actionOf`). */
  readonly permission?: string;
}

/** A call on an account or on what is in it: a constant, the account comes with each request. */
export interface ArmRoute extends RouteBase {
  /** After the account's id, such as `/assets/:asset`. */
  readonly path: string;
  readonly handle: (context: ControlContext, request: ArmRequest) => Promise<ArmAnswer>;
}

/** A call that needs no account, or one that may not be there. */
export interface ProviderRoute extends RouteBase {
  /** The whole path, such as `/providers/Microsoft.Media/operations`. */
  readonly path: string;
  readonly handle: (request: ArmRequest) => Promise<ArmAnswer>;
}

export interface ArmRoutes {
  readonly provider: readonly ProviderRoute[];
  readonly account: readonly ArmRoute[];
}

export const ACCOUNT_PATH =
  '/subscriptions/:subscription/resourceGroups/:resourceGroup/providers/Microsoft.Media/mediaservices/:account';

export interface AccountAddress {
  readonly subscription: string;
  readonly resourceGroup: string;
  readonly account: string;
}

export interface ArmHttpDeps {
  /** Undefined when there is no such account; names are compared without letter case. */
  readonly findAccount: (address: AccountAddress) => Promise<ControlContext | undefined>;
  readonly access: ArmAccess;
  readonly log: { error(event: string, fields?: object): void };
  readonly armEndpoint: string;
}

/** Turns the routing tables into a request listener: token, api-version, body, handler, error envelope. */
export function createArmListener(routes: ArmRoutes, deps: ArmHttpDeps) {
  const router = createRouter({
    caseSensitive: false,
    ignoreTrailingSlash: true,
    maxParamLength: NAME_LENGTH_MAX,
  });
  for (const route of providerRoutesOf(routes, deps)) {
    router.on(route.method, route.path, () => undefined, route);
  }
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      const url = urlOf(request, deps.armEndpoint);
      const caller = await signedInCaller(request.headers.authorization, deps.access);
      // The table's own `store` is typed `any` by the router; it holds what the loop above put there.
      const method = methodOf(request);
      const found = router.find(method, url.pathname);
      if (found === null) {
        const isKnown = METHODS.some((other) => router.find(other, url.pathname) !== null);
        if (isKnown) throw armError('MethodNotAllowed', { name: method });
        throw armError('RouteNotFound', { name: url.pathname.slice(0, NAME_LENGTH_MAX) });
      }
      const route: ProviderRoute = found.store;
      checkMayAct(caller, route.permission ?? actionOf(method, route.path), scopeOf(method, url.pathname));
      const apiVersion = checkedApiVersion(url.searchParams, route.apiVersions ?? API_VERSIONS);
      const body = await readJson(request);
      send(
        response,
        await route.handle({
          apiVersion,
          params: found.params,
          query: url.searchParams,
          body,
          caller: { id: caller.callerId },
          header: (name) => request.headers[name]?.toString(),
          origin: originOf(request, deps.armEndpoint),
          pathname: url.pathname,
        }),
      );
    } catch (error) {
      sendError(response, error, deps);
    }
  };
}

/** Clients may put another slash before a resource's id; only a path of this host is asked for here. */
function urlOf({ url = '/' }: IncomingMessage, armEndpoint: string): URL {
  const target = url.replace(/^\/+/, '/');
  if (target.startsWith('/') && URL.canParse(target, armEndpoint)) return new URL(target, armEndpoint);
  throw armError('RouteNotFound', { name: url.slice(0, NAME_LENGTH_MAX) });
}

function methodOf(request: IncomingMessage): HTTPMethod {
  const method = METHODS.find((name) => name === request.method);
  if (method === undefined) throw armError('MethodNotAllowed', { name: request.method ?? '' });
  return method;
}

/** Poll addresses go back the way the client came (a forwarded port, `localhost`). */
function originOf(request: IncomingMessage, armEndpoint: string): string {
  const { host } = request.headers;
  return host !== undefined && /^[\w.:[\]-]{1,255}$/.test(host) ? `https://${host}` : armEndpoint;
}

function providerRoutesOf(routes: ArmRoutes, deps: ArmHttpDeps): readonly ProviderRoute[] {
  const onAccount = routes.account.map((route) => ({
    ...route,
    path: ACCOUNT_PATH + route.path,
    handle: async (request: ArmRequest) => route.handle(await contextOf(request.params, deps), request),
  }));
  return [...routes.provider, ...onAccount];
}

async function contextOf(params: ArmRequest['params'], deps: ArmHttpDeps): Promise<ControlContext> {
  const { subscription = '', resourceGroup = '', account = '' } = params;
  const context = await deps.findAccount({ subscription, resourceGroup, account });
  if (context === undefined) throw armError('AccountNotFound', { name: account, resourceGroup });
  return context;
}

function checkedApiVersion(query: URLSearchParams, known: readonly string[]): string {
  const version = query.get('api-version');
  if (version === null) throw armError('MissingApiVersion');
  if (known.includes(version)) return version;
  throw armError('InvalidApiVersion', { reason: known.join(', ') });
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    sizeBytes += bytes.length;
    if (sizeBytes > BODY_BYTES_MAX) throw armError('RequestTooLarge', { reason: String(BODY_BYTES_MAX) });
    chunks.push(bytes);
  }
  if (sizeBytes === 0) return undefined;
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    return body;
  } catch (cause) {
    throw new ArmError('InvalidJson', {}, { cause });
  }
}

function send(response: ServerResponse, { status, body, headers }: ArmAnswer): void {
  response.writeHead(status, {
    ...(body === undefined
      ? {}
      : { 'content-type': 'application/json; odata.metadata=minimal; charset=utf-8' }),
    'cache-control': 'no-cache',
    'odata-version': '4.0',
    ...headers,
  });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

function sendError(response: ServerResponse, error: unknown, deps: ArmHttpDeps): void {
  if (!(error instanceof ArmError)) deps.log.error('arm.failed', { error });
  const answer = error instanceof ArmError ? error : armError('InternalError');
  const { status, code, message } = answer;
  if (response.headersSent) return;
  send(response, {
    status,
    body: { error: { code, message } },
    headers: {
      ...(status === 401 ? { 'www-authenticate': challengeOf(answer, deps.access) } : {}),
      ...(status === 503 ? { 'retry-after': RETRY_AFTER_SECONDS } : {}),
      // The rest of an oversized body is not read.
      ...(status === 413 ? { connection: 'close' } : {}),
    },
  });
}
