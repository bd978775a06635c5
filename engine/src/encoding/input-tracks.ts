import type { z } from 'zod';
import type * as contract from '../contract/encoding.ts';
import type { InputDefinition, SourceClip } from './encoding-request.ts';
import type { SourceAudio, SourceFile, SourceVideo } from './source.ts';
import { notConfigurable, notSupported } from './unplannable.ts';

type Descriptor = z.output<typeof contract.TrackDescriptor>;
export type Channel = NonNullable<z.output<typeof contract.AudioTrackDescriptorItself>['channelMapping']>;

export interface VideoTrack {
  readonly file: SourceFile;
  readonly video: SourceVideo;
}

export interface AudioTrack {
  readonly file: SourceFile;
  readonly audio: SourceAudio;
  /** The one channel that it becomes. Undefined: it is a track of its own. */
  readonly channel: Channel | undefined;
}

/** What of the files of a clip is used. */
export interface ClipTracks {
  readonly videos: readonly VideoTrack[];
  readonly audios: readonly AudioTrack[];
  /** What was not asked for track by track may be left out by a preset that needs one of each. */
  readonly isSelected: { readonly video: boolean; readonly audio: boolean };
}

/** By the input definitions; without any for a kind of track, all of that kind. Throws `Unplannable`. */
export function selectTracks({ files, inputDefinitions }: SourceClip): ClipTracks {
  const chosen = inputDefinitions.flatMap((definition) => definedTracks(definition, files));
  const videos = chosen.flatMap((track) => ('video' in track ? [track] : []));
  const audios = chosen.flatMap((track) => ('audio' in track ? [track] : []));
  const named = inputDefinitions.flatMap(({ includedTracks }) => includedTracks ?? []);
  const isSelected = { video: named.some(isOfVideo), audio: named.some((track) => !isOfVideo(track)) };
  // One that names tracks of one kind only leaves the other kind as it is without definitions.
  const all = definedFiles(inputDefinitions, files);
  return {
    videos: isSelected.video ? videos : all.flatMap(videosOf),
    audios: isSelected.audio ? audios : all.flatMap(audiosOf),
    isSelected,
  };
}

const isOfVideo = (track: Descriptor): boolean => /VideoTrack/.test(track['@odata.type']);

const videosOf = (file: SourceFile): VideoTrack[] => file.video.map((video) => ({ file, video }));
const audiosOf = (file: SourceFile): AudioTrack[] =>
  file.audio.map((audio) => ({ file, audio, channel: undefined }));

function definedFiles(definitions: readonly InputDefinition[], files: readonly SourceFile[]) {
  const named = definitions.flatMap((definition) => ('filename' in definition ? [definition.filename] : []));
  const takesAll = definitions.length === 0 || definitions.length > named.length;
  return takesAll ? files : files.filter(({ name }) => named.includes(name));
}

/** `FromEachInputFile` selects in every file by itself, `FromAllInputFile` among the tracks of all. */
function definedTracks(
  definition: InputDefinition,
  files: readonly SourceFile[],
): (VideoTrack | AudioTrack)[] {
  const descriptors = definition.includedTracks ?? [];
  switch (definition['@odata.type']) {
    case '#Microsoft.Media.FromAllInputFile':
      return descriptors.flatMap((descriptor) => describedTracks(descriptor, files));
    case '#Microsoft.Media.FromEachInputFile':
      return files.flatMap((file) =>
        descriptors.flatMap((descriptor) => describedTracks(descriptor, [file])),
      );
    case '#Microsoft.Media.InputFile': {
      const file = files.find(({ name }) => name === definition.filename);
      if (file === undefined) {
        throw notConfigurable(
          `The input has no file '${definition.filename}', which an input definition names.`,
        );
      }
      return descriptors.flatMap((descriptor) => describedTracks(descriptor, [file]));
    }
  }
}

