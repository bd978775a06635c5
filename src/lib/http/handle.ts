import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import { z } from 'zod';
import type { Route } from '../contracts/route.ts';
import { ROUTES, type RouteName } from '../contracts/routes.ts';
import { ERRORS, type FieldError, Problem } from '../domain/errors.ts';
import { errorFields, log } from '../log.ts';
import type { Caller } from '../workflows/api-channels.ts';

const BODY_BYTES_MAX = 64 * 1024;
const FIELD_ERRORS_MAX = 50;

export interface Call {
  readonly request: HttpRequest;
  readonly caller: Caller;
  readonly traceId: string;
}

/** What `app.http` registers for a route. */
export function trigger(name: RouteName) {
  const route: Route = ROUTES[name];
  return {
    methods: [route.method],
    route: `v1${route.path}`,
    authLevel: route.anonymous === true ? ('anonymous' as const) : ('function' as const),
  };
}

/** A handler that answers problems for what is thrown: ours with their code, anything else as `internal`. */
export function handle(work: (call: Call) => Promise<HttpResponseInit>) {
  return async (request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> => {
    const traceId =
      /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(context.traceContext?.traceParent ?? '')?.[1] ??
      context.invocationId;
    // Who asked: what the caller says of itself; the function key has no name here.
    const by = (request.headers.get('x-headend-caller') ?? 'api').replace(/[^\w@.:/ -]/g, '').slice(0, 100);
    const caller = { by, ifMatch: request.headers.get('if-match') ?? undefined };
    try {
      return await work({ request, caller, traceId });
    } catch (error) {
      if (error instanceof Problem) return problemAnswer(error, traceId);
      const status =
        typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : undefined;
      log('error', 'http.failed', { traceId, status, ...errorFields(error) });
      return problemAnswer(
        new Problem('internal', { detail: 'The error is in the log under this traceId.' }),
        traceId,
      );
    }
  };
}

function problemAnswer({ code, problem }: Problem, traceId: string): HttpResponseInit {
  const { status, title, retryable } = ERRORS[code];
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...(retryable ? { 'retry-after': '1' } : {}) },
    body: JSON.stringify({
      type: `urn:headend:error:${code}`,
      title,
      status,
      code,
      retryable,
      traceId,
      ...problem,
    }),
  };
}

export async function readBody<T>(request: HttpRequest, schema: z.ZodType<T>): Promise<T> {
  return parseValue(await readJson(request), schema);
}

/** The body as JSON; an absent one is an empty object. */
export async function readJson(request: HttpRequest, bytesMax = BODY_BYTES_MAX): Promise<unknown> {
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax) throw tooLarge(bytesMax);
  const text = await request.text();
  if (Buffer.byteLength(text) > bytesMax) throw tooLarge(bytesMax);
  if (text.trim() !== '') {
    try {
      return JSON.parse(text);
    } catch {
      throw new Problem('invalidBody', {
        detail: 'The body is not JSON.',
        errors: [{ pointer: '', message: 'not JSON' }],
      });
    }
  }
  // The host forwards chunked bodies as empty ones: taking that for {} would store what nobody asked for.
  if (request.headers.has('transfer-encoding'))
    throw new Problem('lengthRequired', { detail: 'Send the body with Content-Length, not chunked.' });
  return {};
}

const tooLarge = (bytesMax: number) =>
  new Problem('bodyTooLarge', { detail: `A body has at most ${bytesMax} bytes.` });

/** `at`: where the value stands in the body, as a JSON Pointer. */
export function parseValue<T>(value: unknown, schema: z.ZodType<T>, at = ''): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Problem('invalidBody', {
    detail: 'Some fields are not what they should be.',
    errors: fieldErrors(parsed.error, at),
  });
}

function fieldErrors(error: z.ZodError, at = ''): readonly FieldError[] {
  return error.issues.slice(0, FIELD_ERRORS_MAX).flatMap((issue) => {
    const path = issue.path.map((part) => String(part));
    if (issue.code !== 'unrecognized_keys')
      return [{ pointer: `${at}${pointer(path)}`, message: issue.message }];
    return issue.keys.map((key) => ({
      pointer: `${at}${pointer([...path, key])}`,
      message: 'unknown field',
    }));
  });
}

/** RFC 6901 §3. */
const pointer = (path: readonly string[]): string =>
  path.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

export function parameter<T>(call: Call, name: string, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(call.request.params[name]);
  if (parsed.success) return parsed.data;
  throw new Problem('invalidParameter', {
    detail: `${name}: ${z.prettifyError(parsed.error)}`,
    errors: fieldErrors(parsed.error),
  });
}

export function queryParameter<T>(call: Call, name: string, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(call.request.query.get(name) ?? undefined);
  if (parsed.success) return parsed.data;
  throw new Problem('invalidParameter', { detail: `?${name}: ${z.prettifyError(parsed.error)}` });
}

export const json = (
  status: number,
  body: object,
  headers: Record<string, string> = {},
): HttpResponseInit => ({
  status,
  headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
  body: JSON.stringify(body),
});
