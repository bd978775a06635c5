import type { FragmentEntry, PresentationIndex, TrackIndex } from '../model/presentation.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import { lowerBound, shownFragments } from './fragment-window.ts';

/** A stretch in which no track changes its format. */
export interface PeriodOfTracks {
  /**
   * Of the first format change that begins it; undefined: none is known, it reaches back to the beginning. It stays
   * the same while the window moves, and no two Periods share it.
   */
  readonly changedAtTicks: number | undefined;
  readonly parts: readonly PartOfTrack[];
}

export interface PartOfTrack {
  readonly trackIndex: TrackIndex;
  readonly fragments: readonly [FragmentEntry, ...FragmentEntry[]];
}

/** Tracks that change format within this of each other change it together: they came back with one encoder. */
const SAME_CHANGE_TICKS = 10 * TICKS_PER_SECOND;

interface Change {
  readonly trackIndex: TrackIndex;
  readonly atTicks: number;
}

/** At least one change, at most one of each track, ascending. No change lies before one of an earlier group. */
type ChangeGroup = [Change, ...Change[]];

/** Cuts the shown fragments where formats change, and nowhere else. Periods without fragments are left out. */
export function splitIntoPeriods(index: PresentationIndex): readonly PeriodOfTracks[] {
  const groups = groupChanges(index.tracks.flatMap(changesOf));
  const tracks = index.tracks.map((trackIndex) => cutTrack(index, trackIndex, groups));
  return [undefined, ...groups]
    .map((group, at) => ({
      changedAtTicks: group?.[0].atTicks,
      parts: tracks.flatMap(({ trackIndex, pieces }) => {
        const [first, ...rest] = pieces[at] ?? [];
        return first === undefined ? [] : [{ trackIndex, fragments: [first, ...rest] as const }];
      }),
    }))
    .filter(({ parts }) => parts.length > 0);
}

/** Of the whole index, not only of what is shown: a Period keeps its beginning when that leaves the window. */
function changesOf(trackIndex: TrackIndex): Change[] {
  const { fragments, removed } = trackIndex;
  const changes: Change[] = [];
  if (removed?.formatSinceTicks !== undefined) {
    changes.push({ trackIndex, atTicks: removed.formatSinceTicks });
  }
  let formatIndex = fragments[0]?.formatIndex;
  for (const entry of fragments) {
    if (entry.formatIndex !== formatIndex) changes.push({ trackIndex, atTicks: entry.decodeTimeTicks });
    formatIndex = entry.formatIndex;
  }
  return changes;
}

function groupChanges(changes: readonly Change[]): readonly ChangeGroup[] {
  const groups: ChangeGroup[] = [];
  for (const change of changes.toSorted((a, b) => a.atTicks - b.atTicks)) {
    const group = groups.at(-1);
    const isTogether =
      group !== undefined &&
      change.atTicks - group[0].atTicks <= SAME_CHANGE_TICKS &&
      group.every(({ trackIndex }) => trackIndex !== change.trackIndex);
    if (isTogether) group.push(change);
    else groups.push([change]);
  }
  return groups;
}

/** A track that did not change with the others is cut where the first of them did. */
function cutTrack(
  index: PresentationIndex,
  trackIndex: TrackIndex,
  groups: readonly ChangeGroup[],
): { readonly trackIndex: TrackIndex; readonly pieces: readonly (readonly FragmentEntry[])[] } {
  const shown = shownFragments(index, trackIndex);
  const cuts = groups.map((group) => {
    const { atTicks } = group.find((change) => change.trackIndex === trackIndex) ?? group[0];
    return lowerBound(shown, (entry) => entry.decodeTimeTicks >= atTicks);
  });
  const pieces = [0, ...cuts].map((start, at) => shown.slice(start, cuts[at] ?? shown.length));
  return { trackIndex, pieces };
}
