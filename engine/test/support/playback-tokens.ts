import { createHmac, createSign, generateKeyPairSync, type KeyObject } from 'node:crypto';

type Json = Readonly<Record<string, unknown>>;

export const ISSUER = 'https://tokens.example.net/';
export const AUDIENCE = 'urn:viewers';
export const KEY_ID_CLAIM = 'urn:microsoft:azure:mediaservices:contentkeyidentifier';
export const MAX_USES_CLAIM = 'urn:microsoft:azure:mediaservices:maxuses';
const LIFETIME_SECONDS = 600;

export const nowSeconds = (): number => Math.floor(Date.now() / 1000);

/** Claims of a token that is in order, and what a test changes of them; undefined takes a claim away. */
export const claims = (changes: Json = {}): Json => ({
  iss: ISSUER,
  aud: AUDIENCE,
  exp: nowSeconds() + LIFETIME_SECONDS,
  ...changes,
});

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** Signed with nothing but what RFC 7515 says, so that what no library would make can be made. */
export function jwt(
  payload: Json | string,
  key: Uint8Array | KeyObject,
  header: Json = { alg: key instanceof Uint8Array ? 'HS256' : 'RS256', typ: 'JWT' },
): string {
  const signed = `${encode(header)}.${encode(payload)}`;
  return `${signed}.${Buffer.from(signature(signed, key, String(header['alg']))).toString('base64url')}`;
}

function signature(signed: string, key: Uint8Array | KeyObject, algorithm: string): Uint8Array {
  const bits = /(256|384|512)$/.exec(algorithm)?.[1] ?? '256';
  return key instanceof Uint8Array
    ? createHmac(`sha${bits}`, key).update(signed).digest()
    : createSign(`sha${bits}`).update(signed).sign(key);
}

/** A simple web token: pairs in form encoding, signed with HMAC-SHA256. */
export function swt(pairs: Readonly<Record<string, string>>, key: Uint8Array): string {
  const signed = new URLSearchParams(pairs).toString();
  const hmac = createHmac('sha256', key).update(signed).digest('base64');
  return `${signed}&HMACSHA256=${encodeURIComponent(hmac)}`;
}

export const swtPairs = (changes: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  Issuer: ISSUER,
  Audience: AUDIENCE,
  ExpiresOn: String(nowSeconds() + LIFETIME_SECONDS),
  ...changes,
});

export function rsaKeys(bits = 2048) {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  const { n = '', e = '' } = publicKey.export({ format: 'jwk' });
  return {
    privateKey,
    publicPem: publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    modulus: Buffer.from(n, 'base64url'),
    exponent: Buffer.from(e, 'base64url'),
  };
}
