/** Reference §4.1: with a null value, the token has to name the key that is asked for. */
export const KEY_ID_CLAIM = 'urn:microsoft:azure:mediaservices:contentkeyidentifier';
/** Reference §4.1: how often a token may be used. */
export const MAX_USES_CLAIM = 'urn:microsoft:azure:mediaservices:maxuses';

/** Of a use-limited token: it may end at most so far from now, so that uses need not be remembered for longer. */
const USE_LIMITED_SECONDS_MAX = 3600;
const USES_MAX = 1_000_000;
const CLAIM_VALUES_MAX = 250;

/** What is asked of a token beside its signature. */
export interface ClaimRules {
  readonly issuer: string;
  readonly audience: string;
  readonly requiredClaims: readonly { readonly type: string; readonly value: string | undefined }[];
}

/** A token's claims in one form, whatever kind of token it is. Times are seconds since 1970. */
export interface TokenClaims {
  readonly issuer: readonly string[];
  readonly audiences: readonly string[];
  readonly notBefore: number | undefined;
  readonly expires: number | undefined;
  /** None, when the token does not have the claim. */
  values(type: string): readonly string[];
}

/** What of a good token counts afterwards. */
export interface TokenFacts {
  /** Seconds since 1970. */
  readonly expires: number;
  /** The keys that the token names, in lower case; undefined: it may be for any. */
  readonly keyIds: readonly string[] | undefined;
  /** Undefined: as many as one likes. */
  readonly usesMax: number | undefined;
}

export type ClaimCheck = TokenFacts | { readonly fault: string };

/** Everything but the signature; `fault` is for the log. */
export function checkClaims(
  claims: TokenClaims,
  rules: ClaimRules,
  { nowSeconds, skewSeconds }: { readonly nowSeconds: number; readonly skewSeconds: number },
): ClaimCheck {
  if (!claims.issuer.includes(rules.issuer)) return { fault: 'issuer' };
  if (!claims.audiences.includes(rules.audience)) return { fault: 'audience' };
  const { expires, notBefore } = claims;
  if (expires === undefined) return { fault: 'noExpiry' };
  if (nowSeconds >= expires + skewSeconds) return { fault: 'expired' };
  if (notBefore !== undefined && nowSeconds < notBefore - skewSeconds) return { fault: 'notYetValid' };
  const missing = rules.requiredClaims.find(({ type, value }) => !hasClaim(claims, type, value));
  if (missing !== undefined) return { fault: `claim ${missing.type}` };
  const usesMax = usesOf(claims);
  if (usesMax === 'malformed') return { fault: 'maxuses' };
  if (usesMax !== undefined && expires > nowSeconds + USE_LIMITED_SECONDS_MAX + skewSeconds) {
    return { fault: 'maxusesExpiry' };
  }
  const isForKey = rules.requiredClaims.some(
    ({ type, value }) => type === KEY_ID_CLAIM && value === undefined,
  );
  const keyIds = isForKey ? claims.values(KEY_ID_CLAIM).map((id) => id.toLowerCase()) : undefined;
  return { expires, keyIds, usesMax };
}

function hasClaim(claims: TokenClaims, type: string, value: string | undefined): boolean {
  const values = claims.values(type);
  return value === undefined ? values.length > 0 : values.includes(value);
}

function usesOf(claims: TokenClaims): number | undefined | 'malformed' {
  const [text, ...more] = claims.values(MAX_USES_CLAIM);
  if (text === undefined) return undefined;
  if (more.length > 0 || !/^[1-9]\d{0,6}$/.test(text)) return 'malformed';
  return Number(text) <= USES_MAX ? Number(text) : 'malformed';
}

/** A claim as texts: of a list all that are plain; null and objects are no values (RFC 7519 has no rule for them). */
export function claimTexts(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.slice(0, CLAIM_VALUES_MAX).flatMap(plainText);
  return plainText(value);
}

function plainText(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'number' || typeof value === 'boolean' ? [String(value)] : [];
}
