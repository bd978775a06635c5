import type { Draft } from './assemble-plan.ts';
import type { WrittenTrack } from './container-files.ts';
import { copiedAudio, copiedVideo, onlyClip } from './copy-draft.ts';
import type { StandardPreset } from './encoding-request.ts';
import { basenameOf, fileName } from './file-names.ts';
import { imageSteps } from './images.ts';
import { type CopiedTrack, type MediaFile, tracksOf } from './media-files.ts';
import { type SoundSettings, type SoundTrack, soundTracks } from './sound-track.ts';
import { audioSettings, isVariableRate, videoLayers } from './standard-codecs.ts';
import type { Survey } from './survey.ts';
import { notSupported } from './unplannable.ts';
import type { VideoLayer } from './video-layer.ts';

type Codec = StandardPreset['codecs'][number];
type Format = StandardPreset['formats'][number];
type MediaFormat = Extract<Format, { readonly outputFiles?: unknown }>;

/** What can be put into a file, with the names that `outputFiles` may call it by. */
interface Piece {
  readonly kind: 'layer' | 'sound' | 'video copy' | 'audio copy';
  readonly labels: readonly string[];
  readonly layers: readonly number[];
  readonly sounds: readonly number[];
  readonly copies: readonly CopiedTrack[];
}

/** Reference §5.4. Throws `Unplannable`. */
export function standardDraft(preset: StandardPreset, survey: Survey): Draft {
  const { codecs, formats } = preset;
  const isVariable = isVariableRate(codecs, survey);
  const layers: VideoLayer[] = [];
  const sounds: SoundTrack[] = [];
  const pieces = codecs.flatMap((codec) => piecesOf(codec, { survey, layers, sounds, isVariable }));
  const isCopied = pieces.some(({ kind }) => kind.endsWith('copy'));
  const basename = basenameOf(survey.sourceName, isCopied ? 'copied' : 'encoded');
  const made = { layers, sounds, madeLayers: [] };
  const nameOf = (format: MediaFormat, piece: readonly Piece[], at: number): string => {
    const merged = merge(piece);
    return nameOfFile(format, {
      basename,
      tracks: tracksOf(merged, made),
      labels: (piece.find((one) => !isSound(one)) ?? piece[0])?.labels ?? [],
      at,
    });
  };
  const files = formats.flatMap((format) => (isMedia(format) ? mediaFiles(format, pieces, nameOf) : []));
  if (files.length === 0 && codecs.every((codec) => !isImage(codec))) {
    throw notSupported(`'${survey.sourceName}' has nothing that the codecs of the preset encode.`);
  }
  return {
    basename,
    layers,
    sounds,
    files,
    isVariable,
    images: (work) =>
      codecs
        .filter(isImage)
        .flatMap((codec, at) => imageSteps(codec, { formats, work, survey, basename, at })),
  };
}

type ImageCodec = Extract<Codec, { readonly start: string }>;
const isImage = (codec: Codec): codec is ImageCodec => 'start' in codec;
const isMedia = (format: Format): format is MediaFormat => 'outputFiles' in format;

interface Making {
  readonly survey: Survey;
  /** Grow by what is made. */
  readonly layers: VideoLayer[];
  readonly sounds: SoundTrack[];
  readonly isVariable: boolean;
}

