import type { ContentKey } from '../domain/program.ts';
import {
  INSTALLATION_KEY,
  keyLabelsOf,
  keyPolicyNameOf,
  type ProtectionProfile,
} from '../domain/protection.ts';
import type { ProtectionReading } from '../domain/snapshot.ts';
import { findProfile } from './api-protection.ts';
import type { LocatorReading, MediaService } from './media-service.ts';
import { isMarkOf, keyPolicyOf, streamingPolicyOf } from './protection-policies.ts';
import type { ProfileStore } from './protection-ports.ts';
import type { SecretStore } from './secret-store.ts';

interface Dependencies {
  readonly profiles: ProfileStore;
  readonly secrets: SecretStore;
  readonly media: Pick<MediaService, 'keyPolicies' | 'deliveryPolicies'>;
}

/** A profile and how far the media service has it. */
export interface ProfileReading extends Pick<ProtectionReading, 'keyPolicy' | 'deliveryPolicy'> {
  readonly profile: ProtectionProfile;
  readonly streamingPolicy: string;
  /** Null: nobody gets keys by a policy of ours. */
  readonly keyPolicyName: string | null;
}

/** Reads each profile once, however many use it. */
export async function readProfiles(
  names: readonly string[],
  deps: Dependencies,
): Promise<ReadonlyMap<string, ProfileReading>> {
  const readings = await Promise.all([...new Set(names)].map((name) => readProfile(name, deps)));
  return new Map(
    readings.flatMap((reading) => (reading === undefined ? [] : [[reading.profile.name, reading]])),
  );
}

async function readProfile(name: string, deps: Dependencies): Promise<ProfileReading | undefined> {
  const profile = await findProfile(name, deps);
  if (profile === undefined) return undefined;
  const policy = streamingPolicyOf(profile);
  const [keyPolicy, exists] = await Promise.all([
    readKeyPolicy(profile, deps),
    policy.predefined ? undefined : deps.media.deliveryPolicies.exists(policy.name),
  ]);
  const isOurs = keyPolicy !== 'notNeeded' && keyPolicy !== 'external';
  return {
    profile,
    streamingPolicy: policy.name,
    keyPolicyName: isOurs ? keyPolicyNameOf(profile) : null,
    keyPolicy,
    deliveryPolicy: deliveryReading(exists),
  };
}

const deliveryReading = (exists: boolean | undefined): ProtectionReading['deliveryPolicy'] => {
  if (exists === undefined) return 'builtIn';
  return exists ? 'ready' : 'absent';
};

async function readKeyPolicy(
  profile: ProtectionProfile,
  { secrets, media }: Dependencies,
): Promise<ProtectionReading['keyPolicy']> {
  if (keyLabelsOf(profile.delivery).length === 0) return 'notNeeded';
  const markKey = await secrets.get(INSTALLATION_KEY);
  const [wanted, found] = await Promise.all([
    // Without the installation's key nothing was ever written with it.
    markKey === undefined ? undefined : keyPolicyOf(profile, { secrets, markKey }),
    media.keyPolicies.findMark(keyPolicyNameOf(profile)),
  ]);
  if (wanted === 'notNeeded') return 'external';
  if (wanted === 'secretMissing') return wanted;
  if (found === undefined) return 'absent';
  if (!isMarkOf(found, profile)) return 'foreign';
  return found === wanted?.mark ? 'ready' : 'stale';
}

interface Keyed {
  readonly contentKeys: readonly ContentKey[];
}

/** What one program or video has of its profile. */
export function protectionOf(media: Keyed, reading: ProfileReading): ProtectionReading {
  const { profile, keyPolicy, deliveryPolicy } = reading;
  const source = profile.keyProvider.kind;
  const missingKeys = keyLabelsOf(profile.delivery).filter(
    ({ label }) => !media.contentKeys.some((key) => key.label === label && key.source === source),
  );
  return { keyPolicy, deliveryPolicy, missingKeys };
}

/** Those of its keys that its profile uses. */
export const usedKeysOf = (media: Keyed, { delivery, keyProvider }: ProtectionProfile) =>
  keyLabelsOf(delivery).flatMap(({ label }) => {
    const key = media.contentKeys.find((one) => one.label === label && one.source === keyProvider.kind);
    return key === undefined ? [] : [key];
  });

/** Whether a locator is what its protection is now. */
export function isCurrent(
  locator: LocatorReading,
  { media, reading }: { media: Keyed; reading: ProfileReading },
): boolean {
  const same = (a: string | null, b: string | null) => (a ?? '').toLowerCase() === (b ?? '').toLowerCase();
  const keyIds = locator.keyIds.map((id) => id.toLowerCase());
  return (
    same(locator.streamingPolicy, reading.streamingPolicy) &&
    same(locator.keyPolicy, reading.keyPolicyName) &&
    usedKeysOf(media, reading.profile).every(({ id }) => keyIds.includes(id))
  );
}
