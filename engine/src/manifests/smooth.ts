import { TICKS_PER_SECOND } from '../time/timescale.ts';
import { xmlAttributes } from './xml-attributes.ts';

/** The server manifest of a recording, `.ism`: SMIL that names the folder of each quality. */
export interface ServerManifest {
  readonly clientManifestName: string;
  /** While recording, and after. */
  readonly formats: 'live-fmp4' | 'vod-fmp4';
  readonly tracks: readonly ServerManifestTrack[];
}

export interface ServerManifestTrack {
  readonly type: 'video' | 'audio' | 'text';
  readonly folder: string;
  readonly streamName: string;
  readonly bitrateBps: number;
  /** RFC 5646; absent: not known. */
  readonly language?: string | undefined;
  readonly trackId: number;
  /** Of text. */
  readonly data?: SparseStream | undefined;
}

/** What is said of a stream that comes now and then, [MS-SSTR] §2.2.2.3. */
export interface SparseStream {
  readonly subtype: string;
  readonly scheme: string | undefined;
  readonly parentStreamName: string | undefined;
  readonly manifestOutput: boolean;
}

/** The client manifest, `.ismc`, [MS-SSTR] §2.2.2. */
export interface ClientManifest {
  readonly isLive: boolean;
  readonly durationTicks: number;
  readonly streamIndexes: readonly StreamIndex[];
}

export interface StreamIndex {
  readonly type: 'video' | 'audio' | 'text';
  readonly name: string;
  readonly language: string | undefined;
  /** Of text. */
  readonly data: SparseStream | undefined;
  readonly qualityLevels: readonly QualityLevel[];
  readonly smoothChunks: readonly { readonly startTicks: number; readonly durationTicks: number }[];
}

export interface QualityLevel {
  readonly bitrateBps: number;
  readonly fourCc: 'H264' | 'HVC1' | 'AACL' | 'TTML' | 'DATA';
  /** Hex: parameter sets with start codes for video, the AudioSpecificConfig for AAC. */
  readonly codecPrivateData: string;
  readonly video: { readonly width: number; readonly height: number } | undefined;
  readonly audio: { readonly sampleRateHz: number; readonly channelCount: number } | undefined;
}

const LANGUAGE_UNKNOWN = 'und';

export function writeServerManifest(manifest: ServerManifest): string {
  const { formats, clientManifestName, tracks } = manifest;
  return `${[
    '<?xml version="1.0" encoding="utf-8"?>',
    '<smil xmlns="http://www.w3.org/2001/SMIL20/Language">',
    '  <head>',
    `    <meta${xmlAttributes({ name: 'clientManifestRelativePath', content: clientManifestName })}/>`,
    `    <meta${xmlAttributes({ name: 'formats', content: formats })}/>`,
    '  </head>',
    '  <body>',
    '    <switch>',
    ...tracks.flatMap(serverTrackLines),
    '    </switch>',
    '  </body>',
    '</smil>',
  ].join('\n')}\n`;
}

function serverTrackLines(track: ServerManifestTrack): string[] {
  const { bitrateBps: systemBitrate, language: systemLanguage = LANGUAGE_UNKNOWN } = track;
  const element = track.type === 'text' ? 'textstream' : track.type;
  const parameters = {
    systemBitrate,
    trackID: track.trackId,
    trackName: track.streamName,
    ...(track.data && sparseParameters(track.data)),
  };
  return [
    `      <${element}${xmlAttributes({ src: track.folder, systemBitrate, systemLanguage })}>`,
    ...Object.entries(parameters).map(
      ([name, value]) => `        <param${xmlAttributes({ name, value, valuetype: 'data' })}/>`,
    ),
    `      </${element}>`,
  ];
}

function sparseParameters({ subtype, scheme, parentStreamName, manifestOutput }: SparseStream) {
  return {
    Subtype: subtype,
    ...(scheme === undefined ? {} : { Scheme: scheme }),
    ...(parentStreamName === undefined ? {} : { parentTrackName: parentStreamName }),
    manifestOutput: String(manifestOutput),
  };
}

export function writeClientManifest(manifest: ClientManifest): string {
  const attributes = {
    MajorVersion: 2,
    MinorVersion: 2,
    Duration: manifest.isLive ? 0 : manifest.durationTicks,
    TimeScale: TICKS_PER_SECOND,
    IsLive: manifest.isLive ? 'TRUE' : undefined,
  };
  return `${[
    '<?xml version="1.0" encoding="utf-8"?>',
    `<SmoothStreamingMedia${xmlAttributes(attributes)}>`,
    ...manifest.streamIndexes.flatMap(streamIndexLines),
    '</SmoothStreamingMedia>',
  ].join('\n')}\n`;
}

function streamIndexLines(stream: StreamIndex): string[] {
  const attributes = {
    Type: stream.type,
    Subtype: stream.data?.subtype,
    Name: stream.name,
    Language: stream.language ?? LANGUAGE_UNKNOWN,
    QualityLevels: stream.qualityLevels.length,
    Chunks: stream.smoothChunks.length,
    ParentStreamIndex: stream.data?.parentStreamName,
    Scheme: stream.data?.scheme,
    Url: `QualityLevels({bitrate})/Fragments(${stream.name}={start time})`,
  };
  return [
    `  <StreamIndex${xmlAttributes(attributes)}>`,
    ...stream.qualityLevels.map(qualityLevelLine),
    ...stream.smoothChunks.map(
      ({ startTicks, durationTicks }) => `    <c t="${startTicks}" d="${durationTicks}"/>`,
    ),
    '  </StreamIndex>',
  ];
}

/** [MS-SSTR] §2.2.2.5; AudioTag 255 = raw AAC. */
function qualityLevelLine(level: QualityLevel, position: number): string {
  const { video, audio } = level;
  return `    <QualityLevel${xmlAttributes({
    Index: position,
    Bitrate: level.bitrateBps,
    FourCC: level.fourCc,
    MaxWidth: video?.width,
    MaxHeight: video?.height,
    SamplingRate: audio?.sampleRateHz,
    Channels: audio?.channelCount,
    BitsPerSample: audio === undefined ? undefined : 16,
    PacketSize: audio === undefined ? undefined : 4,
    AudioTag: audio === undefined ? undefined : 255,
    CodecPrivateData: level.codecPrivateData,
  })}/>`;
}
