import type { ContentKey } from '../domain/program.ts';
import { keySystemsOf } from '../domain/protection.ts';
import { findProfile } from './api-protection.ts';
import type { LocatorSettings, Outcome } from './media-service.ts';
import { streamingPolicyOf } from './protection-policies.ts';
import type { ProfileUser } from './protection-ports.ts';
import { type ProfileReading, protectionOf, usedKeysOf } from './read-protection.ts';
import {
  applyProfile,
  ensureInstallationKey,
  type ProfileReconcileDependencies,
} from './reconcile-profile.ts';
import type { SecretStore } from './secret-store.ts';
import { removeSecrets } from './token-keys.ts';

const DONE: Outcome = { kind: 'done' };
const CHANGED: Outcome = {
  kind: 'later',
  code: 'busy',
  message: 'It or its protection changes now.',
};

const secretOf = ({ id }: Pick<ContentKey, 'id'>): string => `content-key-${id}`;

/** A program or a video, as its protection sees it. */
export interface ProtectedMedia {
  readonly id: string;
  readonly contentKeys: readonly ContentKey[];
  readonly settings: { readonly protection: string };
}

export interface PublishedMedia extends ProtectedMedia {
  readonly assetName: string;
  readonly locatorId: string;
  /** What licence servers know it by. */
  readonly mediaId: string;
}

/** Stores the keys that it has from now on; undefined: somebody was in between. */
type SaveKeys = (contentKeys: readonly ContentKey[]) => Promise<string | undefined>;

/** Steps of one round; what several programs or videos share is done once. */
export interface ProtectionSteps {
  applyKeyPolicy(media: ProtectedMedia): Promise<Outcome>;
  applyDeliveryPolicy(media: ProtectedMedia): Promise<Outcome>;
  createKeys(media: ProtectedMedia, save: SaveKeys): Promise<Outcome>;
  /** What its locator is to be, with its keys; or why it cannot be made. */
  locatorOf(media: PublishedMedia, name: string): Promise<LocatorSettings | Outcome>;
}

export function protectionSteps(
  readings: ReadonlyMap<string, ProfileReading>,
  deps: ProfileReconcileDependencies,
): ProtectionSteps {
  const once = memoized();
  return {
    applyKeyPolicy: ({ settings: { protection } }) =>
      once(`keys!${protection}`, () => applyProfile(protection, { isUsed: true }, deps)),
    applyDeliveryPolicy: ({ settings: { protection } }) =>
      once(`delivery!${protection}`, () => applyDeliveryPolicy(protection, deps)),
    async createKeys(media, save) {
      const reading = readings.get(media.settings.protection);
      return reading === undefined ? CHANGED : createKeys({ media, save }, reading, deps);
    },
    async locatorOf(media, name) {
      const reading = readings.get(media.settings.protection);
      return reading === undefined ? CHANGED : locatorOf({ media, name }, reading, deps.secrets);
    },
  };
}

function memoized() {
  const running = new Map<string, Promise<Outcome>>();
  return (key: string, work: () => Promise<Outcome>): Promise<Outcome> => {
    const known = running.get(key) ?? work();
    running.set(key, known);
    return known;
  };
}

/** Its name is noted first, so that whatever happens it is found again when nobody uses it. */
async function applyDeliveryPolicy(name: string, deps: ProfileReconcileDependencies): Promise<Outcome> {
  const profile = await findProfile(name, deps);
  if (profile === undefined) return CHANGED;
  const policy = streamingPolicyOf(profile);
  if (policy.predefined) return DONE;
  if (!profile.builtIn && !profile.streamingPolicies.includes(policy.name)) {
    const stored = await deps.profiles.find(name);
    if (stored === undefined || stored.value.generation !== profile.generation) return CHANGED;
    const streamingPolicies = [...stored.value.streamingPolicies, policy.name];
    if ((await deps.profiles.save({ ...stored.value, streamingPolicies }, stored.etag)) === undefined)
      return CHANGED;
  }
  return deps.media.deliveryPolicies.create(policy.name, profile.delivery);
}

/**
 * Content keys of one program or video, never shared: first their values, under names that nobody has used, then their
 * ids with it. Whoever is first with it wins; a crash in between leaves a secret that nobody knows.
 */
async function createKeys(
  { media, save }: { media: ProtectedMedia; save: SaveKeys },
  reading: ProfileReading,
  deps: ProfileReconcileDependencies,
): Promise<Outcome> {
  const { secrets } = deps;
  if ((await ensureInstallationKey(deps)) === undefined) return CHANGED;
  const { keyProvider, delivery } = reading.profile;
  const { missingKeys } = protectionOf(media, reading);
  const provided = await deps
    .keyProviderOf(keyProvider)
    .keysFor({ contentId: media.id, keys: missingKeys, systems: keySystemsOf(delivery) });
  if (provided.kind !== 'keys') return provided;
  const made = missingKeys.flatMap((wanted) => {
    const found = provided.keys.find(({ label }) => label === wanted.label);
    if (found === undefined) return [];
    return [{ key: { ...wanted, id: found.kid, source: keyProvider.kind }, value: found.value }];
  });
  for (const { key, value } of made) await secrets.put(secretOf(key), value);
  const contentKeys = [...media.contentKeys, ...made.map(({ key }) => key)];
  if ((await save(contentKeys)) !== undefined) return DONE;
  await removeSecrets(
    made.map(({ key }) => secretOf(key)),
    secrets,
  );
  return CHANGED;
}

async function locatorOf(
  { media, name }: { media: PublishedMedia; name: string },
  { profile, streamingPolicy, keyPolicyName }: ProfileReading,
  secrets: SecretStore,
): Promise<LocatorSettings | Outcome> {
  const keys = usedKeysOf(media, profile);
  const contentKeys = await Promise.all(
    keys.map(async (key) => ({ id: key.id, label: key.label, value: await secrets.get(secretOf(key)) })),
  );
  const known = contentKeys.flatMap(({ value, ...key }) => (value === undefined ? [] : [{ ...key, value }]));
  if (known.length < contentKeys.length)
    return {
      kind: 'refused',
      code: 'contentKeyMissing',
      message: 'The secret store has lost a content key: bring it back, or make another program or video.',
    };
  return {
    name,
    assetName: media.assetName,
    locatorId: media.locatorId,
    streamingPolicy,
    keyPolicy: keyPolicyName,
    contentKeys: known,
    mediaId: media.mediaId,
  };
}

/** What a deleted program or video leaves in the secret store; done again by whoever finds it half done. */
export async function forgetProtection(
  { contentKeys, settings }: ProtectedMedia,
  user: ProfileUser,
  { secrets, profileUsers }: Pick<ProfileReconcileDependencies, 'secrets' | 'profileUsers'>,
): Promise<void> {
  for (const key of contentKeys) await secrets.remove(secretOf(key));
  await profileUsers.remove(settings.protection, user);
}
