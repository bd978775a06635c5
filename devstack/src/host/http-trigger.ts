import type { IncomingMessage, ServerResponse } from 'node:http';
import type { InvocationResponse, RpcHttpCookie, RpcHttpData, RpcTypedData } from './worker-protocol.ts';

/** The request as the real host hands it to a worker: lower-case names, repeated values joined with a comma. */
export function toRpcRequest(
  request: IncomingMessage,
  url: URL,
  params: Readonly<Record<string, string>>,
  body: Uint8Array,
): RpcHttpData {
  const headers = Object.entries(request.headersDistinct).map(([name, values]) => [
    name,
    { value: (values ?? []).join(name === 'cookie' ? '; ' : ',') },
  ]);
  const query = new Map<string, string>();
  for (const [name, value] of url.searchParams) {
    const before = query.get(name);
    query.set(name, before === undefined ? value : `${before},${value}`);
  }
  const wrap = (entries: Iterable<readonly [string, string]>) =>
    Object.fromEntries([...entries].map(([name, value]) => [name, { value }]));
  return {
    url: url.href,
    method: request.method ?? 'GET',
    nullableHeaders: Object.fromEntries(headers),
    nullableParams: wrap(Object.entries(params)),
    nullableQuery: wrap(query),
    ...(body.byteLength > 0 ? { body: { bytes: body } } : {}),
  };
}

const NULL_BODY_STATUSES = [204, 205, 304];
// Node frames the message itself.
const FRAMING_HEADERS = ['content-length', 'transfer-encoding', 'connection', 'keep-alive'];

/** Answers with what the function returned: 204 for nothing, 500 without a body for a failure. */
export function writeRpcResponse(response: ServerResponse, invocation: InvocationResponse): void {
  if (invocation.result.status === 'failure') {
    response.writeHead(500, { 'content-length': '0' }).end();
    return;
  }
  const http = invocation.returnValue?.http;
  if (http === undefined) {
    response.writeHead(invocation.returnValue === undefined ? 204 : 500).end();
    return;
  }
  const status = Number(http.statusCode ?? 200);
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    response.writeHead(500, { 'content-length': '0' }).end();
    return;
  }
  for (const [name, value] of Object.entries(http.headers ?? {})) {
    if (!FRAMING_HEADERS.includes(name.toLowerCase())) response.setHeader(name, value);
  }
  const cookies = (http.cookies ?? []).map(serializeCookie);
  if (cookies.length > 0) response.setHeader('set-cookie', cookies);
  if (NULL_BODY_STATUSES.includes(status)) {
    response.writeHead(status).end();
    return;
  }
  const body = toBytes(http.body);
  response.writeHead(status, { 'content-length': String(body.byteLength) }).end(body);
}

function toBytes(data: RpcTypedData | undefined): Uint8Array {
  if (data?.bytes !== undefined) return data.bytes;
  return Buffer.from(data?.string ?? data?.json ?? '');
}

function serializeCookie(cookie: RpcHttpCookie): string {
  const parts = [`${cookie.name}=${encodeURIComponent(cookie.value)}`];
  const maxAge = cookie.maxAge?.value;
  const expires = cookie.expires?.value?.seconds;
  if (maxAge !== undefined) parts.push(`Max-Age=${Math.trunc(maxAge)}`);
  if (expires !== undefined) parts.push(`Expires=${new Date(expires * 1000).toUTCString()}`);
  if (cookie.domain?.value !== undefined) parts.push(`Domain=${cookie.domain.value}`);
  if (cookie.path?.value !== undefined) parts.push(`Path=${cookie.path.value}`);
  if (cookie.secure?.value === true) parts.push('Secure');
  if (cookie.httpOnly?.value === true) parts.push('HttpOnly');
  const sameSite = { strict: 'Strict', lax: 'Lax', explicitNone: 'None' }[cookie.sameSite ?? ''];
  if (sameSite !== undefined) parts.push(`SameSite=${sameSite}`);
  return parts.join('; ');
}
