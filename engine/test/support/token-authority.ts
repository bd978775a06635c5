import { createServer, type Server } from 'node:http';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

export const AUDIENCE = 'api://headend';

interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
  readonly publicJwk: JWK;
}

export interface TokenWish {
  /** On top of a caller that is in order. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly key?: SigningKey;
  /** What the header says of the key. */
  readonly header?: Readonly<Record<string, unknown>>;
  /** From now. */
  readonly expiresInSeconds?: number;
  readonly notBeforeInSeconds?: number;
}

/** An issuer of access tokens with OpenID discovery, as an organisation has it: not the engine's own. */
export interface TokenAuthority {
  readonly issuer: string;
  readonly discoveryUrl: string;
  readonly jwksUrl: string;
  readonly key: SigningKey;
  /** How often its keys were asked for. */
  readonly asked: () => number;
  makeKey(kid: string, alg?: string): Promise<SigningKey>;
  /** What it says its keys are from now on. */
  publish(keys: readonly SigningKey[]): void;
  /** It answers nothing but errors. */
  fail(isFailing: boolean): void;
  token(wish?: TokenWish): Promise<string>;
  close(): Promise<void>;
}

export async function startTokenAuthority(): Promise<TokenAuthority> {
  let published: readonly SigningKey[] = [];
  let isFailing = false;
  let asked = 0;
  const server: Server = createServer((request, response) => {
    const send = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    if (isFailing) return send(500, {});
    if (request.url === '/v2.0/.well-known/openid-configuration') {
      return send(200, { issuer, jwks_uri: jwksUrl });
    }
    asked += 1;
    return send(200, { keys: published.map(({ publicJwk }) => publicJwk) });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const base = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  const issuer = `${base}/v2.0`;
  const jwksUrl = `${base}/keys`;
  const key = await makeKey('first');
  published = [key];
  return {
    issuer,
    jwksUrl,
    discoveryUrl: `${issuer}/.well-known/openid-configuration`,
    key,
    asked: () => asked,
    makeKey,
    publish: (keys) => {
      published = keys;
    },
    fail: (failing) => {
      isFailing = failing;
    },
    token: ({
      claims = {},
      key: by = key,
      header = {},
      expiresInSeconds = 3_600,
      notBeforeInSeconds = -5,
    } = {}) => {
      const nowSeconds = Math.floor(Date.now() / 1_000);
      return new SignJWT({
        iss: issuer,
        aud: AUDIENCE,
        sub: 'subject-1',
        oid: 'object-1',
        azp: 'application-1',
        exp: nowSeconds + expiresInSeconds,
        nbf: nowSeconds + notBeforeInSeconds,
        ...claims,
      })
        .setProtectedHeader({ alg: by.alg, kid: by.kid, ...header })
        .sign(by.privateKey);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function makeKey(kid: string, alg = 'RS256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}