function describedTracks(descriptor: Descriptor, files: readonly SourceFile[]): (VideoTrack | AudioTrack)[] {
  if (isOfVideo(descriptor)) {
    const all = files.flatMap(videosOf);
    return pick(descriptor, all, ({ video }) => ({ ...video, language: undefined }));
  }
  const channel = ('channelMapping' in descriptor ? descriptor.channelMapping : undefined) ?? undefined;
  const all = files.flatMap(audiosOf).map((track) => ({ ...track, channel }));
  return pick(descriptor, all, ({ audio }) => audio);
}

interface Attributes {
  readonly streamIndex: number;
  readonly bitrateBps: number | undefined;
  readonly language: string | undefined;
}

function pick<T>(descriptor: Descriptor, all: readonly T[], attributesOf: (track: T) => Attributes): T[] {
  const kind = isOfVideo(descriptor) ? 'video' : 'audio';
  if ('trackId' in descriptor) {
    const found = all.filter((track) => attributesOf(track).streamIndex === descriptor.trackId);
    if (found.length === 0)
      throw notSupported(`The input has no ${kind} track with the id ${descriptor.trackId}.`);
    return found;
  }
  if (!('attribute' in descriptor)) return [...all];
  const found = pickByAttribute(descriptor, all, attributesOf);
  if (found.length === 0) {
    const value = descriptor.filterValue ? ` '${descriptor.filterValue}'` : '';
    throw notSupported(
      `The input has no ${kind} track of the ${descriptor.attribute}${value} that is asked for.`,
    );
  }
  return found;
}

function pickByAttribute<T>(
  { attribute, filter, filterValue }: Extract<Descriptor, { readonly attribute: unknown }>,
  all: readonly T[],
  attributesOf: (track: T) => Attributes,
): T[] {
  switch (filter) {
    case 'All':
      return [...all];
    case 'ValueEquals':
      return all.filter((track) => {
        const { bitrateBps, language } = attributesOf(track);
        return attribute === 'Bitrate'
          ? bitrateBps === Number(filterValue)
          : isLanguage(language, filterValue ?? '');
      });
    case 'Top':
    case 'Bottom': {
      if (attribute === 'Language') {
        throw notConfigurable(`The filter ${filter} orders by bitrate: languages have no order.`);
      }
      const sorted = all.toSorted(
        (a, b) => (attributesOf(a).bitrateBps ?? 0) - (attributesOf(b).bitrateBps ?? 0),
      );
      return sorted.slice(filter === 'Top' ? -1 : 0, filter === 'Top' ? undefined : 1);
    }
  }
}

/** Files have codes of three letters (ISO 639-2), clients ask by tags such as en-US (RFC 5646). */
function isLanguage(language: string | undefined, wanted: string): boolean {
  if (language === undefined) return false;
  const [asked = '', had = ''] = [wanted.toLowerCase(), language];
  return asked === had || threeLetters(asked) === threeLetters(had);
}

const THREE_LETTERS: Readonly<Record<string, string>> = Object.fromEntries(
  (
    'ar ara,bg bul,cs ces,cs cze,da dan,de deu,de ger,el ell,el gre,en eng,es spa,et est,fa fas,fa per,fi fin,' +
    'fr fra,fr fre,he heb,hi hin,hr hrv,hu hun,id ind,is isl,is ice,it ita,ja jpn,ko kor,lt lit,lv lav,nb nob,' +
    'nl nld,nl dut,no nor,pl pol,pt por,ro ron,ro rum,ru rus,sk slk,sk slo,sl slv,sr srp,sv swe,th tha,tr tur,' +
    'uk ukr,vi vie,zh zho,zh chi'
  )
    .split(',')
    .map((pair) => pair.split(' ').toReversed()),
);

/** The language alone, as two letters where it has them. */
function threeLetters(tag: string): string {
  const [primary = ''] = tag.split('-');
  return THREE_LETTERS[primary] ?? primary;
}

/** The best picture of several of the same thing. */
export function bestVideo(videos: readonly VideoTrack[]): VideoTrack | undefined {
  return videos.toSorted((a, b) => rank(b) - rank(a))[0];
}

/** By pixels, then by bits. */
const rank = ({ video, file }: VideoTrack): number =>
  video.width * video.height + Math.min(1, (video.bitrateBps ?? file.bitrateBps ?? 0) / 2 ** 40);
