import { randomBytes } from 'node:crypto';
import {
  findBuiltInProfile,
  INSTALLATION_KEY,
  type KeyProviderSettings,
  keyPolicyNameOf,
  type ProtectionProfile,
} from '../domain/protection.ts';
import { profileUsers, secretsOfProfile } from './api-protection.ts';
import type { KeyProvider } from './key-provider.ts';
import type { MediaService, Outcome } from './media-service.ts';
import { isMarkOf, keyPolicyOf, streamingPolicyOf } from './protection-policies.ts';
import type { ProfileStore, ProfileUsers } from './protection-ports.ts';
import type { SecretStore } from './secret-store.ts';
import type { Claim, Claims, Clock, DueIndex, ProgramStore, ReconcileQueue, Stored } from './stores.ts';
import type { VideoStore } from './video-ports.ts';

/** A profile that changes while it is applied is applied again. */
const ROUNDS_MAX = 5;
const INSTALLATION_KEY_BYTES = 32;
const RETRY_MS = 2_000;
const REFUSED_RETRY_MS = 60_000;

export interface ProfileReconcileDependencies {
  readonly profiles: ProfileStore;
  readonly profileUsers: ProfileUsers;
  readonly profileDue: DueIndex;
  readonly programs: ProgramStore;
  readonly videos: VideoStore;
  readonly videoDue: DueIndex;
  readonly secrets: SecretStore;
  readonly keyProviderOf: (settings: KeyProviderSettings) => KeyProvider;
  readonly claims: Claims;
  readonly due: DueIndex;
  readonly queue: ReconcileQueue;
  readonly clock: Clock;
  readonly media: Pick<MediaService, 'keyPolicies' | 'deliveryPolicies'>;
}

const DONE: Outcome = { kind: 'done' };
const later = (code: string, message: string): Outcome => ({ kind: 'later', code, message });
const refused = (code: string, message: string): Outcome => ({ kind: 'refused', code, message });

/** Brings a changed profile to all that uses it: to the media service, and to programs and videos. */
export async function reconcileProfile(name: string, deps: ProfileReconcileDependencies): Promise<Outcome> {
  const users = await profileUsers(name, deps);
  const channels = users.flatMap((user) => ('channel' in user ? [user.channel] : []));
  for (const channel of new Set(channels)) {
    await deps.due.set(channel, deps.clock.now());
    await deps.queue.send(channel, 0);
  }
  for (const video of users.flatMap((user) => ('video' in user ? [user.video] : []))) {
    await deps.videoDue.set(video, deps.clock.now());
    await deps.queue.sendVideo(video, 0);
  }
  const outcome = await applyProfile(name, { isUsed: users.length > 0 }, deps);
  if (outcome.kind === 'done') await deps.profileDue.clear(name);
  else
    await deps.profileDue.set(
      name,
      deps.clock.now() + (outcome.kind === 'later' ? RETRY_MS : REFUSED_RETRY_MS),
    );
  return outcome;
}

/** Writes who gets a profile's keys into its one content key policy, or takes away what a deleted profile left. */
export async function applyProfile(
  name: string,
  { isUsed }: { isUsed: boolean },
  deps: ProfileReconcileDependencies,
): Promise<Outcome> {
  const claim = await deps.claims.take(`profile!${name}`, deps.clock.now());
  if (claim === undefined) return later('busy', 'Somebody else applies this profile now.');
  try {
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const stored = await find(name, deps);
      if (stored === undefined) return DONE;
      if (stored.value.deleted) return await removeProfile(stored, deps);
      const outcome = await applyOnce(stored.value, { claim, isUsed }, deps);
      if (outcome.kind !== 'done') return outcome;
      const after = await find(name, deps);
      if (after?.value.generation === stored.value.generation) return removeStalePolicies(after, deps);
    }
    return later('busy', 'The profile changes faster than it could be applied.');
  } finally {
    await claim.release();
  }
}

async function find(
  name: string,
  { profiles }: Pick<ProfileReconcileDependencies, 'profiles'>,
): Promise<Stored<ProtectionProfile> | undefined> {
  const builtIn = findBuiltInProfile(name);
  return builtIn === undefined ? profiles.find(name) : { value: builtIn, etag: '' };
}

