import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerClient } from '@azure/storage-blob';
import type { OutputPlace, RecorderListener, RecordingStore } from '../live/live-fragment.ts';
import { RecorderFenced, RecordingBlobs } from './recording-blobs.ts';
import { readTrackIndexes } from './recording-index.ts';
import { Recorder, type RecorderDeps, type TakenOverTrack } from './recording-recorder.ts';
import { TrackLog } from './recording-track-log.ts';
import type { StorageAccounts } from './storage-accounts.ts';
import { isPassing, StorageAttempts } from './storage-attempts.ts';

export type RecordingLimits = RecorderDeps['limits'];

export interface RecordingStoreDeps
  extends Pick<RecorderDeps, 'clock' | 'log' | 'cutToWindow' | 'writeIsm' | 'writeIsmc' | 'writeCmafHeader'> {
  readonly accounts: StorageAccounts;
  readonly limits?: Partial<RecordingLimits>;
}

/** The recording has its `end` lines: nothing is added to it any more. */
export class RecordingFinished extends Error {
  readonly code = 'RecordingFinished';
  constructor(place: OutputPlace) {
    super(`${place.container}/${place.manifestName} is finished`);
    this.name = 'RecordingFinished';
  }
}

const LIMITS: RecordingLimits = {
  rollAgeMs: 3_600_000,
  rollBlocks: 40_000,
  upkeepMs: 10_000,
  manifestMs: 30_000,
  graceTicks: 600_000_000,
};
/** A take-over races the old writer's appends, and storage may be away for a moment. */
const TAKE_OVER_ATTEMPTS_MAX = 12;
const PAUSE_MS_MIN = 25;
const PAUSE_MS_MAX = 2000;

const NOBODY: RecorderListener = {
  trackCommitted: () => undefined,
  fragmentCommitted: () => undefined,
  fenced: () => undefined,
};

/**
 * Recordings in asset containers. Throws `RecordingFinished`, `RecorderFenced` when a later epoch has it, and storage
 * errors once some attempts have failed.
 */
export function createRecordingStore(deps: RecordingStoreDeps): RecordingStore {
  const open = async (
    place: OutputPlace,
    epoch: number,
    listener: RecorderListener,
    purpose: 'record' | 'finish',
  ): Promise<Recorder> => {
    // Retried here: the client's own retries would append twice or hide which attempt was answered.
    const container = deps.accounts.container(place.container, 'once');
    const attempts = new StorageAttempts(deps.log);
    const limits = { ...LIMITS, ...deps.limits };
    const recorderDeps = { ...deps, limits, epoch, attempts, blobs: new RecordingBlobs(container, attempts) };
    try {
      const takenOver = await takeOver({ container, place, purpose }, recorderDeps);
      return new Recorder(place, takenOver, listener, recorderDeps);
    } catch (error) {
      attempts.stop();
      throw error;
    }
  };

  return {
    openRecorder: (place, epoch, listener) => open(place, epoch, listener, 'record'),
    finishRecording: async (place, epoch) => {
      const recorder = await open(place, epoch, NOBODY, 'finish');
      await recorder.finish();
    },
  };
}

interface TakeOver {
  readonly container: ContainerClient;
  readonly place: OutputPlace;
  readonly purpose: 'record' | 'finish';
}

async function takeOver(what: TakeOver, deps: RecorderDeps): Promise<readonly TakenOverTrack[]> {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await takeOverOnce(what, deps).catch((error: unknown) => {
      if (!isPassing(error) || attempt >= TAKE_OVER_ATTEMPTS_MAX) throw error;
      return { kind: 'retry' as const, error };
    });
    if (outcome.kind === 'takenOver') return outcome.tracks;
    if (attempt >= TAKE_OVER_ATTEMPTS_MAX) throw outcome.error;
    deps.log.warn('recording.takeOverRepeated', { ...what.place, attempt, error: outcome.error });
    await sleep(Math.min(PAUSE_MS_MIN * 2 ** attempt, PAUSE_MS_MAX));
  }
}

type TakeOverOutcome =
  | { readonly kind: 'takenOver'; readonly tracks: readonly TakenOverTrack[] }
  /** The writer before us has written between our reading and our line. */
  | { readonly kind: 'retry'; readonly error: unknown };

async function takeOverOnce(
  { container, place, purpose }: TakeOver,
  deps: RecorderDeps,
): Promise<TakeOverOutcome> {
  const stored = await readTrackIndexes(container, place.manifestName);
  if (purpose === 'record' && stored.some(({ ended }) => ended)) throw new RecordingFinished(place);
  const later = stored.find(({ epoch }) => epoch > deps.epoch);
  if (later !== undefined) {
    throw new RecorderFenced(place.manifestName, `epoch ${later.epoch} has it, not ${deps.epoch}`);
  }
  try {
    const logs = await Promise.all(stored.map((track) => TrackLog.takeOver(place.manifestName, track, deps)));
    return {
      kind: 'takenOver',
      tracks: logs.flatMap((log, at) => {
        const track = stored[at];
        return track === undefined ? [] : [{ log, stored: track }];
      }),
    };
  } catch (error) {
    if (error instanceof RecorderFenced) return { kind: 'retry', error };
    throw error;
  }
}
