import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** What a storage account's CORS rule for the live page says; docs/uploads.md has the same for Azure. */
const METHODS = 'GET, HEAD, PUT, OPTIONS';
const EXPOSED = 'x-ms-request-id, x-ms-error-code, etag, content-length';
const REMEMBERED_SECONDS = 3600;
/** As many as browsers list in one request. */
const REQUEST_HEADERS_CHARS_MAX = 1000;

/** Of an answer to a page that may upload; storage adds none of its own without a rule. */
export function corsHeaders(
  headers: IncomingHttpHeaders,
  origins: readonly string[],
): Readonly<Record<string, string>> {
  const { origin } = headers;
  if (origin === undefined || !origins.includes(origin)) return {};
  return {
    'access-control-allow-origin': origin,
    'access-control-expose-headers': EXPOSED,
    vary: 'origin',
  };
}

/** Undefined: this is no browser's question, or not of a page that may upload. */
export function preflightHeaders(
  { method, headers }: IncomingMessage,
  origins: readonly string[],
): Readonly<Record<string, string>> | undefined {
  const { origin } = headers;
  const isAsked = method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
  if (!isAsked || origin === undefined || !origins.includes(origin)) return undefined;
  const wanted = headers['access-control-request-headers'] ?? '';
  return {
    'access-control-allow-methods': METHODS,
    'access-control-allow-headers': /^[\w, -]*$/.test(wanted)
      ? wanted.slice(0, REQUEST_HEADERS_CHARS_MAX)
      : '',
    'access-control-max-age': String(REMEMBERED_SECONDS),
    'content-length': '0',
  };
}
