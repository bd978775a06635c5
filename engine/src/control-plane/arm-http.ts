import type { IncomingMessage, ServerResponse } from 'node:http';
import createRouter, { type HTTPMethod } from 'find-my-way';
import type { AccountScope, Caller } from '../resources/account-scope.ts';
import { ArmError, armError } from '../resources/error-catalogue.ts';

const BODY_BYTES_MAX = 1024 * 1024;
const NAME_LENGTH_MAX = 300;
/** One client sends several: each group of operations has its own (reference §1.0). */
const API_VERSIONS = ['2021-11-01', '2022-07-01', '2022-08-01', '2022-11-01', '2023-01-01'];

const METHODS = ['GET', 'PUT', 'PATCH', 'POST', 'DELETE'] as const satisfies readonly HTTPMethod[];

export interface ArmRequest {
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

export interface ArmRoute {
  readonly method: (typeof METHODS)[number];
  /** After the account's id, such as `/assets/:asset`. */
  readonly path: string;
  readonly handle: (request: ArmRequest) => Promise<ArmAnswer>;
}

export interface ArmHttpDeps {
  readonly scope: AccountScope;
  readonly verifyToken: (token: string) => Promise<{ callerId: string } | { refused: string }>;
  readonly log: { error(event: string, fields?: object): void };
  readonly armEndpoint: string;
}

/** Turns the routing table into a request listener: token, api-version, body, handler, error envelope. */
export function createArmListener(routes: readonly ArmRoute[], deps: ArmHttpDeps) {
  const account =
    '/subscriptions/:subscription/resourceGroups/:resourceGroup/providers/Microsoft.Media/mediaservices/:account';
  const router = createRouter({
    caseSensitive: false,
    ignoreTrailingSlash: true,
    maxParamLength: NAME_LENGTH_MAX,
  });
  for (const { method, path, handle } of routes) {
    router.on(method, account + path, () => undefined, { handle });
  }
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      const url = new URL(request.url ?? '/', deps.armEndpoint);
      const caller = await authenticate(request, deps);
      // The table's own `store` is typed `any` by the router; it holds what the loop above put there.
      const method = methodOf(request);
      const found = router.find(method, url.pathname);
      if (found === null) {
        const isKnown = METHODS.some((other) => router.find(other, url.pathname) !== null);
        if (isKnown) throw armError('MethodNotAllowed', { name: method });
        throw armError('RouteNotFound', { name: url.pathname.slice(0, NAME_LENGTH_MAX) });
      }
      checkAccount(found.params, deps.scope);
      checkApiVersion(url.searchParams);
      const route: Pick<ArmRoute, 'handle'> = found.store;
      const body = await readJson(request);
      send(
        response,
        await route.handle({
          params: found.params,
          query: url.searchParams,
          body,
          caller,
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

async function authenticate(request: IncomingMessage, deps: ArmHttpDeps): Promise<Caller> {
  const token = /^Bearer ([\w.~+/=-]+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (token === undefined) throw armError('AuthenticationFailed', { reason: 'A bearer token is required.' });
  const result = await deps.verifyToken(token);
  if ('refused' in result) {
    throw armError('AuthenticationFailed', { reason: `The token was refused: ${result.refused}.` });
  }
  return { id: result.callerId };
}

function checkAccount(params: ArmRequest['params'], scope: AccountScope): void {
  const same = (left: string | undefined, right: string) => left?.toLowerCase() === right.toLowerCase();
  if (
    same(params['subscription'], scope.subscriptionId) &&
    same(params['resourceGroup'], scope.resourceGroup) &&
    same(params['account'], scope.account)
  ) {
    return;
  }
  const { account = '', resourceGroup = '' } = params;
  throw armError('AccountNotFound', { name: account, resourceGroup });
}

function checkApiVersion(query: URLSearchParams): void {
  const version = query.get('api-version');
  if (version === null) throw armError('MissingApiVersion');
  if (!API_VERSIONS.includes(version))
    throw armError('InvalidApiVersion', { reason: API_VERSIONS.join(', ') });
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
  const { status, code, message } = error instanceof ArmError ? error : armError('InternalError');
  if (response.headersSent) return;
  send(response, {
    status,
    body: { error: { code, message } },
    headers: {
      ...(status === 401
        ? { 'www-authenticate': `Bearer authorization_uri="${deps.armEndpoint}/adfs", error="invalid_token"` }
        : {}),
      // The rest of an oversized body is not read.
      ...(status === 413 ? { connection: 'close' } : {}),
    },
  });
}
