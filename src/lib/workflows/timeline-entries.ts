import type { Channel } from '../domain/channel.ts';
import type { Step } from '../domain/decide-channel.ts';
import type { Condition, ConditionType, Program } from '../domain/program.ts';
import type { TimelineEntry } from './stores.ts';

const TIME_MAX = 9_999_999_999_999;

/** Sorts newest first, and is the same for the same thing at the same time. */
export const timelineId = (atMs: number, key: string): string =>
  `${String(TIME_MAX - atMs).padStart(13, '0')}!${key.replace(/[^A-Za-z0-9._-]/g, '-').slice(0, 100)}`;

// Publishing is told by its condition, which knows since when and why.
const EFFECTS: Readonly<Record<Exclude<Step['kind'], 'publish'>, string>> = {
  createLiveEvent: 'The channel exists in the media service.',
  updateLiveEvent: 'The channel has its new settings.',
  allocateLiveEvent: 'The channel stands by.',
  startLiveEvent: 'Ingest opens.',
  stopLiveEvent: 'Ingest closes.',
  resetLiveEvent: 'Ingest begins anew.',
  deleteLiveEvent: 'The channel is removed from the media service.',
  createAsset: 'The recording has its place.',
  createOutput: 'The recording is armed.',
  deleteOutput: 'The recording ends; the same addresses are on-demand.',
  createKeys: 'Its content keys exist.',
  applyKeyPolicy: 'The media service knows who gets keys.',
  applyDeliveryPolicy: 'The media service knows how it is encrypted.',
  unpublish: 'It is closed to viewers.',
  deleteAsset: 'The recording is deleted.',
};

/** One entry per step that was carried out. */
export function stepEntries(
  channel: string,
  done: readonly { step: Step; milliseconds: number }[],
  atMs: number,
): readonly TimelineEntry[] {
  return done.flatMap(({ step, milliseconds }) => {
    if (step.kind === 'publish') return [];
    const program = 'program' in step ? step.program : null;
    const id = timelineId(atMs, `${step.kind}-${program ?? ''}`);
    return [
      { ...ours(channel, atMs), id, type: step.kind, program, effect: EFFECTS[step.kind], milliseconds },
    ];
  });
}

const ours = (channel: string, atMs: number) =>
  ({ channel, atMs, source: 'reconcile', by: 'headend' }) as const;

interface Told {
  /** Entries of one moment are listed the last one first. */
  readonly rank: number;
  readonly effect: string;
  /** When it is encrypted. */
  readonly encrypted?: string;
}

const TOLD: Readonly<Record<ConditionType, Told>> = {
  KeyPolicyReady: {
    rank: 4,
    effect: 'Who may have the key is settled: a clear program has none.',
    encrypted: 'Who may have its keys is settled.',
  },
  DeliveryPolicyReady: {
    rank: 3,
    effect: 'How viewers get it is settled: in the clear, as HLS and DASH.',
    encrypted: 'How viewers get it is settled: encrypted, as its protection profile says.',
  },
  Recording: { rank: 2, effect: 'Its recording has begun.' },
  Published: { rank: 1, effect: 'Viewers can play it.' },
};

export const isTold = (condition: Condition): boolean => condition.noted || !condition.status;

/** One entry per condition that became true and is not told yet; the same when it is told twice. */
export function conditionEntries(program: Program, channel: Channel): readonly TimelineEntry[] {
  return program.conditions
    .filter((condition) => !isTold(condition))
    .map(({ type, sinceMs, reason }) => {
      const { rank, effect, encrypted = effect } = TOLD[type];
      const isClear = reason === 'notNeeded' || reason === 'builtIn';
      const causeMs = causeOf(type, { program, channel });
      return {
        ...ours(program.channel, sinceMs),
        id: timelineId(sinceMs, `${rank}-${type}-${program.id}`),
        type,
        program: program.name,
        effect: isClear ? effect : encrypted,
        milliseconds: causeMs === undefined ? null : Math.max(0, sinceMs - causeMs),
      };
    });
}

/** The last thing that the condition waited for. */
function causeOf(
  type: ConditionType,
  { program, channel }: { program: Program; channel: Channel },
): number | undefined {
  const runningMs = channel.runningSinceMs ?? undefined;
  if (type === 'KeyPolicyReady' || type === 'DeliveryPolicyReady')
    return latest(program.createdAtMs, runningMs);
  const told = channel.encoderNotice?.connected === true ? channel.encoderNotice.atMs : undefined;
  const encoderMs = told ?? channel.sendingSinceMs ?? undefined;
  if (type === 'Recording') return latest(program.createdAtMs, encoderMs);
  if (program.publishingWanted === 'published') return program.changedAtMs;
  const { when } = program.settings.publish;
  return latest(program.changedAtMs, when === 'firstFrame' ? encoderMs : Date.parse(when));
}

const latest = (a: number, b: number | undefined): number | undefined =>
  b === undefined || Number.isNaN(b) ? undefined : Math.max(a, b);

export function autoStopEntry({ name, settings, generation }: Channel, atMs: number): TimelineEntry {
  return {
    ...ours(name, atMs),
    id: timelineId(atMs, `channel.autoStop-${generation}`),
    type: 'channel.autoStop',
    program: null,
    effect: `Nothing arrived for ${settings.autoStop}: the channel stops, and what it records is finished.`,
    milliseconds: null,
  };
}
