import { writeCmafHeader } from '../formats/isobmff/cmaf-header-writer.ts';
import type { OwnershipStore, RecordingStore } from '../live/live-fragment.ts';
import { cutToWindow } from '../packager/fragment-window.ts';
import { writeIsm, writeIsmc } from '../packager/smooth-packager.ts';
import { createOwnershipStore } from '../store/recording-ownership.ts';
import { createRecordingStore } from '../store/recording-store.ts';
import type { EngineConfig } from './config.ts';
import type { Log } from './log.ts';

/** Recordings and the ownership of live events, in the storage of the configuration. */
export function openRecordings(
  config: EngineConfig,
  { clock, log }: { readonly clock: { now(): number }; readonly log: Log },
): { readonly recordings: RecordingStore; readonly ownerships: OwnershipStore } {
  const connectionString = config.storage.reveal();
  const writers = { writeCmafHeader, writeIsm, writeIsmc, cutToWindow };
  return {
    recordings: createRecordingStore({ connectionString, ...writers, clock, log }),
    ownerships: createOwnershipStore({ connectionString, clock, log }),
  };
}
