import { randomUUID } from 'node:crypto';
import type { Autoscale } from '../../domain/autoscale.ts';
import { type Channel, upgradedChannel } from '../../domain/channel.ts';
import { isFinal, type Operation } from '../../domain/operation.ts';
import { type Program, upgradedProgram } from '../../domain/program.ts';
import type { ProtectionProfile } from '../../domain/protection.ts';
import type { Scaling } from '../../domain/scaling.ts';
import { as, type FoundPage, type JsonTable, openJsonTable, type PageOptions, pageOf } from './json-table.ts';
import { importStore, uploadIndex, videoStore } from './video-stores.ts';

const CHANNELS = 'channels';
const AUTOSCALES = 'autoscale';
const PROFILES = 'profiles';
/** An account has a handful of streaming endpoints. */
const AUTOSCALES_MAX = 100;
const PROFILE_USERS_MAX = 100_000;
const PAGE_MAX = 1000;
const CLAIM_MS = 3_000;
const TIMELINE_ENTRIES_MAX = 1000;
const PRUNE_BATCH_MAX = 100;
/** Of more entries than are ever kept. */
const FORGET_ROUNDS_MAX = 20;
const CHANGE_ATTEMPTS_MAX = 8;

/** Everything the app stores, in tables of its own in the account's storage. */
export function openStores(connectionString: string) {
  const table = (name: string): JsonTable => openJsonTable(connectionString, `Headend${name}`);
  const resources = table('Resources');
  const operations = table('Operations');
  const timeline = table('Timeline');
  const due = table('Due');
  const claims = table('Claims');
  return {
    ready: resources.ready,
    async warm(): Promise<void> {
      await Promise.all([resources, operations, timeline, due, claims].map(({ ready }) => ready()));
    },
    channels: channelStore(resources),
    programs: programStore(resources),
    operations: operationStore(operations),
    timeline: timelineStore(timeline),
    due: dueIndex(due, 'due'),
    scaleDue: dueIndex(due, 'scale'),
    scalings: scalingStore(resources),
    autoscales: autoscaleStore(resources),
    profiles: profileStore(resources),
    profileUsers: profileUserStore(resources),
    profileDue: dueIndex(due, 'profiles'),
    videos: videoStore(resources),
    uploadIndex: uploadIndex(resources),
    videoDue: dueIndex(due, 'videos'),
    imports: importStore(resources),
    importDue: dueIndex(due, 'imports'),
    claims: claimStore(claims),
  };
}

const channelStore = (rows: JsonTable) => ({
  async find(name: string) {
    const found = await rows.find(CHANNELS, name);
    if (found === undefined) return undefined;
    const { value, etag } = as<Channel>(found);
    return { value: upgradedChannel(value), etag };
  },
  save: (channel: Channel, etag: string | undefined) => rows.save([CHANNELS, channel.name], channel, etag),
  remove: (name: string, etag: string) => rows.remove([CHANNELS, name], etag),
  async page(options: PageOptions): Promise<FoundPage<Channel>> {
    const { items, after } = await pageOf<Channel>(rows, CHANNELS, options);
    return { items: items.map(upgradedChannel), after };
  },
});

const programStore = (rows: JsonTable) => ({
  async find(channel: string, name: string) {
    const found = await rows.find(`programs!${channel}`, name);
    return found === undefined ? undefined : asProgram(found);
  },
  save: (program: Program, etag: string | undefined) =>
    rows.save([`programs!${program.channel}`, program.name], program, etag),
  remove: (channel: string, name: string, etag: string) => rows.remove([`programs!${channel}`, name], etag),
  async ofChannel(channel: string): Promise<readonly { value: Program; etag: string }[]> {
    return (await rows.list(`programs!${channel}`)).map(asProgram);
  },
});

const asProgram = (row: { value: unknown; etag: string }): { value: Program; etag: string } => {
  const { value, etag } = as<Program>(row);
  return { value: upgradedProgram(value), etag };
};

const operationStore = (rows: JsonTable) => ({
  async find(id: string) {
    const found = await rows.find('operations', id);
    return found === undefined ? undefined : as<Operation>(found).value;
  },
  save: (operation: Operation) => rows.put(['operations', operation.id], operation),
  async change(id: string, change: (before: Operation) => Partial<Operation>): Promise<void> {
    for (let attempt = 0; attempt < CHANGE_ATTEMPTS_MAX; attempt += 1) {
      const found = await rows.find('operations', id);
      if (found === undefined) return;
      const { value: before, etag } = as<Operation>(found);
      const changes = isFinal(before) ? {} : change(before);
      if (Object.keys(changes).length === 0) return;
      if ((await rows.save(['operations', id], { ...before, ...changes }, etag)) !== undefined) return;
    }
    throw new Error(`the operation ${id} changes faster than it can be written`);
  },
});

const scalingStore = (rows: JsonTable) => ({
  async find(key: string) {
    const found = await rows.find('scaling', key);
    return found === undefined ? undefined : as<Scaling>(found);
  },
  save: (key: string, scaling: Scaling, etag: string | undefined) =>
    rows.save(['scaling', key], scaling, etag),
});

