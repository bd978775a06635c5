import { type MediaSegment, writeMediaPlaylistText } from '../manifests/hls.ts';
import type { FragmentEntry, PresentationIndex, TrackIndex } from '../model/presentation.ts';
import type { Protection } from '../model/protection.ts';
import { isCaptions, type Track } from '../model/track.ts';
import { TICKS_PER_MILLISECOND, TICKS_PER_SECOND, unixMsFromTimelineTicks } from '../time/timescale.ts';
import { endTicksOf, shownFragments } from './fragment-window.ts';
import { segmentKeys } from './hls-keys.ts';
import { type StreamingForm, writeForm } from './streaming-path.ts';
import { longestFragmentTicks } from './track-measures.ts';
import { extentOf, fragmentsPerTsSegment, shownTsSegments, tsSegmentKey } from './ts-segments.ts';

export interface MediaPlaylistOptions {
  readonly form: StreamingForm;
  readonly protection?: Protection | undefined;
  /** Of key frames only. */
  readonly isKeyFrames: boolean;
}

/**
 * Of EXT-X-VERSION (§8): EXT-X-MAP needs 6, 7 is what CMAF players expect; EXT-X-MEDIA and EXT-X-I-FRAMES-ONLY need 4,
 * fractions of seconds 3.
 */
export const PLAYLIST_VERSION: Readonly<Record<string, number>> & { readonly 'm3u8-cmaf': number } = {
  'm3u8-cmaf': 7,
  'm3u8-aapl': 4,
  'm3u8-aapl-v3': 3,
};
const VERSION_OF_KEY_FRAMES = 4;
/** KEYFORMAT. */
const VERSION_OF_KEY_SYSTEMS = 5;
const VERSION_OF_GAPS = 8;
/** Before the first fragment nothing is known; one key-frame interval of the usual kind. */
const TARGET_DURATION_SECONDS_UNKNOWN = 2;
/** More sessions than this between two fragments of a track are counted, not spelt out. */
const DISCONTINUITY_TAGS_MAX = 64;
const GAP_SECONDS = 0.001;
/** Longer gaps in the numbers are not possible with that many sessions. */
const GAP_SEGMENTS_MAX = 64;

/**
 * The media playlist of one track: what is acknowledged in it, within the rewind window while live. Throws
 * `HlsSegmentTooLarge`.
 */
export function writeMediaPlaylist(
  index: PresentationIndex,
  trackIndex: TrackIndex,
  options: MediaPlaylistOptions,
): string {
  const { form, isKeyFrames } = options;
  const isOfTs = isTsForm(form) && !isKeyFrames;
  const listed = isOfTs
    ? tsSegments(index, trackIndex, options)
    : fragmentSegments(index, trackIndex, options);
  const [first] = listed;
  const isEnded = index.state === 'ended';
  const segments = listed.flatMap((segment, at) => {
    const previous = listed[at - 1];
    const written = toMediaSegment(segment, previous, index);
    return isOfTs && previous !== undefined ? withGaps(written, segment.number - previous.number) : [written];
  });
  return writeMediaPlaylistText({
    version: versionOf(segments, options),
    isKeyFramesOnly: isKeyFrames,
    targetDurationSeconds: targetDurationSeconds(index, isOfTs ? fragmentsPerTsSegment(index) : 1),
    mediaSequenceNumber: first?.number ?? 0,
    discontinuitySequenceNumber: first?.first.discontinuity ?? 0,
    isWholeRecording: isEnded && (first === undefined || first.first.sequence === 0),
    isEnded,
    segments,
  });
}

function versionOf(segments: readonly MediaSegment[], { form, isKeyFrames }: MediaPlaylistOptions): number {
  const usesKeySystems = segments.some(({ keys }) => keys.some(({ keyFormat }) => keyFormat !== undefined));
  return Math.max(
    PLAYLIST_VERSION[form.format] ?? PLAYLIST_VERSION['m3u8-cmaf'],
    isKeyFrames ? VERSION_OF_KEY_FRAMES : 0,
    usesKeySystems ? VERSION_OF_KEY_SYSTEMS : 0,
    segments.some(({ isGap }) => isGap) ? VERSION_OF_GAPS : 0,
  );
}

export function isTsForm({ format }: StreamingForm): boolean {
  return format === 'm3u8-aapl' || format === 'm3u8-aapl-v3';
}

export function mediaPlaylistUri(
  { bitrateBps, streamName }: Track,
  form: StreamingForm,
  { isKeyFrames } = { isKeyFrames: false },
): string {
  return `QualityLevels(${bitrateBps})/Manifest(${streamName},${writeForm(form)}${isKeyFrames ? KEY_FRAMES : ''})`;
}

