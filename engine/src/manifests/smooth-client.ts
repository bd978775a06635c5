import { TICKS_PER_SECOND } from '../time/timescale.ts';
import {
  type ContentProtection,
  contentProtectionLines,
  protectionNamespaces,
} from './content-protection.ts';
import { LANGUAGE_UNKNOWN, type SparseStream } from './smooth.ts';
import { xmlAttributes } from './xml-attributes.ts';

/** The client manifest, [MS-SSTR] §2.2.2: `.ismc` in a container, and what Smooth Streaming's players ask for. */
export interface ClientManifest {
  readonly isLive: boolean;
  /** Of what is live and served. */
  readonly window?: LiveWindow | undefined;
  readonly durationTicks: number;
  readonly protection?: SmoothProtection | undefined;
  /** `each` with its time and duration; `runs` of equal ones as one, version 2.2; `single` ones for version 2.0. */
  readonly chunkStyle: 'each' | 'runs' | 'single';
  /** What stands in the brackets of its addresses beside the fragment. */
  readonly formKeys: string;
  readonly streamIndexes: readonly StreamIndex[];
}

export interface LiveWindow {
  /** How many of the following fragments each fragment tells of. */
  readonly lookaheadCount: number;
  /** 0 = everything. */
  readonly dvrWindowTicks: number;
}

/** A PlayReady Object in base64, or what encrypts whole segments. */
export type SmoothProtection =
  | { readonly kind: 'playReady'; readonly object: string }
  | { readonly kind: 'segments'; readonly descriptor: ContentProtection };

export interface StreamIndex {
  readonly type: 'video' | 'audio' | 'text';
  readonly name: string;
  readonly language: string | undefined;
  /** Of text. */
  readonly data: SparseStream | undefined;
  readonly qualityLevels: readonly QualityLevel[];
  readonly smoothChunks: readonly SmoothChunk[];
}

export interface SmoothChunk {
  readonly startTicks: number;
  readonly durationTicks: number;
}

export interface QualityLevel {
  readonly bitrateBps: number;
  readonly fourCc: 'H264' | 'HVC1' | 'AACL' | 'AACH' | 'TTML' | 'DATA';
  /** Hex: parameter sets with start codes for video, the AudioSpecificConfig for AAC. */
  readonly codecPrivateData: string;
  readonly video: { readonly width: number; readonly height: number } | undefined;
  readonly audio: { readonly sampleRateHz: number; readonly channelCount: number } | undefined;
}

const PLAYREADY_SYSTEM_ID = '9A04F079-9840-4286-AB92-E65BE0885F95';
const SEGMENT_ENCRYPTION_SYSTEM_ID = 'B47B251A-2409-4B42-958E-08DBAE7B4EE9';

export function writeClientManifest(manifest: ClientManifest): string {
  const { window } = manifest;
  const attributes = {
    MajorVersion: 2,
    MinorVersion: manifest.chunkStyle === 'single' ? 0 : 2,
    Duration: manifest.isLive ? 0 : manifest.durationTicks,
    TimeScale: TICKS_PER_SECOND,
    IsLive: manifest.isLive ? 'TRUE' : undefined,
    LookaheadCount: window?.lookaheadCount,
    DVRWindowLength: window?.dvrWindowTicks,
    // Not in [MS-SSTR]; the original's servers wrote them and its players read them.
    CanSeek: window === undefined ? undefined : 'TRUE',
    CanPause: window === undefined ? undefined : 'TRUE',
  };
  return `${[
    '<?xml version="1.0" encoding="utf-8"?>',
    `<SmoothStreamingMedia${xmlAttributes(attributes)}>`,
    ...(manifest.protection === undefined ? [] : protectionLines(manifest.protection)),
    ...manifest.streamIndexes.flatMap((stream) => streamIndexLines(stream, manifest)),
    '</SmoothStreamingMedia>',
  ].join('\n')}\n`;
}

/** [MS-SSTR] §2.2.2.2 */
function protectionLines(protection: SmoothProtection): string[] {
  const header = (SystemID: string) => `<ProtectionHeader${xmlAttributes({ SystemID })}>`;
  if (protection.kind === 'playReady') {
    // On one line: players take the text as it is for base64.
    return [
      '  <Protection>',
      `    ${header(PLAYREADY_SYSTEM_ID)}${protection.object}</ProtectionHeader>`,
      '  </Protection>',
    ];
  }
  const { descriptor } = protection;
  return [
    '  <Protection>',
    `    ${header(SEGMENT_ENCRYPTION_SYSTEM_ID)}`,
    ...contentProtectionLines(descriptor, '      ', protectionNamespaces([descriptor])),
    '    </ProtectionHeader>',
    '  </Protection>',
  ];
}

function streamIndexLines(
  stream: StreamIndex,
  { chunkStyle, formKeys }: Pick<ClientManifest, 'chunkStyle' | 'formKeys'>,
): string[] {
  const keys = formKeys === '' ? '' : `,${formKeys}`;
  const attributes = {
    Type: stream.type,
    Subtype: stream.data?.subtype,
    Name: stream.name,
    Language: stream.language ?? LANGUAGE_UNKNOWN,
    QualityLevels: stream.qualityLevels.length,
    Chunks: stream.smoothChunks.length,
    ParentStreamIndex: stream.data?.parentStreamName,
    Scheme: stream.data?.scheme,
    Url: `QualityLevels({bitrate})/Fragments(${stream.name}={start time}${keys})`,
  };
  return [
    `  <StreamIndex${xmlAttributes(attributes)}>`,
    ...stream.qualityLevels.map(qualityLevelLine),
    ...chunkLines(stream.smoothChunks, chunkStyle),
    '  </StreamIndex>',
  ];
}

/** [MS-SSTR] §2.2.2.6. Thousands of lines of numbers: nothing is escaped. `t` where one does not follow the one before. */
function chunkLines(chunks: readonly SmoothChunk[], style: ClientManifest['chunkStyle']): string[] {
  const runs: { t: number | undefined; d: number; r: number }[] = [];
  let run: (typeof runs)[number] | undefined;
  let expectedTicks: number | undefined;
  for (const { startTicks, durationTicks } of chunks) {
    const follows = startTicks === expectedTicks;
    if (style === 'runs' && run !== undefined && follows && run.d === durationTicks) run.r += 1;
    else {
      run = { t: follows && style !== 'each' ? undefined : startTicks, d: durationTicks, r: 1 };
      runs.push(run);
    }
    expectedTicks = startTicks + durationTicks;
  }
  return runs.map(({ t, d, r }) => {
    const from = t === undefined ? '' : ` t="${t}"`;
    return `    <c${from} d="${d}"${r === 1 ? '' : ` r="${r}"`}/>`;
  });
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
