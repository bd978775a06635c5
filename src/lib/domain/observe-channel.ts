import type { Channel, ChannelActual, HealthReport } from './channel.ts';
import { hasFrames, outputOf } from './decide-programs.ts';
import { parseDurationMs } from './duration.ts';
import {
  HEALTHY,
  type Health,
  NO_INPUT_HEALTH,
  STANDBY_HEALTH,
  STOPPED_HEALTH,
  WAITING_HEALTH,
} from './health.ts';
import { wantsRecording } from './program-wants.ts';
import type { ProgramReading, Snapshot } from './snapshot.ts';

/** A reported problem that nobody repeated for this long is over (heartbeats come every 20 s). */
const HEALTH_STALE_MS = 60_000;
/** What was in flight when an encoder left may still lengthen the preview for this long. */
const TAIL_MS = 1_000;
/** After an encoder left, whether its input goes on (another encoder, an event that was wrong) is looked at closely. */
const LOST_AUDIT_MS = 3_000;
const LOST_AUDITED_FOR_MS = 60_000;
/** Longer than the longest key-frame interval, during which a preview need not grow. */
const STALLED_MS_MIN = 25_000;
/** How often a running channel is looked at without any event. */
const AUDIT_MS_MAX = 30_000;
const AUDIT_MS_MIN = 2_000;

/** The channel with what was read; nothing here is wanted, all of it is so. `fingerprint`: null when it was not read. */
export function observeChannel(snapshot: Snapshot, fingerprint: string | null): Channel {
  const { channel, liveEvent, nowMs } = snapshot;
  const actual: ChannelActual | null =
    liveEvent === undefined
      ? null
      : { state: liveEvent.state, ingestUrls: liveEvent.ingestUrls, previewUrl: liveEvent.previewUrl };
  const running = liveEvent?.state === 'running';
  const next: Channel = running
    ? {
        ...channel,
        ...readInput(snapshot, fingerprint),
        actual,
        reported: unlessStale(channel.reported, nowMs),
      }
    : { ...channel, ...WITHOUT_INPUT, actual };
  return withHealth(next, nowMs);
}

const WITHOUT_INPUT = {
  previewAnswers: false,
  encoderNotice: null,
  connections: {},
  recording: false,
  inputTracks: [],
  runningSinceMs: null,
  inputSeenAtMs: null,
  reported: null,
  lasting: null,
  healthToldAtMs: null,
} as const;

function readInput(snapshot: Snapshot, fingerprint: string | null) {
  const { channel, nowMs, previewAnswers } = snapshot;
  const begins = previewAnswers && !channel.previewAnswers;
  const grew = fingerprint !== null && fingerprint !== channel.inputFingerprint;
  const { encoderNotice } = channel;
  const isTail = (channel.inputCheckedAtMs ?? 0) < (encoderNotice?.seenAtMs ?? 0) + TAIL_MS;
  const isBack = encoderNotice?.connected === false && grew && !isTail;
  return {
    previewAnswers,
    inputTracks: previewAnswers ? snapshot.inputTracks : [],
    encoderNotice: isBack ? null : encoderNotice,
    recording: snapshot.programs.some((reading) => isRecording(reading, snapshot)),
    runningSinceMs: channel.runningSinceMs ?? nowMs,
    inputSeenAtMs: begins || grew ? nowMs : channel.inputSeenAtMs,
    // Beginning counts as a look at its input: the next is not due before there can be a segment.
    ...(begins ? { inputCheckedAtMs: nowMs } : {}),
    ...(fingerprint === null ? {} : { inputFingerprint: fingerprint, inputCheckedAtMs: nowMs }),
  };
}

function isRecording({ program }: ProgramReading, snapshot: Snapshot): boolean {
  const hasOutput = outputOf(snapshot, program.name)?.assetName === program.assetName;
  return hasOutput && wantsRecording(program, snapshot.nowMs) && hasFrames(program, snapshot);
}

const unlessStale = (report: HealthReport | null, nowMs: number): HealthReport | null =>
  report !== null && nowMs - report.seenAtMs < HEALTH_STALE_MS ? report : null;

