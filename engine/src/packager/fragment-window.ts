import type {
  FragmentEntry,
  PresentationIndex,
  RemovedFragments,
  TrackIndex,
} from '../model/presentation.ts';

/**
 * The entries that reach into the last `windowTicks` before the end of the last one; undefined = all. Readers and the
 * recorder's deleter share this rule: what it leaves out is gone. At least the last entry stays.
 */
export function cutToWindow(
  entries: readonly FragmentEntry[],
  windowTicks: number | undefined,
): readonly FragmentEntry[] {
  const last = entries.at(-1);
  if (windowTicks === undefined || last === undefined) return entries;
  const startTicks = endTicksOf(last) - windowTicks;
  const first = lowerBound(entries, (entry) => endTicksOf(entry) > startTicks);
  return entries.slice(Math.min(first, entries.length - 1));
}

/** What is to be remembered when `gone` is cut off the front and `first` is left, given what already was. */
export function rememberRemoved(
  known: RemovedFragments | undefined,
  gone: readonly FragmentEntry[],
  first: FragmentEntry,
): RemovedFragments {
  let longestTicks = known?.longestTicks ?? 0;
  let formatSinceTicks = known?.formatSinceTicks;
  gone.forEach((entry, at) => {
    const next = gone[at + 1] ?? first;
    longestTicks = Math.max(longestTicks, entry.durationTicks);
    if (next.formatIndex !== entry.formatIndex) formatSinceTicks = next.decodeTimeTicks;
  });
  return { longestTicks, formatSinceTicks };
}

/** What a manifest may show: the rewind window while live, everything once ended. */
export function shownFragments(index: PresentationIndex, trackIndex: TrackIndex): readonly FragmentEntry[] {
  return cutToWindow(trackIndex.fragments, index.state === 'live' ? index.rewindTicks : undefined);
}

export function endTicksOf(entry: FragmentEntry): number {
  return entry.decodeTimeTicks + entry.durationTicks;
}

export function findTrack(
  index: PresentationIndex,
  streamName: string,
  bitrateBps: number,
): TrackIndex | undefined {
  return index.tracks.find(({ track }) => track.streamName === streamName && track.bitrateBps === bitrateBps);
}

export type FoundFragment =
  | { readonly kind: 'found'; readonly entry: FragmentEntry }
  /** Ahead of the live edge: 412, ask again. */
  | { readonly kind: 'notReady' }
  /** Not, or no longer, there: 404. */
  | { readonly kind: 'gone' };

export function findFragment(
  trackIndex: TrackIndex,
  decodeTimeTicks: number,
  state: PresentationIndex['state'],
): FoundFragment {
  const { fragments } = trackIndex;
  const at = lowerBound(fragments, (entry) => entry.decodeTimeTicks >= decodeTimeTicks);
  const entry = fragments[at];
  if (entry === undefined) return { kind: state === 'live' ? 'notReady' : 'gone' };
  return entry.decodeTimeTicks === decodeTimeTicks ? { kind: 'found', entry } : { kind: 'gone' };
}

/** The first index for which `holds`, given that it holds from there on. */
export function lowerBound(
  entries: readonly FragmentEntry[],
  holds: (entry: FragmentEntry) => boolean,
): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = entries[middle];
    if (entry !== undefined && holds(entry)) high = middle;
    else low = middle + 1;
  }
  return low;
}
