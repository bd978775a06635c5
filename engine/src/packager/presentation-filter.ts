import type { FragmentEntry, PresentationIndex, TrackIndex } from '../model/presentation.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import { endTicksOf, lowerBound, rememberRemoved, shownFragments } from './fragment-window.ts';
import { isSelected, orderByFirstQuality, type TrackSelections } from './track-selection.ts';

/** A filter of the account or of an asset, as the packager takes it: times are on the timeline of fragments. */
export interface MediaFilter {
  readonly name: string;
  /** Different whenever anything else here is. */
  readonly version: string;
  readonly timeRange: FilterTimeRange;
  /** What players are to begin with. */
  readonly firstQualityBps: number | undefined;
  readonly selections: TrackSelections;
}

export interface FilterTimeRange {
  readonly startTicks?: number | undefined;
  /** While live it counts only when it is forced. */
  readonly endTicks?: number | undefined;
  readonly isEndForced?: boolean | undefined;
  /** How far back from its newest fragment a live presentation reaches. */
  readonly windowTicks?: number | undefined;
  /** How far behind the live edge the newest fragment is. */
  readonly backoffTicks?: number | undefined;
}

/** HTTP 410 for a forced end, else 415: what the filters leave cannot be shown. */
export class RefusedFilter extends Error {
  override readonly name = 'RefusedFilter';
  readonly code:
    | 'MPE_FILTER_COMPOSITION_MULTIPLE_FIRST_QUALITY_OPERATOR_NOT_ALLOWED'
    | 'MPE_FILTER_FORCE_END_LEFT_EDGE_CROSSED_DVR_WINDOW'
    | 'MPE_FILTER_LIVE_BACKOFF_OVER_DVRWINDOW'
    | 'MPE_FILTER_LIVE_BACKOFF_OVER_PRESENTATION_WINDOW'
    | 'MPE_FILTER_RANGE_ATTRIBUTE_INVALID'
    | 'MPE_FILTER_REMOVED_ALL_STREAMS';

