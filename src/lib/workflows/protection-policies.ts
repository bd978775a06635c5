import { createHash, createHmac } from 'node:crypto';
import { predefinedPolicyOf } from '../domain/predefined-policies.ts';
import {
  KEY_ID_CLAIM,
  type KeyOption,
  keyOptionsOf,
  keyPolicyNameOf,
  type ProtectionProfile,
  type RequiredClaim,
  type TokenAccess,
  type TokenKey,
  USE_LIMIT_CLAIM,
} from '../domain/protection.ts';
import type { SecretStore } from './secret-store.ts';

const HASH_LENGTH = 16;

/** A key that tokens are checked with, with its value: a secret. All are base64. */
export type VerificationKey =
  | { readonly type: 'symmetric'; readonly value: string }
  | { readonly type: 'rsa'; readonly modulus: string; readonly exponent: string }
  | { readonly type: 'x509'; readonly certificate: string };

export type KeyRestriction =
  | { readonly access: 'open' }
  | (Pick<
      TokenAccess,
      'access' | 'issuer' | 'audience' | 'tokenType' | 'openIdDiscoveryUrl' | 'requiredClaims'
    > & {
      readonly primaryKey: VerificationKey | null;
      readonly alternateKeys: readonly VerificationKey[];
    });

/** Who gets the keys of a profile, as the media service is told. */
export interface KeyPolicySettings {
  readonly name: string;
  /** Says whose it is and what it was written with; without the installation's key nothing follows from it. */
  readonly mark: string;
  readonly options: readonly KeyOption[];
  readonly restriction: KeyRestriction;
}

const MARK = 'headend:';

/** Whether a content key policy was written for this profile. */
export const isMarkOf = (mark: string, { id }: ProtectionProfile): boolean =>
  mark.startsWith(`${MARK}${id}:`);

/**
 * What the media service is to be told of a profile's key half; `notNeeded`: others deliver all of its keys;
 * `secretMissing`: the secret store has lost a key, or does not show it yet.
 */
export async function keyPolicyOf(
  profile: ProtectionProfile,
  { secrets, markKey }: { secrets: SecretStore; markKey: string },
): Promise<KeyPolicySettings | 'notNeeded' | 'secretMissing'> {
  const options = keyOptionsOf(profile.delivery);
  if (options.length === 0) return 'notNeeded';
  const restriction = await restrictionOf(profile, secrets);
  if (restriction === undefined) return 'secretMissing';
  const hash = createHmac('sha256', markKey)
    .update(JSON.stringify([options, restriction]))
    .digest('hex');
  const mark = `${MARK}${profile.id}:${hash.slice(0, HASH_LENGTH)}`;
  return { name: keyPolicyNameOf(profile), mark, options, restriction };
}

async function restrictionOf(
  { keys }: ProtectionProfile,
  secrets: SecretStore,
): Promise<KeyRestriction | undefined> {
  if (keys.access === 'open') return keys;
  const { issuer, audience, tokenType, openIdDiscoveryUrl } = keys;
  const primaryKey = keys.primaryKey === null ? null : await verificationKeyOf(keys.primaryKey, secrets);
  const alternates = await Promise.all(keys.alternateKeys.map((key) => verificationKeyOf(key, secrets)));
  const alternateKeys = alternates.filter((key) => key !== undefined);
  if (primaryKey === undefined || alternateKeys.length < alternates.length) return undefined;
  return {
    access: 'token',
    issuer,
    audience,
    tokenType,
    openIdDiscoveryUrl,
    requiredClaims: requiredClaimsOf(keys),
    primaryKey,
    alternateKeys,
  };
}

function requiredClaimsOf({ requiredClaims, useLimit, keyIdClaim }: TokenAccess): readonly RequiredClaim[] {
  return [
    ...requiredClaims,
    ...(useLimit === null ? [] : [{ type: USE_LIMIT_CLAIM, value: null }]),
    ...(keyIdClaim ? [{ type: KEY_ID_CLAIM, value: null }] : []),
  ];
}

/** The keys that tokens are checked with, as far as the secret store has them; the primary one first. */
export async function verificationKeysOf(
  { primaryKey, alternateKeys }: TokenAccess,
  secrets: SecretStore,
): Promise<readonly VerificationKey[]> {
  const all = primaryKey === null ? alternateKeys : [primaryKey, ...alternateKeys];
  const found = await Promise.all(all.map((key) => verificationKeyOf(key, secrets)));
  return found.filter((key) => key !== undefined);
}

async function verificationKeyOf(key: TokenKey, secrets: SecretStore): Promise<VerificationKey | undefined> {
  switch (key.type) {
    case 'rsa':
      return { type: key.type, modulus: key.modulus, exponent: key.exponent };
    case 'x509':
      return { type: key.type, certificate: key.certificate };
    default: {
      const value = await secrets.get(key.secret);
      return value === undefined ? undefined : { type: 'symmetric', value };
    }
  }
}

/** The streaming policy that delivers as the profile says: a predefined one, or one whose name says what it holds. */
export function streamingPolicyOf({ name, delivery }: ProtectionProfile): {
  readonly name: string;
  readonly predefined: boolean;
} {
  const predefined = predefinedPolicyOf(delivery);
  if (predefined !== undefined) return { name: predefined, predefined: true };
  const { hls, dash, smooth, download, keyUrl, drm } = delivery;
  const { playReady, widevine, fairPlay, clearKey } = drm;
  const told = [
    [hls, dash, smooth, download, keyUrl],
    playReady && [playReady.licenceUrl, playReady.customAttributes],
    widevine && [widevine.licenceUrl],
    fairPlay && [fairPlay.licenceUrl, fairPlay.persistent],
    clearKey && [clearKey.licenceUrl],
  ];
  const hash = createHash('sha256').update(JSON.stringify(told)).digest('hex').slice(0, HASH_LENGTH);
  return { name: `headend-${name}-${hash}`, predefined: false };
}
