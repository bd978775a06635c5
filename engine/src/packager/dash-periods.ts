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
  /** The `discontinuity` that begins with it, if one does. */
  readonly session: number | undefined;
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
    changes.push({ trackIndex, atTicks: removed.formatSinceTicks, session: undefined });
  }
  let [previous] = fragments;
  for (const entry of fragments) {
    if (previous !== undefined && entry.formatIndex !== previous.formatIndex) {
      const session = entry.discontinuity === previous.discontinuity ? undefined : entry.discontinuity;
      changes.push({ trackIndex, atTicks: entry.decodeTimeTicks, session });
    }
    previous = entry;
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

/**
 * A track that did not change with the others is cut where its fragments of the same session begin, which may be a
 * little before theirs do; within a session, where the first of them changed.
 */
function cutTrack(
  index: PresentationIndex,
  trackIndex: TrackIndex,
  groups: readonly ChangeGroup[],
): { readonly trackIndex: TrackIndex; readonly pieces: readonly (readonly FragmentEntry[])[] } {
  const shown = shownFragments(index, trackIndex);
  const cuts = groups.map((group) => {
    const own = group.find((change) => change.trackIndex === trackIndex);
    const { atTicks, session } = own ?? group[0];
    return own !== undefined || session === undefined
      ? lowerBound(shown, (entry) => entry.decodeTimeTicks >= atTicks)
      : lowerBound(shown, (entry) => entry.discontinuity >= session);
  });
  const pieces = [0, ...cuts].map((start, at) => shown.slice(start, cuts[at] ?? shown.length));
  return { trackIndex, pieces };
}
