import { TICKS_PER_SECOND, TIMELINE_EPOCH_MS } from '../time/timescale.ts';
import type { RecordedTrack, Recordings } from '../worker/recordings.ts';
import { createRecordingReader } from './recording-reader.ts';
import type { StorageAccounts } from './storage-accounts.ts';

/** Recordings of live events and old archives, as inputs of jobs. */
export function createJobRecordings(accounts: StorageAccounts): Recordings {
  const reader = createRecordingReader(accounts);
  return {
    async find(container, manifestName) {
      const found = await reader.readRecording(container, manifestName);
      if (found === undefined) return undefined;
      const zeroMs = found.zeroMs ?? TIMELINE_EPOCH_MS;
      return {
        zeroMs: zeroMs === 'unknown' ? undefined : zeroMs,
        tracks: found.tracks.flatMap(({ track, fragments }): RecordedTrack[] => {
          const { type, folder, bitrateBps, language } = track;
          if (type === 'text') return [];
          const [first, last] = [fragments.at(0), fragments.at(-1)];
          const ticks =
            first === undefined || last === undefined
              ? 0
              : last.decodeTimeTicks + last.durationTicks - first.decodeTimeTicks;
          return [
            { type, folder, bitrateBps, language, fragments, durationSeconds: ticks / TICKS_PER_SECOND },
          ];
        }),
      };
    },
    header: (container, folder, formatIndex) => reader.header(container, folder, formatIndex),
    fragment: (container, folder, ticks) => reader.fragment(container, folder, ticks),
  };
}
