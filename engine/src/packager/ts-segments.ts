import type { FragmentEntry, PresentationIndex, TrackIndex } from '../model/presentation.ts';
import type { Protection, ProtectionKey } from '../model/protection.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import { endTicksOf, lowerBound, shownFragments } from './fragment-window.ts';
import type { StreamingForm } from './streaming-path.ts';
import { longestFragmentTicks } from './track-measures.ts';

/** One MPEG-TS segment: some fragments of one track in a row, and the sound that goes with them. */
export interface TsSegment {
  /** Its media sequence number, for ever. */
  readonly number: number;
  readonly trackIndex: TrackIndex;
  readonly entries: readonly [FragmentEntry, ...FragmentEntry[]];
  /** Sound in the same segment: what lies between the beginning of the first entry and the end of the last. */
  readonly sound: TsSound | undefined;
}

export interface TsSound {
  readonly trackIndex: TrackIndex;
  /** Fragments that overlap the segment. */
  readonly entries: readonly FragmentEntry[];
}

export type FoundTsSegment =
  | { readonly kind: 'found'; readonly segment: TsSegment }
  /** Not whole yet: 412, ask again. */
  | { readonly kind: 'notReady' }
  /** Not, or no longer, there: 404. */
  | { readonly kind: 'gone' };

/** A segment longer than a third of the window that a viewer has: HTTP 400. */
export class HlsSegmentTooLarge extends Error {
  override readonly name = 'HlsSegmentTooLarge';
  readonly code = 'MPE_HLS_SEGMENT_TOO_LARGE';
}

/** The original's: key frames at most this far apart make segments of so many fragments. Jitter is not counted. */
const FRAGMENTS_BY_INTERVAL = [
  { ticksMax: 3 * TICKS_PER_SECOND, fragments: 3 },
  { ticksMax: 5 * TICKS_PER_SECOND, fragments: 2 },
] as const;
const INTERVAL_JITTER_TICKS = TICKS_PER_SECOND / 10;
const WINDOW_SEGMENTS_MIN = 3;
/** A picture's segment waits this long for sound that was committed later; what comes after that is not in it. */
const SOUND_LATE_MS_MAX = 30_000;

export function fragmentsPerTsSegmentBy(keyFrameIntervalTicks: number): number {
  const found = FRAGMENTS_BY_INTERVAL.find(
    ({ ticksMax }) => keyFrameIntervalTicks <= ticksMax + INTERVAL_JITTER_TICKS,
  );
  return found?.fragments ?? 1;
}

const toldFromFragments = new WeakMap<PresentationIndex, number>();

/** What the index says, else told from what is usual among its fragments: of the picture when there is one. */
export function fragmentsPerTsSegment(index: PresentationIndex): number {
  if (index.fragmentsPerTsSegment !== undefined) return index.fragmentsPerTsSegment;
  const known = toldFromFragments.get(index) ?? fragmentsPerTsSegmentBy(usualFragmentTicks(index));
  toldFromFragments.set(index, known);
  return known;
}

function usualFragmentTicks(index: PresentationIndex): number {
  const [lead] = [...tracksOf(index, 'video'), ...tracksOf(index, 'audio')].filter(
    ({ fragments }) => fragments.length > 0,
  );
  const durations = lead?.fragments.map(({ durationTicks }) => durationTicks).sort((a, b) => a - b) ?? [];
  return durations[durations.length >>> 1] ?? 0;
}

/** Which sound is in the segments of a picture: `m3u8-aapl-v3` has no renditions. */
export function muxedSound(
  index: PresentationIndex,
  { track }: TrackIndex,
  form: StreamingForm,
): TrackIndex | undefined {
  if (form.format !== 'm3u8-aapl-v3' || track.type !== 'video') return undefined;
  return defaultSound(index, form);
}

