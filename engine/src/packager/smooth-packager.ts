import { writeServerManifest } from '../manifests/smooth.ts';
import { type StreamIndex, writeClientManifest } from '../manifests/smooth-client.ts';
import type { PresentationIndex, TrackIndex } from '../model/presentation.ts';
import { endTicksOf } from './fragment-window.ts';
import { qualityLevelOf, sparseStreamOf } from './smooth-streams.ts';
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
    chunkStyle: 'each',
    formKeys: '',
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
        return format === undefined ? [] : [qualityLevelOf(trackIndex.track, format)];
      }),
      smoothChunks: first.fragments.map(({ decodeTimeTicks, durationTicks }) => ({
        startTicks: decodeTimeTicks,
        durationTicks,
      })),
    },
  ];
}
