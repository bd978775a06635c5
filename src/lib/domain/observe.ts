import type { Channel, ChannelActual, HealthReport } from './channel.ts';
import { hasFrames, outputOf } from './decide-programs.ts';
import { parseDurationMs } from './duration.ts';
import { HEALTHY, type Health, STOPPED_HEALTH, WAITING_HEALTH } from './health.ts';
import { type Program, setCondition } from './program.ts';
import { wantsPublished, wantsRecording } from './program-wants.ts';
import type { ProgramReading, Snapshot } from './snapshot.ts';

/** A reported problem that nobody repeated for this long is over (heartbeats come every 20 s). */
export const HEALTH_STALE_MS = 60_000;

/** The channel with what was read; nothing here is wanted, all of it is so. */
export function observeChannel(snapshot: Snapshot): Channel {
  const { channel, liveEvent, nowMs, encoderSending } = snapshot;
  const running = liveEvent?.state === 'running';
  const actual: ChannelActual | null =
    liveEvent === undefined
      ? null
      : { state: liveEvent.state, ingestUrls: liveEvent.ingestUrls, previewUrl: liveEvent.previewUrl };
  const reported =
    channel.reported !== null && nowMs - channel.reported.seenAtMs < HEALTH_STALE_MS
      ? channel.reported
      : null;
  const health = currentHealth({ running, encoderSending, reported });
  const firstSeen = running && encoderSending && !channel.encoderSending;
  return {
    ...channel,
    actual,
    encoderSending: running && encoderSending,
    runningSinceMs: running ? (channel.runningSinceMs ?? nowMs) : null,
    inputSeenAtMs: firstSeen ? nowMs : running ? channel.inputSeenAtMs : null,
    reported,
    health: { ...health, sinceMs: health.code === channel.health.code ? channel.health.sinceMs : nowMs },
  };
}

function currentHealth(now: {
  running: boolean;
  encoderSending: boolean;
  reported: HealthReport | null;
}): Health {
  if (!now.running) return STOPPED_HEALTH;
  if (now.reported !== null) {
    const { level, code, message } = now.reported;
    return { level, code, message };
  }
  return now.encoderSending ? HEALTHY : WAITING_HEALTH;
}

/** The program with what was read. */
export function observeProgram(reading: ProgramReading, snapshot: Snapshot): Program {
  const { nowMs } = snapshot;
  const { program } = reading;
  const output = outputOf(snapshot, program.name);
  const outputExists = output !== undefined && output.assetName === program.assetName;
  const framed = hasFrames(program, snapshot);
  const published = reading.locator === 'ours';
  const isOver = program.recordingWanted === 'finished' && output === undefined;
  const finishedAtMs = isOver ? (program.finishedAtMs ?? nowMs) : program.finishedAtMs;
  const next: Program = {
    ...program,
    outputExists,
    published,
    firstFrameAtMs: framed ? (program.firstFrameAtMs ?? nowMs) : null,
    finishedAtMs,
    conditions: observeConditions(reading, { snapshot, framed, published, outputExists }),
  };
  const wantsLocator = wantsPublished(next, { hasFrames: framed, nowMs });
  const atRest = !wantsRecording(next, nowMs) && output === undefined && wantsLocator === published;
  const isSettled = finishedAtMs !== null && next.deleted === false && atRest;
  return { ...next, settledGeneration: isSettled ? next.generation : null };
}

interface Observed {
  readonly snapshot: Snapshot;
  readonly framed: boolean;
  readonly published: boolean;
  readonly outputExists: boolean;
}

function observeConditions(
  { program }: ProgramReading,
  { snapshot, framed, published, outputExists }: Observed,
) {
  const { nowMs } = snapshot;
  const running = snapshot.liveEvent?.state === 'running';
  let conditions = program.conditions;
  const set = (
    type: 'KeyPolicyReady' | 'DeliveryPolicyReady' | 'Recording' | 'Published',
    status: boolean,
    reason: string,
  ) => {
    conditions = setCondition(conditions, { type, status, reason }, nowMs);
  };
  const hadPolicies = conditions.some(({ type, status }) => type === 'KeyPolicyReady' && status);
  // `clear` needs no key policy and the service's built-in delivery policy: decided when the channel runs, before air.
  const policiesReady = running || hadPolicies || published;
  set('KeyPolicyReady', policiesReady, policiesReady ? 'notNeeded' : 'channelNotRunning');
  set('DeliveryPolicyReady', policiesReady, policiesReady ? 'builtIn' : 'channelNotRunning');
  set('Recording', outputExists && framed, recordingReason(program, { framed, outputExists }));
  set('Published', published, published ? 'locatorExists' : 'notDue');
  return conditions;
}

function recordingReason(
  program: Program,
  { framed, outputExists }: { framed: boolean; outputExists: boolean },
): string {
  if (!outputExists) return program.recordingWanted === 'finished' ? 'finished' : 'notStarted';
  return framed ? 'recording' : 'waitingForEncoder';
}

/** How often a running channel is looked at without any event. */
const AUDIT_MS_MAX = 30_000;
const AUDIT_MS_MIN = 2_000;

export function auditIntervalMs(channel: Channel): number {
  const autoStopMs =
    channel.settings.autoStop === null ? undefined : parseDurationMs(channel.settings.autoStop);
  return Math.max(AUDIT_MS_MIN, Math.min(AUDIT_MS_MAX, (autoStopMs ?? Number.POSITIVE_INFINITY) / 3));
}

/** A pass-through channel without input stops by itself: nobody pays for a picture that is not there. */
export function shouldAutoStop(channel: Channel, nowMs: number): boolean {
  const autoStopMs =
    channel.settings.autoStop === null ? undefined : parseDurationMs(channel.settings.autoStop);
  if (autoStopMs === undefined || channel.desired !== 'running' || channel.runningSinceMs === null)
    return false;
  return nowMs - Math.max(channel.runningSinceMs, channel.inputSeenAtMs ?? 0) >= autoStopMs;
}
