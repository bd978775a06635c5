import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Certificate } from './certificate.ts';

interface Secret {
  readonly value: string;
  readonly deleted: boolean;
}

export interface KeyVault {
  readonly url: string;
  readonly token: string;
  /** `METHOD /path` of each request that brought a token. */
  readonly calls: string[];
  /** The next so many writes are answered 409 although nothing is recoverable: a removal is under way. */
  busyWrites: number;
  /** Answers every call so until it is undefined again. */
  broken: number | undefined;
  close(): Promise<void>;
}

const MESSAGE_BYTES_MAX = 64 * 1024;

/**
 * The secrets part of Azure Key Vault's REST API (version 7.x) as its reference describes it: the bearer challenge,
 * versions, soft deletion and recovery. Wire shapes only; it is not Azure.
 */
export async function startKeyVault({ cert, key }: Certificate): Promise<KeyVault> {
  const secrets = new Map<string, Secret>();
  const token = 'token-of-the-vault';
  const calls: string[] = [];
  const vault: Pick<KeyVault, 'busyWrites' | 'broken'> = { busyWrites: 0, broken: undefined };
  let url = '';

  const bundle = (name: string, { value }: Secret) => ({
    value,
    id: `${url}/secrets/${name}/0123456789abcdef0123456789abcdef`,
    attributes: {
      enabled: true,
      created: 1_700_000_000,
      updated: 1_700_000_000,
      recoveryLevel: 'Recoverable+Purgeable',
    },
  });
  const failure = (code: string) => ({ error: { code, message: `The request failed: ${code}` } });

  function put(name: string, body: string) {
    if (vault.busyWrites > 0 || secrets.get(name)?.deleted === true) {
      vault.busyWrites = Math.max(0, vault.busyWrites - 1);
      return { status: 409, body: failure('Conflict') };
    }
    const secret = { value: String(JSON.parse(body).value), deleted: false };
    secrets.set(name, secret);
    return { status: 200, body: bundle(name, secret) };
  }

  /** What is there of a name that is deleted, or not, becomes the other; 404 when there is none. */
  function turn(name: string, { deleted, to }: { deleted: boolean; to: boolean }) {
    const found = secrets.get(name);
    if (found?.deleted !== deleted) return { status: 404, body: failure('SecretNotFound') };
    secrets.set(name, { ...found, deleted: to });
    const recovery = deleted || to ? { recoveryId: `${url}/deletedsecrets/${name}` } : {};
    return { status: 200, body: { ...bundle(name, found), ...recovery } };
  }

  function answer(method: string, path: string, body: string): { status: number; body: object } {
    const [, kind, name = '', verb = ''] = path.toLowerCase().split('/');
    if (!/^[0-9a-z-]{1,127}$/.test(name)) return { status: 400, body: failure('BadParameter') };
    switch (`${method} ${kind} ${verb}`.trim()) {
      case 'PUT secrets':
        return put(name, body);
      case 'GET secrets':
        return turn(name, { deleted: false, to: false });
      case 'DELETE secrets':
        return turn(name, { deleted: false, to: true });
      case 'GET deletedsecrets':
        return turn(name, { deleted: true, to: true });
      case 'POST deletedsecrets recover':
        return turn(name, { deleted: true, to: false });
      default:
        return { status: 405, body: failure('MethodNotAllowed') };
    }
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) {
      body += String(chunk);
      if (body.length > MESSAGE_BYTES_MAX) throw new Error('too large');
    }
    if (request.headers.authorization !== `Bearer ${token}`) {
      const challenge =
        'Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://vault.azure.net"';
      response.writeHead(401, { 'www-authenticate': challenge, 'content-type': 'application/json' });
      response.end(JSON.stringify(failure('Unauthorized')));
      return;
    }
    const { pathname, searchParams } = new URL(request.url ?? '/', url);
    calls.push(`${request.method} ${pathname}`);
    const got =
      vault.broken !== undefined
        ? { status: vault.broken, body: { error: { code: 'Broken', message: `It was ${body}` } } }
        : searchParams.has('api-version')
          ? answer(request.method ?? '', pathname, body)
          : { status: 400, body: failure('MissingApiVersion') };
    response.writeHead(got.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(got.body));
  }

  const server = createServer({ cert, key }, (request, response) => {
    serve(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  url = `https://127.0.0.1:${address.port}`;
  return Object.assign(vault, {
    url,
    token,
    calls,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}
