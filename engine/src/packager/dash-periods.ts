import type { FragmentEntry, PresentationIndex, TrackIndex } from '../model/presentation.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import { shownFragments } from './fragment-window.ts';

/** A stretch in which no track changes its format. */
export interface PeriodOfTracks {
  /** Counts format changes before it: stays the same while the window moves. */
  readonly ordinal: number;
  readonly startTicks: number;
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

/** Cuts the shown fragments where formats change, and nowhere else. Periods without fragments are left out. */
export function splitIntoPeriods(index: PresentationIndex): readonly PeriodOfTracks[] {
  const shown = index.tracks.map((trackIndex) => ({
    trackIndex,
    fragments: shownFragments(index, trackIndex),
  }));
  const groups = groupChanges(shown.flatMap(({ trackIndex, fragments }) => changesOf(trackIndex, fragments)));
  return Array.from({ length: groups.length + 1 }, (_, at) => {
    const parts = shown.flatMap(({ trackIndex, fragments }) => {
      const own = fragments.filter((entry) => periodOf(entry, trackIndex, groups) === at);
      const [first, ...rest] = own;
      return first === undefined ? [] : [{ trackIndex, fragments: [first, ...rest] as const }];
    });
    const startTicks = Math.min(...parts.map(({ fragments: [first] }) => first.decodeTimeTicks));
    const ordinal = Math.max(0, ...parts.map(({ fragments: [first] }) => first.formatIndex));
    return { ordinal, startTicks, parts };
  }).filter(({ parts }) => parts.length > 0);
}

function changesOf(trackIndex: TrackIndex, fragments: readonly FragmentEntry[]): Change[] {
  return fragments.flatMap((entry, at) => {
    const previous = fragments[at - 1];
    const isChange = previous !== undefined && previous.formatIndex !== entry.formatIndex;
    return isChange ? [{ trackIndex, atTicks: entry.decodeTimeTicks }] : [];
  });
}

/** A group holds at most one change of each track. */
function groupChanges(changes: readonly Change[]): readonly (readonly Change[])[] {
  const groups: Change[][] = [];
  for (const change of changes.toSorted((a, b) => a.atTicks - b.atTicks)) {
    const group = groups.at(-1);
    const [first] = group ?? [];
    const isTogether =
      first !== undefined &&
      change.atTicks - first.atTicks <= SAME_CHANGE_TICKS &&
      group?.every(({ trackIndex }) => trackIndex !== change.trackIndex) === true;
    if (isTogether) group?.push(change);
    else groups.push([change]);
  }
  return groups;
}

/** How many changes lie before it; a track that did not change with the others is cut where the first of them did. */
function periodOf(
  entry: FragmentEntry,
  trackIndex: TrackIndex,
  groups: readonly (readonly Change[])[],
): number {
  const isAfter = (group: readonly Change[]) => {
    const own = group.find((change) => change.trackIndex === trackIndex) ?? group[0];
    return own !== undefined && own.atTicks <= entry.decodeTimeTicks;
  };
  const firstNotPassed = groups.findIndex((group) => !isAfter(group));
  return firstNotPassed === -1 ? groups.length : firstNotPassed;
}