/** What the address asks for, else what is said to be it, else the first. */
export function defaultSound(index: PresentationIndex, form: StreamingForm): TrackIndex | undefined {
  const sounds = tracksOf(index, 'audio');
  return (
    sounds.find(({ track }) => track.streamName.toLowerCase() === form.defaultAudio) ??
    sounds.find(({ track }) => track.settings?.isDefault === true) ??
    sounds[0]
  );
}

/** What a media playlist shows. Throws `HlsSegmentTooLarge`. */
export function shownTsSegments(
  index: PresentationIndex,
  trackIndex: TrackIndex,
  form: StreamingForm,
): readonly TsSegment[] {
  const { rewindTicks, state } = index;
  if (state === 'live' && rewindTicks !== undefined) {
    const longestTicks = fragmentsPerTsSegment(index) * (longestFragmentTicks(index) ?? 0);
    if (longestTicks * WINDOW_SEGMENTS_MIN > rewindTicks) {
      throw new HlsSegmentTooLarge('a segment is longer than a third of the window');
    }
  }
  const [firstShown] = shownFragments(index, trackIndex);
  return firstShown === undefined ? [] : wholeSegments(index, trackIndex, { form, firstShown });
}

/** The segment that begins at this time. */
export function tsSegmentOf(
  index: PresentationIndex,
  trackIndex: TrackIndex,
  wanted: { readonly decodeTimeTicks: number; readonly form: StreamingForm },
): FoundTsSegment {
  const { fragments } = trackIndex;
  const at = lowerBound(fragments, (entry) => entry.decodeTimeTicks >= wanted.decodeTimeTicks);
  const entry = fragments[at];
  const isLive = index.state === 'live';
  if (entry === undefined) return { kind: isLive ? 'notReady' : 'gone' };
  if (entry.decodeTimeTicks !== wanted.decodeTimeTicks) return { kind: 'gone' };
  const perSegment = fragmentsPerTsSegment(index);
  const from = Math.max(0, at - 1);
  const near = groupFragments(fragments.slice(from, at + perSegment + 1), perSegment);
  const group = near.find(({ entries: [first] }) => first === entry);
  if (group === undefined) return { kind: 'gone' };
  const segment = withSound(index, { ...group, trackIndex }, wanted.form);
  return judge(index, segment, perSegment);
}

function wholeSegments(
  index: PresentationIndex,
  trackIndex: TrackIndex,
  { form, firstShown }: { readonly form: StreamingForm; readonly firstShown: FragmentEntry },
): readonly TsSegment[] {
  const perSegment = fragmentsPerTsSegment(index);
  const { fragments } = trackIndex;
  // The one before tells whether a segment begins with the first that is shown.
  const from = Math.max(0, lowerBound(fragments, (entry) => entry.sequence >= firstShown.sequence) - 1);
  const segments: TsSegment[] = [];
  for (const group of groupFragments(fragments.slice(from), perSegment)) {
    if (group.entries[0].sequence < firstShown.sequence) continue;
    const found = judge(index, withSound(index, { ...group, trackIndex }, form), perSegment);
    if (found.kind === 'notReady') break; // what follows has to wait for its number
    if (found.kind === 'found') segments.push(found.segment);
  }
  return segments;
}

type Group = Pick<TsSegment, 'number' | 'entries'>;

/**
 * The number of a fragment's segment, from what its own line says alone: every process counts alike, whatever has been
 * removed. It goes up by one with every `perSegment`-th fragment, and with every new session by exactly one, so that
 * sessions never share a segment and no number is left out.
 */
function segmentNumber({ sequence, discontinuity }: Position, perSegment: number): number {
  return Math.floor((sequence + (perSegment - 1) * discontinuity) / perSegment);
}

type Position = Pick<FragmentEntry, 'sequence' | 'discontinuity'>;

