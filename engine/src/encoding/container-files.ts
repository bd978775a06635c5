import { writeServerManifest } from '../manifests/smooth.ts';
import { type QualityLevel, type StreamIndex, writeClientManifest } from '../manifests/smooth-client.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import type { OutputFile } from './encoding-plan.ts';
import { frameSeconds } from './frame-rate.ts';
import type { Size } from './picture-size.ts';
import type { Ratio } from './source.ts';

/** A track of a media file of the output. */
export type WrittenTrack = WrittenVideo | WrittenAudio;

export interface WrittenVideo {
  readonly type: 'video';
  readonly codec: string;
  readonly size: Size;
  readonly rate: Ratio;
  readonly bitrateBps: number;
}

export interface WrittenAudio {
  readonly type: 'audio';
  readonly codec: string;
  readonly channels: number;
  readonly samplingRate: number;
  readonly language: string | undefined;
  readonly bitrateBps: number;
}

export interface WrittenFile {
  readonly name: string;
  /** In the working folder. */
  readonly path: string;
  readonly container: 'mp4' | 'ts';
  readonly tracks: readonly WrittenTrack[];
}

export interface WrittenContainer {
  readonly basename: string;
  readonly sourceName: string;
  readonly assetId: string;
  readonly durationSeconds: number;
  readonly files: readonly WrittenFile[];
  readonly images: readonly OutputFile[];
  /** Frames between two key frames of what was encoded; undefined: there are copies, whose key frames are not known. */
  readonly gop: { readonly frames: number; readonly rate: Ratio } | undefined;
}

const CONTENT_TYPES = { mp4: 'video/mp4', ts: 'video/mp2t' } as const;
const JSON_TYPE = 'application/json';
/** Of the codecs that streams are made of. */
const STREAMED = ['h264', 'hevc', 'aac'];
const LANGUAGE_OF_MANIFESTS = 'und';

