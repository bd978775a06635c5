import { CLOCK_SKEW_SECONDS_MAX, TOKEN_ALGORITHMS } from '../identity/access-token.ts';
import { isTrustworthy } from '../identity/issuer-keys.ts';
import { parseRoleAssignments, type RoleAssignment } from '../identity/role-assignments.ts';
import { Secret } from './secret.ts';
import type { Reader } from './settings-reader.ts';

/** Who signs the tokens of the ARM API's callers: the laptop's own issuer, or one such as Microsoft Entra ID. */
export type IdentityConfig =
  | { readonly kind: 'builtIn'; readonly secret: Secret }
  | {
      readonly kind: 'external';
      readonly issuers: readonly string[];
      readonly audiences: readonly string[];
      readonly keys: { readonly kind: 'discovery' | 'jwks'; readonly url: URL };
      readonly algorithms: readonly string[];
      readonly clockSkewSeconds: number;
      readonly keysCoolDownMs: number;
      readonly rolesFile: string | undefined;
      /** What it says at the start. */
      readonly roleAssignments: readonly RoleAssignment[];
    };

const IDENTITY_SECRET_LENGTH_MIN = 16;
const ENTRIES_MAX = 20;
const CLOCK_SKEW_SECONDS_DEFAULT = 60;
const KEYS_COOL_DOWN_SECONDS_DEFAULT = 30;
const KEYS_COOL_DOWN_SECONDS_MAX = 3_600;
const DISCOVERY_PATH = '/.well-known/openid-configuration';
const LOOPBACK = ['127.0.0.1', '::1', '[::1]', 'localhost'];

export function readIdentity(read: Reader, problems: string[]): IdentityConfig {
  return read.text('HEADEND_TOKEN_ISSUERS', '') === ''
    ? readBuiltIn(read, problems)
    : readExternal(read, problems);
}

/** Its key lies in the engine's table and one secret makes its tokens: for this machine, and refused anywhere else. */
function readBuiltIn(read: Reader, problems: string[]): IdentityConfig {
  const replacement = 'set HEADEND_TOKEN_ISSUERS: the built-in token issuer is for a laptop';
  const bindAddress = read.text('HEADEND_BIND', '127.0.0.1');
  if (!LOOPBACK.includes(bindAddress)) problems.push(`HEADEND_BIND is ${bindAddress}; ${replacement}`);
  if (!isStorageHere(read.text('HEADEND_STORAGE', ''))) {
    problems.push(`HEADEND_STORAGE is not on this machine; ${replacement}`);
  }
  const secret = read.required('HEADEND_IDENTITY_SECRET');
  if (secret !== '' && secret.length < IDENTITY_SECRET_LENGTH_MIN) {
    problems.push(`HEADEND_IDENTITY_SECRET must have at least ${IDENTITY_SECRET_LENGTH_MIN} characters`);
  }
  return { kind: 'builtIn', secret: new Secret(secret) };
}

/** Whether every address in a connection string is of this machine; one without addresses is of Azure's cloud. */
function isStorageHere(connectionString: string): boolean {
  if (connectionString === '' || /(^|;)UseDevelopmentStorage=true/i.test(connectionString)) return true;
  const addresses = [...connectionString.matchAll(/Endpoint=([^;]+)/gi)].map(([, address = '']) => address);
  return (
    addresses.length > 0 &&
    addresses.every((address) => URL.canParse(address) && LOOPBACK.includes(new URL(address).hostname))
  );
}

function readExternal(read: Reader, problems: string[]): IdentityConfig {
  const issuers = list(read, 'HEADEND_TOKEN_ISSUERS', problems);
  const audiences = list(read, 'HEADEND_TOKEN_AUDIENCES', problems).map((audience) =>
    audience.replace(/\/+$/, ''),
  );
  if (audiences.length === 0) problems.push('HEADEND_TOKEN_AUDIENCES is required with HEADEND_TOKEN_ISSUERS');
  if (read.text('HEADEND_IDENTITY_SECRET', '') !== '') {
    problems.push(
      'HEADEND_IDENTITY_SECRET is of the built-in token issuer, which HEADEND_TOKEN_ISSUERS replaces',
    );
  }
  const algorithms = list(read, 'HEADEND_TOKEN_ALGORITHMS', problems);
  for (const algorithm of algorithms) {
    if (!TOKEN_ALGORITHMS.includes(algorithm)) {
      problems.push(`HEADEND_TOKEN_ALGORITHMS: '${algorithm}' is none of ${TOKEN_ALGORITHMS.join(', ')}`);
    }
  }
  return {
    kind: 'external',
    issuers,
    audiences,
    keys: readKeys(read, issuers, problems),
    algorithms: algorithms.length === 0 ? ['RS256'] : algorithms,
    clockSkewSeconds: read.integer('HEADEND_TOKEN_CLOCK_SKEW_SECONDS', CLOCK_SKEW_SECONDS_DEFAULT, {
      min: 0,
      max: CLOCK_SKEW_SECONDS_MAX,
    }),
    keysCoolDownMs:
      1_000 *
      read.integer('HEADEND_TOKEN_KEYS_COOLDOWN_SECONDS', KEYS_COOL_DOWN_SECONDS_DEFAULT, {
        min: 1,
        max: KEYS_COOL_DOWN_SECONDS_MAX,
      }),
    rolesFile: read.text('HEADEND_ROLES_FILE', '') || undefined,
    roleAssignments: readRoles(read, problems),
  };
}

function list(read: Reader, name: string, problems: string[]): readonly string[] {
  const entries = read
    .text(name, '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  if (entries.length > ENTRIES_MAX)
    problems.push(`${name} has ${entries.length} entries, at most ${ENTRIES_MAX}`);
  return entries.slice(0, ENTRIES_MAX);
}

/** Without an address of its own, what OpenID Connect Discovery §4 says of the first issuer. */
function readKeys(read: Reader, issuers: readonly string[], problems: string[]) {
  const jwks = read.text('HEADEND_TOKEN_JWKS_URL', '');
  const discovery = read.text('HEADEND_TOKEN_DISCOVERY_URL', '');
  if (jwks !== '' && discovery !== '') {
    problems.push('of HEADEND_TOKEN_JWKS_URL and HEADEND_TOKEN_DISCOVERY_URL at most one is set');
  }
  const kind = jwks === '' ? ('discovery' as const) : ('jwks' as const);
  const address = jwks || discovery || `${(issuers[0] ?? '').replace(/\/+$/, '')}${DISCOVERY_PATH}`;
  if (isTrustworthy(address)) return { kind, url: new URL(address) };
  const name = jwks === '' ? 'HEADEND_TOKEN_DISCOVERY_URL' : 'HEADEND_TOKEN_JWKS_URL';
  problems.push(`${name} must be an https address: '${address}'`);
  return { kind, url: new URL('https://invalid.invalid') };
}

function readRoles(read: Reader, problems: string[]): readonly RoleAssignment[] {
  if (read.text('HEADEND_ROLES_FILE', '') === '') return [];
  const text = read.file('HEADEND_ROLES_FILE');
  if (text === '') return [];
  try {
    return parseRoleAssignments(text);
  } catch (error) {
    problems.push(`HEADEND_ROLES_FILE: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}