  constructor(code: RefusedFilter['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** Who shows a window asks for what has just left it; afterwards it is out of reach. */
const WINDOW_GRACE_TICKS = 60 * TICKS_PER_SECOND;

/**
 * What all of the filters leave of a presentation: tracks that every one of them chooses, within the intersection of
 * their time ranges. Fragments keep their numbers, so playlists of what is filtered stay as steady as of what is not.
 * Throws `RefusedFilter`.
 */
export function applyFilters(index: PresentationIndex, filters: readonly MediaFilter[]): PresentationIndex {
  if (filters.length === 0 || index.tracks.length === 0) return index;
  const range = intersectionOf(filters.map(({ timeRange }) => timeRange));
  const selected = index.tracks.filter(({ track }) =>
    filters.every(({ selections }) => isSelected(track, selections)),
  );
  if (!selected.some(isMedia)) {
    throw new RefusedFilter('MPE_FILTER_REMOVED_ALL_STREAMS', 'the filters leave no track');
  }
  const firstBps = firstQualityOf(filters);
  const tracks = firstBps === undefined ? selected : orderByFirstQuality(selected, firstBps);
  const filtered = { ...index, tracks };
  if (index.state === 'ended') return onDemandPart(filtered, range);
  return range.isEndForced && range.endTicks !== undefined
    ? livePart(filtered, { ...range, endTicks: range.endTicks })
    : liveWindow(filtered, range);
}

const isMedia = ({ track }: TrackIndex): boolean => track.type !== 'text';

function intersectionOf(ranges: readonly FilterTimeRange[]): FilterTimeRange {
  const all = (name: 'startTicks' | 'endTicks' | 'windowTicks' | 'backoffTicks') =>
    ranges.map((range) => range[name]).filter((ticks) => ticks !== undefined);
  const least = (ticks: readonly number[]) => (ticks.length === 0 ? undefined : Math.min(...ticks));
  const most = (ticks: readonly number[]) => (ticks.length === 0 ? undefined : Math.max(...ticks));
  return {
    startTicks: most(all('startTicks')),
    endTicks: least(all('endTicks')),
    isEndForced: ranges.some(({ isEndForced }) => isEndForced),
    windowTicks: least(all('windowTicks')),
    backoffTicks: most(all('backoffTicks')),
  };
}

function firstQualityOf(filters: readonly MediaFilter[]): number | undefined {
  const names = new Map(filters.map(({ name, firstQualityBps }) => [name, firstQualityBps]));
  const [first, ...others] = [...names.values()].filter((bps) => bps !== undefined);
  if (others.length === 0) return first;
  throw new RefusedFilter(
    'MPE_FILTER_COMPOSITION_MULTIPLE_FIRST_QUALITY_OPERATOR_NOT_ALLOWED',
    'more than one of the filters says which quality comes first',
  );
}

function onDemandPart(
  index: PresentationIndex,
  { startTicks, endTicks }: FilterTimeRange,
): PresentationIndex {
  if (startTicks !== undefined && endTicks !== undefined && startTicks >= endTicks) {
    throw new RefusedFilter('MPE_FILTER_RANGE_ATTRIBUTE_INVALID', 'the time ranges have nothing in common');
  }
  const cut = cutTracks(index.tracks, { startTicks, beforeTicks: endTicks });
  if (index.tracks.some(hasFragments) && !cut.some(hasMedia)) {
    throw new RefusedFilter('MPE_FILTER_REMOVED_ALL_STREAMS', 'the filters leave nothing to play');
  }
  // A track that had something elsewhere has nothing to say here.
  const tracks = cut.filter(
    (trackIndex, at) => hasFragments(trackIndex) || index.tracks[at]?.fragments.length === 0,
  );
  return { ...index, tracks };
}

const hasFragments = ({ fragments }: TrackIndex): boolean => fragments.length > 0;
const hasMedia = (trackIndex: TrackIndex): boolean => isMedia(trackIndex) && hasFragments(trackIndex);

/** A part of what is still live that does not change any more: it is shown as if it had ended. */
function livePart(
  index: PresentationIndex,
  range: FilterTimeRange & { readonly endTicks: number },
): PresentationIndex {
  const { endTicks } = range;
  const edgeTicks = liveEdgeTicks(index.tracks);
  const [lead] = leadsOf(index.tracks);
  const [first] = lead === undefined ? [] : shownFragments(index, lead);
  const startTicks = range.startTicks ?? first?.decodeTimeTicks;
  // Before its very first fragment nothing has left the window.
  const hasCrossed =
    first !== undefined &&
    startTicks !== undefined &&
    first.sequence > 0 &&
    startTicks < first.decodeTimeTicks;
  if (edgeTicks === undefined || endTicks > edgeTicks || hasCrossed) {
    throw new RefusedFilter(
      'MPE_FILTER_FORCE_END_LEFT_EDGE_CROSSED_DVR_WINDOW',
      'the time range is not within what can be played now',
    );
  }
  const { tracks } = index;
  return onDemandPart({ state: 'ended', tracks, rewindTicks: undefined }, { startTicks, endTicks });
}

function liveWindow(index: PresentationIndex, range: FilterTimeRange): PresentationIndex {
  const { windowTicks, backoffTicks = 0 } = range;
  if (windowTicks !== undefined && backoffTicks >= windowTicks) {
    throw new RefusedFilter(
      'MPE_FILTER_LIVE_BACKOFF_OVER_PRESENTATION_WINDOW',
      'the live backoff is not less than the presentation window',
    );
  }
  if (index.rewindTicks !== undefined && backoffTicks > 0 && backoffTicks >= index.rewindTicks) {
    throw new RefusedFilter(
      'MPE_FILTER_LIVE_BACKOFF_OVER_DVRWINDOW',
      'the live backoff is not less than the rewind window',
    );
  }
  const edgeTicks = liveEdgeTicks(index.tracks);
  const untilTicks = edgeTicks === undefined || backoffTicks === 0 ? undefined : edgeTicks - backoffTicks;
  const reachTicks =
    edgeTicks === undefined || windowTicks === undefined
      ? undefined
      : edgeTicks - backoffTicks - windowTicks - WINDOW_GRACE_TICKS;
  const startTicks = mostOf(range.startTicks, reachTicks);
  const rewindTicks = index.rewindTicks === undefined ? undefined : index.rewindTicks - backoffTicks;
  return {
    ...index,
    tracks: cutTracks(index.tracks, { startTicks, untilTicks }),
    rewindTicks: leastOf(rewindTicks, windowTicks),
    ...(backoffTicks > 0 ? { liveBackoffTicks: backoffTicks } : {}),
  };
}

const mostOf = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : Math.max(a, b ?? a);
const leastOf = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : Math.min(a, b ?? a);

/** Of sound and picture; a track that fell silent does not hold up the others. */
function liveEdgeTicks(tracks: readonly TrackIndex[]): number | undefined {
  const ends = tracks.filter(isMedia).flatMap(({ fragments }) => fragments.slice(-1).map(endTicksOf));
  return ends.length === 0 ? undefined : Math.max(...ends);
}

/** What others are cut along with: pictures can only be cut where a GOP begins. */
function leadsOf(tracks: readonly TrackIndex[]): readonly TrackIndex[] {
  const videos = tracks.filter(({ track, fragments }) => track.type === 'video' && fragments.length > 0);
  return videos.length > 0 ? videos : tracks.filter(hasMedia);
}

interface Cut {
  /** What reaches beyond it stays. */
  readonly startTicks?: number | undefined;
  /** What begins before it stays. */
  readonly beforeTicks?: number | undefined;
  /** What is over by then stays. */
  readonly untilTicks?: number | undefined;
}

function cutTracks(tracks: readonly TrackIndex[], cut: Cut): readonly TrackIndex[] {
  const videos = leadsOf(tracks).filter(({ track }) => track.type === 'video');
  const startTicks = snapped(videos, cut.startTicks, (entry, ticks) =>
    Math.min(entry.decodeTimeTicks, ticks),
  );
  const beforeTicks = snapped(videos, cut.beforeTicks, (entry, ticks) => Math.max(endTicksOf(entry), ticks));
  return tracks.map((trackIndex) => cutTrack(trackIndex, { ...cut, startTicks, beforeTicks }));
}

/** The border of the GOP that a time is in, of the track where that is farthest. */
function snapped(
  videos: readonly TrackIndex[],
  ticks: number | undefined,
  outermost: (entry: FragmentEntry, ticks: number) => number,
): number | undefined {
  if (ticks === undefined) return undefined;
  return videos.reduce((border, { fragments }) => {
    const entry = fragments[lowerBound(fragments, (one) => endTicksOf(one) > ticks)];
    return entry === undefined || entry.decodeTimeTicks >= ticks ? border : outermost(entry, border);
  }, ticks);
}

function cutTrack(trackIndex: TrackIndex, cut: Cut): TrackIndex {
  const { track, fragments } = trackIndex;
  const kept = track.type === 'text' ? cutText(fragments, cut) : cutMedia(fragments, cut);
  const [first] = kept;
  if (kept.length === fragments.length) return trackIndex;
  if (first === undefined) return { ...trackIndex, fragments: kept };
  const gone = fragments.slice(0, fragments.indexOf(first));
  return gone.length === 0
    ? { ...trackIndex, fragments: kept }
    : { track, fragments: kept, removed: rememberRemoved(trackIndex.removed, gone, first) };
}

function cutMedia(fragments: readonly FragmentEntry[], cut: Cut): readonly FragmentEntry[] {
  const { startTicks, beforeTicks, untilTicks } = cut;
  const from = startTicks === undefined ? 0 : lowerBound(fragments, (one) => endTicksOf(one) > startTicks);
  const before =
    beforeTicks === undefined
      ? fragments.length
      : lowerBound(fragments, (one) => one.decodeTimeTicks >= beforeTicks);
  const until =
    untilTicks === undefined
      ? fragments.length
      : lowerBound(fragments, (one) => endTicksOf(one) > untilTicks);
  return fragments.slice(from, Math.max(from, Math.min(before, until)));
}

/** Text may last beyond the next of it, and is told when it begins. */
function cutText(
  fragments: readonly FragmentEntry[],
  { startTicks = Number.NEGATIVE_INFINITY, beforeTicks, untilTicks }: Cut,
): readonly FragmentEntry[] {
  const endTicks = Math.min(beforeTicks ?? Number.POSITIVE_INFINITY, untilTicks ?? Number.POSITIVE_INFINITY);
  return fragments.filter((one) => endTicksOf(one) > startTicks && one.decodeTimeTicks < endTicks);
}