/** The channel with the health that follows from what it holds; `since` stays while the code does. */
export function withHealth(channel: Channel, nowMs: number): Channel {
  const encoderSending = isSending(channel);
  const sendingSinceMs = encoderSending ? (channel.sendingSinceMs ?? nowMs) : null;
  const { level, code, message } = healthOf(channel, encoderSending);
  const sinceMs = code === channel.health.code ? channel.health.sinceMs : nowMs;
  return { ...channel, encoderSending, sendingSinceMs, health: { level, code, message, sinceMs } };
}

function isSending(channel: Channel): boolean {
  const { previewAnswers, encoderNotice } = channel;
  if (!previewAnswers || encoderNotice?.connected === false) return false;
  const lastSignMs = Math.max(channel.inputSeenAtMs ?? 0, encoderNotice?.seenAtMs ?? 0);
  const stalledForMs = (channel.inputCheckedAtMs ?? 0) - lastSignMs;
  return stalledForMs < Math.max(STALLED_MS_MIN, 2 * auditIntervalMs(channel));
}

function healthOf(channel: Channel, encoderSending: boolean): Health {
  if (channel.actual?.state === 'standby') return STANDBY_HEALTH;
  if (channel.actual?.state !== 'running') return STOPPED_HEALTH;
  const reported = graver(channel.reported, channel.lasting);
  if (reported?.level === 'error') return reported;
  const saysNoInput = reported?.code === NO_INPUT_HEALTH.code;
  if (encoderSending && !saysNoInput) return reported ?? HEALTHY;
  if (channel.recording) return NO_INPUT_HEALTH;
  // Without a recording nothing is missed: the channel waits for its encoder.
  return saysNoInput || reported === null ? WAITING_HEALTH : reported;
}

const GRAVITY = { error: 3, warning: 2, info: 1, ok: 0 } as const;

const graver = (a: HealthReport | null, b: HealthReport | null): HealthReport | null =>
  a === null || (b !== null && GRAVITY[b.level] > GRAVITY[a.level]) ? b : a;

/** When a running channel is looked at again without any event. */
export function auditIntervalMs(channel: Channel): number {
  const third = (autoStopMs(channel) ?? Number.POSITIVE_INFINITY) / 3;
  return Math.max(AUDIT_MS_MIN, Math.min(AUDIT_MS_MAX, third));
}

/** When to look next, closely for a while after an encoder left. */
export function nextAuditMs(channel: Channel, nowMs: number): number {
  const isLost = channel.encoderNotice?.connected === false;
  const closely = isLost && nowMs - (channel.encoderNotice?.seenAtMs ?? 0) < LOST_AUDITED_FOR_MS;
  return nowMs + (closely ? Math.min(LOST_AUDIT_MS, auditIntervalMs(channel)) : auditIntervalMs(channel));
}

/**
 * Whether this reading should compare the preview's media with the one before. Never in the reading in which the
 * encoder begins: a media playlist may be held back until it has a segment, and publishing does not wait for that.
 */
export function inputCheckIsDue(channel: Channel, nowMs: number): boolean {
  if (!channel.previewAnswers) return false;
  const sinceCheckMs = nowMs - (channel.inputCheckedAtMs ?? 0);
  const interval = channel.encoderNotice?.connected === false ? TAIL_MS : auditIntervalMs(channel) / 2;
  return sinceCheckMs >= interval;
}

const autoStopMs = ({ settings }: Channel): number | undefined =>
  settings.autoStop === null ? undefined : parseDurationMs(settings.autoStop);

/** A pass-through channel without input stops by itself: nobody pays for a picture that is not there. */
export function shouldAutoStop(channel: Channel, nowMs: number): boolean {
  const limitMs = autoStopMs(channel);
  if (limitMs === undefined || channel.desired !== 'running' || channel.runningSinceMs === null) return false;
  return nowMs - Math.max(channel.runningSinceMs, channel.inputSeenAtMs ?? 0) >= limitMs;
}
