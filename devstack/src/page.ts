import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { readEnvironment } from './environment.ts';
import { openLog } from './log.ts';

export interface PageServerOptions {
  /** 0: any free one. */
  readonly port: number;
  /** The one folder that is served; nothing below its own folders. */
  readonly folder: string;
  /** Where the page finds the API, for example `http://127.0.0.1:7071/api/v1`. */
  readonly apiBase: string;
  /** Where its player may fetch from. */
  readonly streamingBase: string;
  readonly keysBase: string;
  /** Where it may upload to. */
  readonly uploadBase: string;
}

const HOST = '127.0.0.1';
const CLOSE_WITHIN_MS = 2000;
const HEADERS_TIMEOUT_MS = 10_000;
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
};
/** A plain name: no folder, no leading dot, nothing encoded. Anything else cannot even become a path. */
const FILE_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/;

const Settings = z.object({
  HEADEND_PAGE_PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  HEADEND_API_BASE: z.url(),
  HEADEND_STREAMING_BASE: z.url(),
  HEADEND_KEYS_BASE: z.url(),
  HEADEND_UPLOAD_BASE: z.url(),
});

/** `devstack.mjs page`: serves the live page until SIGTERM. */
export async function runPage(): Promise<void> {
  const environment = readEnvironment();
  const settings = Settings.parse(environment.variables);
  const log = openLog('page');
  const server = await startPageServer({
    port: settings.HEADEND_PAGE_PORT,
    folder: fileURLToPath(new URL('../../web/dist/', import.meta.url)),
    apiBase: settings.HEADEND_API_BASE,
    streamingBase: settings.HEADEND_STREAMING_BASE,
    keysBase: settings.HEADEND_KEYS_BASE,
    uploadBase: settings.HEADEND_UPLOAD_BASE,
  });
  const stop = () => {
    server.close();
    setTimeout(() => server.closeAllConnections(), CLOSE_WITHIN_MS).unref();
    server.closeIdleConnections();
    process.stdin.destroy();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  if (environment.exitWithParent) process.stdin.once('end', stop).resume();
  log.info('page.listening', { port: portOf(server) });
  process.stdout.write(`${JSON.stringify({ ready: true, page: portOf(server) })}\n`);
}

/** Starts a server of static files that answers GET and HEAD, with a policy that lets the page talk to the API, the origin, key delivery and the storage only. */
export async function startPageServer(options: PageServerOptions): Promise<Server> {
  const headers = commonHeaders(options);
  const server = createServer({ requestTimeout: HEADERS_TIMEOUT_MS }, (request, response) => {
    answer(request, response, { options, headers }).catch(() => {
      if (!response.headersSent) response.writeHead(500, headers);
      response.end();
    });
  });
  server.listen(options.port, HOST);
  await once(server, 'listening');
  return server;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { options, headers }: { options: PageServerOptions; headers: Readonly<Record<string, string>> },
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { ...headers, allow: 'GET, HEAD' }).end();
    return;
  }
  const [target = '/'] = (request.url ?? '/').split('?', 1);
  const name = target === '/' ? 'index.html' : target.slice(1);
  const file = await read(name, options);
  if (file === undefined) {
    response.writeHead(404, { ...headers, 'content-type': 'text/plain; charset=utf-8' }).end('Not found\n');
    return;
  }
  response.writeHead(200, {
    ...headers,
    'content-type': file.type,
    'content-length': file.body.length,
    // The names of chunks carry a hash of what is in them.
    'cache-control': name.startsWith('chunk-') ? 'public, max-age=31536000, immutable' : 'no-cache',
  });
  response.end(request.method === 'HEAD' ? undefined : file.body);
}

async function read(
  name: string,
  options: PageServerOptions,
): Promise<{ body: Buffer; type: string } | undefined> {
  if (name === 'config.json') {
    return { body: Buffer.from(JSON.stringify({ apiBase: options.apiBase })), type: 'application/json' };
  }
  const type = TYPES[path.extname(name)];
  if (!FILE_NAME.test(name) || type === undefined) return undefined;
  try {
    return { body: await readFile(path.join(options.folder, name)), type };
  } catch {
    return undefined;
  }
}

function commonHeaders({
  apiBase,
  streamingBase,
  keysBase,
  uploadBase,
}: PageServerOptions): Readonly<Record<string, string>> {
  const api = new URL(apiBase).origin;
  const streaming = new URL(streamingBase).origin;
  const keys = new URL(keysBase).origin;
  const uploads = new URL(uploadBase).origin;
  return {
    'content-security-policy': [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      `img-src 'self' blob: ${streaming}`,
      // hls.js has an empty `data:` track to reach those of a manifest by.
      `media-src blob: data: ${streaming}`,
      `connect-src 'self' ${api} ${streaming} ${keys} ${uploads}`,
      "worker-src 'self' blob:",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
  };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
