import type { ProtectionProfileBody } from '../contracts/protection-body.ts';
import { canonical } from '../domain/canonical.ts';
import { Problem } from '../domain/errors.ts';
import {
  BUILT_IN_PROFILES,
  findBuiltInProfile,
  type KeyAccess,
  type ProtectionProfile,
} from '../domain/protection.ts';
import { type Caller, checkIfMatch } from './api-channels.ts';
import { keyServiceSecretsOf, storeKeyProvider } from './key-service-secret.ts';
import type { ProfileStore, ProfileUser, ProfileUsers } from './protection-ports.ts';
import type { SecretStore } from './secret-store.ts';
import type { Clock, DueIndex, Page, ProgramStore, Stored } from './stores.ts';
import { keysOf, removeSecrets, secretsOf, storeTokenKeys } from './token-keys.ts';
import type { VideoStore } from './video-ports.ts';

const ATTEMPTS_MAX = 8;
/** As many content key policies as the media service takes, with room for those of others. */
const PROFILES_MAX = 50;
const USERS_TOLD_MAX = 20;

export interface ProfileDependencies {
  readonly profiles: ProfileStore;
  readonly profileUsers: ProfileUsers;
  readonly profileDue: DueIndex;
  readonly programs: ProgramStore;
  readonly videos: VideoStore;
  readonly secrets: SecretStore;
  readonly clock: Clock;
  readonly random: { guid(): string };
}

interface With {
  readonly caller: Caller;
  readonly deps: ProfileDependencies;
}

/** A profile by its name, a built-in one or one that was made; undefined: there is none. */
export async function findProfile(
  name: string,
  { profiles }: Pick<ProfileDependencies, 'profiles'>,
): Promise<ProtectionProfile | undefined> {
  const builtIn = findBuiltInProfile(name);
  if (builtIn !== undefined) return builtIn;
  const stored = await profiles.find(name);
  return stored?.value.deleted === false ? stored.value : undefined;
}

export async function getProfile(
  name: string,
  deps: Pick<ProfileDependencies, 'profiles'>,
): Promise<ProtectionProfile> {
  const profile = await findProfile(name, deps);
  if (profile === undefined) throw notFound(name);
  return profile;
}

const notFound = (name: string) =>
  new Problem('protectionProfileNotFound', { detail: `There is no protection profile ${name}.` });

/** Built-in and stored ones by name. */
export async function pageProfiles(
  { after, sizeMax }: { after: string | undefined; sizeMax: number },
  { profiles }: Pick<ProfileDependencies, 'profiles'>,
): Promise<Page<ProtectionProfile>> {
  const page = await profiles.page({ after, sizeMax });
  const stored = page.items.filter(({ deleted }) => !deleted);
  const end = page.after;
  const builtIn = BUILT_IN_PROFILES.filter(
    ({ name }) => (after === undefined || name > after) && (end === undefined || name <= end),
  );
  const items = [...stored, ...builtIn].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { items, after: end };
}

/** Stores what is wanted of a profile; the same body twice is one. */
export async function putProfile(
  name: string,
  body: ProtectionProfileBody,
  { caller, deps }: With,
): Promise<{ profile: ProtectionProfile; created: boolean }> {
  checkNotBuiltIn(name);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const stored = await deps.profiles.find(name);
    if (stored?.value.deleted === true)
      throw new Problem('profileDeleting', { detail: 'Wait until it is gone, then make it again.' });
    checkIfMatch(caller, stored?.value);
    const saved = await putOnce({ name, body, stored }, deps);
    if (saved !== undefined) return saved;
  }
  throw new Problem('busy', { detail: 'The profile changes faster than this call could follow.' });
}

interface Put {
  readonly name: string;
  readonly body: ProtectionProfileBody;
  readonly stored: Stored<ProtectionProfile> | undefined;
}