function groupFragments(fragments: readonly FragmentEntry[], perSegment: number): readonly Group[] {
  const groups: { number: number; entries: [FragmentEntry, ...FragmentEntry[]] }[] = [];
  for (const entry of fragments) {
    const number = segmentNumber(entry, perSegment);
    const last = groups.at(-1);
    if (last?.number === number) last.entries.push(entry);
    else groups.push({ number, entries: [entry] });
  }
  return groups;
}

function withSound(
  index: PresentationIndex,
  segment: Omit<TsSegment, 'sound'>,
  form: StreamingForm,
): TsSegment {
  const trackIndex = muxedSound(index, segment.trackIndex, form);
  if (trackIndex === undefined) return { ...segment, sound: undefined };
  const { startTicks, endTicks, last } = extentOf(segment);
  const from = lowerBound(trackIndex.fragments, (entry) => endTicksOf(entry) > startTicks);
  const to = lowerBound(trackIndex.fragments, (entry) => entry.decodeTimeTicks >= endTicks);
  const entries = trackIndex.fragments.slice(from, to);
  const inTime = entries.filter(
    ({ committedAtMs }) => committedAtMs - last.committedAtMs <= SOUND_LATE_MS_MAX,
  );
  return { ...segment, sound: { trackIndex, entries: inTime } };
}

/** Whether a segment is whole and will stay as it is. Once a presentation has ended, what is left of one is whole. */
function judge(index: PresentationIndex, segment: TsSegment, perSegment: number): FoundTsSegment {
  if (index.state === 'ended') return { kind: 'found', segment };
  if (isCutAtStart(segment, perSegment)) return { kind: 'gone' };
  return isOpen(segment, perSegment) ? { kind: 'notReady' } : { kind: 'found', segment };
}

/** The fragment before its first one is not there, and may have been in it. */
function isCutAtStart(
  { entries: [first], trackIndex, number, sound }: TsSegment,
  perSegment: number,
): boolean {
  const [oldest] = trackIndex.fragments;
  if (first === oldest && first.sequence > 0) {
    const before = { sequence: first.sequence - 1, discontinuity: first.discontinuity };
    if (segmentNumber(before, perSegment) === number) return true;
  }
  const [oldestSound] = sound?.trackIndex.fragments ?? [];
  return (
    oldestSound !== undefined &&
    oldestSound.sequence > 0 &&
    oldestSound.decodeTimeTicks > first.decodeTimeTicks
  );
}

/** More may come: of its own, or of its sound. */
function isOpen({ entries, trackIndex, number, sound }: TsSegment, perSegment: number): boolean {
  const last = entries.at(-1) ?? entries[0];
  const newest = trackIndex.fragments.at(-1) ?? last;
  const next = { sequence: last.sequence + 1, discontinuity: last.discontinuity };
  if (newest === last && segmentNumber(next, perSegment) === number) return true;
  const newestSound = sound?.trackIndex.fragments.at(-1);
  if (newestSound === undefined || endTicksOf(newestSound) >= endTicksOf(last)) return false;
  return newest.committedAtMs - last.committedAtMs <= SOUND_LATE_MS_MAX;
}

export function extentOf({ entries }: Pick<TsSegment, 'entries'>): {
  readonly startTicks: number;
  readonly endTicks: number;
  readonly durationTicks: number;
  readonly last: FragmentEntry;
} {
  const last = entries.at(-1) ?? entries[0];
  return {
    startTicks: entries[0].decodeTimeTicks,
    endTicks: endTicksOf(last),
    durationTicks: entries.reduce((sum, entry) => sum + entry.durationTicks, 0),
    last,
  };
}

function tracksOf(index: PresentationIndex, type: 'video' | 'audio'): TrackIndex[] {
  return index.tracks.filter(({ track }) => track.type === type);
}

/** Of a segment that is encrypted as a whole; undefined: none of what is in it is protected. */
export function tsSegmentKey(
  { trackIndex, sound }: TsSegment,
  { keyOf }: Protection,
): ProtectionKey | undefined {
  return keyOf(trackIndex.track) ?? (sound && keyOf(sound.trackIndex.track));
}
