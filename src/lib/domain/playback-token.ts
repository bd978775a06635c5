import type { Program } from './program.ts';
import {
  KEY_ID_CLAIM,
  type KeyAccess,
  type ProtectionProfile,
  type TokenAccess,
  USE_LIMIT_CLAIM,
} from './protection.ts';

const MINUTE_MS = 60_000;
export const LIFETIME_MS_MIN = MINUTE_MS;
export const LIFETIME_MS_MAX = 24 * 60 * MINUTE_MS;
const LIFETIME_MS_DEFAULT = 4 * 60 * MINUTE_MS;
/** Reference §4.1: uses are counted for so long. */
const LIMITED_LIFETIME_MS_MAX = 60 * MINUTE_MS;
/** Key delivery's clock may be behind. */
const LIMITED_LIFETIME_MARGIN_MS = MINUTE_MS;

export type ClaimValue = string | number | boolean | readonly string[];

/** What a token says of itself, which nobody may say for it. */
const RESERVED: ReadonlySet<string> = new Set([
  ...['iss', 'aud', 'exp', 'nbf', 'iat', 'jti'],
  ...[KEY_ID_CLAIM, USE_LIMIT_CLAIM],
]);

export const isReservedClaim = (type: string): boolean => RESERVED.has(type.toLowerCase());

export interface TokenWish {
  readonly lifetimeMs: number | null;
  readonly uses: number | null;
  readonly claims: Readonly<Record<string, ClaimValue>>;
}

export type TokenPlan =
  /** Players get keys without one, or need none. */
  | { readonly kind: 'notNeeded' }
  /** Somebody else signs them. */
  | { readonly kind: 'external'; readonly issuer: string; readonly why: string }
  /** The token would have to name keys that are not made yet. */
  | { readonly kind: 'keysNotReady' }
  | { readonly kind: 'refused'; readonly pointer: string; readonly message: string }
  | {
      readonly kind: 'token';
      /** Name of the secret that it is signed with, HS256. */
      readonly secret: string;
      readonly claims: Readonly<Record<string, ClaimValue>>;
      readonly expiresAtMs: number;
    };

/** What a token for a program would say, and who signs it. */
export function planToken(
  { profile, program }: { profile: ProtectionProfile; program: Pick<Program, 'contentKeys'> },
  wish: TokenWish,
  { nowMs, tokenId }: { nowMs: number; tokenId: string },
): TokenPlan {
  const { keys } = profile;
  if (keys.access === 'open' || isClear(profile)) return { kind: 'notNeeded' };
  const { primaryKey } = keys;
  if (keys.tokenType === 'swt')
    return { kind: 'external', issuer: keys.issuer, why: 'they are simple web tokens' };
  if (primaryKey === null || !('secret' in primaryKey))
    return { kind: 'external', issuer: keys.issuer, why: 'only it has the key that they are signed with' };
  const limit = limitOf(keys, wish);
  if ('message' in limit) return { kind: 'refused', ...limit };
  const missing = keys.requiredClaims.find((claim) => !hasClaim(wish.claims, claim));
  if (missing !== undefined) {
    const wanted = missing.value === null ? 'some value' : JSON.stringify(missing.value);
    return { kind: 'refused', pointer: '/claims', message: `${missing.type} has to be ${wanted}` };
  }
  const keyIds = program.contentKeys.map(({ id }) => id);
  if (keys.keyIdClaim && keyIds.length === 0) return { kind: 'keysNotReady' };
  const issuedAt = Math.floor(nowMs / 1000);
  const expiresAtMs = issuedAt * 1000 + limit.lifetimeMs;
  return {
    kind: 'token',
    secret: primaryKey.secret,
    expiresAtMs,
    claims: {
      ...fixedClaims(keys),
      ...wish.claims,
      iss: keys.issuer,
      aud: keys.audience,
      iat: issuedAt,
      exp: expiresAtMs / 1000,
      jti: tokenId,
      // Media Services read one key as a text; several only a list can name.
      ...(keys.keyIdClaim ? { [KEY_ID_CLAIM]: onlyOf(keyIds) ?? keyIds } : {}),
      ...(limit.uses === null ? {} : { [USE_LIMIT_CLAIM]: limit.uses }),
    },
  };
}

const onlyOf = ([first, ...more]: readonly string[]): string | undefined =>
  more.length === 0 ? first : undefined;

const isClear = ({ delivery: { hls, dash, smooth } }: ProtectionProfile): boolean =>
  [hls, dash, smooth].every((mode) => mode === 'clear' || mode === 'off');

/** Those that a profile asks for with a value are the same in every token. */
const fixedClaims = ({ requiredClaims }: TokenAccess): Readonly<Record<string, string>> =>
  Object.fromEntries(
    requiredClaims.flatMap(({ type, value }) =>
      value === null || isReservedClaim(type) ? [] : [[type, value]],
    ),
  );

/** One with a value is put in by itself; another value than that is not taken. */
function hasClaim(
  claims: TokenWish['claims'],
  { type, value }: { readonly type: string; readonly value: string | null },
): boolean {
  if (isReservedClaim(type)) return true;
  const given = Object.hasOwn(claims, type) ? claims[type] : undefined;
  if (given === undefined) return value !== null;
  return value === null || given === value || (Array.isArray(given) && given.includes(value));
}

type Limit =
  | { readonly lifetimeMs: number; readonly uses: number | null }
  | { readonly pointer: string; readonly message: string };

function limitOf(keys: TokenAccess, wish: TokenWish): Limit {
  const uses = wish.uses ?? keys.useLimit;
  if (uses !== null && keys.useLimit !== null && uses > keys.useLimit)
    return { pointer: '/uses', message: `at most ${keys.useLimit} with this protection profile` };
  if (uses === null) return { lifetimeMs: wish.lifetimeMs ?? LIFETIME_MS_DEFAULT, uses };
  const longestMs = LIMITED_LIFETIME_MS_MAX - LIMITED_LIFETIME_MARGIN_MS;
  if ((wish.lifetimeMs ?? 0) > longestMs)
    return { pointer: '/lifetime', message: 'at most PT59M for a token with a limit of uses' };
  return { lifetimeMs: wish.lifetimeMs ?? longestMs, uses };
}

/** Whether what a valid token says lets its holder have keys of this program. */
export function opensProgram(
  claims: Readonly<Record<string, unknown>>,
  { keys, program }: { keys: KeyAccess; program: Pick<Program, 'contentKeys'> },
): boolean {
  if (keys.access === 'open') return true;
  const valuesOf = (type: string): readonly unknown[] =>
    Object.hasOwn(claims, type) ? [claims[type]].flat().map(String) : [];
  const isMet = keys.requiredClaims.every(({ type, value }) => {
    const values = valuesOf(type);
    return value === null ? values.length > 0 : values.includes(value);
  });
  if (!isMet) return false;
  if (keys.useLimit !== null && valuesOf(USE_LIMIT_CLAIM).length === 0) return false;
  const named = valuesOf(KEY_ID_CLAIM).map((id) => String(id).toLowerCase());
  return !keys.keyIdClaim || program.contentKeys.some(({ id }) => named.includes(id.toLowerCase()));
}