/** Undefined: somebody was in between. */
async function putOnce(
  { name, body, stored }: Put,
  deps: ProfileDependencies,
): Promise<{ profile: ProtectionProfile; created: boolean } | undefined> {
  const before = stored?.value;
  if (before === undefined) await checkRoom(deps);
  const id = before?.id ?? deps.random.guid();
  const { keys, keyProvider, written } = await storeSecrets(body, { before, id }, deps);
  const next: ProtectionProfile = {
    name,
    id,
    builtIn: false,
    createdAtMs: before?.createdAtMs ?? deps.clock.now(),
    generation: (before?.generation ?? 0) + 1,
    description: body.description,
    keys,
    keyProvider,
    delivery: body.delivery,
    streamingPolicies: before?.streamingPolicies ?? [],
    deleted: false,
  };
  try {
    if (before !== undefined && isSame(next, before)) return { profile: before, created: false };
    if (before !== undefined) await checkChange(next, before, deps);
    await deps.profileDue.set(name, deps.clock.now());
    if ((await deps.profiles.save(next, stored?.etag)) === undefined) {
      await removeSecrets(written, deps.secrets);
      return undefined;
    }
  } catch (error) {
    await removeSecrets(written, deps.secrets);
    throw error;
  }
  await removeSecrets(abandoned(before, next), deps.secrets);
  return { profile: next, created: before === undefined };
}

interface Storing {
  readonly before: ProtectionProfile | undefined;
  readonly id: string;
}

/** Writes all secrets of a profile, or none. */
async function storeSecrets(body: ProtectionProfileBody, storing: Storing, deps: ProfileDependencies) {
  const { secrets, random } = deps;
  const before = storing.before?.keyProvider;
  const service = await storeKeyProvider(body.keyProvider, { before, secrets, random });
  try {
    const { keys, written } = await storeKeys(body.keys, storing, deps);
    return { keys, keyProvider: service.keyProvider, written: [...written, ...service.written] };
  } catch (error) {
    await removeSecrets(service.written, secrets);
    throw error;
  }
}

async function storeKeys(
  wanted: ProtectionProfileBody['keys'],
  { before, id }: Storing,
  { secrets, random }: ProfileDependencies,
): Promise<{ keys: KeyAccess; written: readonly string[] }> {
  if (wanted.access === 'open') return { keys: wanted, written: [] };
  const known = before?.keys.access === 'token' ? keysOf(before.keys) : [];
  const { written, ...keys } = await storeTokenKeys(wanted, {
    before: known,
    profileId: id,
    secrets,
    random,
  });
  return { keys: { ...wanted, ...keys }, written };
}

function isSame(next: ProtectionProfile, before: ProtectionProfile): boolean {
  const wanted = ({ description, keys, keyProvider, delivery }: ProtectionProfile) =>
    canonical({ description, keys, keyProvider, delivery });
  return wanted(next) === wanted(before);
}

/** Every secret that a profile names. */
export const secretsOfProfile = ({ keys, keyProvider }: ProtectionProfile): readonly string[] => [
  ...(keys.access === 'token' ? secretsOf(keysOf(keys)) : []),
  ...keyServiceSecretsOf(keyProvider),
];

/** Secrets that only the profile before named. */
function abandoned(before: ProtectionProfile | undefined, next: ProtectionProfile): readonly string[] {
  const kept = new Set(secretsOfProfile(next));
  return before === undefined ? [] : secretsOfProfile(before).filter((secret) => !kept.has(secret));
}

async function checkRoom({ profiles }: ProfileDependencies): Promise<void> {
  const { items } = await profiles.page({ after: undefined, sizeMax: PROFILES_MAX });
  if (items.length >= PROFILES_MAX)
    throw new Problem('tooManyProfiles', {
      detail: `There are at most ${PROFILES_MAX} of them: delete some.`,
    });
}

function checkNotBuiltIn(name: string): void {
  if (findBuiltInProfile(name) === undefined) return;
  throw new Problem('profileBuiltIn', {
    detail: `${name} is built in. Make a profile of your own with another name.`,
  });
}

