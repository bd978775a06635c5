import {
  type AudioRendition,
  type MediaSegment,
  type VariantStream,
  writeMediaPlaylistText,
  writeMultivariantText,
} from '../manifests/hls.ts';
import type { FragmentEntry, PresentationIndex, TrackIndex } from '../model/presentation.ts';
import { isVideoFormat, type Track, type VideoFormat } from '../model/track.ts';
import { TICKS_PER_SECOND, unixMsFromTimelineTicks } from '../time/timescale.ts';
import { endTicksOf, shownFragments } from './fragment-window.ts';
import { currentFormat, longestFragmentTicks, measureTrack, shownFormats } from './track-measures.ts';

const FORMAT = 'format=m3u8-cmaf';
const AUDIO_GROUP = 'audio';
/** Before the first fragment nothing is known; one key-frame interval of the usual kind. */
const TARGET_DURATION_SECONDS_UNKNOWN = 2;
/** More sessions than this between two fragments of a track are counted, not spelt out. */
const DISCONTINUITY_TAGS_MAX = 64;

/** While its siblings have no more fragments than this, a rung without any is starting with them, not joining late. */
const STARTING_FRAGMENTS_MAX = 3;

/**
 * The multivariant playlist, valid before the first fragment too. A rung that joins late is in it from its first
 * fragment on; at the start all are, since players read this playlist once.
 */
export function writeMultivariantPlaylist(index: PresentationIndex): string {
  const listed = index.tracks.filter((trackIndex) => !isJoiningLate(index, trackIndex));
  const videos = listed.filter(({ track }) => track.type === 'video');
  const audios = listed.filter(({ track }) => track.type === 'audio');
  const isAudioOnly = videos.length === 0;
  return writeMultivariantText({
    audioRenditions: isAudioOnly ? [] : audioRenditions(audios),
    variantStreams: (isAudioOnly ? audios : videos).map((trackIndex) =>
      variantStream(index, trackIndex, isAudioOnly ? [] : audios),
    ),
  });
}

/** The media playlist of one track: what is acknowledged in it, within the rewind window while live. */
export function writeMediaPlaylist(index: PresentationIndex, trackIndex: TrackIndex): string {
  const shown = shownFragments(index, trackIndex);
  const [first] = shown;
  const isEnded = index.state === 'ended';
  return writeMediaPlaylistText({
    targetDurationSeconds: targetDurationSeconds(index),
    mediaSequenceNumber: first?.sequence ?? 0,
    discontinuitySequenceNumber: first?.discontinuity ?? 0,
    isWholeRecording: isEnded && (first === undefined || first.sequence === 0),
    isEnded,
    segments: shown.map((entry, at) => mediaSegment(trackIndex.track, entry, shown[at - 1])),
  });
}

function isJoiningLate(index: PresentationIndex, { track, fragments }: TrackIndex): boolean {
  if (fragments.length > 0) return false;
  return index.tracks.some(
    (other) => other.track.streamName === track.streamName && other.fragments.length > STARTING_FRAGMENTS_MAX,
  );
}

/** §4.4.3.1: no duration, rounded to the nearest second, exceeds it. §6.2.4: the same in every media playlist. */
function targetDurationSeconds(index: PresentationIndex): number {
  const longestTicks = longestFragmentTicks(index);
  if (longestTicks === undefined) return TARGET_DURATION_SECONDS_UNKNOWN;
  return Math.max(1, Math.round(longestTicks / TICKS_PER_SECOND));
}

function mediaSegment(track: Track, entry: FragmentEntry, previous: FragmentEntry | undefined): MediaSegment {
  const discontinuities = entry.discontinuity - (previous?.discontinuity ?? entry.discontinuity);
  const init = entry.formatIndex === 0 ? 'i' : `i${entry.formatIndex}`;
  return {
    uri: `Fragments(${track.streamName}=${entry.decodeTimeTicks},${FORMAT})`,
    durationSeconds: entry.durationTicks / TICKS_PER_SECOND,
    mapUri: `Fragments(${track.streamName}=${init},${FORMAT})`,
    programDateTimeMs: unixMsFromTimelineTicks(entry.decodeTimeTicks),
    followsGap: previous !== undefined && endTicksOf(previous) !== entry.decodeTimeTicks,
    discontinuitiesBefore: Math.min(Math.max(discontinuities, 0), DISCONTINUITY_TAGS_MAX),
  };
}

/** §4.4.6.1.1: no two renditions of a group have the same name. */
function audioRenditions(audios: readonly TrackIndex[]): AudioRendition[] {
  const names = new Set<string>();
  return audios.map((trackIndex, position) => {
    const { track } = trackIndex;
    const format = currentFormat(trackIndex);
    const wanted = track.label ?? track.streamName;
    const name = names.has(wanted) ? `${wanted} ${track.bitrateBps}` : wanted;
    names.add(name);
    return {
      groupId: AUDIO_GROUP,
      name,
      language: track.language,
      isDefault: position === 0,
      channelCount: format?.kind === 'aac' ? format.channelCount : 2,
      uri: mediaPlaylistUri(track),
    };
  });
}

/**
 * §4.4.6.2: BANDWIDTH is the peak of any playable combination, so with the heaviest audio; CODECS has every format of
 * the window, newest first, and RESOLUTION and FRAME-RATE are the largest of them.
 */
function variantStream(
  index: PresentationIndex,
  trackIndex: TrackIndex,
  audios: readonly TrackIndex[],
): VariantStream {
  const own = measureTrack(trackIndex);
  const others = audios.map(measureTrack);
  const audioPeakBps = Math.max(0, ...others.map(({ peakBps }) => peakBps));
  const audioAverageBps = Math.max(0, ...others.map(({ averageBps }) => averageBps ?? 0));
  const formats = shownFormats(index, trackIndex);
  const codecs = [formats, ...audios.map((audio) => shownFormats(index, audio))]
    .flat()
    .map(({ codecString }) => codecString);
  const [newest, ...older] = formats.filter(isVideoFormat);
  return {
    bandwidthBps: own.peakBps + audioPeakBps,
    averageBandwidthBps: own.averageBps === undefined ? undefined : own.averageBps + audioAverageBps,
    codecs: [...new Set(codecs)],
    resolution: newest && older.reduce(largerPicture, newest),
    frameRate:
      newest && largest([newest, ...older].flatMap(({ frameRate }) => frameRate ?? own.sampleRate ?? [])),
    audioGroupId: audios.length === 0 ? undefined : AUDIO_GROUP,
    uri: mediaPlaylistUri(trackIndex.track),
  };
}

function largerPicture(a: VideoFormat, b: VideoFormat): VideoFormat {
  return b.width * b.height > a.width * a.height ? b : a;
}

function largest(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : Math.max(...values);
}

function mediaPlaylistUri(track: Track): string {
  return `QualityLevels(${track.bitrateBps})/Manifest(${track.streamName},${FORMAT})`;
}
