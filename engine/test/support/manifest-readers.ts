import { createRequire } from 'node:module';
import { parse as parseHls } from 'hls-parser';

/** What two independent readers must agree on. */
export type ReadPlaylist =
  | { readonly kind: 'multivariant'; readonly variants: readonly ReadVariant[] }
  | {
      readonly kind: 'media';
      readonly targetDurationSeconds: number;
      readonly mediaSequenceNumber: number;
      readonly discontinuitySequenceNumber: number;
      readonly isEnded: boolean;
      readonly segments: readonly ReadSegment[];
    };

export interface ReadVariant {
  readonly uri: string;
  readonly bandwidthBps: number;
  readonly codecs: string;
  readonly resolution: string | undefined;
  readonly audioUris: readonly string[];
  readonly subtitleUris: readonly string[];
}

export interface ReadSegment {
  readonly uri: string;
  readonly durationSeconds: number;
  readonly mapUri: string | undefined;
  readonly discontinuitySequence: number;
  readonly programDateTimeMs: number | undefined;
}

export function readHls(text: string): ReadPlaylist {
  const playlist = parseHls(text);
  if (playlist.isMasterPlaylist) {
    return {
      kind: 'multivariant',
      variants: playlist.variants
        .filter(({ isIFrameOnly }) => isIFrameOnly !== true)
        .map(({ uri, bandwidth, codecs, resolution, audio, subtitles }) => ({
          uri,
          bandwidthBps: bandwidth,
          codecs: codecs ?? '',
          resolution: resolution && `${resolution.width}x${resolution.height}`,
          audioUris: audio.flatMap((rendition) => rendition.uri ?? []),
          subtitleUris: subtitles.flatMap((rendition) => rendition.uri ?? []),
        })),
    };
  }
  return {
    kind: 'media',
    targetDurationSeconds: playlist.targetDuration,
    mediaSequenceNumber: playlist.mediaSequenceBase ?? 0,
    discontinuitySequenceNumber: playlist.discontinuitySequenceBase ?? 0,
    isEnded: playlist.endlist,
    segments: playlist.segments.map((segment) => ({
      uri: segment.uri,
      durationSeconds: segment.duration,
      mapUri: segment.map?.uri,
      discontinuitySequence: segment.discontinuitySequence,
      programDateTimeMs: segment.programDateTime?.getTime(),
    })),
  };
}

// m3u8-parser and mpd-parser carry no types; only what is read here is declared.
interface M3u8Manifest {
  readonly targetDuration: number;
  readonly mediaSequence: number;
  readonly discontinuitySequence: number;
  readonly endList?: boolean;
  readonly playlists?: readonly {
    readonly uri: string;
    readonly attributes: {
      readonly BANDWIDTH: number;
      readonly CODECS: string;
      readonly RESOLUTION?: { readonly width: number; readonly height: number };
      readonly AUDIO?: string;
      readonly SUBTITLES?: string;
    };
  }[];
  readonly mediaGroups: {
    readonly AUDIO: Readonly<Record<string, Readonly<Record<string, { readonly uri: string }>>>>;
    readonly SUBTITLES: Readonly<Record<string, Readonly<Record<string, { readonly uri: string }>>>>;
  };
  readonly segments: readonly {
    readonly uri: string;
    readonly duration: number;
    readonly timeline: number;
    readonly map?: { readonly uri: string };
    readonly dateTimeString?: string;
  }[];
}
interface MpdManifest {
  /** Both are absent when there is nothing to play yet. */
  readonly playlists?: readonly MpdPlaylist[];
  readonly mediaGroups?: { readonly AUDIO: MpdGroups; readonly SUBTITLES: MpdGroups };
}
type MpdGroups = Readonly<
  Record<string, Readonly<Record<string, { readonly playlists: readonly MpdPlaylist[] }>>>
>;
interface MpdPlaylist {
  readonly segments: readonly { readonly resolvedUri: string; readonly duration: number }[];
}

const require = createRequire(import.meta.url);
// The shapes of two untyped libraries, as their documentation has them.
const m3u8 = require('m3u8-parser') as {
  readonly Parser: new () => {
    readonly manifest: M3u8Manifest;
    push(text: string): void;
    end(): void;
  };
};
const mpd = require('mpd-parser') as {
  parse(text: string, options: { readonly manifestUri: string; readonly NOW: number }): MpdManifest;
};

export function readHlsWithM3u8Parser(text: string): ReadPlaylist {
  const parser = new m3u8.Parser();
  parser.push(text);
  parser.end();
  const { manifest } = parser;
  if (manifest.playlists !== undefined) {
    return {
      kind: 'multivariant',
      variants: manifest.playlists.map(({ uri, attributes }) => ({
        uri,
        bandwidthBps: attributes.BANDWIDTH,
        codecs: attributes.CODECS,
        resolution: attributes.RESOLUTION && `${attributes.RESOLUTION.width}x${attributes.RESOLUTION.height}`,
        audioUris: Object.values(manifest.mediaGroups.AUDIO[attributes.AUDIO ?? ''] ?? {}).map(
          (rendition) => rendition.uri,
        ),
        subtitleUris: Object.values(manifest.mediaGroups.SUBTITLES[attributes.SUBTITLES ?? ''] ?? {}).map(
          (rendition) => rendition.uri,
        ),
      })),
    };
  }
  return {
    kind: 'media',
    targetDurationSeconds: manifest.targetDuration,
    mediaSequenceNumber: manifest.mediaSequence,
    discontinuitySequenceNumber: manifest.discontinuitySequence,
    isEnded: manifest.endList === true,
    segments: manifest.segments.map((segment) => ({
      uri: segment.uri,
      durationSeconds: segment.duration,
      mapUri: segment.map?.uri,
      discontinuitySequence: segment.timeline,
      programDateTimeMs:
        segment.dateTimeString === undefined ? undefined : Date.parse(segment.dateTimeString),
    })),
  };
}

const MPD_URL = 'http://origin.test/show.ism/manifest';

/** Every segment of an MPD in every Period, URLs relative to it. */
export function readMpd(text: string, nowMs: number): { url: string; durationSeconds: number }[] {
  const manifest = mpd.parse(text, { manifestUri: MPD_URL, NOW: nowMs });
  const { AUDIO = {}, SUBTITLES = {} } = manifest.mediaGroups ?? {};
  const beside = [...Object.values(AUDIO), ...Object.values(SUBTITLES)]
    .flatMap((group) => Object.values(group))
    .flatMap((rendition) => rendition.playlists);
  return [...new Set([...(manifest.playlists ?? []), ...beside])].flatMap(({ segments }) =>
    segments.map(({ resolvedUri, duration }) => ({
      url: resolvedUri.slice(new URL('.', MPD_URL).href.length),
      durationSeconds: duration,
    })),
  );
}
