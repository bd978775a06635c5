import {
  type AudioRendition,
  type KeyFrameStream,
  type KeyTag,
  type SubtitleRendition,
  type VariantStream,
  writeMultivariantText,
} from '../manifests/hls.ts';
import type { FragmentEntry, PresentationIndex, TrackIndex } from '../model/presentation.ts';
import type { Protection } from '../model/protection.ts';
import { isCaptions, isVideoFormat, type VideoFormat } from '../model/track.ts';
import { keySystems } from './hls-keys.ts';
import { isTsForm, mediaPlaylistUri, PLAYLIST_VERSION } from './hls-media-playlist.ts';
import type { StreamingForm } from './streaming-path.ts';
import { currentFormat, measureTrack, type SizeOf, shownFormats } from './track-measures.ts';
import { defaultSound } from './ts-segments.ts';

const AUDIO_GROUP = 'audio';
const SUBTITLE_GROUP = 'text';
/** While its siblings have no more fragments than this, a rung without any is starting with them, not joining late. */
const STARTING_FRAGMENTS_MAX = 3;
/** An access unit costs its headers, and most of a packet that it does not fill. */
const TS_BYTES_PER_PICTURE = 240;
/** An ADTS header and a share of the PES packet that several frames are in. */
const TS_BYTES_PER_SOUND_FRAME = 64;
/** Tables, and what fills up the continuity counters. */
const TS_BYTES_PER_FRAGMENT = 2 * 16 * 188;
const TS_EXPANSION = 188 / 184;

/** What a presentation is asked for as, and how it is protected; absent: in the clear. */
export interface HlsOptions {
  readonly form: StreamingForm;
  readonly protection?: Protection | undefined;
}

interface Presentation extends HlsOptions {
  readonly index: PresentationIndex;
  /** Sound that every picture's segments hold. */
  readonly muxed: TrackIndex | undefined;
  readonly captions: readonly TrackIndex[];
}

/**
 * The multivariant playlist, valid before the first fragment too. A rung that joins late is in it from its first
 * fragment on; at the start all are, since players read this playlist once. Format v3 knows no renditions: the picture's
 * segments hold one sound. Key-frame playlists need version 4.
 */
export function writeMultivariantPlaylist(index: PresentationIndex, options: HlsOptions): string {
  const { form, protection } = options;
  const listed = index.tracks.filter((trackIndex) => !isJoiningLate(index, trackIndex));
  const videos = listed.filter(({ track }) => track.type === 'video');
  const audios = listed.filter(({ track }) => track.type === 'audio');
  const hasRenditions = videos.length > 0 && form.format !== 'm3u8-aapl-v3';
  const muxed =
    hasRenditions || videos.length === 0 ? undefined : defaultSound({ ...index, tracks: listed }, form);
  const captions = form.format === 'm3u8-aapl-v3' ? [] : listed.filter(({ track }) => isCaptions(track));
  const presentation = { ...options, index, muxed, captions };
  const renditions = hasRenditions ? audios : [];
  const soundOnly = videos.length === 0 || form.isAudioOnlyListed ? audios : [];
  return writeMultivariantText({
    version: PLAYLIST_VERSION[form.format] ?? PLAYLIST_VERSION['m3u8-cmaf'],
    sessionKeys: protection === undefined ? [] : sessionKeys(listed, protection, form),
    audioRenditions: audioRenditions(renditions, presentation),
    subtitleRenditions: subtitleRenditions(presentation),
    variantStreams: [
      ...videos.map((trackIndex) => variantStream(presentation, trackIndex, renditions)),
      ...soundOnly.map((trackIndex) =>
        variantStream(presentation, trackIndex, renditions.length === 0 ? [] : [trackIndex]),
      ),
    ],
    keyFrameStreams:
      form.format === 'm3u8-aapl-v3' ? [] : videos.map((each) => keyFrameStream(presentation, each)),
  });
}

function isJoiningLate(index: PresentationIndex, { track, fragments }: TrackIndex): boolean {
  if (fragments.length > 0) return false;
  return index.tracks.some(
    (other) => other.track.streamName === track.streamName && other.fragments.length > STARTING_FRAGMENTS_MAX,
  );
}

/**
 * §4.4.6.5: so that licenses are fetched while media playlists are. Keys of whole segments are left out: a token that may
 * be used a limited number of times would be used once more.
 */
function sessionKeys(
  listed: readonly TrackIndex[],
  { scheme, keyOf }: Protection,
  form: StreamingForm,
): KeyTag[] {
  if (scheme === 'aes128') return [];
  const keys = new Map(
    listed
      .filter(({ track }) => track.type !== 'text')
      .flatMap(({ track }) => {
        const key = keyOf(track);
        return key === undefined ? [] : [[key.id, key] as const];
      }),
  );
  return [...keys.values()].flatMap((key) => keySystems(key, scheme, form));
}

