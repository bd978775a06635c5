import type { Channel, Connections } from '../domain/channel.ts';
import type { Health } from '../domain/health.ts';
import { withHealth } from '../domain/observe-channel.ts';
import type { ChannelStore, Clock, Timeline } from './stores.ts';
import { timelineId } from './timeline-entries.ts';

const CHANGE_ATTEMPTS_MAX = 5;
const DAY_MS = 86_400_000;
const FUTURE_MS_MAX = 300_000;
const CONNECTIONS_MAX = 20;

export interface LiveEventNotice {
  readonly id: string;
  readonly channel: string;
  readonly type: string;
  readonly atMs: number;
  readonly effect: string;
  /** What it says about the input; null: that all is well again; undefined: nothing. */
  readonly health: Health | null | undefined;
  /** It tells the whole health of the input: what it says holds until the next one. */
  readonly healthLasts: boolean;
  /** What it says about an encoder; undefined: nothing. */
  readonly encoder: 'connected' | 'disconnected' | undefined;
  /** Which connection that is about. */
  readonly connection: string;
  /** Whether something may have become possible by it. */
  readonly reconcile: boolean;
}

export type NoticeResult = 'unknownChannel' | 'unbelievable' | 'duplicate' | 'noted' | 'reconciled';

/** Notes an event and has the channel reconciled; nothing in the event is believed beyond what producers read. */
export async function handleLiveEvent(
  notice: LiveEventNotice,
  deps: {
    channels: ChannelStore;
    timeline: Timeline;
    clock: Clock;
    reconcile(channel: string): Promise<unknown>;
  },
): Promise<NoticeResult> {
  const nowMs = deps.clock.now();
  if (notice.atMs > nowMs + FUTURE_MS_MAX || notice.atMs < nowMs - DAY_MS) return 'unbelievable';
  const noted = await noteChannel(notice, { nowMs, channels: deps.channels });
  if (noted === 'unknown') return 'unknownChannel';
  if (notice.health !== undefined && !notice.reconcile) {
    if (noted === 'changed') await addEntry(notice, { milliseconds: null, timeline: deps.timeline });
    return noted === 'changed' ? 'noted' : 'duplicate';
  }
  // Reconcile even when it is a duplicate: the first delivery may have died in between.
  if (notice.reconcile) await deps.reconcile(notice.channel);
  const milliseconds = notice.reconcile ? Math.max(0, deps.clock.now() - notice.atMs) : null;
  const isNew = await addEntry(notice, { milliseconds, timeline: deps.timeline });
  if (!isNew) return 'duplicate';
  return notice.reconcile ? 'reconciled' : 'noted';
}

function addEntry(
  notice: LiveEventNotice,
  { milliseconds, timeline }: { milliseconds: number | null; timeline: Timeline },
): Promise<boolean> {
  const { id, channel, atMs, type, effect } = notice;
  return timeline.add({
    id: timelineId(atMs, id),
    channel,
    atMs,
    type,
    source: 'event',
    by: 'media service',
    program: null,
    effect,
    milliseconds,
  });
}

/** Stores what the event tells people; `changed`: they read something else than before. */
async function noteChannel(
  notice: LiveEventNotice,
  { nowMs, channels }: { nowMs: number; channels: ChannelStore },
): Promise<'unknown' | 'same' | 'changed'> {
  for (let attempt = 0; attempt < CHANGE_ATTEMPTS_MAX; attempt += 1) {
    const stored = await channels.find(notice.channel);
    if (stored === undefined) return 'unknown';
    const next = withNotice(stored.value, notice, nowMs);
    if (next === stored.value) return 'same';
    if ((await channels.save(next, stored.etag)) === undefined) continue;
    return complaints(next) === complaints(stored.value) ? 'same' : 'changed';
  }
  return 'same';
}

const complaints = ({ reported, lasting }: Channel): string => `${reported?.code} ${lasting?.code}`;

function withNotice(channel: Channel, notice: LiveEventNotice, nowMs: number): Channel {
  // A stopped channel has neither an encoder nor problems; what comes late about it is history.
  if (channel.actual?.state !== 'running') return channel;
  const next = notice.encoder === undefined ? channel : withEncoder(channel, { ...notice, nowMs });
  if (notice.health === undefined) return next;
  // What it was dropped for is told once: the same event again finds its connection gone.
  if (notice.encoder !== undefined && next === channel) return channel;
  return withReport(next, { ...notice, health: notice.health, nowMs });
}

interface Told {
  readonly atMs: number;
  readonly nowMs: number;
}

/** Events about a connection come in any order and more than once; the channel has an encoder while one of them has. */
function withEncoder(
  channel: Channel,
  { encoder, connection, atMs, nowMs }: Told & Pick<LiveEventNotice, 'encoder' | 'connection'>,
): Channel {
  const known = channel.connections[connection];
  const isConnected = encoder === 'connected';
  if (known !== undefined && (known.connected === isConnected || atMs < known.atMs)) return channel;
  const connections = newest({ ...channel.connections, [connection]: { connected: isConnected, atMs } });
  const connected = Object.values(connections).some((item) => item.connected);
  const before = channel.encoderNotice;
  const isSame = before !== null && before.connected === connected;
  const encoderNotice = isSame ? before : { connected, atMs, seenAtMs: nowMs };
  // The first connection ends what was wrong before it; another one why an encoder was refused.
  const reported = isConnected ? null : channel.reported;
  const lasting = isConnected && !isSame ? null : channel.lasting;
  return withHealth({ ...channel, connections, encoderNotice, reported, lasting }, nowMs);
}

/** What is remembered of connections: those that are, and some that were, because events overtake one another. */
const newest = (connections: Connections): Connections =>
  Object.fromEntries(
    Object.entries(connections)
      .toSorted(([, a], [, b]) => Number(b.connected) - Number(a.connected) || b.atMs - a.atMs)
      .slice(0, CONNECTIONS_MAX),
  );

function withReport(
  channel: Channel,
  { health, healthLasts, atMs, nowMs }: Told & { health: Health | null; healthLasts: boolean },
): Channel {
  if (healthLasts && atMs < (channel.healthToldAtMs ?? 0)) return channel;
  const before = healthLasts ? channel.lasting : channel.reported;
  const sinceMs = before !== null && before.code === health?.code ? before.sinceMs : nowMs;
  const report = health === null ? null : { ...health, sinceMs, seenAtMs: nowMs };
  const told = healthLasts ? { lasting: report, healthToldAtMs: atMs } : { reported: report };
  return withHealth({ ...channel, ...told }, nowMs);
}
