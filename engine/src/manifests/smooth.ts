import { xmlAttributes } from './xml-attributes.ts';

/** The server manifest of a recording or of encoded files, `.ism`: SMIL that names the folder or file of each quality. */
export interface ServerManifest {
  readonly clientManifestName: string;
  /** While recording, and after; of MP4 files (reference §3.5). */
  readonly formats: 'live-fmp4' | 'vod-fmp4' | 'mp4-v3';
  readonly tracks: readonly ServerManifestTrack[];
}

export interface ServerManifestTrack {
  readonly type: 'video' | 'audio' | 'text';
  /** Of files: the file. */
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

/** What a language that nobody told is called. */
export const LANGUAGE_UNKNOWN = 'und';

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
