import type { FragmentEntry, RemovedFragments, TrackIndex } from '../model/presentation.ts';
import { isCaptions, type Track } from '../model/track.ts';
import { cutToWindow, rememberRemoved } from '../packager/fragment-window.ts';

const TRACKS_MAX = 256;
/** 25 h of half-second fragments, with room. */
const FRAGMENTS_PER_TRACK_MAX = 200_000;

interface Timeline {
  track: Track;
  readonly entries: FragmentEntry[];
  removed: RemovedFragments | undefined;
}

/**
 * The tracks of one presentation, put together from any number of sources (stored index, live feed) that may overlap,
 * repeat and come in any order: the union by folder and sequence, in order of sequence.
 */
export class TrackTimelines {
  readonly #timelines = new Map<string, Timeline>();
  /** Rises with every change. */
  version = 0;

  /** Sparse text is in recordings, and in no manifest of HLS or DASH: it is ignored. */
  addTrack(track: Track): void {
    if (track.type === 'text' && !isCaptions(track)) return;
    const known = this.#timelines.get(track.folder);
    if (known === undefined) {
      if (this.#timelines.size >= TRACKS_MAX) return;
      this.#timelines.set(track.folder, { track, entries: [], removed: undefined });
    } else if (track.formats.length > known.track.formats.length) {
      known.track = track;
    } else {
      return;
    }
    this.version += 1;
  }

  /** Fragments of tracks that nobody announced are ignored. */
  addFragment(folder: string, entry: FragmentEntry): void {
    const timeline = this.#timelines.get(folder);
    if (timeline === undefined) return;
    const { entries } = timeline;
    const at = findInsertion(entries, entry.sequence);
    if (entries[at]?.sequence === entry.sequence) return;
    if (at === entries.length) entries.push(entry);
    else entries.splice(at, 0, entry);
    if (entries.length > FRAGMENTS_PER_TRACK_MAX) entries.shift();
    this.version += 1;
  }

  addTracks(tracks: readonly TrackIndex[]): void {
    for (const { track, fragments } of tracks) {
      this.addTrack(track);
      const timeline = this.#timelines.get(track.folder);
      if (timeline === undefined) continue;
      const merged = mergeEntries(timeline.entries, fragments);
      if (merged.length === timeline.entries.length) continue;
      timeline.entries.splice(0, timeline.entries.length);
      for (const entry of merged.slice(-FRAGMENTS_PER_TRACK_MAX)) timeline.entries.push(entry);
      this.version += 1;
    }
  }

  /** Sequences count up by one: a missing one means that something was missed. */
  hasGap(): boolean {
    for (const { entries } of this.#timelines.values()) {
      const first = entries[0];
      const last = entries.at(-1);
      if (
        first !== undefined &&
        last !== undefined &&
        last.sequence - first.sequence + 1 !== entries.length
      ) {
        return true;
      }
    }
    return false;
  }

  /** Forgets what is before the archive window, by the rule that its deleter goes by. */
  trimTo(windowTicks: number): void {
    for (const timeline of this.#timelines.values()) {
      const { entries } = timeline;
      const gone = entries.splice(0, entries.length - cutToWindow(entries, windowTicks).length);
      const [first] = entries;
      if (gone.length === 0 || first === undefined) continue;
      timeline.removed = rememberRemoved(timeline.removed, gone, first);
      this.version += 1;
    }
  }

  /** Forgets what came before the newest gap of each track. */
  trimToContiguous(): void {
    for (const { entries } of this.#timelines.values()) {
      let first = entries.length - 1;
      while (first > 0 && entries[first - 1]?.sequence === (entries[first]?.sequence ?? 0) - 1) first -= 1;
      if (first <= 0) continue;
      entries.splice(0, first);
      this.version += 1;
    }
  }

  lastOf(folder: string): FragmentEntry | undefined {
    return this.#timelines.get(folder)?.entries.at(-1);
  }

  get fragmentCount(): number {
    let count = 0;
    for (const { entries } of this.#timelines.values()) count += entries.length;
    return count;
  }

  /** A copy that later additions do not change, tracks in order of their ordinal. */
  snapshot(): readonly TrackIndex[] {
    return [...this.#timelines.values()]
      .map(({ track, entries, removed }) => ({
        track,
        fragments: entries.slice(),
        ...(removed && { removed }),
      }))
      .sort((a, b) => a.track.ordinal - b.track.ordinal);
  }
}

/** Union of two lists that each ascend by sequence. */
export function mergeEntries(
  known: readonly FragmentEntry[],
  added: readonly FragmentEntry[],
): readonly FragmentEntry[] {
  const merged: FragmentEntry[] = [];
  let k = 0;
  let a = 0;
  while (k < known.length || a < added.length) {
    const left = known[k];
    const right = added[a];
    if (left !== undefined && (right === undefined || left.sequence <= right.sequence)) {
      merged.push(left);
      k += 1;
      if (right?.sequence === left.sequence) a += 1;
    } else if (right !== undefined) {
      merged.push(right);
      a += 1;
    }
  }
  return merged;
}

function findInsertion(entries: readonly FragmentEntry[], sequence: number): number {
  let low = 0;
  let high = entries.length;
  const last = entries.at(-1);
  if (last === undefined || last.sequence < sequence) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = entries[middle];
    if (entry !== undefined && entry.sequence < sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}