function audioRenditions(audios: readonly TrackIndex[], { index, form }: Presentation): AudioRendition[] {
  const first = defaultSound({ ...index, tracks: audios }, form);
  const names = renditionNames(audios);
  return audios.map((trackIndex, at) => {
    const { track } = trackIndex;
    const format = currentFormat(trackIndex);
    return {
      groupId: AUDIO_GROUP,
      name: names[at] ?? track.streamName,
      language: track.language,
      isDefault: trackIndex === first,
      channelCount: format?.kind === 'aac' ? format.channelCount : 2,
      characteristics: track.settings?.characteristics,
      uri: mediaPlaylistUri(track, form),
    };
  });
}

/** Shown at once is only what is said to be: the first of those. */
function subtitleRenditions({ captions, form }: Presentation): SubtitleRendition[] {
  const first = captions.find(({ track }) => track.settings?.isDefault === true);
  const names = renditionNames(captions);
  return captions.map((trackIndex, at) => {
    const { track } = trackIndex;
    return {
      groupId: SUBTITLE_GROUP,
      name: names[at] ?? track.streamName,
      language: track.language,
      isDefault: trackIndex === first,
      isForced: track.settings?.isForced === true,
      characteristics: track.settings?.characteristics,
      uri: mediaPlaylistUri(track, form),
    };
  });
}

/** §4.4.6.1.1: no two renditions of a group have the same name. */
function renditionNames(of: readonly TrackIndex[]): readonly string[] {
  const names = new Set<string>();
  return of.map(({ track }) => {
    const wanted = track.label ?? track.streamName;
    const others = [`${wanted} ${track.bitrateBps}`, ...of.map((_, at) => `${wanted} ${at + 2}`)];
    const name = [wanted, ...others].find((one) => !names.has(one)) ?? wanted;
    names.add(name);
    return name;
  });
}

/**
 * §4.4.6.2: BANDWIDTH is the peak of any playable combination, so with the heaviest audio; CODECS has every format of
 * the window, newest first, and RESOLUTION and FRAME-RATE are the largest of them. A variant of sound only is in a
 * rendition itself, and measured once.
 */
function variantStream(
  presentation: Presentation,
  trackIndex: TrackIndex,
  renditions: readonly TrackIndex[],
): VariantStream {
  const { index, form } = presentation;
  const isPicture = trackIndex.track.type === 'video';
  const own = measureTrack(trackIndex, sizeIn(form, trackIndex));
  const beside = isPicture
    ? [...renditions, ...(presentation.muxed === undefined ? [] : [presentation.muxed])]
    : [];
  const others = beside.map((other) => measureTrack(other, sizeIn(form, other)));
  const audioPeakBps = Math.max(0, ...others.map(({ peakBps }) => peakBps));
  const audioAverageBps = Math.max(0, ...others.map(({ averageBps }) => averageBps ?? 0));
  const formats = shownFormats(index, trackIndex);
  const codecs = [formats, ...beside.map((audio) => shownFormats(index, audio))]
    .flat()
    .map(({ codecString }) => codecString);
  const videoFormats = formats.filter(isVideoFormat);
  return {
    bandwidthBps: own.peakBps + audioPeakBps,
    averageBandwidthBps: own.averageBps === undefined ? undefined : own.averageBps + audioAverageBps,
    codecs: [...new Set(codecs)],
    resolution: largestPicture(videoFormats),
    frameRate:
      videoFormats.length === 0
        ? undefined
        : largest(videoFormats.flatMap(({ frameRate }) => frameRate ?? own.sampleRate ?? [])),
    audioGroupId: renditions.length === 0 ? undefined : AUDIO_GROUP,
    subtitleGroupId: presentation.captions.length === 0 ? undefined : SUBTITLE_GROUP,
    uri: mediaPlaylistUri(trackIndex.track, form),
  };
}

/** What key frames take is not in the index: at most what all frames take. */
function keyFrameStream({ index, form }: Presentation, trackIndex: TrackIndex): KeyFrameStream {
  const formats = shownFormats(index, trackIndex);
  return {
    bandwidthBps: measureTrack(trackIndex, sizeIn(form, trackIndex)).peakBps,
    codecs: [...new Set(formats.map(({ codecString }) => codecString))],
    resolution: largestPicture(formats.filter(isVideoFormat)),
    uri: mediaPlaylistUri(trackIndex.track, form, { isKeyFrames: true }),
  };
}

/** MPEG-TS is not measured but estimated from above, RFC 8216bis §4.4.6.2. */
function sizeIn(form: StreamingForm, { track }: TrackIndex): SizeOf | undefined {
  if (!isTsForm(form)) return undefined;
  const perSample = track.type === 'video' ? TS_BYTES_PER_PICTURE : TS_BYTES_PER_SOUND_FRAME;
  return ({ sizeBytes, sampleCount }: FragmentEntry) =>
    Math.ceil((sizeBytes + perSample * sampleCount) * TS_EXPANSION) + TS_BYTES_PER_FRAGMENT;
}

function largestPicture([first, ...others]: readonly VideoFormat[]): VideoFormat | undefined {
  return first && others.reduce((a, b) => (b.width * b.height > a.width * a.height ? b : a), first);
}

function largest(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : Math.max(...values);
}
