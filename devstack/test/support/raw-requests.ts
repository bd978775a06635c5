import { once } from 'node:events';
import { type IncomingHttpHeaders, type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { connect } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Parsed when it is JSON, else the text. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads any field of an answer and asserts on it
  readonly body: any;
}

export interface RawRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** PEM of whom to trust on https. */
  readonly ca?: string;
}

/** One request whose path goes out as it is written here: `fetch` would take `..` out of it. */
export function rawRequest(base: string, path: string, options: RawRequest = {}): Promise<RawAnswer> {
  const { protocol, hostname, port } = new URL(base);
  const { method = 'GET', headers = {}, body, ca } = options;
  const target: RequestOptions & { ca?: string } = {
    ...{ hostname, port, path, method, agent: false, timeout: 15_000 },
    headers: {
      ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
      ...headers,
    },
    ...(ca === undefined ? {} : { ca }),
  };
  return new Promise((resolve, reject) => {
    const request = (protocol === 'https:' ? requestHttps : requestHttp)(target, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        const isJson = /\bjson\b/.test(response.headers['content-type'] ?? '');
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: isJson && text !== '' ? JSON.parse(text) : text,
        });
      });
    });
    request.on('timeout', () => request.destroy(new Error(`${method} ${path} is not answered`)));
    request.on('error', reject);
    request.end(body);
  });
}

/** Says something to a TCP port and resolves to the milliseconds until the other side closes. */
export async function closedAfterMs(port: number, bytes: Uint8Array, withinMs: number): Promise<number> {
  const startedAtMs = Date.now();
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined); // a reset is one way of closing
  socket.resume();
  if (bytes.length > 0) socket.write(bytes);
  const timer = setTimeout(() => socket.destroy(), withinMs);
  await once(socket, 'close');
  clearTimeout(timer);
  return Date.now() - startedAtMs;
}
