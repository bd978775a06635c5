import type { Channel } from '../domain/channel.ts';
import type { Health } from '../domain/health.ts';
import type { ChannelStore, Clock, Timeline } from './stores.ts';
import { timelineId } from './timeline-entries.ts';

const CHANGE_ATTEMPTS_MAX = 5;
const DAY_MS = 86_400_000;
const FUTURE_MS_MAX = 300_000;

export interface LiveEventNotice {
  readonly id: string;
  readonly channel: string;
  readonly type: string;
  readonly atMs: number;
  readonly effect: string;
  /** What it says about the input; null: that all is well again; undefined: nothing. */
  readonly health: Health | null | undefined;
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
  const stored = await deps.channels.find(notice.channel);
  if (stored === undefined) return 'unknownChannel';
  if (notice.health !== undefined) {
    const changed = await noteHealth(notice.channel, notice.health, { nowMs, channels: deps.channels });
    if (changed) await addEntry(notice, { milliseconds: null, timeline: deps.timeline });
    return changed ? 'noted' : 'duplicate';
  }
  // Reconcile even when it is a duplicate: the first delivery may have died in between.
  if (notice.reconcile) await deps.reconcile(notice.channel);
  const milliseconds = notice.reconcile ? deps.clock.now() - nowMs : null;
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

/** True when producers read something else than before. */
async function noteHealth(
  name: string,
  health: Health | null,
  { nowMs, channels }: { nowMs: number; channels: ChannelStore },
): Promise<boolean> {
  for (let attempt = 0; attempt < CHANGE_ATTEMPTS_MAX; attempt += 1) {
    const stored = await channels.find(name);
    if (stored === undefined) return false;
    const before = stored.value.reported;
    const isSame = before?.code === health?.code;
    const reported =
      health === null
        ? null
        : { ...health, sinceMs: isSame && before ? before.sinceMs : nowMs, seenAtMs: nowMs };
    const shown = health === null || isSame ? stored.value.health : { ...health, sinceMs: nowMs };
    const next: Channel = { ...stored.value, reported, health: shown };
    if ((await channels.save(next, stored.etag)) !== undefined) return !isSame;
  }
  return false;
}
