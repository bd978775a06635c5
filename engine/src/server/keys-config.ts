import { readMasterKeys } from './master-key-config.ts';
import { Secret } from './secret.ts';
import type { Reader } from './settings-reader.ts';

/** Settings of the role `keys`. */
export interface KeysConfig {
  /** What content keys and policies are sealed with; for `parseMasterKeys`. */
  readonly masterKeys: Secret;
  /** PEM; undefined: keys are delivered over plain HTTP, as behind a proxy with TLS. */
  readonly tls: { readonly certPem: string; readonly keyPem: Secret } | undefined;
  readonly clockSkewSeconds: number;
  /** Least time between two looks for a token issuer's key that is not known. */
  readonly issuerCoolDownMs: number;
  /** Token issuers may be in private networks and on this machine. */
  readonly isPrivateIssuerAllowed: boolean;
  /** Addresses and networks of proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** Path of the file with the license servers (`license-servers.ts`). */
  readonly licenseServersFile: string | undefined;
}

/** What .NET's token library, which the original used, has. */
const CLOCK_SKEW_SECONDS_DEFAULT = 300;
const CLOCK_SKEW_SECONDS_MAX = 600;
const COOL_DOWN_SECONDS_DEFAULT = 30;
const COOL_DOWN_SECONDS_MAX = 3_600;
const PROXIES_MAX = 50;
const NETWORK = /^(?:\d{1,3}(?:\.\d{1,3}){3}(?:\/\d{1,2})?|[0-9a-f:.]{2,45}(?:\/\d{1,3})?)$/i;
const LOOPBACK: readonly string[] = ['127.0.0.1', '::1', 'localhost'];

export function readKeys(read: Reader, problems: string[]): KeysConfig {
  const isHere = LOOPBACK.includes(read.text('HEADEND_BIND', '127.0.0.1'));
  return {
    masterKeys: readMasterKeys(read, problems),
    tls: readKeysTls(read),
    clockSkewSeconds: read.integer('HEADEND_KEYS_CLOCK_SKEW_SECONDS', CLOCK_SKEW_SECONDS_DEFAULT, {
      min: 0,
      max: CLOCK_SKEW_SECONDS_MAX,
    }),
    issuerCoolDownMs:
      1_000 *
      read.integer('HEADEND_KEYS_ISSUER_COOLDOWN_SECONDS', COOL_DOWN_SECONDS_DEFAULT, {
        min: 1,
        max: COOL_DOWN_SECONDS_MAX,
      }),
    isPrivateIssuerAllowed: read.text('HEADEND_KEYS_PRIVATE_ISSUERS', isHere ? '1' : '0') === '1',
    trustedProxies: readProxies(read, problems),
    licenseServersFile: read.text('HEADEND_LICENSE_SERVERS', '') || undefined,
  };
}

function readKeysTls(read: Reader): KeysConfig['tls'] {
  const isGiven = ['HEADEND_KEYS_TLS_CERT', 'HEADEND_KEYS_TLS_KEY'].some(
    (name) => read.text(name, '') !== '',
  );
  if (!isGiven) return undefined;
  return {
    certPem: read.file('HEADEND_KEYS_TLS_CERT'),
    keyPem: new Secret(read.file('HEADEND_KEYS_TLS_KEY')),
  };
}

function readProxies(read: Reader, problems: string[]): readonly string[] {
  const entries = read
    .text('HEADEND_TRUSTED_PROXIES', '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  if (entries.length > PROXIES_MAX || entries.some((entry) => !NETWORK.test(entry))) {
    problems.push(`HEADEND_TRUSTED_PROXIES is a list of at most ${PROXIES_MAX} addresses or networks`);
    return [];
  }
  return entries;
}
