import { wantsPublished, wantsRecording } from './program-wants.ts';
import type { OutputReading, ProgramReading, Snapshot } from './snapshot.ts';

export interface ProgramStep {
  readonly kind: 'createAsset' | 'createOutput' | 'deleteOutput' | 'publish' | 'unpublish' | 'deleteAsset';
  readonly program: string;
}

interface Decided {
  /** Steps that need no turn of the live event. */
  readonly free: readonly ProgramStep[];
  /** Operations of the live event, of which one runs at a time. */
  readonly onLiveEvent: readonly ProgramStep[];
}

/** What each program needs next. */
export function decidePrograms(
  snapshot: Snapshot,
  { outputsMayChange }: { outputsMayChange: boolean },
): Decided {
  const free: ProgramStep[] = [];
  const onLiveEvent: ProgramStep[] = [];
  for (const reading of snapshot.programs) {
    free.push(...decideAsset(reading, snapshot), ...decidePublishing(reading, snapshot));
    if (outputsMayChange) onLiveEvent.push(...decideOutput(reading, snapshot));
  }
  return { free, onLiveEvent };
}

export const outputOf = (snapshot: Snapshot, program: string): OutputReading | undefined =>
  snapshot.outputs.find(({ name }) => name === program);

function decideAsset(
  { program, asset, locator }: ProgramReading,
  snapshot: Snapshot,
): readonly ProgramStep[] {
  const step = { program: program.name };
  if (wantsRecording(program, snapshot.nowMs) && asset === 'absent')
    return [{ ...step, kind: 'createAsset' }];
  const isFree = outputOf(snapshot, program.name) === undefined && locator !== 'ours';
  const mayGo = program.deleted === 'deleteRecording' && asset === 'ours' && isFree;
  return mayGo ? [{ ...step, kind: 'deleteAsset' }] : [];
}

function decideOutput({ program, asset }: ProgramReading, snapshot: Snapshot): readonly ProgramStep[] {
  const output = outputOf(snapshot, program.name);
  const step = { program: program.name };
  if (wantsRecording(program, snapshot.nowMs)) {
    return output === undefined && asset === 'ours' ? [{ ...step, kind: 'createOutput' }] : [];
  }
  const mustGo = output !== undefined && !output.deleting && output.assetName === program.assetName;
  return mustGo ? [{ ...step, kind: 'deleteOutput' }] : [];
}

function decidePublishing(
  { program, asset, locator }: ProgramReading,
  snapshot: Snapshot,
): readonly ProgramStep[] {
  const wanted = wantsPublished(program, { hasFrames: hasFrames(program, snapshot), nowMs: snapshot.nowMs });
  const step = { program: program.name };
  if (wanted) return locator === 'absent' && asset === 'ours' ? [{ ...step, kind: 'publish' }] : [];
  return locator === 'ours' ? [{ ...step, kind: 'unpublish' }] : [];
}

/** A recording has frames once its output existed while the encoder was sending. */
export function hasFrames(program: ProgramReading['program'], snapshot: Snapshot): boolean {
  if (program.firstFrameAtMs !== null) return true;
  return snapshot.encoderSending && outputOf(snapshot, program.name)?.assetName === program.assetName;
}