/** What lies in the container of an output asset (reference §3.5); the server manifest is the last. */
export function containerFiles(written: WrittenContainer): readonly OutputFile[] {
  const { files, images, basename, sourceName, assetId } = written;
  const tracks = streamedTracks(files);
  const media = files.map(({ name, path, container, tracks: [first] }): OutputFile => {
    const contentType =
      container === 'mp4' && first?.type === 'audio' ? 'audio/mp4' : CONTENT_TYPES[container];
    return { kind: 'made', name, path, contentType };
  });
  const metadata = (name: string): OutputFile => ({
    kind: 'text',
    name,
    text: outputMetadata(written),
    contentType: JSON_TYPE,
  });
  const stem = sourceName.replace(/[<>:"/\\|?*\p{Cc}\p{Cs}]/gu, '_').replace(/\.[^.]{1,10}$/, '') || basename;
  return [
    ...media,
    ...images,
    metadata(`${stem}_manifest.json`),
    metadata(`${assetId}_metadata.json`),
    ...(tracks.length === 0 ? [] : [...clientManifest(written, tracks), serverManifest(basename, tracks)]),
  ];
}

/**
 * What is known of the streams before anything is encoded: qualities and times, cut at key frames. Parameter sets of
 * pictures are not; the streaming endpoint makes the manifest that players get of the files themselves.
 */
function clientManifest(
  { basename, durationSeconds, gop }: WrittenContainer,
  tracks: readonly StreamedTrack[],
): readonly OutputFile[] {
  if (gop === undefined) return [];
  const durationTicks = ticks(durationSeconds);
  const count = Math.max(1, Math.ceil(durationSeconds / frameSeconds(gop.frames, gop.rate)));
  const startOf = (chunk: number) =>
    Math.min(durationTicks, ticks(frameSeconds(chunk * gop.frames, gop.rate)));
  const smoothChunks = Array.from({ length: count }, (_, at) => ({
    startTicks: startOf(at),
    durationTicks: (at + 1 === count ? durationTicks : startOf(at + 1)) - startOf(at),
  })).filter(({ durationTicks: lasts }) => lasts > 0);
  const named = namedTracks(tracks);
  const names = [...new Set(named.map(({ streamName }) => streamName))];
  const streamIndexes = names.flatMap((name): StreamIndex[] => {
    const levels = named.filter(({ streamName }) => streamName === name).map(({ track }) => track);
    const [first] = levels;
    if (first === undefined) return [];
    const language = first.type === 'audio' ? first.language : undefined;
    return [
      {
        type: first.type,
        name,
        language,
        data: undefined,
        qualityLevels: levels.map(qualityLevel),
        smoothChunks,
      },
    ];
  });
  const text = writeClientManifest({
    isLive: false,
    durationTicks,
    chunkStyle: 'runs',
    formKeys: '',
    streamIndexes,
  });
  return [{ kind: 'text', name: `${basename}.ismc`, text, contentType: 'application/octet-stream' }];
}

const ticks = (timeSeconds: number): number => Math.round(timeSeconds * TICKS_PER_SECOND);

// ISO/IEC 14496-3 table 1.18.
const AAC_RATES = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000,
];
const AAC_LC = 2;

function qualityLevel(track: WrittenTrack): QualityLevel {
  const { bitrateBps } = track;
  if (track.type === 'video') {
    const fourCc = track.codec === 'h264' ? 'H264' : 'HVC1';
    return { bitrateBps, fourCc, codecPrivateData: '', video: track.size, audio: undefined };
  }
  const { samplingRate: sampleRateHz, channels: channelCount } = track;
  // AudioSpecificConfig, ISO/IEC 14496-3 §1.6.2.1: type, rate and channels in 5, 4 and 4 bits.
  const config =
    (AAC_LC << 11) | (AAC_RATES.indexOf(sampleRateHz) << 7) | ((channelCount === 8 ? 7 : channelCount) << 3);
  return {
    bitrateBps,
    fourCc: 'AACL',
    codecPrivateData: config.toString(16).toUpperCase().padStart(4, '0'),
    video: undefined,
    audio: { sampleRateHz, channelCount },
  };
}

interface StreamedTrack {
  readonly file: WrittenFile;
  readonly track: WrittenTrack;
  readonly trackId: number;
}

/** Every quality of pictures once, and every sound once though each file of pictures may have it. */
function streamedTracks(files: readonly WrittenFile[]): readonly StreamedTrack[] {
  const heard = new Set<string>();
  return files
    .filter(({ container }) => container === 'mp4')
    .flatMap((file) => file.tracks.map((track, at) => ({ file, track, trackId: at + 1 })))
    .filter(({ track }) => STREAMED.includes(track.codec))
    .filter(({ file, track }) => {
      if (track.type === 'video') return true;
      const { language, codec, channels, bitrateBps } = track;
      const position = file.tracks.filter(({ type }) => type === 'audio').indexOf(track);
      const isBesidePictures = file.tracks.some(({ type }) => type === 'video');
      const key = JSON.stringify([
        language,
        codec,
        channels,
        bitrateBps,
        isBesidePictures ? position : file.name,
      ]);
      const isNew = !heard.has(key);
      heard.add(key);
      return isNew;
    });
}

function serverManifest(basename: string, tracks: readonly StreamedTrack[]): OutputFile {
  const text = writeServerManifest({
    clientManifestName: `${basename}.ismc`,
    formats: 'mp4-v3',
    tracks: namedTracks(tracks).map(({ file, track, trackId, streamName }) => ({
      type: track.type,
      folder: file.name,
      streamName,
      bitrateBps: track.bitrateBps,
      language: track.type === 'video' ? undefined : track.language,
      trackId,
    })),
  });
  return { kind: 'text', name: `${basename}.ism`, text, contentType: 'application/octet-stream' };
}

function namedTracks(tracks: readonly StreamedTrack[]) {
  const sounds = tracks.map(({ track }) => track).filter(({ type }) => type === 'audio');
  return tracks.map((one) => ({
    ...one,
    streamName: one.track.type === 'video' ? 'video' : soundName(one.track, sounds),
  }));
}

/** Sounds of several languages or kinds are streams of their own: those of one name would be qualities of one. */
function soundName(track: WrittenAudio, sounds: readonly WrittenTrack[]): string {
  if (sounds.length === 1) return 'audio';
  const { codec, language = LANGUAGE_OF_MANIFESTS, channels } = track;
  const alike = sounds.filter(
    (other) =>
      other.type === 'audio' &&
      other.codec === codec &&
      other.language === track.language &&
      other.channels === channels,
  );
  const name = `${codec}_${language}_${channels}`;
  return alike.length === 1 ? name : `${name}_${alike.indexOf(track) + 1}`;
}

const KILOBITS = 1000;

/** In the words of the original's output metadata, whose size of files is left to the storage account. */
function outputMetadata({ files, sourceName, durationSeconds }: WrittenContainer): string {
  const assetFiles = files.map(({ name, tracks }) => ({
    Sources: [{ Name: sourceName }],
    VideoTracks: tracks.flatMap((track, at) => (track.type === 'video' ? [videoMetadata(track, at)] : [])),
    AudioTracks: tracks.flatMap((track, at) => (track.type === 'audio' ? [audioMetadata(track, at)] : [])),
    Name: name,
    Duration: `PT${Number(durationSeconds.toFixed(3))}S`,
  }));
  return `${JSON.stringify({ AssetFile: assetFiles }, undefined, 2)}\n`;
}

function videoMetadata({ codec, size, rate, bitrateBps }: WrittenVideo, at: number) {
  return {
    Id: at + 1,
    FourCC: codec === 'h264' ? 'avc1' : 'hvc1',
    Width: size.width,
    Height: size.height,
    Framerate: Number((rate.numerator / rate.denominator).toFixed(3)),
    TargetBitrate: Math.round(bitrateBps / KILOBITS),
  };
}

function audioMetadata({ codec, samplingRate, channels, language, bitrateBps }: WrittenAudio, at: number) {
  return {
    Id: at + 1,
    Codec: codec,
    Channels: channels,
    SamplingRate: samplingRate,
    Bitrate: Math.round(bitrateBps / KILOBITS),
    ...(language === undefined ? {} : { Language: language }),
  };
}