async function applyOnce(
  profile: ProtectionProfile,
  { claim, isUsed }: { claim: Claim; isUsed: boolean },
  deps: ProfileReconcileDependencies,
): Promise<Outcome> {
  const { secrets, media, clock } = deps;
  const markKey = await ensureInstallationKey(deps);
  if (markKey === undefined) return later('busy', 'The installation’s key is being made.');
  const wanted = await keyPolicyOf(profile, { secrets, markKey });
  if (wanted === 'notNeeded') return DONE;
  if (wanted === 'secretMissing')
    return refused(
      'tokenKeyMissing',
      `The secret store has lost a key of the protection profile ${profile.name}: put the profile again.`,
    );
  const found = await media.keyPolicies.findMark(wanted.name);
  if (found === wanted.mark || (found === undefined && !isUsed)) return DONE;
  if (found !== undefined && !isMarkOf(found, profile))
    return refused(
      'keyPolicyNameTaken',
      `The content key policy ${wanted.name} exists and is not this profile’s: make a profile of another name.`,
    );
  if (!(await claim.extend(clock.now()))) return later('busy', 'Somebody else applies this profile now.');
  return media.keyPolicies.put(wanted);
}

/**
 * The key that tokens of built-in profiles are signed with; made once for an installation, under a claim because the
 * secret store has no conditional writes. Undefined: another process makes it now.
 */
export async function ensureInstallationKey({
  secrets,
  claims,
  clock,
}: Pick<ProfileReconcileDependencies, 'secrets' | 'claims' | 'clock'>): Promise<string | undefined> {
  const known = await secrets.get(INSTALLATION_KEY);
  if (known !== undefined) return known;
  const claim = await claims.take('installation!key', clock.now());
  if (claim === undefined) return undefined;
  try {
    const meanwhile = await secrets.get(INSTALLATION_KEY);
    if (meanwhile !== undefined) return meanwhile;
    const made = randomBytes(INSTALLATION_KEY_BYTES).toString('base64');
    await secrets.put(INSTALLATION_KEY, made);
    return made;
  } finally {
    await claim.release();
  }
}

/** Policies of deliveries that it had before; those still in use stay until they are not. */
async function removeStalePolicies(
  { value: profile, etag }: Stored<ProtectionProfile>,
  { profiles, media }: ProfileReconcileDependencies,
): Promise<Outcome> {
  const { name } = streamingPolicyOf(profile);
  const stale = profile.streamingPolicies.filter((policy) => policy !== name);
  if (profile.builtIn || stale.length === 0) return DONE;
  const kept: string[] = [];
  for (const policy of stale) {
    if ((await media.deliveryPolicies.remove(policy)).kind !== 'done') kept.push(policy);
  }
  const streamingPolicies = profile.streamingPolicies.filter(
    (policy) => policy === name || kept.includes(policy),
  );
  if (kept.length < stale.length) await profiles.save({ ...profile, streamingPolicies }, etag);
  return DONE;
}

async function removeProfile(
  { value: profile, etag }: Stored<ProtectionProfile>,
  deps: ProfileReconcileDependencies,
): Promise<Outcome> {
  const { media, profiles, secrets } = deps;
  const { keyPolicies, deliveryPolicies } = media;
  const mark = await keyPolicies.findMark(keyPolicyNameOf(profile));
  const isOurs = mark !== undefined && isMarkOf(mark, profile);
  const outcomes = [
    ...(isOurs ? [await keyPolicies.remove(keyPolicyNameOf(profile))] : []),
    ...(await Promise.all(profile.streamingPolicies.map((policy) => deliveryPolicies.remove(policy)))),
  ];
  const failed = outcomes.find(({ kind }) => kind === 'later');
  // A policy that a locator of somebody else uses stays where it is: the profile goes all the same.
  if (failed !== undefined) return failed;
  for (const secret of secretsOfProfile(profile)) await secrets.remove(secret);
  for (const user of await deps.profileUsers.list(profile.name))
    await deps.profileUsers.remove(profile.name, user);
  const isGone = await profiles.remove(profile.name, etag);
  return isGone ? DONE : later('busy', 'The profile changes while it is removed.');
}
