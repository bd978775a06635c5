import type { FragmentEntry, PresentationIndex, TrackIndex } from '../model/presentation.ts';
import { cutToWindow, endTicksOf, lowerBound, shownFragments } from './fragment-window.ts';

/** How many following fragments a fragment tells of; while live, one that has no such many is not there yet. */
export const SMOOTH_LOOKAHEAD_COUNT = 2;
/** A live quality whose last fragment is this much older than another's has stopped. */
const SILENT_FRAGMENTS = 3;
/** Of the chunks of the fullest quality, how many may be left out for another's sake; one at least. */
const MISSING_SHARE_MAX = 0.01;

export interface SharedTimeline {
  /** Every one of them has every chunk. */
  readonly qualities: readonly TrackIndex[];
  readonly chunks: readonly FragmentEntry[];
}

/**
 * What one stream's qualities can be shown with, for a Smooth manifest has one list of chunks for all of them, and one
 * configuration for each: fragments of a quality's earlier formats are not in it. A quality that lacks more than a
 * hundredth of the fullest one's chunks, or that has stopped, is left out; the few chunks that some quality lacks are.
 */
export function shareTimeline(
  index: PresentationIndex,
  tracks: readonly [TrackIndex, ...TrackIndex[]],
): SharedTimeline {
  const candidates = stillSending(
    index,
    tracks.map((quality) => ({ quality, entries: listable(index, quality) })),
  );
  const [fullest, ...others] = candidates.toSorted((a, b) => b.entries.length - a.entries.length);
  if (fullest === undefined) return { qualities: [], chunks: [] };
  const missingMax = Math.max(1, Math.floor(fullest.entries.length * MISSING_SHARE_MAX));
  const listed = [fullest];
  let chunks = fullest.entries;
  for (const other of others) {
    // While live, what comes after its last one is on its way.
    const until = index.state === 'live' ? (other.entries.at(-1)?.decodeTimeTicks ?? 0) : Infinity;
    const due = lowerBound(fullest.entries, ({ decodeTimeTicks }) => decodeTimeTicks > until);
    const missing = due - inBoth(fullest.entries, other.entries).length;
    const shared = inBoth(chunks, other.entries);
    if (missing > missingMax || shared.length === 0) continue;
    listed.push(other);
    chunks = shared;
  }
  const qualities = new Set(listed.map(({ quality }) => quality));
  return { qualities: tracks.filter((quality) => qualities.has(quality)), chunks };
}

/** Those of the first list that begin when one of the second does; both ascend. */
function inBoth(
  entries: readonly FragmentEntry[],
  others: readonly FragmentEntry[],
): readonly FragmentEntry[] {
  let at = 0;
  return entries.filter(({ decodeTimeTicks }) => {
    for (let other = others[at]; other !== undefined && other.decodeTimeTicks < decodeTimeTicks; ) {
      at += 1;
      other = others[at];
    }
    return others[at]?.decodeTimeTicks === decodeTimeTicks;
  });
}

interface Candidate {
  readonly quality: TrackIndex;
  readonly entries: readonly FragmentEntry[];
}

/** What the window shows of the newest format, and while live only what tells of those that follow. */
function listable(index: PresentationIndex, quality: TrackIndex): readonly FragmentEntry[] {
  const { fragments, track } = quality;
  const formatIndex = fragments.at(-1)?.formatIndex;
  const isLive = index.state === 'live';
  const ready = isLive && track.type !== 'text' ? fragments.slice(0, -SMOOTH_LOOKAHEAD_COUNT) : fragments;
  const shown = isLive ? cutToWindow(ready, index.rewindTicks) : shownFragments(index, quality);
  return shown.filter((entry) => entry.formatIndex === formatIndex);
}

function stillSending(index: PresentationIndex, candidates: readonly Candidate[]): readonly Candidate[] {
  const some = candidates.filter(({ entries }) => entries.length > 0);
  if (index.state === 'ended') return some;
  const lasts = some.flatMap(({ entries }) => entries.slice(-1));
  const newestEndTicks = Math.max(...lasts.map(endTicksOf));
  const silenceTicks = SILENT_FRAGMENTS * Math.max(...lasts.map(({ durationTicks }) => durationTicks));
  return some.filter(({ entries }) =>
    entries.slice(-1).some((last) => newestEndTicks - endTicksOf(last) <= silenceTicks),
  );
}

export type FoundSmoothFragment =
  | {
      readonly kind: 'found';
      readonly entry: FragmentEntry;
      /** What it tells of; of another format nothing, so that players ask for a manifest. */
      readonly following: readonly FragmentEntry[];
    }
  /** It or those that it is to tell of are ahead of the live edge: 412. */
  | { readonly kind: 'notReady' }
  | { readonly kind: 'gone' };

/** The fragment that begins at this time, once it is the same for ever: what follows it stands in it. */
export function findSmoothFragment(
  index: PresentationIndex,
  { track, fragments }: TrackIndex,
  decodeTimeTicks: number,
): FoundSmoothFragment {
  const at = lowerBound(fragments, (entry) => entry.decodeTimeTicks >= decodeTimeTicks);
  const entry = fragments[at];
  const isLive = index.state === 'live';
  if (entry === undefined) return { kind: isLive ? 'notReady' : 'gone' };
  if (entry.decodeTimeTicks !== decodeTimeTicks) return { kind: 'gone' };
  if (track.type === 'text') return { kind: 'found', entry, following: [] };
  const after = fragments.slice(at + 1, at + 1 + SMOOTH_LOOKAHEAD_COUNT);
  if (isLive && after.length < SMOOTH_LOOKAHEAD_COUNT) return { kind: 'notReady' };
  const change = after.findIndex(({ formatIndex }) => formatIndex !== entry.formatIndex);
  return { kind: 'found', entry, following: change === -1 ? after : after.slice(0, change) };
}
