import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { parseByteRange } from './byte-range.ts';
import { matchesEntityTag, rangeStillApplies } from './entity-tag.ts';
import { ORIGIN_ERRORS, OriginError } from './origin-errors.ts';

/** A complete 200 answer; `sendContent` makes 206, 304 and HEAD answers of it. */
export interface Content {
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly cacheControl: string;
  /** Strong, with its quotes; undefined for what is different each time. */
  readonly entityTag: string | undefined;
}

const CORS_HEADERS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers':
    'Accept-Ranges, Cache-Control, Content-Length, Content-Range, Date, ETag, Retry-After, x-ms-mpe-error',
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'Timing-Allow-Origin': '*',
} as const;

const PREFLIGHT_HEADERS = {
  'Access-Control-Allow-Methods': 'GET, HEAD, OPTIONS',
  'Access-Control-Allow-Headers': '*, Authorization, Range, If-None-Match, If-Range',
  'Access-Control-Max-Age': '86400',
  Allow: 'GET, HEAD, OPTIONS',
} as const;

/** Sends without copying: a part is a view of the cached bytes. How many bytes its body has. */
export function sendContent(request: IncomingMessage, response: ServerResponse, content: Content): number {
  const { body, entityTag } = content;
  const asked = request.headers;
  if (asked.range === undefined && asked['if-none-match'] === undefined) {
    return sendWhole(request, response, content);
  }
  const headers = headersOf(content);
  if (entityTag !== undefined && matchesEntityTag(request.headers['if-none-match'], entityTag)) {
    response.writeHead(304, headers).end();
    return 0;
  }
  const rangeHeader =
    request.method === 'GET' && rangeStillApplies(request.headers['if-range']?.toString(), entityTag ?? '')
      ? request.headers.range
      : undefined;
  const range = parseByteRange(rangeHeader, body.byteLength);
  if (range.kind === 'unsatisfiable') {
    const problem = new OriginError('MPE_STORAGE_INVALID_RANGE', `the body has ${body.byteLength} bytes`);
    return sendError(request, response, problem, { 'Content-Range': `bytes */${body.byteLength}` });
  }
  if (range.kind === 'part') {
    headers['Content-Range'] = `bytes ${range.start}-${range.endInclusive}/${body.byteLength}`;
    headers['Content-Length'] = range.endInclusive + 1 - range.start;
    response.writeHead(206, headers).end(body.subarray(range.start, range.endInclusive + 1));
    return range.endInclusive + 1 - range.start;
  }
  return sendWhole(request, response, content);
}

export function headersOf({
  contentType,
  cacheControl,
  entityTag,
}: Omit<Content, 'body'>): OutgoingHttpHeaders {
  return {
    ...CORS_HEADERS,
    'Content-Type': contentType,
    'Cache-Control': cacheControl,
    'Accept-Ranges': 'bytes',
    'X-Content-Type-Options': 'nosniff',
    ...(entityTag === undefined ? {} : { ETag: entityTag }),
  };
}

interface PreparedHeaders {
  readonly cacheControl: string;
  readonly entityTag: string | undefined;
  readonly contentType: string;
  /** Names and values in turns, as node:http takes them without looking at each. */
  readonly flat: string[];
}

/** The same bytes are sent to many: their headers are made once. */
const prepared = new WeakMap<Uint8Array, PreparedHeaders>();

function prepare(content: Content): string[] {
  const { body, cacheControl, entityTag, contentType } = content;
  const known = prepared.get(body);
  const isSame =
    known?.cacheControl === cacheControl &&
    known.entityTag === entityTag &&
    known.contentType === contentType;
  if (known !== undefined && isSame) return known.flat;
  const headers = { ...headersOf(content), 'Content-Length': body.byteLength };
  const flat = Object.entries(headers).flatMap(([name, value]) => [name, String(value)]);
  prepared.set(body, { cacheControl, entityTag, contentType, flat });
  return flat;
}

function sendWhole(request: IncomingMessage, response: ServerResponse, content: Content): number {
  response.writeHead(200, prepare(content));
  const isHead = request.method === 'HEAD';
  response.end(isHead ? undefined : content.body);
  return isHead ? 0 : content.body.byteLength;
}

export function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  problem: OriginError,
  extraHeaders: OutgoingHttpHeaders = {},
): number {
  const entry = ORIGIN_ERRORS[problem.code];
  const body = JSON.stringify({ error: { code: problem.code, message: problem.message } });
  const headers: OutgoingHttpHeaders = {
    ...CORS_HEADERS,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'x-ms-mpe-error': problem.code,
    ...extraHeaders,
  };
  if ('retryAfterSeconds' in entry) headers['Retry-After'] = entry.retryAfterSeconds;
  if (entry.status === 405) headers['Allow'] = PREFLIGHT_HEADERS.Allow;
  response.writeHead(entry.status, headers);
  const isHead = request.method === 'HEAD';
  response.end(isHead ? undefined : body);
  return isHead ? 0 : Buffer.byteLength(body);
}

export function sendPreflight(response: ServerResponse): void {
  response.writeHead(204, { ...CORS_HEADERS, ...PREFLIGHT_HEADERS }).end();
}