/** What is published has its delivery in its addresses, and its keys in its media. */
async function checkChange(
  next: ProtectionProfile,
  before: ProtectionProfile,
  deps: ProfileDependencies,
): Promise<void> {
  if (JSON.stringify(next.delivery) !== JSON.stringify(before.delivery))
    return checkNotPublished('delivery', before, deps);
  if (next.keyProvider.kind !== before.keyProvider.kind) await checkNotPublished('keyProvider', before, deps);
}

async function checkNotPublished(
  field: 'delivery' | 'keyProvider',
  profile: ProtectionProfile,
  deps: ProfileDependencies,
): Promise<void> {
  const users = await profileUsers(profile.name, deps);
  const published = users.filter((user) => user.published);
  if (published.length === 0) return;
  throw new Problem('profilePublished', {
    detail:
      'How it is delivered, and who made its keys, is fixed in what is published with it. Unpublish that first, or make another profile and use it for what comes.',
    errors: [{ pointer: `/${field}`, message: 'cannot be changed while something with it is published' }],
    current: { publishedBy: published.slice(0, USERS_TOLD_MAX).map(hrefOf), delivery: profile.delivery },
  });
}

/** From then on nobody can use it; what it made in the media service is removed. */
export async function deleteProfile(name: string, { caller, deps }: With): Promise<void> {
  checkNotBuiltIn(name);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const stored = await deps.profiles.find(name);
    if (stored === undefined) throw notFound(name);
    if (stored.value.deleted) return;
    checkIfMatch(caller, stored.value);
    await checkUnused(name, deps);
    await deps.profileDue.set(name, deps.clock.now());
    const { generation } = stored.value;
    const gone = { ...stored.value, deleted: true, generation: generation + 1 };
    const etag = await deps.profiles.save(gone, stored.etag);
    if (etag === undefined) continue;
    // Who began to use it meanwhile has read it before it was marked: one of the two sees the other.
    try {
      await checkUnused(name, deps);
    } catch (error) {
      await deps.profiles.save({ ...gone, deleted: false, generation: generation + 2 }, etag);
      throw error;
    }
    return;
  }
  throw new Problem('busy', { detail: 'The profile changes faster than this call could follow.' });
}

async function checkUnused(name: string, deps: ProfileDependencies): Promise<void> {
  const users = await profileUsers(name, deps);
  if (users.length === 0) return;
  throw new Problem('profileInUse', {
    detail: 'Give the programs and videos that use it another profile, or delete them.',
    current: { usedBy: users.slice(0, USERS_TOLD_MAX).map(hrefOf) },
  });
}

const hrefOf = (user: ProfileUser): string =>
  'video' in user
    ? `/api/v1/videos/${user.video}`
    : `/api/v1/channels/${user.channel}/programs/${user.program}`;

/** Who really uses a profile. */
export async function profileUsers(
  name: string,
  {
    profileUsers: users,
    programs,
    videos,
  }: Pick<ProfileDependencies, 'profileUsers' | 'programs' | 'videos'>,
): Promise<readonly (ProfileUser & { readonly published: boolean })[]> {
  const found: (ProfileUser & { readonly published: boolean })[] = [];
  for (const user of await users.list(name)) {
    const stored =
      'video' in user ? await videos.find(user.video) : await programs.find(user.channel, user.program);
    const using = stored?.value;
    if (using?.settings.protection === name) found.push({ ...user, published: using.published });
  }
  return found;
}

/** Notes that a program or video will use a profile, and sees to it that there is one. */
export async function useProfile(
  name: string,
  user: ProfileUser,
  deps: Pick<ProfileDependencies, 'profiles' | 'profileUsers'>,
): Promise<void> {
  if (findBuiltInProfile(name) !== undefined) return;
  await deps.profileUsers.add(name, user);
  if ((await findProfile(name, deps)) !== undefined) return;
  await deps.profileUsers.remove(name, user);
  throw new Problem('protectionNotAvailable', {
    detail: `There is no protection profile ${name}.`,
    errors: [{ pointer: '/protection', message: 'the name of a protection profile' }],
  });
}
