import { smoothCodecPrivateData } from '../formats/smooth-codec-private-data.ts';
import {
  type SparseStream,
  type StreamIndex,
  writeClientManifest,
  writeServerManifest,
} from '../manifests/smooth.ts';
import type { PresentationIndex, TrackIndex } from '../model/presentation.ts';
import { type DataFormat, isVideoFormat, type Track, type TrackFormat } from '../model/track.ts';
import { endTicksOf } from './fragment-window.ts';
import { currentFormat } from './track-measures.ts';

/** The `.ism` of a recording: `live-fmp4` while it grows, `vod-fmp4` after. */
export function writeIsm(index: PresentationIndex, manifestName: string): string {
  return writeServerManifest({
    clientManifestName: `${manifestName}.ismc`,
    formats: index.state === 'live' ? 'live-fmp4' : 'vod-fmp4',
    tracks: index.tracks.map(({ track }) => ({
      ...track,
      trackId: track.ordinal,
      data: sparseStreamOf(index.tracks, track),
    })),
  });
}

/** The `.ismc` of a recording. Qualities of one stream share the chunks of the one that has the most. */
export function writeIsmc(index: PresentationIndex): string {
  const tracks = index.tracks.filter(({ fragments }) => fragments.length > 0);
  // Text may be about a time after the end.
  const media = tracks.filter(({ track }) => track.type !== 'text');
  const ends = media.flatMap(({ fragments }) => fragments.slice(-1).map(endTicksOf));
  const starts = media.flatMap(({ fragments }) =>
    fragments.slice(0, 1).map((entry) => entry.decodeTimeTicks),
  );
  const streamNames = [...new Set(tracks.map(({ track }) => track.streamName))];
  return writeClientManifest({
    isLive: index.state === 'live',
    durationTicks: media.length === 0 ? 0 : Math.max(...ends) - Math.min(...starts),
    streamIndexes: streamNames.flatMap((name) =>
      toStreamIndex(
        tracks,
        tracks.filter(({ track }) => track.streamName === name),
      ),
    ),
  });
}

function toStreamIndex(all: readonly TrackIndex[], tracks: readonly TrackIndex[]): StreamIndex[] {
  const [first] = tracks.toSorted((a, b) => b.fragments.length - a.fragments.length);
  if (first === undefined) return [];
  return [
    {
      type: first.track.type,
      name: first.track.streamName,
      language: first.track.language,
      data: sparseStreamOf(all, first.track),
      qualityLevels: tracks.flatMap((trackIndex) => {
        const format = currentFormat(trackIndex);
        return format === undefined ? [] : [toQualityLevel(trackIndex, format)];
      }),
      smoothChunks: first.fragments.map(({ decodeTimeTicks, durationTicks }) => ({
        startTicks: decodeTimeTicks,
        durationTicks,
      })),
    },
  ];
}

/** Encoders name the parent by their own name of it; a picture is what most of them mean. */
function sparseStreamOf(all: readonly TrackIndex[], { formats }: Track): SparseStream | undefined {
  const [format] = formats;
  if (format?.kind !== 'data') return undefined;
  const { subtype, scheme, parentTrackName, manifestOutput } = format;
  const media = all.map(({ track }) => track).filter(({ type }) => type !== 'text');
  const wanted = parentTrackName?.toLowerCase();
  const parent =
    media.find(({ streamName, label }) => wanted === streamName || wanted === label?.toLowerCase()) ??
    media.find(({ type }) => type === 'video') ??
    media[0];
  return { subtype, scheme, parentStreamName: parent?.streamName, manifestOutput };
}

/** [MS-SSTR] §2.2.2.5. */
const FOUR_CCS = { h264: 'H264', hevc: 'HVC1', aac: 'AACL' } as const;

function fourCcOfText({ sampleEntry }: DataFormat): 'TTML' | 'DATA' {
  return sampleEntry === 'stpp' || sampleEntry === 'dfxp' ? 'TTML' : 'DATA';
}

function toQualityLevel({ track }: TrackIndex, format: TrackFormat): StreamIndex['qualityLevels'][number] {
  return {
    bitrateBps: track.bitrateBps,
    fourCc: format.kind === 'data' ? fourCcOfText(format) : FOUR_CCS[format.kind],
    codecPrivateData: smoothCodecPrivateData(format),
    video: isVideoFormat(format) ? format : undefined,
    audio: format.kind === 'aac' ? format : undefined,
  };
}
