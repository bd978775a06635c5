import { writeCmafHeader } from '../formats/isobmff/cmaf-header-writer.ts';
import type { OwnershipStore, RecordingStore } from '../live/live-fragment.ts';
import { cutToWindow } from '../packager/fragment-window.ts';
import { writeIsm, writeIsmc } from '../packager/smooth-packager.ts';
import { createOwnershipStore } from '../store/recording-ownership.ts';
import { createRecordingStore } from '../store/recording-store.ts';
import type { StorageAccounts } from '../store/storage-accounts.ts';
import type { Log } from './log.ts';

/** Recordings, each in the storage account of its asset, and the ownership of live events, in the engine's own. */
export function openRecordings(
  accounts: StorageAccounts,
  { clock, log }: { readonly clock: { now(): number }; readonly log: Log },
): { readonly recordings: RecordingStore; readonly ownerships: OwnershipStore } {
  const writers = { writeCmafHeader, writeIsm, writeIsmc, cutToWindow };
  return {
    recordings: createRecordingStore({ accounts, ...writers, clock, log }),
    ownerships: createOwnershipStore({ accounts, clock, log }),
  };
}
