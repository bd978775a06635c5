import type { WrittenFile, WrittenTrack } from './container-files.ts';
import { REPEATABLE } from './encoder-arguments.ts';
import type { FFmpegRun, TextFile } from './encoding-plan.ts';
import type { MadeLayer } from './picture-steps.ts';
import { soundPath } from './sound-graph.ts';
import type { SoundTrack } from './sound-track.ts';
import type { VideoLayer } from './video-layer.ts';

/** A media file of the output and what is in it, by number; a copy is a track of a source. */
export interface MediaFile {
  readonly name: string;
  readonly container: 'mp4' | 'ts';
  readonly layers: readonly number[];
  readonly sounds: readonly number[];
  readonly copies: readonly CopiedTrack[];
}

export interface CopiedTrack {
  /** What stands before and at `-i`. */
  readonly input: readonly string[];
  readonly streamIndex: number;
  readonly track: WrittenTrack;
}

export interface Made {
  readonly layers: readonly VideoLayer[];
  readonly madeLayers: readonly MadeLayer[];
  readonly sounds: readonly SoundTrack[];
}

export const mediaPath = (at: number, { container }: MediaFile): string => `f${at}.${container}`;

/** One run that puts all layers, sounds and copies into the files that they belong to. */
export function filesRun(files: readonly MediaFile[], made: Made, durationSeconds: number): FFmpegRun {
  const inputs: (readonly string[])[] = [];
  const numberOf = (input: readonly string[]): number => {
    const key = JSON.stringify(input);
    const known = inputs.findIndex((one) => JSON.stringify(one) === key);
    return known === -1 ? inputs.push(input) - 1 : known;
  };
  const outputs = files.flatMap((file, at) => [
    ...maps(file, made, numberOf),
    ...['-c', 'copy', ...REPEATABLE],
    ...(file.container === 'mp4' ? ['-movflags', '+faststart'] : ['-f', 'mpegts']),
    ...tags(file, made),
    mediaPath(at, file),
  ]);
  const used = new Set(files.flatMap(({ layers }) => layers));
  return {
    arguments: [...inputs.flat(), ...outputs],
    writes: files.map((file, at) => mediaPath(at, file)),
    texts: made.madeLayers.flatMap(({ texts }, at): readonly TextFile[] => (used.has(at) ? texts : [])),
    durationSeconds,
  };
}

function maps(file: MediaFile, made: Made, numberOf: (input: readonly string[]) => number): string[] {
  return [
    ...file.layers.flatMap((at) => ['-map', `${numberOf(made.madeLayers[at]?.input ?? [])}:v:0`]),
    ...file.copies.flatMap(({ input, streamIndex }) => ['-map', `${numberOf(input)}:${streamIndex}`]),
    ...file.sounds.flatMap((at) => ['-map', `${numberOf(['-i', soundPath(at)])}:a:0`]),
  ];
}

/** The name that players know for H.265 with its parameter sets in the header; ISO 639-2 of what is heard. */
function tags(file: MediaFile, made: Made): string[] {
  const tracks = tracksOf(file, made);
  if (file.container === 'ts') return languages(tracks);
  const isHevc = tracks.some(({ codec }) => codec === 'hevc');
  return [...(isHevc ? ['-tag:v', 'hvc1'] : []), ...languages(tracks)];
}

const languages = (tracks: readonly WrittenTrack[]): string[] =>
  tracks
    .filter((track) => track.type === 'audio')
    .flatMap(({ language }, at) =>
      language !== undefined && language.length === 3 ? [`-metadata:s:a:${at}`, `language=${language}`] : [],
    );

export function writtenFile(file: MediaFile, at: number, made: Made): WrittenFile {
  return {
    name: file.name,
    path: mediaPath(at, file),
    container: file.container,
    tracks: tracksOf(file, made),
  };
}

/** In the order of `maps`. */
export function tracksOf(
  file: Pick<MediaFile, 'layers' | 'sounds' | 'copies'>,
  made: Made,
): readonly WrittenTrack[] {
  return [
    ...file.layers.flatMap((at): WrittenTrack[] => {
      const layer = made.layers[at];
      if (layer === undefined) return [];
      const { fitted, rate, bitrateBps, codec } = layer;
      return [
        { type: 'video', codec: codec === 'h264' ? 'h264' : 'hevc', size: fitted.size, rate, bitrateBps },
      ];
    }),
    ...file.copies.map(({ track }) => track),
    ...file.sounds.flatMap((at): WrittenTrack[] => {
      const sound = made.sounds[at];
      return sound === undefined ? [] : [{ type: 'audio', ...sound }];
    }),
  ];
}
