import { hasFrames, outputOf } from './decide-programs.ts';
import { type ConditionType, type Program, setCondition } from './program.ts';
import { wantsPublished, wantsRecording } from './program-wants.ts';
import type { ProgramReading, Snapshot } from './snapshot.ts';

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
  const set = (type: ConditionType, status: boolean, reason: string) => {
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
