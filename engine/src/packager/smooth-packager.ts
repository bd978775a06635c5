import { smoothCodecPrivateData } from '../formats/smooth-codec-private-data.ts';
import { type StreamIndex, writeClientManifest, writeServerManifest } from '../manifests/smooth.ts';
import type { PresentationIndex, TrackIndex } from '../model/presentation.ts';
import { isVideoFormat, type TrackFormat } from '../model/track.ts';
import { endTicksOf } from './fragment-window.ts';
import { currentFormat } from './track-measures.ts';

/** The `.ism` of a recording: `live-fmp4` while it grows, `vod-fmp4` after. */
export function writeIsm(index: PresentationIndex, manifestName: string): string {
  return writeServerManifest({
    clientManifestName: `${manifestName}.ismc`,
    formats: index.state === 'live' ? 'live-fmp4' : 'vod-fmp4',
    tracks: index.tracks.map(({ track }) => ({ ...track, trackId: track.ordinal })),
  });
}

/** The `.ismc` of a recording. Qualities of one stream share the chunks of the one that has the most. */
export function writeIsmc(index: PresentationIndex): string {
  const tracks = index.tracks.filter(({ fragments }) => fragments.length > 0);
  const ends = tracks.flatMap(({ fragments }) => fragments.slice(-1).map(endTicksOf));
  const starts = tracks.flatMap(({ fragments }) =>
    fragments.slice(0, 1).map((entry) => entry.decodeTimeTicks),
  );
  const streamNames = [...new Set(tracks.map(({ track }) => track.streamName))];
  return writeClientManifest({
    isLive: index.state === 'live',
    durationTicks: tracks.length === 0 ? 0 : Math.max(...ends) - Math.min(...starts),
    streamIndexes: streamNames.flatMap((name) =>
      toStreamIndex(tracks.filter(({ track }) => track.streamName === name)),
    ),
  });
}

function toStreamIndex(tracks: readonly TrackIndex[]): StreamIndex[] {
  const [first] = tracks.toSorted((a, b) => b.fragments.length - a.fragments.length);
  if (first === undefined) return [];
  return [
    {
      type: first.track.type,
      name: first.track.streamName,
      language: first.track.language,
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

/** [MS-SSTR] §2.2.2.5. */
const FOUR_CCS = { h264: 'H264', hevc: 'HVC1', aac: 'AACL' } as const;

function toQualityLevel({ track }: TrackIndex, format: TrackFormat): StreamIndex['qualityLevels'][number] {
  return {
    bitrateBps: track.bitrateBps,
    fourCc: FOUR_CCS[format.kind],
    codecPrivateData: smoothCodecPrivateData(format),
    video: isVideoFormat(format) ? format : undefined,
    audio: format.kind === 'aac' ? format : undefined,
  };
}
