import type { IncomingMessage, ServerResponse } from 'node:http';

/** What a browser may read of an answer beyond the safe-listed headers. */
const EXPOSED = 'ETag, Location, Operation-Location, Retry-After, Preference-Applied, Link, traceparent';
const PREFLIGHT_SECONDS = '600';
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** Sets the CORS headers for an allowed origin; true when the request was a preflight and is answered. */
export function applyCors(
  request: IncomingMessage,
  response: ServerResponse,
  origins: readonly string[],
  credentials: boolean,
): boolean {
  const origin = request.headers.origin;
  if (origin === undefined || origins.length === 0) return false;
  const isAny = origins.includes('*');
  if (!isAny) response.setHeader('vary', 'Origin');
  const isPreflight =
    request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
  if (isAny || origins.includes(origin)) {
    response.setHeader('access-control-allow-origin', isAny && !credentials ? '*' : origin);
    if (credentials) response.setHeader('access-control-allow-credentials', 'true');
    if (isPreflight) allowPreflight(request, response);
    else response.setHeader('access-control-expose-headers', EXPOSED);
  }
  if (isPreflight) response.writeHead(204).end();
  return isPreflight;
}

function allowPreflight(request: IncomingMessage, response: ServerResponse): void {
  const asked = request.headers['access-control-request-headers'];
  response.setHeader('access-control-allow-methods', METHODS);
  if (asked !== undefined) response.setHeader('access-control-allow-headers', asked);
  response.setHeader('access-control-max-age', PREFLIGHT_SECONDS);
}
