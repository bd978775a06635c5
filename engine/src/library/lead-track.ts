import type { FragmentEntry, TrackIndex } from '../model/presentation.ts';

/** What everything else of a presentation is cut along with: the first picture, else the first sound. */
export function leadOf(
  tracks: readonly TrackIndex[],
): readonly [FragmentEntry, ...FragmentEntry[]] | undefined {
  for (const type of ['video', 'audio'] as const) {
    for (const { track, fragments } of tracks) {
      const [first, ...others] = track.type === type ? fragments : [];
      if (first !== undefined) return [first, ...others];
    }
  }
  return undefined;
}