const KEY_FRAMES = ',type=keyframes';

interface Listed {
  readonly number: number;
  readonly first: FragmentEntry;
  readonly last: FragmentEntry;
  readonly durationTicks: number;
  readonly segment: Pick<MediaSegment, 'uri' | 'mapUri' | 'keys'>;
}

function tsSegments(
  index: PresentationIndex,
  trackIndex: TrackIndex,
  { form, protection }: MediaPlaylistOptions,
): Listed[] {
  const { track } = trackIndex;
  return shownTsSegments(index, trackIndex, form).map((segment) => {
    const { number, entries } = segment;
    const [first] = entries;
    const { durationTicks, last } = extentOf(segment);
    const uri = `Fragments(${track.streamName}=${first.decodeTimeTicks},${writeForm(form)})`;
    const key = protection && tsSegmentKey(segment, protection);
    const keys = protection === undefined ? [] : segmentKeys(protection, { track, key, entry: first, form });
    return { number, first, last, durationTicks, segment: { uri, mapUri: undefined, keys } };
  });
}

/**
 * Stored fragments, or the key frame that each begins with: an address of its own rather than a byte range of the
 * segment, which the index does not know and encryption moves.
 */
function fragmentSegments(
  index: PresentationIndex,
  { track, fragments }: TrackIndex,
  { form, protection, isKeyFrames }: MediaPlaylistOptions,
): Listed[] {
  const keys = writeForm(form);
  const key = protection?.keyOf(track);
  // Captions are WebVTT files by themselves.
  const hasNoMap = isTsForm(form) || isCaptions(track);
  return shownFragments(index, { track, fragments }).map((entry) => {
    const init = entry.formatIndex === 0 ? 'i' : `i${entry.formatIndex}`;
    const uri = `Fragments(${track.streamName}=${entry.decodeTimeTicks},${keys}${isKeyFrames ? KEY_FRAMES : ''})`;
    return {
      number: entry.sequence,
      first: entry,
      last: entry,
      durationTicks: entry.durationTicks,
      segment: {
        uri,
        mapUri: hasNoMap ? undefined : `Fragments(${track.streamName}=${init},${keys})`,
        keys: protection === undefined ? [] : segmentKeys(protection, { track, key, entry, form }),
      },
    };
  });
}

/**
 * §4.4.3.1: no duration, rounded to the nearest second, exceeds it. §6.2.4: the same in every media playlist. That of
 * MPEG-TS does not wait for the first long segment: it must not change.
 */
function targetDurationSeconds(index: PresentationIndex, fragmentsPerSegment: number): number {
  const longestTicks = longestFragmentTicks(index);
  if (longestTicks === undefined) return TARGET_DURATION_SECONDS_UNKNOWN * fragmentsPerSegment;
  return Math.max(1, Math.round((longestTicks * fragmentsPerSegment) / TICKS_PER_SECOND));
}

function toMediaSegment(
  { first, durationTicks, segment }: Listed,
  previous: Listed | undefined,
  index: PresentationIndex,
): MediaSegment {
  const discontinuities = first.discontinuity - (previous?.first.discontinuity ?? first.discontinuity);
  return {
    ...segment,
    durationSeconds: durationTicks / TICKS_PER_SECOND,
    programDateTimeMs: timeOfDayMs(index, first.decodeTimeTicks),
    followsGap: previous !== undefined && endTicksOf(previous.last) !== first.decodeTimeTicks,
    discontinuitiesBefore: Math.min(Math.max(discontinuities, 0), DISCONTINUITY_TAGS_MAX),
    isGap: false,
  };
}

/** Undefined: media that has times of its own only, such as an encoded file's. */
function timeOfDayMs({ zeroMs }: PresentationIndex, ticks: number): number | undefined {
  if (zeroMs === 'unknown') return undefined;
  return zeroMs === undefined ? unixMsFromTimelineTicks(ticks) : zeroMs + ticks / TICKS_PER_MILLISECOND;
}

/**
 * A track that had nothing in some session leaves out numbers of MPEG-TS segments: they are gaps, since numbers are
 * counted, not told (§4.4.3.2). `step`: from the number of the segment before.
 */
function withGaps(segment: MediaSegment, step: number): MediaSegment[] {
  const gaps = Math.min(Math.max(step - 1, 0), GAP_SEGMENTS_MAX);
  if (gaps === 0) return [segment];
  const gap = { ...segment, isGap: true, durationSeconds: GAP_SECONDS };
  return [
    ...Array.from({ length: gaps }, (_, at) => ({
      ...gap,
      discontinuitiesBefore: at === 0 ? segment.discontinuitiesBefore : 0,
    })),
    { ...segment, discontinuitiesBefore: 0, followsGap: true },
  ];
}