function piecesOf(codec: Codec, { survey, layers, sounds, isVariable }: Making): readonly Piece[] {
  const labels = codec.label == null ? [] : [codec.label];
  const none = { labels, layers: [], sounds: [], copies: [] };
  switch (codec['@odata.type']) {
    case '#Microsoft.Media.H264Video':
    case '#Microsoft.Media.H265Video':
      return videoLayers(codec, survey, isVariable).map((layer) => ({
        ...none,
        kind: 'layer',
        labels: [layer.label, layer.codecLabel].flatMap((label) => label ?? []),
        layers: [layers.push(layer) - 1],
      }));
    case '#Microsoft.Media.AacAudio':
    case '#Microsoft.Media.DDAudio':
      return soundsOf(survey, audioSettings(codec)).map((sound) => ({
        ...none,
        kind: 'sound',
        sounds: [sounds.push(sound) - 1],
      }));
    case '#Microsoft.Media.CopyVideo': {
      const clip = onlyClip(survey);
      const { video } = clip;
      if (video === undefined) throw notSupported(`'${survey.sourceName}' has no pictures to copy.`);
      return [{ ...none, kind: 'video copy', copies: [copiedVideo(video, clip)] }];
    }
    case '#Microsoft.Media.CopyAudio': {
      const clip = onlyClip(survey);
      return clip.audios.map((track) => ({
        ...none,
        kind: 'audio copy',
        copies: [copiedAudio(track, clip)],
      }));
    }
    default:
      return [];
  }
}

/** Overlays are heard over silence where there is nothing else. */
function soundsOf({ clips, filters }: Survey, settings: SoundSettings): readonly SoundTrack[] {
  const own = soundTracks(clips, settings);
  const isOverlaid = filters.overlays?.some((one) => one['@odata.type'] === '#Microsoft.Media.AudioOverlay');
  if (own.length > 0 || !isOverlaid) return own;
  return [{ ...settings, sources: clips.map(() => []), language: undefined }];
}

const isSound = ({ kind }: Piece): boolean => kind === 'sound' || kind === 'audio copy';

/** As `outputFiles` say; else every quality of pictures with all sound, and where there are none, every sound. */
function mediaFiles(
  format: MediaFormat,
  pieces: readonly Piece[],
  nameOf: (format: MediaFormat, pieces: readonly Piece[], at: number) => string,
): readonly MediaFile[] {
  const wanted = format.outputFiles ?? [];
  const heard = pieces.filter(isSound);
  const seen = pieces.filter((piece) => !isSound(piece));
  const ownFiles = seen.length > 0 ? seen.map((piece) => [piece, ...heard]) : heard.map((piece) => [piece]);
  const groups =
    wanted.length > 0
      ? wanted.map(({ labels }) =>
          pieces.filter((piece) => piece.labels.some((label) => labels.includes(label))),
        )
      : ownFiles;
  return groups
    .filter((group) => group.length > 0)
    .map((group, at) => ({
      name: nameOf(format, group, at),
      container: containerOf(format),
      ...merge(group),
    }));
}

const containerOf = (format: MediaFormat): MediaFile['container'] =>
  format['@odata.type'] === '#Microsoft.Media.TransportStreamFormat' ? 'ts' : 'mp4';

const merge = (pieces: readonly Piece[]) => ({
  layers: pieces.flatMap(({ layers }) => layers),
  sounds: pieces.flatMap(({ sounds }) => sounds),
  copies: pieces.flatMap(({ copies }) => copies),
});

const CODEC_NAMES: Readonly<Record<string, string>> = {
  h264: 'H264',
  hevc: 'H265',
  aac: 'AAC',
  ac3: 'DD',
  eac3: 'DDP',
};

interface NamedFile {
  readonly basename: string;
  readonly tracks: readonly WrittenTrack[];
  readonly labels: readonly string[];
  readonly at: number;
}

/** After its pictures where it has some, else after its first sound. */
function nameOfFile(format: MediaFormat, { basename, tracks, labels, at }: NamedFile): string {
  const main = tracks.find(({ type }) => type === 'video') ?? tracks[0];
  return fileName(format.filenamePattern, {
    basename,
    extension: containerOf(format) === 'ts' ? '.ts' : '.mp4',
    label: labels[0],
    bitrateBps: main?.bitrateBps,
    codec: CODEC_NAMES[main?.codec ?? ''],
    size: main?.type === 'video' ? main.size : undefined,
    audioStream: main?.type === 'audio' ? at + 1 : undefined,
  });
}
