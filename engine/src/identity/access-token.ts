import { decodeJwt, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { KeysUnavailable } from './issuer-keys.ts';

/** A token with every claim that Entra makes and 200 groups has about 8,000 characters. */
const TOKEN_CHARS_MAX = 12 * 1024;
const CLAIM_CHARS_MAX = 256;
/** Entra puts at most 200 groups into a token. */
const LIST_CLAIM_ENTRIES_MAX = 250;
export const CLOCK_SKEW_SECONDS_MAX = 300;

export const TOKEN_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
];

/** Who calls, from a token that is good. */
export interface Principal {
  /** What `systemData` names: the application id, or the user's sign-in name. */
  readonly callerId: string;
  readonly objectId: string;
  /** Object id and groups, to which roles are assigned. */
  readonly principalIds: readonly string[];
  /** App roles that the token itself carries. */
  readonly roles: readonly string[];
}

/** Why a token is no good, with the codes of Azure Resource Manager. */
export type TokenRefusal =
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'expired'; readonly reason: string }
  | { readonly kind: 'wrongAudience'; readonly reason: string }
  | { readonly kind: 'wrongIssuer'; readonly reason: string }
  /** Nothing is wrong with the token as far as can be said now. */
  | { readonly kind: 'unavailable'; readonly reason: string };

export type TokenCheck = { readonly principal: Principal } | { readonly refusal: TokenRefusal };

export interface TokenRules {
  readonly issuers: readonly string[];
  readonly audiences: readonly string[];
  readonly algorithms: readonly string[];
  readonly clockSkewSeconds: number;
}

/** Checks signature, issuer, audience, times and form of an access token. Never throws. */
export async function checkAccessToken(
  token: string,
  getKey: JWTVerifyGetKey,
  rules: TokenRules,
): Promise<TokenCheck> {
  if (token.length > TOKEN_CHARS_MAX) {
    return refuse('invalid', `The access token is longer than ${TOKEN_CHARS_MAX} characters.`);
  }
  try {
    const { payload } = await jwtVerify(token, getKey, {
      issuer: [...rules.issuers],
      audience: rules.audiences.flatMap((audience) => [audience, `${audience}/`]),
      algorithms: [...rules.algorithms],
      clockTolerance: rules.clockSkewSeconds,
      requiredClaims: ['exp', 'iss', 'aud', 'sub'],
    });
    return principalOf(payload);
  } catch (error) {
    return { refusal: refusalOf(error, token, rules) };
  }
}

function principalOf(claims: JWTPayload): TokenCheck {
  // OpenID Connect Core §2, §3.1.3.6: who has only signed in has these, whoever may call has not.
  if ('at_hash' in claims || 'c_hash' in claims || 'nonce' in claims) {
    return refuse('invalid', 'The token is an ID token, not an access token.');
  }
  const objectId = textClaim(claims, 'oid') ?? textClaim(claims, 'sub');
  if (objectId === undefined) return refuse('invalid', 'The access token names no caller.');
  const callerId =
    textClaim(claims, 'upn') ?? textClaim(claims, 'appid') ?? textClaim(claims, 'azp') ?? objectId;
  const principalIds = [objectId, ...listClaim(claims, 'groups')];
  return { principal: { callerId, objectId, principalIds, roles: listClaim(claims, 'roles') } };
}

function textClaim(claims: JWTPayload, name: string): string | undefined {
  const value = claims[name];
  const isUsable = typeof value === 'string' && value !== '' && value.length <= CLAIM_CHARS_MAX;
  return isUsable ? value : undefined;
}

function listClaim(claims: JWTPayload, name: string): readonly string[] {
  const value = claims[name];
  if (!Array.isArray(value)) return [];
  return value.slice(0, LIST_CLAIM_ENTRIES_MAX).filter((entry): entry is string => typeof entry === 'string');
}

const refuse = (kind: TokenRefusal['kind'], reason: string): TokenCheck => ({ refusal: { kind, reason } });

function refusalOf(error: unknown, token: string, rules: TokenRules): TokenRefusal {
  if (error instanceof KeysUnavailable) {
    return { kind: 'unavailable', reason: 'The keys of the token issuer cannot be read at the moment.' };
  }
  if (error instanceof errors.JWTExpired) {
    return {
      kind: 'expired',
      reason: `The access token expiry UTC time '${expiryOf(token)}' is earlier than now.`,
    };
  }
  const claim = error instanceof errors.JWTClaimValidationFailed ? error.claim : undefined;
  if (claim === 'aud') {
    const audiences = rules.audiences.map((audience) => `'${audience}'`).join(',');
    return {
      kind: 'wrongAudience',
      reason: `The access token has been obtained for wrong audience or resource. It should exactly match with one of the allowed audiences ${audiences}.`,
    };
  }
  if (claim === 'iss') {
    const issuers = rules.issuers.map((issuer) => `'${issuer}'`).join(',');
    return {
      kind: 'wrongIssuer',
      reason: `The access token is from the wrong issuer. It must match one of ${issuers}.`,
    };
  }
  if (claim === 'nbf') return { kind: 'invalid', reason: 'The access token is not valid yet.' };
  const code = error instanceof errors.JOSEError ? error.code : 'ERR_TOKEN';
  return { kind: 'invalid', reason: `The access token is invalid (${code}).` };
}

/** Of a token whose signature was good. */
function expiryOf(token: string): string {
  return new Date((decodeJwt(token).exp ?? 0) * 1000).toISOString();
}
