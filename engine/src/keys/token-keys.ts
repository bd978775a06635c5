import {
  createHmac,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
  verify,
  X509Certificate,
} from 'node:crypto';
import { z } from 'zod';
import type { UncheckedToken } from './json-web-token.ts';

/** RFC 7518 §3.3. A policy may hold a shorter one (an example of the specification is); it lets nobody in. */
const RSA_BITS_MIN = 2048;
/** What the original's token library asks for; RFC 7518 §3.2 asks for 32 bytes. */
const SYMMETRIC_BYTES_MIN = 16;

/** A key that signatures are checked with, for one algorithm alone: whoever knows a public key cannot sign with HMAC. */
export interface VerificationKey {
  readonly algorithm: 'HS256' | 'RS256';
  readonly key: KeyObject;
  /** Of certificates, milliseconds since 1970. */
  readonly validity?: { readonly fromMs: number; readonly toMs: number };
}

const StoredTokenKey = z.discriminatedUnion('@odata.type', [
  z.object({
    '@odata.type': z.literal('#Microsoft.Media.ContentKeyPolicySymmetricTokenKey'),
    keyValue: z.string(),
  }),
  z.object({
    '@odata.type': z.literal('#Microsoft.Media.ContentKeyPolicyRsaTokenKey'),
    exponent: z.string(),
    modulus: z.string(),
  }),
  z.object({
    '@odata.type': z.literal('#Microsoft.Media.ContentKeyPolicyX509CertificateTokenKey'),
    rawBody: z.string(),
  }),
]);

/** The key of a policy; a text says why it is of no use. */
export function verificationKeyOf(stored: unknown): VerificationKey | string {
  const parsed = StoredTokenKey.safeParse(stored);
  if (!parsed.success) return 'unknownKind';
  const value = parsed.data;
  switch (value['@odata.type']) {
    case '#Microsoft.Media.ContentKeyPolicySymmetricTokenKey':
      return symmetricKey(Buffer.from(value.keyValue, 'base64'));
    case '#Microsoft.Media.ContentKeyPolicyRsaTokenKey':
      return rsaKeyOfJwk({ kty: 'RSA', n: urlText(value.modulus), e: urlText(value.exponent) });
    case '#Microsoft.Media.ContentKeyPolicyX509CertificateTokenKey':
      return certificateKey(Buffer.from(value.rawBody, 'base64'));
  }
}

function symmetricKey(bytes: Uint8Array): VerificationKey | string {
  if (bytes.byteLength < SYMMETRIC_BYTES_MIN) return 'tooShort';
  return { algorithm: 'HS256', key: createSecretKey(bytes) };
}

/** A JSON Web Key (RFC 7517); one that is not for RSA signatures is of no use. */
export function rsaKeyOfJwk(jwk: {
  readonly kty?: unknown;
  readonly n?: unknown;
  readonly e?: unknown;
}): VerificationKey | string {
  const { kty, n, e } = jwk;
  if (kty !== 'RSA' || typeof n !== 'string' || typeof e !== 'string') return 'unknownKind';
  try {
    return rsaKey(createPublicKey({ key: { kty, n, e }, format: 'jwk' }));
  } catch {
    return 'malformed';
  }
}

function rsaKey(key: KeyObject): VerificationKey | string {
  if (key.asymmetricKeyType !== 'rsa') return 'unknownKind';
  if ((key.asymmetricKeyDetails?.modulusLength ?? 0) < RSA_BITS_MIN) return 'tooShort';
  return { algorithm: 'RS256', key };
}

/** A certificate says itself from when to when its key is good; who signed it is not asked: the policy names it. */
function certificateKey(der: Uint8Array): VerificationKey | string {
  try {
    const { publicKey, validFrom, validTo } = new X509Certificate(der);
    const key = rsaKey(publicKey);
    if (typeof key === 'string') return key;
    return { ...key, validity: { fromMs: Date.parse(validFrom), toMs: Date.parse(validTo) } };
  } catch {
    return 'malformed';
  }
}

/** Both alphabets of base64 become that of JSON Web Keys. */
const urlText = (base64: string): string => Buffer.from(base64, 'base64').toString('base64url');

/** Whether one of the keys has signed the token. */
export function isSignedByAny(
  { algorithm, signed, signature }: UncheckedToken,
  keys: readonly VerificationKey[],
  { nowMs, skewMs }: { readonly nowMs: number; readonly skewMs: number },
): boolean {
  return keys.some((candidate) => {
    if (candidate.algorithm !== algorithm) return false;
    const { validity, key } = candidate;
    if (validity !== undefined && (nowMs < validity.fromMs - skewMs || nowMs >= validity.toMs + skewMs)) {
      return false;
    }
    return algorithm === 'HS256' ? isHmac(signed, signature, key) : isRsa(signed, signature, key);
  });
}

function isHmac(signed: string, signature: Uint8Array, key: KeyObject): boolean {
  const expected = createHmac('sha256', key).update(signed).digest();
  return expected.byteLength === signature.byteLength && timingSafeEqual(expected, signature);
}

/** RSASSA-PKCS1-v1_5, Node's default padding. */
const isRsa = (signed: string, signature: Uint8Array, key: KeyObject): boolean =>
  verify('sha256', Buffer.from(signed), key, signature);
