import { type KeyObject, X509Certificate } from 'node:crypto';
import { type CryptoKey, errors, importJWK, jwtVerify, SignJWT } from 'jose';
import type { TokenSigner } from '../../workflows/playback-tokens.ts';
import type { VerificationKey } from '../../workflows/protection-policies.ts';

const CLOCK_TOLERANCE_SECONDS = 60;
const TOKEN_CHARS_MAX = 8 * 1024;

/** JSON Web Tokens in memory: nothing is stored, nothing is fetched. */
export const jsonWebTokens: TokenSigner = {
  sign: (claims, secret) =>
    new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .sign(Buffer.from(secret, 'base64')),
  async verify(token, { keys, issuer, audience, nowMs }) {
    if (token.length > TOKEN_CHARS_MAX) return undefined;
    const options = {
      issuer,
      audience,
      currentDate: new Date(nowMs),
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ['exp'],
    };
    for (const key of keys) {
      const { material, algorithm } = await materialOf(key);
      try {
        const { payload } = await jwtVerify(token, material, { ...options, algorithms: [algorithm] });
        return payload;
      } catch (error) {
        // Another key may have signed it; what is wrong with the token is wrong with every key.
        if (!(error instanceof errors.JOSEError)) throw error;
      }
    }
    return undefined;
  },
};

type Material = {
  readonly material: KeyObject | CryptoKey | Uint8Array;
  readonly algorithm: 'HS256' | 'RS256';
};

async function materialOf(key: VerificationKey): Promise<Material> {
  switch (key.type) {
    case 'symmetric':
      return { material: Buffer.from(key.value, 'base64'), algorithm: 'HS256' };
    case 'rsa': {
      const encode = (value: string) => Buffer.from(value, 'base64').toString('base64url');
      const jwk = { kty: 'RSA', n: encode(key.modulus), e: encode(key.exponent) };
      return { material: await importJWK(jwk, 'RS256'), algorithm: 'RS256' };
    }
    default:
      return {
        material: new X509Certificate(Buffer.from(key.certificate, 'base64')).publicKey,
        algorithm: 'RS256',
      };
  }
}
