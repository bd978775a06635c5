import { createHash, timingSafeEqual } from 'node:crypto';
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  type JWTVerifyGetKey,
  SignJWT,
} from 'jose';
import type { TokenRules } from './access-token.ts';

/** Nominal ids of the built-in directory and of its one client. */
export const TENANT_ID = '00000000-0000-0000-0000-00000000ad15';
export const CLIENT_ID = '00000000-0000-0000-0000-00000000c11e';
const TOKEN_LIFETIME_SECONDS = 24 * 60 * 60;
const ALGORITHM = 'RS256';

/** Where the signing key survives a restart, so that tokens which clients still cache stay good. */
export interface SigningKeyStore {
  find(): Promise<unknown>;
  /** False when a key is there already. */
  create(jwk: object): Promise<boolean>;
}

export interface TokenIssuer {
  readonly issuer: string;
  readonly publicKeys: { readonly keys: readonly JWK[] };
  /** Undefined when the resource is not this engine's API. */
  issue(resource: string): Promise<{ accessToken: string; expiresAtSeconds: number } | undefined>;
  isClientSecret(secret: string): boolean;
  /** What its tokens are checked with. */
  readonly getKey: JWTVerifyGetKey;
  readonly rules: TokenRules;
}

const MANAGEMENT_AUDIENCES = ['https://management.azure.com', 'https://management.core.windows.net'];

const withoutSlash = (resource: string): string => resource.replace(/\/+$/, '');

/**
 * The laptop's stand-in for Microsoft Entra ID. Its private key lies in the engine's own table: good enough for loopback
 * and for nothing else, so it refuses any other bind address.
 */
export async function openTokenIssuer(options: {
  readonly bindAddress: string;
  readonly armEndpoint: string;
  readonly clientSecret: string;
  readonly keyStore: SigningKeyStore;
}): Promise<TokenIssuer> {
  if (options.bindAddress !== '127.0.0.1' && options.bindAddress !== '::1') {
    throw new Error(`the built-in token issuer binds to loopback only, not to ${options.bindAddress}`);
  }
  const privateJwk = await signingKey(options.keyStore);
  const { kty, n, e, kid } = privateJwk;
  if (kty === undefined || n === undefined || e === undefined || kid === undefined) {
    throw new Error('the stored signing key is incomplete');
  }
  const publicKeys = { keys: [{ kty, n, e, kid, alg: ALGORITHM, use: 'sig' }] };
  const privateKey = await importJWK(privateJwk, ALGORITHM);
  const issuer = `${options.armEndpoint}/${TENANT_ID}/v2.0`;
  const audiences = [options.armEndpoint, ...MANAGEMENT_AUDIENCES];
  return {
    issuer,
    publicKeys,
    async issue(resource) {
      const audience = withoutSlash(resource);
      if (!audiences.includes(audience)) return undefined;
      const nowSeconds = Math.floor(Date.now() / 1000);
      const expiresAtSeconds = nowSeconds + TOKEN_LIFETIME_SECONDS;
      const accessToken = await new SignJWT({ appid: CLIENT_ID, oid: CLIENT_ID, tid: TENANT_ID })
        .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT', kid })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(CLIENT_ID)
        .setIssuedAt(nowSeconds)
        .setNotBefore(nowSeconds)
        .setExpirationTime(expiresAtSeconds)
        .sign(privateKey);
      return { accessToken, expiresAtSeconds };
    },
    isClientSecret: (secret) => equalSecrets(secret, options.clientSecret),
    getKey: createLocalJWKSet(publicKeys),
    rules: { issuers: [issuer], audiences, algorithms: [ALGORITHM], clockSkewSeconds: 0 },
  };
}

/** In constant time, whatever the lengths. */
function equalSecrets(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

async function signingKey(store: SigningKeyStore): Promise<JWK> {
  const stored = await store.find();
  if (stored !== undefined) return parseJwk(stored);
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const jwk = await exportJWK(privateKey);
  const created = { ...jwk, kid: await calculateJwkThumbprint(jwk) };
  if (await store.create(created)) return created;
  return parseJwk(await store.find());
}

function parseJwk(stored: unknown): JWK {
  if (typeof stored !== 'object' || stored === null)
    throw new Error('the stored signing key is not an object');
  // Written by `signingKey` and by nobody else; `importJWK` checks the numbers.
  return stored as JWK;
}
