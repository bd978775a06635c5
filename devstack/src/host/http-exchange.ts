import type { IncomingMessage, ServerResponse } from 'node:http';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
}

export function parseUrl(request: IncomingMessage): URL | undefined {
  // An absolute or protocol-relative target must not choose the host.
  const target = request.url?.replace(/^\/{2,}/, '/') ?? '/';
  const base = `http://${request.headers.host ?? 'localhost'}`;
  return target.startsWith('/') && URL.canParse(target, base) ? new URL(target, base) : undefined;
}

export function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}

export function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}

export function end(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-length': '0' }).end();
}

/** Answers before the body has been read, so the connection cannot be used again. */
export function endEarly(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-length': '0', connection: 'close' }).end();
}
