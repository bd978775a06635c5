import { parseDurationMs } from '../domain/duration.ts';
import {
  type Attempt,
  type Caption,
  type OutputLabel,
  outputAssetOf,
  type Rendition,
  type Video,
  type VideoMedia as VideoFiles,
} from '../domain/video.ts';
import type { AssetFiles } from './video-ports.ts';

const MANIFEST_BYTES_MAX = 1024 * 1024;
const METADATA_BYTES_MAX = 4 * 1024 * 1024;
const TRANSCRIPT_BYTES_MAX = 16 * 1024 * 1024;
const RENDITIONS_MAX = 100;
const FILES_MAX = 200;

/** Undefined: it has made nothing that can be played. */
export async function adoptOutput(
  video: Video,
  attempt: Attempt,
  files: AssetFiles,
): Promise<VideoFiles | undefined> {
  const asset = outputAssetOf(video, attempt.number, 'encode');
  const names = await namesIn(asset, files);
  if (!(await nameManifest(video, { asset, names }, files))) return undefined;
  const [metadata, images, index] = await Promise.all([
    readMetadata(asset, names, files),
    readPart(video, { attempt, label: 'images' }, files),
    readPart(video, { attempt, label: 'index' }, files),
  ]);
  const transcript = index.find((name) => name.endsWith('.vtt')) ?? null;
  return {
    attempt: attempt.number,
    transform: attempt.transform,
    asset,
    ...metadata,
    files: names.filter((name) => name.endsWith('.mp4')).slice(0, FILES_MAX),
    poster: images.find((name) => name.startsWith('poster') && name.endsWith('.jpg')) ?? null,
    sprites: spritesOf(images),
    captions: await placeCaptions(video, { attempt, asset, transcript }, files),
    transcript,
    insights: index.find((name) => name === 'insights.json') ?? index.find(isJson) ?? null,
  };
}

const isJson = (name: string): boolean => name.endsWith('.json') && !name.endsWith('_metadata.json');

const namesIn = async (asset: string, files: AssetFiles): Promise<readonly string[]> =>
  (await files.list(asset)).map(({ file }) => file);

const readPart = async (
  video: Video,
  { attempt, label }: { attempt: Attempt; label: OutputLabel },
  files: AssetFiles,
): Promise<readonly string[]> =>
  attempt.outputs.includes(label) ? namesIn(outputAssetOf(video, attempt.number, label), files) : [];

/**
 * The server manifest gets the name that has been in the video's addresses from the first answer on: an encoder names it
 * after its input. Copied first, so that a crash leaves two, of which the next one removes the other.
 */
async function nameManifest(
  { manifestName }: Video,
  { asset, names }: { asset: string; names: readonly string[] },
  files: AssetFiles,
): Promise<boolean> {
  const wanted = `${manifestName}.ism`;
  const manifests = names.filter((name) => name.toLowerCase().endsWith('.ism'));
  const [other] = manifests.filter((name) => name !== wanted);
  if (other === undefined) return manifests.length > 0;
  const text = await files.read(asset, other, MANIFEST_BYTES_MAX);
  if (text !== undefined) {
    await files.write(asset, { name: wanted, text, contentType: 'application/octet-stream' });
    await files.remove(asset, other);
  }
  return true;
}

function spritesOf(images: readonly string[]): VideoFiles['sprites'] {
  const vtt = images.find((name) => name.endsWith('.vtt'));
  const image = images.find((name) => name.startsWith('sprite') && name.endsWith('.jpg'));
  return vtt === undefined || image === undefined ? null : { image, vtt };
}

type Metadata = Pick<VideoFiles, 'durationMs' | 'renditions'>;

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null
    ? Object.getOwnPropertyDescriptor(value, name)?.value
    : undefined;
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const numberOf = (value: unknown): number | null => {
  const number = typeof value === 'string' || typeof value === 'number' ? Number(value) : Number.NaN;
  return Number.isFinite(number) ? number : null;
};
const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

/** What the encoder says of its files (`…_manifest.json`, reference §3.5); without it nothing is known. */
async function readMetadata(asset: string, names: readonly string[], files: AssetFiles): Promise<Metadata> {
  const name = names.find((candidate) => candidate.endsWith('_manifest.json'));
  const text = name === undefined ? undefined : await files.read(asset, name, METADATA_BYTES_MAX);
  const described = listOf(fieldOf(parseJson(text ?? ''), 'AssetFile'));
  const durations = described.flatMap(
    (file) => parseDurationMs(textOf(fieldOf(file, 'Duration')) ?? '') ?? [],
  );
  return {
    durationMs: durations.length === 0 ? null : Math.max(...durations),
    renditions: described.flatMap(renditionsOf).slice(0, RENDITIONS_MAX),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const KBPS = 1000;

function renditionsOf(file: unknown): readonly Rendition[] {
  const name = textOf(fieldOf(file, 'Name')) ?? '';
  const tracks = (kind: 'video' | 'audio', field: string): readonly Rendition[] =>
    listOf(fieldOf(file, field)).map((track) => ({
      type: kind,
      file: name,
      codec: textOf(fieldOf(track, 'FourCC')) ?? textOf(fieldOf(track, 'Codec')),
      bitrateBps: bitrateOf(track),
      width: numberOf(fieldOf(track, 'Width')),
      height: numberOf(fieldOf(track, 'Height')),
      language: textOf(fieldOf(track, 'Language')),
    }));
  return [...tracks('video', 'VideoTracks'), ...tracks('audio', 'AudioTracks')];
}

/** Of pictures only what they were to have may be known; of copies not even that. */
function bitrateOf(track: unknown): number | null {
  const kbps = numberOf(fieldOf(track, 'Bitrate')) ?? numberOf(fieldOf(track, 'TargetBitrate')) ?? 0;
  return kbps > 0 ? Math.round(kbps * KBPS) : null;
}

/** A text track has its file beside the media, and its language in the file's header (reference §1.2, Track). */
async function placeCaptions(
  video: Video,
  { attempt, asset, transcript }: { attempt: Attempt; asset: string; transcript: string | null },
  files: AssetFiles,
): Promise<readonly Caption[]> {
  if (attempt.indexing?.captions !== true || transcript === null) return [];
  const source = outputAssetOf(video, attempt.number, 'index');
  const text = await files.read(source, transcript, TRANSCRIPT_BYTES_MAX);
  // Nothing is said in it: there is nothing to show.
  if (text === undefined || !text.includes('-->')) return [];
  const language =
    languageOf(text) ?? (attempt.indexing.language === 'auto' ? 'und' : attempt.indexing.language);
  const name = `captions-${language.toLowerCase()}`;
  const file = `${name}.vtt`;
  await files.write(asset, { name: file, text: withLanguage(text, language), contentType: 'text/vtt' });
  return [{ name, language, file, state: 'wanted' }];
}

const LANGUAGE = /^Language: *([A-Za-z0-9-]{2,35}) *$/m;

const languageOf = (text: string): string | undefined => LANGUAGE.exec(text.slice(0, 1000))?.[1];

const withLanguage = (text: string, language: string): string =>
  languageOf(text) === undefined
    ? text.replace(/^(\uFEFF?WEBVTT[^\r\n]*)/, `$1\nLanguage: ${language}`)
    : text;
