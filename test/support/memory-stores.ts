import type { Autoscale } from '../../src/lib/domain/autoscale.ts';
import type { Channel } from '../../src/lib/domain/channel.ts';
import { isFinal, type Operation } from '../../src/lib/domain/operation.ts';
import type { Program } from '../../src/lib/domain/program.ts';
import type { ProtectionProfile } from '../../src/lib/domain/protection.ts';
import type { Scaling } from '../../src/lib/domain/scaling.ts';
import type { AutoscaleStore } from '../../src/lib/workflows/autoscale-ports.ts';
import type { ProfileStore, ProfileUser, ProfileUsers } from '../../src/lib/workflows/protection-ports.ts';
import type { ScalingStore } from '../../src/lib/workflows/scaling-ports.ts';
import type {
  ChannelStore,
  Claims,
  DueIndex,
  OperationStore,
  ProgramStore,
  ReconcileQueue,
  Timeline,
  TimelineEntry,
} from '../../src/lib/workflows/stores.ts';
import { documents, pageOf } from './memory-documents.ts';
import { memoryVideoStores } from './memory-video-stores.ts';

const CLAIM_MS = 3_000;

/** The stores in memory, with the etags of the real ones; `step` may throw to stand for a crash. */
export function memoryStores(step: () => void = () => {}) {
  const channelRows = documents<Channel>();
  const programRows = documents<Program>();
  const operationRows = new Map<string, Operation>();
  const scalingRows = documents<Scaling>();
  const dueRows = new Map<string, number>();
  const claimed = new Map<string, number>();
  const entries = new Map<string, TimelineEntry>();
  const crashable =
    <A extends unknown[], R>(work: (...args: A) => R) =>
    async (...args: A): Promise<R> => {
      step();
      const result = work(...args);
      step();
      return result;
    };
  const channels: ChannelStore = {
    find: crashable((name) => channelRows.find(name)),
    save: crashable((channel, etag) => channelRows.save(channel.name, channel, etag)),
    remove: crashable((name, etag) => channelRows.remove(name, etag)),
    page: crashable((options) =>
      pageOf(
        [...channelRows.rows.values()].map(({ value }) => value),
        ({ name }) => name,
        options,
      ),
    ),
  };
  const programs: ProgramStore = {
    find: crashable((channel, name) => programRows.find(`${channel}/${name}`)),
    save: crashable((program, etag) => programRows.save(`${program.channel}/${program.name}`, program, etag)),
    remove: crashable((channel, name, etag) => programRows.remove(`${channel}/${name}`, etag)),
    ofChannel: crashable((channel) =>
      [...programRows.rows.values()]
        .filter(({ value }) => value.channel === channel)
        .sort((a, b) => (a.value.name < b.value.name ? -1 : 1)),
    ),
  };
  const operations: OperationStore = {
    find: crashable((id) => operationRows.get(id)),
    save: crashable((operation) => void operationRows.set(operation.id, operation)),
    change: crashable((id, change) => {
      const before = operationRows.get(id);
      if (before !== undefined && !isFinal(before)) operationRows.set(id, { ...before, ...change(before) });
    }),
  };
  const dueIndex = (rows: Map<string, number>): DueIndex => ({
    set: crashable((key, dueAtMs) => void rows.set(key, dueAtMs)),
    clear: crashable((key) => void rows.delete(key)),
    due: crashable((nowMs) => [...rows].filter(([, dueAtMs]) => dueAtMs <= nowMs).map(([key]) => key)),
  });
  const due = dueIndex(dueRows);
  const scaleDue = dueIndex(new Map());
  const scalings: ScalingStore = {
    find: crashable((key) => scalingRows.find(key)),
    save: crashable((key, scaling, etag) => scalingRows.save(key, scaling, etag)),
  };
  const autoscaleRows = documents<Autoscale>();
  const autoscales: AutoscaleStore = {
    find: crashable((key) => autoscaleRows.find(key)),
    save: crashable((key, autoscale, etag) => autoscaleRows.save(key, autoscale, etag)),
    remove: crashable((key, etag) => autoscaleRows.remove(key, etag)),
    list: crashable(() => [...autoscaleRows.rows.values()]),
  };
  const profileRows = documents<ProtectionProfile>();
  const profiles: ProfileStore = {
    find: crashable((name) => profileRows.find(name)),
    save: crashable((profile, etag) => profileRows.save(profile.name, profile, etag)),
    remove: crashable((name, etag) => profileRows.remove(name, etag)),
    page: crashable((options) =>
      pageOf(
        [...profileRows.rows.values()].map(({ value }) => value),
        ({ name }) => name,
        options,
      ),
    ),
  };
  const users = new Map<string, ProfileUser>();
  const userKey = (profile: string, user: ProfileUser) => `${profile}!${Object.values(user).join('!')}`;
  const profileUsers: ProfileUsers = {
    add: crashable((profile, user) => void users.set(userKey(profile, user), user)),
    remove: crashable((profile, user) => void users.delete(userKey(profile, user))),
    list: crashable((profile) =>
      [...users].filter(([key]) => key.startsWith(`${profile}!`)).map(([, user]) => user),
    ),
  };
  const profileDue = dueIndex(new Map());
  const timeline: Timeline = {
    add: crashable((entry) => !entries.has(entry.id) && entries.set(entry.id, entry) !== undefined),
    page: crashable((channel, options) =>
      pageOf(
        [...entries.values()].filter((entry) => entry.channel === channel),
        ({ id }) => id,
        options,
      ),
    ),
    prune: crashable(() => {}),
    forget: crashable((channel) => {
      for (const [id, entry] of entries) if (entry.channel === channel) entries.delete(id);
    }),
  };
  const claims: Claims = {
    take: crashable((channel, nowMs) => {
      if ((claimed.get(channel) ?? 0) > nowMs) return undefined;
      claimed.set(channel, nowMs + CLAIM_MS);
      return { extend: crashable(() => true), release: crashable(() => void claimed.delete(channel)) };
    }),
  };
  const videoStores = memoryVideoStores({ crashable, dueIndex });
  // A queue that loses everything: convergence must not need it.
  const queue: ReconcileQueue = { send: crashable(() => {}), sendVideo: crashable(() => {}) };
  return {
    channels,
    programs,
    operations,
    due,
    scaleDue,
    scalings,
    autoscales,
    profiles,
    profileUsers,
    profileDue,
    timeline,
    claims,
    queue,
    ...videoStores,
    rows: { channelRows, profileRows, programRows, operationRows, entries },
  };
}
