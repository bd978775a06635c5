import { hasFrames, hasKeyPolicy, outputOf } from './decide-programs.ts';
import { type ConditionType, type Program, setCondition } from './program.ts';
import { wantsPublished, wantsRecording } from './program-wants.ts';
import type { ProgramReading, ProtectionReading, Snapshot } from './snapshot.ts';

/** The program with what was read. */
export function observeProgram(reading: ProgramReading, snapshot: Snapshot): Program {
  const { nowMs } = snapshot;
  const { program } = reading;
  const output = outputOf(snapshot, program.name);
  const outputExists = output !== undefined && output.assetName === program.assetName;
  const framed = hasFrames(program, snapshot);
  const published = reading.locator === 'ours' || reading.locator === 'outdated';
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
  const isCurrent = wantsLocator === published && reading.locator !== 'outdated';
  const atRest = !wantsRecording(next, nowMs) && output === undefined && isCurrent;
  const isSettled = finishedAtMs !== null && next.deleted === false && atRest;
  return { ...next, settledGeneration: isSettled ? next.generation : null };
}

interface Observed {
  readonly snapshot: Snapshot;
  readonly framed: boolean;
  readonly published: boolean;
  readonly outputExists: boolean;
}

function observeConditions(reading: ProgramReading, { snapshot, framed, published, outputExists }: Observed) {
  const { nowMs } = snapshot;
  const { program } = reading;
  let conditions = program.conditions;
  const set = (type: ConditionType, status: boolean, reason: string) => {
    conditions = setCondition(conditions, { type, status, reason }, nowMs);
  };
  if (reading.protection !== 'settled') {
    const { keys, delivery } = protectionReasons(reading, { snapshot, published });
    set('KeyPolicyReady', keys.ready, keys.reason);
    set('DeliveryPolicyReady', delivery.ready, delivery.reason);
  }
  set('Recording', outputExists && framed, recordingReason(program, { framed, outputExists }));
  set('Published', published, published ? 'locatorExists' : 'notDue');
  return conditions;
}

export interface Readiness {
  readonly ready: boolean;
  readonly reason: string;
}

const not = (reason: string): Readiness => ({ ready: false, reason });

function protectionReasons(
  { program, protection }: ProgramReading,
  { snapshot, published }: { snapshot: Snapshot; published: boolean },
): { readonly keys: Readiness; readonly delivery: Readiness } {
  if (protection === undefined || protection === 'settled')
    return { keys: not('profileMissing'), delivery: not('profileMissing') };
  const hadPolicies = program.conditions.some(({ type, status }) => type === 'KeyPolicyReady' && status);
  // Decided when the channel runs, before air: also what needs nothing made for it.
  const isDue = snapshot.liveEvent?.state === 'running' || hadPolicies || published;
  return {
    keys: isDue ? keyReadiness(protection) : not('channelNotRunning'),
    delivery: isDue ? deliveryReadiness(protection) : not('channelNotRunning'),
  };
}

const KEY_REASONS = {
  absent: 'notApplied',
  stale: 'changing',
  foreign: 'nameTaken',
  secretMissing: 'tokenKeyMissing',
} as const;

export function keyReadiness({ keyPolicy, missingKeys }: ProtectionReading): Readiness {
  if (keyPolicy !== 'ready' && keyPolicy !== 'notNeeded' && keyPolicy !== 'external')
    return not(KEY_REASONS[keyPolicy]);
  return missingKeys.length > 0 ? not('contentKeysMissing') : { ready: true, reason: keyPolicy };
}

export function deliveryReadiness(protection: ProtectionReading): Readiness {
  if (!hasKeyPolicy(protection)) return not('waitsForKeyPolicy');
  if (protection.deliveryPolicy === 'absent') return not('notApplied');
  if (protection.deliveryPolicy === 'ready') return { ready: true, reason: 'ready' };
  return { ready: true, reason: protection.keyPolicy === 'notNeeded' ? 'builtIn' : 'predefined' };
}

function recordingReason(
  program: Program,
  { framed, outputExists }: { framed: boolean; outputExists: boolean },
): string {
  if (!outputExists) return program.recordingWanted === 'finished' ? 'finished' : 'notStarted';
  return framed ? 'recording' : 'waitingForEncoder';
}
