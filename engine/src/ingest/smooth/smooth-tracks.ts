import { parseAacFormat } from '../../codecs/aac.ts';
import { parseH264Format } from '../../codecs/h264.ts';
import { avcConfigurationFromAnnexB } from '../../codecs/h264-annex-b.ts';
import { parseHevcFormat } from '../../codecs/hevc.ts';
import { MalformedCodecConfiguration } from '../../codecs/malformed-codec-configuration.ts';
import type { SampleDefaults } from '../../formats/isobmff/fragment-reader.ts';
import type { TrackHeader } from '../../formats/isobmff/movie-header-reader.ts';
import type { DataFormat, TrackFormat, TrackType } from '../../model/track.ts';
import { IngestRefusal } from '../ingest-refusal.ts';
import type { PublishedTrack, TrackKey } from '../publish-session.ts';
import { canonicalLanguage, type ManifestTrack } from './live-server-manifest.ts';

/** By sample entry, ISO/IEC 14496-15. */
const VIDEO_CODECS: ReadonlyMap<string, (record: Uint8Array) => TrackFormat> = new Map([
  ['avc1', parseH264Format],
  ['avc3', parseH264Format],
  ['hvc1', parseHevcFormat],
  ['hev1', parseHevcFormat],
]);

/** Handlers of tracks whose media comes now and then; others only when the Live Server Manifest says so. */
const TEXT_HANDLERS: ReadonlySet<string> = new Set(['meta', 'text', 'subt', 'sbtl', 'data']);
const TYPES = {
  h264: 'video',
  hevc: 'video',
  aac: 'audio',
  data: 'text',
  wvtt: 'text',
} as const satisfies Record<TrackFormat['kind'], TrackType>;
const SUBTYPE_DEFAULT = 'DATA';

/** A track of one connection, as both of its headers describe it. */
export interface SmoothTrack {
  readonly trackId: number;
  /** The same for the same track of every encoder that sends it: name, bitrate and language, not its number. */
  readonly key: TrackKey;
  readonly timescale: number;
  readonly defaults: SampleDefaults | undefined;
  readonly published: PublishedTrack;
}

/**
 * The tracks that can be taken, in the order of the moov; those that are neither picture nor sound nor text (time
 * codes, hints) are left out. Throws `IngestRefusal` when one cannot be taken, or when there is none.
 */
export function describeTracks(
  headers: readonly TrackHeader[],
  manifest: readonly ManifestTrack[],
): readonly SmoothTrack[] {
  const keys = new Set<TrackKey>();
  const tracks = headers.flatMap((header) => {
    const described = manifest.find(({ trackId }) => trackId === header.trackId);
    const format = formatOf(header, described);
    if (format === undefined) return [];
    const published = publishedTrack(header, described, format);
    const name = keyOf(published);
    const key = keys.has(name) ? `${name} #${header.trackId}` : name;
    keys.add(key);
    const { trackId, timescale, defaults } = header;
    return [{ trackId, key, timescale, defaults, published }];
  });
  if (tracks.length === 0) throw notDescribed('The headers describe no audio, video or text.');
  return tracks;
}

function publishedTrack(
  header: TrackHeader,
  described: ManifestTrack | undefined,
  format: TrackFormat,
): PublishedTrack {
  return {
    type: TYPES[format.kind],
    name: described?.name,
    language: described?.language ?? canonicalLanguage(header.language),
    format,
    declaredBitrateBps: described?.bitrateBps,
    declaredFrameRate: undefined,
  };
}

function keyOf({ type, name, language, declaredBitrateBps }: PublishedTrack): TrackKey {
  return [type, name ?? '', language ?? '', declaredBitrateBps ?? ''].join(' ');
}

function formatOf(header: TrackHeader, described: ManifestTrack | undefined): TrackFormat | undefined {
  switch (header.handlerType) {
    case 'vide':
      return videoFormat(header, described);
    case 'soun':
      return audioFormat(header, described);
    default:
      return described?.kind === 'textstream' || TEXT_HANDLERS.has(header.handlerType)
        ? dataFormat(header, described)
        : undefined;
  }
}

/** Nothing of it can be wrong: it is kept as it comes. */
function dataFormat(header: TrackHeader, described: ManifestTrack | undefined): DataFormat {
  const scheme = printable(described?.scheme);
  const parentTrackName = printable(described?.parentTrackName);
  const subtype = described?.subtype?.toUpperCase() ?? '';
  return {
    kind: 'data',
    configurationRecord: new Uint8Array(),
    codecString: '',
    sampleEntry: /^[\x20-\x7e]{4}$/.test(header.codec) ? header.codec : '',
    subtype: /^[A-Z0-9]{1,8}$/.test(subtype) ? subtype : SUBTYPE_DEFAULT,
    ...(scheme === undefined ? {} : { scheme }),
    ...(parentTrackName === undefined ? {} : { parentTrackName }),
    manifestOutput: described?.manifestOutput ?? false,
  };
}

function printable(text: string | undefined): string | undefined {
  return text !== undefined && /^[^\p{Cc}\p{Cs}]+$/u.test(text) ? text : undefined;
}

function videoFormat(header: TrackHeader, described: ManifestTrack | undefined): TrackFormat {
  const parseFormat = VIDEO_CODECS.get(header.codec);
  if (parseFormat === undefined) throw notSupported('video', header, described);
  const privateData = parseFormat === parseH264Format ? described?.codecPrivateData : undefined;
  return configured('video', () => {
    const record = header.configurationRecord ?? (privateData && avcConfigurationFromAnnexB(privateData));
    // A copy: it lives as long as the session, and the headers do not.
    return record && parseFormat(record.slice());
  });
}

function audioFormat(header: TrackHeader, described: ManifestTrack | undefined): TrackFormat {
  if (header.codec !== 'mp4a') throw notSupported('audio', header, described);
  const record = header.configurationRecord ?? described?.codecPrivateData;
  return configured('audio', () => record && parseAacFormat(record.slice()));
}

function configured(type: string, parse: () => TrackFormat | undefined): TrackFormat {
  try {
    const format = parse();
    if (format !== undefined) return format;
  } catch (cause) {
    if (!(cause instanceof MalformedCodecConfiguration)) throw cause;
    throw notDescribed(`The ${type} configuration in the headers cannot be used: ${cause.message}.`, cause);
  }
  throw notDescribed(`The headers do not have the configuration of the ${type}.`);
}

function notDescribed(message: string, cause?: unknown): IngestRefusal {
  return new IngestRefusal('MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED', message, { cause });
}

function notSupported(
  type: string,
  header: TrackHeader,
  described: ManifestTrack | undefined,
): IngestRefusal {
  const codec = described?.fourCc ?? header.codec;
  const wanted = type === 'video' ? 'H.264 or HEVC' : 'AAC';
  return new IngestRefusal(
    'MPE_INGEST_CODEC_NOT_SUPPORTED',
    `The ${type} codec ${JSON.stringify(codec)} is not supported. Set the encoder to ${wanted}.`,
  );
}