const autoscaleStore = (rows: JsonTable) => ({
  async find(key: string) {
    const found = await rows.find(AUTOSCALES, key);
    return found === undefined ? undefined : as<Autoscale>(found);
  },
  save: (key: string, autoscale: Autoscale, etag: string | undefined) =>
    rows.save([AUTOSCALES, key], autoscale, etag),
  remove: (key: string, etag: string) => rows.remove([AUTOSCALES, key], etag),
  async list(): Promise<readonly { value: Autoscale; etag: string }[]> {
    return (await rows.list(AUTOSCALES, { sizeMax: AUTOSCALES_MAX })).map((row) => as<Autoscale>(row));
  },
});

const profileStore = (rows: JsonTable) => ({
  async find(name: string) {
    const found = await rows.find(PROFILES, name);
    return found === undefined ? undefined : as<ProtectionProfile>(found);
  },
  save: (profile: ProtectionProfile, etag: string | undefined) =>
    rows.save([PROFILES, profile.name], profile, etag),
  remove: (name: string, etag: string) => rows.remove([PROFILES, name], etag),
  page: (options: PageOptions) => pageOf<ProtectionProfile>(rows, PROFILES, options),
});

type UserKey = { readonly channel: string; readonly program: string } | { readonly video: string };

const profileUserStore = (rows: JsonTable) => {
  const keyOf = (profile: string, user: UserKey) =>
    [
      `profile!${profile}`,
      'video' in user ? `video!${user.video}` : `program!${user.channel}!${user.program}`,
    ] as const;
  return {
    add: (profile: string, user: UserKey) => rows.put(keyOf(profile, user), user),
    async remove(profile: string, user: UserKey): Promise<void> {
      await rows.remove(keyOf(profile, user));
    },
    async list(profile: string): Promise<readonly UserKey[]> {
      const users: UserKey[] = [];
      for (let after: string | undefined; users.length < PROFILE_USERS_MAX; ) {
        const found = await rows.list(`profile!${profile}`, { after, sizeMax: PAGE_MAX });
        users.push(...found.map((row) => as<UserKey>(row).value));
        after = found.at(-1)?.rowKey;
        if (found.length < PAGE_MAX) break;
      }
      return users;
    },
  };
};

interface Entry {
  readonly id: string;
  readonly channel: string;
  readonly atMs: number;
  readonly type: string;
  readonly source: 'api' | 'event' | 'reconcile';
  readonly by: string;
  readonly program: string | null;
  readonly effect: string;
  readonly milliseconds: number | null;
}

const timelineStore = (rows: JsonTable) => ({
  async add(entry: Entry): Promise<boolean> {
    return (await rows.save([entry.channel, entry.id], entry)) !== undefined;
  },
  page: (channel: string, options: PageOptions) => pageOf<Entry>(rows, channel, options),
  async prune(channel: string): Promise<void> {
    const newest = await rows.list(channel, { sizeMax: TIMELINE_ENTRIES_MAX });
    if (newest.length < TIMELINE_ENTRIES_MAX) return;
    const older = await rows.list(channel, { after: newest.at(-1)?.rowKey, sizeMax: PRUNE_BATCH_MAX });
    await Promise.all(older.map(({ rowKey }) => rows.remove([channel, rowKey])));
  },
  async forget(channel: string): Promise<void> {
    for (let round = 0; round < FORGET_ROUNDS_MAX; round += 1) {
      const found = await rows.list(channel, { sizeMax: PRUNE_BATCH_MAX });
      await Promise.all(found.map(({ rowKey }) => rows.remove([channel, rowKey])));
      if (found.length < PRUNE_BATCH_MAX) return;
    }
  },
});

const dueIndex = (rows: JsonTable, partition: string) => ({
  set: (key: string, dueAtMs: number) => rows.put([partition, key], {}, dueAtMs),
  async clear(key: string): Promise<void> {
    await rows.remove([partition, key]);
  },
  async due(nowMs: number): Promise<readonly string[]> {
    return (await rows.list(partition, { dueAtMs: nowMs })).map(({ rowKey }) => rowKey);
  },
});

/** A row with an expiry: who dies with a claim loses it after `CLAIM_MS`. */
const claimStore = (rows: JsonTable) => ({
  async take(channel: string, nowMs: number) {
    const holder = randomUUID();
    const key = ['claims', channel] as const;
    const claim = (atMs: number) => ({ holder, expiresAtMs: atMs + CLAIM_MS });
    let etag = await rows.save(key, claim(nowMs));
    if (etag === undefined) {
      const found = await rows.find(...key);
      if (found !== undefined && as<{ expiresAtMs: number }>(found).value.expiresAtMs > nowMs)
        return undefined;
      etag = await rows.save(key, claim(nowMs), found?.etag);
    }
    if (etag === undefined) return undefined;
    let held = etag;
    let extendedAtMs = nowMs;
    return {
      async extend(atMs: number): Promise<boolean> {
        if (atMs - extendedAtMs < CLAIM_MS / 3) return true;
        const next = await rows.save(key, claim(atMs), held);
        if (next === undefined) return false;
        held = next;
        extendedAtMs = atMs;
        return true;
      },
      async release(): Promise<void> {
        await rows.remove(key, held);
      },
    };
  },
});
