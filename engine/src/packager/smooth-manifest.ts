import { contentProtectionOf } from '../drm/content-protection.ts';
import { base64Of } from '../drm/key-id.ts';
import { writePlayReadyObject } from '../drm/play-ready-object.ts';
import { type SmoothProtection, type StreamIndex, writeClientManifest } from '../manifests/smooth-client.ts';
import type { PresentationIndex, TrackIndex } from '../model/presentation.ts';
import type { Protection, ProtectionKey } from '../model/protection.ts';
import type { Track } from '../model/track.ts';
import { endTicksOf } from './fragment-window.ts';
import { qualityLevelOf, sparseStreamOf } from './smooth-streams.ts';
import { type SharedTimeline, SMOOTH_LOOKAHEAD_COUNT, shareTimeline } from './smooth-timeline.ts';
import { type StreamingForm, writeForm } from './streaming-path.ts';
import { currentFormat } from './track-measures.ts';
import { defaultSound } from './ts-segments.ts';

const STARTING_FRAGMENTS_MAX = SMOOTH_LOOKAHEAD_COUNT + 2;

/**
 * What Smooth Streaming's players are given, [MS-SSTR] §2.2.2. Streams that its one protection header cannot tell of are
 * not in it (`isInSmooth`). Of text, what encoders want in manifests.
 */
export function writeSmoothManifest(
  index: PresentationIndex,
  { form, protection }: { readonly form: StreamingForm; readonly protection?: Protection | undefined },
): string {
  const streams = streamsOf(index, form, protection);
  const media = streams.filter(({ qualities: [first] }) => first?.track.type !== 'text');
  const starts = media.flatMap(({ chunks }) => chunks.slice(0, 1).map((entry) => entry.decodeTimeTicks));
  const ends = media.flatMap(({ chunks }) => chunks.slice(-1).map(endTicksOf));
  const isLive = index.state === 'live';
  return writeClientManifest({
    isLive,
    window: isLive
      ? { lookaheadCount: SMOOTH_LOOKAHEAD_COUNT, dvrWindowTicks: index.rewindTicks ?? 0 }
      : undefined,
    durationTicks: media.length === 0 ? 0 : Math.max(...ends) - Math.min(...starts),
    protection: protection && protectionOf(index, protection),
    chunkStyle: form.format === 'fmp4-v20' ? 'single' : 'runs',
    formKeys: writeForm(form),
    streamIndexes: streams.flatMap((stream) => toStreamIndex(index, stream)),
  });
}

/**
 * Whether a manifest has picture and sound, as far as there are tracks of them: players give up on one that has none.
 * What is still missing when others have gone on is late, and not waited for.
 */
export function isSmoothComplete({ state, tracks }: PresentationIndex): boolean {
  if (state !== 'live') return true;
  const media = tracks.filter(({ track }) => track.type !== 'text');
  if (media.some(({ fragments }) => fragments.length > STARTING_FRAGMENTS_MAX)) return true;
  const ready = media.filter(({ fragments }) => fragments.length > SMOOTH_LOOKAHEAD_COUNT);
  return media.every(({ track: { type } }) => ready.some(({ track }) => track.type === type));
}

/**
 * Whether a track can be served: a Smooth presentation has one key, that of its picture, beside what is in the clear;
 * `cbcs` has no place in it, and text is encrypted only as a whole.
 */
export function isInSmooth(
  index: PresentationIndex,
  track: Track,
  protection: Protection | undefined,
): boolean {
  const key = protection?.keyOf(track);
  if (protection === undefined || key === undefined) return true;
  if (protection.scheme === 'cbcs') return false;
  if (track.type === 'text' && protection.scheme !== 'aes128') return false;
  return key.id === presentationKey(index, protection)?.id;
}

function presentationKey({ tracks }: PresentationIndex, protection: Protection): ProtectionKey | undefined {
  for (const type of ['video', 'audio'] as const) {
    for (const { track } of tracks) {
      const key = track.type === type ? protection.keyOf(track) : undefined;
      if (key !== undefined) return key;
    }
  }
  return undefined;
}

function protectionOf(index: PresentationIndex, protection: Protection): SmoothProtection | undefined {
  const key = presentationKey(index, protection);
  if (key === undefined || protection.scheme === 'cbcs') return undefined;
  if (protection.scheme === 'cenc') {
    // No other key system has a header that players of Smooth Streaming know.
    if (key.playReady === undefined) return undefined;
    return { kind: 'playReady', object: base64Of(writePlayReadyObject([key], 'cenc')) };
  }
  const [descriptor] = contentProtectionOf(key, protection);
  return descriptor && { kind: 'segments', descriptor };
}

/** Those with chunks: pictures, sound, text; of each type the one that players begin with first. */
function streamsOf(
  index: PresentationIndex,
  form: StreamingForm,
  protection: Protection | undefined,
): readonly SharedTimeline[] {
  const groups = new Map<string, [TrackIndex, ...TrackIndex[]]>();
  for (const trackIndex of index.tracks) {
    if (!isInSmooth(index, trackIndex.track, protection) || !isWanted(trackIndex)) continue;
    const { streamName } = trackIndex.track;
    const group = groups.get(streamName);
    if (group === undefined) groups.set(streamName, [trackIndex]);
    else group.push(trackIndex);
  }
  const rank = ([{ track }]: [TrackIndex, ...TrackIndex[]]) =>
    ['video', 'audio', 'text'].indexOf(track.type) * 2 + (isFirst(index, track, form) ? 0 : 1);
  return [...groups.values()]
    .toSorted((a, b) => rank(a) - rank(b))
    .map((group) => shareTimeline(index, group))
    .filter(({ chunks }) => chunks.length > 0);
}

/** Of its type, what players begin with. */
function isFirst(
  index: PresentationIndex,
  { type, streamName, settings }: Track,
  form: StreamingForm,
): boolean {
  if (type === 'audio') return defaultSound(index, form)?.track.streamName === streamName;
  return type === 'text' && settings?.isDefault === true;
}

function isWanted({ track: { formats } }: TrackIndex): boolean {
  const [format] = formats;
  return format?.kind !== 'data' || format.manifestOutput;
}

function toStreamIndex(index: PresentationIndex, { qualities, chunks }: SharedTimeline): StreamIndex[] {
  const [first] = qualities;
  if (first === undefined) return [];
  const { type, streamName, language } = first.track;
  return [
    {
      type,
      name: streamName,
      language,
      data: sparseStreamOf(index.tracks, first.track),
      qualityLevels: qualities.flatMap((quality) => {
        const format = currentFormat(quality);
        return format === undefined ? [] : [qualityLevelOf(quality.track, format)];
      }),
      smoothChunks: chunks.map(({ decodeTimeTicks, durationTicks }) => ({
        startTicks: decodeTimeTicks,
        durationTicks,
      })),
    },
  ];
}
