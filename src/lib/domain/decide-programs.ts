import { awaitsPublishing, wantsPublished, wantsRecording } from './program-wants.ts';
import type { OutputReading, ProgramReading, ProtectionReading, Snapshot } from './snapshot.ts';

export interface ProgramStep {
  readonly kind:
    | 'createAsset'
    | 'createOutput'
    | 'deleteOutput'
    | 'createKeys'
    | 'applyKeyPolicy'
    | 'applyDeliveryPolicy'
    | 'publish'
    | 'unpublish'
    | 'deleteAsset';
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
  const isFree = outputOf(snapshot, program.name) === undefined && !isOurs(locator);
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

const isOurs = (locator: ProgramReading['locator']): boolean => locator === 'ours' || locator === 'outdated';

/** Who gets keys comes before how it is delivered, and both before anybody is let in. */
function decidePublishing(reading: ProgramReading, snapshot: Snapshot): readonly ProgramStep[] {
  const { program, asset, locator } = reading;
  const wanted = wantsPublished(program, { hasFrames: hasFrames(program, snapshot), nowMs: snapshot.nowMs });
  const step = { program: program.name };
  if (!wanted && isOurs(locator)) return [{ ...step, kind: 'unpublish' }];
  const protection = decideProtection(reading, { wanted, snapshot });
  if (protection.length > 0 || !wanted || !isProtected(reading)) return protection;
  if (locator === 'outdated') return [{ ...step, kind: 'unpublish' }];
  return locator === 'absent' && asset === 'ours' ? [{ ...step, kind: 'publish' }] : [];
}

/**
 * Content keys are made as soon as they will be needed, so that tokens can be issued ahead; policies when the channel
 * runs, so that mistakes show before air.
 */
function decideProtection(
  { program, protection }: ProgramReading,
  { wanted, snapshot }: { wanted: boolean; snapshot: Snapshot },
): readonly ProgramStep[] {
  if (protection === undefined || protection === 'settled') return [];
  const awaited = wanted || awaitsPublishing(program, snapshot.nowMs);
  if (!awaited && protection.keyPolicy !== 'stale') return [];
  const step = { program: program.name };
  const keys: readonly ProgramStep[] =
    protection.missingKeys.length > 0 ? [{ ...step, kind: 'createKeys' }] : [];
  const isDue = wanted || protection.keyPolicy === 'stale' || snapshot.liveEvent?.state === 'running';
  if (!isDue) return keys;
  if (!hasKeyPolicy(protection)) return [...keys, { ...step, kind: 'applyKeyPolicy' }];
  if (protection.deliveryPolicy === 'absent') return [...keys, { ...step, kind: 'applyDeliveryPolicy' }];
  return keys;
}

/** Nobody is let in before all of it is there. */
const isProtected = ({ protection }: ProgramReading): boolean => {
  if (protection === undefined) return false;
  if (protection === 'settled') return true;
  return (
    hasKeyPolicy(protection) && protection.deliveryPolicy !== 'absent' && protection.missingKeys.length === 0
  );
};

export const hasKeyPolicy = ({ keyPolicy }: ProtectionReading): boolean =>
  keyPolicy === 'ready' || keyPolicy === 'notNeeded' || keyPolicy === 'external';

/** A recording has frames once its output existed while the encoder was sending. */
export function hasFrames(program: ProgramReading['program'], snapshot: Snapshot): boolean {
  if (program.firstFrameAtMs !== null) return true;
  return snapshot.encoderSending && outputOf(snapshot, program.name)?.assetName === program.assetName;
}
