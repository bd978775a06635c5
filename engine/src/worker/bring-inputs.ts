import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { SourceFile } from '../encoding/source.ts';
import { parseProbe } from '../encoding/source-probe.ts';
import { probe } from '../ffmpeg/probe.ts';
import type { WorkingFolder } from '../ffmpeg/working-folder.ts';
import { AssetRecord } from '../resources/asset.ts';
import { type ContainerPlace, containerRef } from '../resources/container-place.ts';
import { clipsOf, type PlacedClip } from '../resources/encoding/job-input-rules.ts';
import { assetKey } from '../resources/row-keys.ts';
import { chooseFiles } from './choose-files.ts';
import type { EncodingTask } from './encoders.ts';
import { downloadHttp } from './http-download.ts';
import type { BlobFacts } from './job-blobs.ts';
import { downloadFailure, failureOfRun, isBlobError, jobFailure } from './job-errors.ts';
import { bringRecording } from './recording-input.ts';
import { settleLength } from './settle-length.ts';
import { ffmpegOf, type Workshop } from './workshop.ts';

type Clip = PlacedClip['clip'];

const LONG_SECONDS = 600;
/** A quarter of what an encoder makes of nothing but black. */
const BITRATE_BPS_MIN = 1000;
const FRAMES_PER_SECOND_MIN = 1 / 120;
const FRAMES_PER_SECOND_MAX = 1000;

/** Where another worker finds a file of an input: exactly these bytes, or nothing. */
export interface PinnedBlob {
  readonly place: ContainerPlace;
  readonly name: string;
  readonly facts: BlobFacts;
}

/** One clip of the job's input, in the order of `clipsOf`, with its files in the working folder. */
export interface BroughtClip {
  readonly clip: Clip;
  readonly files: readonly SourceFile[];
  /** When a recording's first picture was taken, Unix milliseconds. */
  readonly startsAtMs: number | undefined;
}

export interface BroughtInputs {
  readonly clips: readonly BroughtClip[];
  /** By path in the working folder; what was fetched from elsewhere than storage is not in it. */
  readonly pinned: ReadonlyMap<string, PinnedBlob>;
}

export interface BringOptions {
  readonly folder: WorkingFolder;
  readonly signal: AbortSignal;
  /** From 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

/** Puts all files of a job's input into the working folder and looks what they are. Throws `JobFailure`. */
export async function bringInputs(
  workshop: Workshop,
  task: Pick<EncodingTask, 'input' | 'jobName' | 'jobCreated' | 'transformName'>,
  options: BringOptions,
): Promise<BroughtInputs> {
  const clips = clipsOf(task.input).map(({ clip }) => clip);
  const pinned = new Map<string, PinnedBlob>();
  const brought: BroughtClip[] = [];
  for (const [index, clip] of clips.entries()) {
    const bringing: Bringing = {
      ...options,
      workshop,
      prefix: `input-${index}`,
      pinned,
      cacheKey: `${task.transformName}/${task.jobName}/${task.jobCreated}/${index}`,
      onProgress: (share) => options.onProgress?.((index + share) / clips.length),
    };
    brought.push(await bringClip(clip, bringing));
    options.onProgress?.((index + 1) / clips.length);
  }
  return { clips: brought, pinned };
}

interface Bringing extends Required<BringOptions> {
  readonly workshop: Workshop;
  readonly prefix: string;
  readonly pinned: Map<string, PinnedBlob>;
  readonly cacheKey: string;
}

async function bringClip(clip: Clip, bringing: Bringing): Promise<BroughtClip> {
  if (clip['@odata.type'] === '#Microsoft.Media.JobInputAsset') return bringAsset(clip, bringing);
  if (clip['@odata.type'] !== '#Microsoft.Media.JobInputHttp') {
    throw jobFailure('ConfigurationUnsupported', 'A clip has neither an asset nor an address.');
  }
  const [file = ''] = clip.files ?? [];
  const url = addressOf(clip.baseUri, file);
  const path = bringing.prefix;
  const { workshop, folder, signal } = bringing;
  await workshop.cache.bring(`http ${bringing.cacheKey} ${digest(url)}`, folder.resolve(path), (to) =>
    downloadHttp(url, to, {
      signal,
      allowPrivate: workshop.settings.allowPrivateAddresses,
      sizeBytesMax: workshop.settings.inputBytesMax,
      onProgress: (bytes, total) => bringing.onProgress(total === undefined ? 0 : bytes / total),
    }),
  );
  const name = decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '');
  return { clip, files: [await look(bringing, { path, name })], startsAtMs: undefined };
}

async function bringAsset(
  clip: Extract<Clip, { assetName: string }>,
  bringing: Bringing,
): Promise<BroughtClip> {
  const { workshop, folder, signal } = bringing;
  const place = await findAssetPlace(workshop, clip.assetName);
  const listed = await orDownloadFailure(clip.assetName, () =>
    workshop.blobs.list(place, '', { isFlat: false }),
  );
  const folders = await orDownloadFailure(clip.assetName, () => workshop.blobs.folders(place));
  const chosen = chooseFiles(clip.files ?? [], listed, folders);
  if (chosen.kind === 'recording') {
    const recording = await workshop.recordings.find(containerRef(place), chosen.manifestName);
    if (recording === undefined) {
      throw jobFailure(
        'DownloadNotAccessible',
        `There is nothing to encode in the asset '${clip.assetName}'.`,
      );
    }
    const path = bringing.prefix;
    const { onProgress } = bringing;
    const source = { place, recording, fromMs: utcMsOf(clip.start), untilMs: utcMsOf(clip.end) };
    const { startsAtMs } = await bringRecording(workshop, source, { folder, path, signal, onProgress });
    return { clip, files: [await look(bringing, { path, name: `${chosen.manifestName}.mp4` })], startsAtMs };
  }
  const files: SourceFile[] = [];
  for (const [index, name] of chosen.names.entries()) {
    const path = chosen.names.length === 1 ? bringing.prefix : `${bringing.prefix}-${index}`;
    const share = (part: number) => bringing.onProgress((index + part) / chosen.names.length);
    const blob = await bringBlob(workshop, { place, name }, { ...bringing, path, onProgress: share });
    bringing.pinned.set(path, blob);
    files.push(await look(bringing, { path, name }));
  }
  return { clip, files, startsAtMs: undefined };
}

function utcMsOf(time: Clip['start']): number | undefined {
  return time?.['@odata.type'] === '#Microsoft.Media.UtcClipTime' ? Date.parse(time.time) : undefined;
}

/** Throws `JobFailure`. */
export async function findAssetPlace({ store }: Workshop, assetName: string): Promise<AssetRecord> {
  const row = await store.find(assetKey(assetName));
  const asset = row === undefined ? undefined : AssetRecord.parse(row.body);
  if (asset === undefined || asset.deleting) {
    throw jobFailure('DownloadNotAccessible', `There is no asset '${assetName}' any more.`);
  }
  return asset;
}

/** A blob as it is now, or as `facts` say, to the working folder. Throws `JobFailure`. */
export async function bringBlob(
  workshop: Workshop,
  {
    place,
    name,
    facts,
  }: { readonly place: ContainerPlace; readonly name: string; readonly facts?: BlobFacts },
  { folder, path, signal, onProgress }: Required<BringOptions> & { readonly path: string },
): Promise<PinnedBlob> {
  const { blobs, cache, settings } = workshop;
  const found = facts ?? (await orDownloadFailure(name, () => blobs.facts(place, name, signal)));
  if (found === undefined) throw jobFailure('DownloadNotAccessible', `There is no file '${name}'.`);
  if (found.sizeBytes === 0) throw jobFailure('ContentMalformed', `'${name}' is empty.`);
  if (found.sizeBytes > settings.inputBytesMax) {
    const gib = Math.floor(settings.inputBytesMax / 2 ** 30);
    throw jobFailure('ContentUnsupported', `'${name}' is larger than ${gib} GiB.`);
  }
  let bytes = 0;
  const onBytes = (count: number) => {
    bytes += count;
    onProgress(bytes / found.sizeBytes);
  };
  const { container, storageAccountName = '' } = place;
  const key = `blob ${storageAccountName}/${container}/${name} ${found.entityTag}`;
  await cache.bring(key, await folder.place(path), async (to) => {
    const isThere = await orDownloadFailure(name, () =>
      blobs.download(place, name, { path: to, facts: found }, { signal, onBytes }),
    );
    if (!isThere) throw jobFailure('DownloadNotAccessible', `'${name}' was changed while it was read.`);
  });
  return { place: { container, storageAccountName: place.storageAccountName }, name, facts: found };
}

async function look(
  { workshop, folder, signal }: Bringing,
  { path, name }: { readonly path: string; readonly name: string },
): Promise<SourceFile> {
  const { size: sizeBytes } = await stat(folder.resolve(path));
  if (sizeBytes === 0) throw jobFailure('ContentMalformed', `'${name}' is empty.`);
  const { bounds } = workshop.settings;
  const found = await probe(ffmpegOf(workshop), path, { folder, bounds, signal });
  if (found.kind === 'failed') throw failureOfRun(found, `'${name}'`);
  const read = parseProbe(found.json, { name, path, sizeBytes });
  if (read.kind === 'refused') throw jobFailure(read.code, read.message);
  const source = await settleLength(read.source, workshop, { folder, signal });
  checkPlausible(source);
  return source;
}

/** A few bytes can say that they last for days: nobody encodes that. */
function checkPlausible({ name, durationSeconds, sizeBytes, video }: SourceFile): void {
  const isEmpty = (8 * sizeBytes) / durationSeconds < BITRATE_BPS_MIN;
  if (durationSeconds > LONG_SECONDS && isEmpty) {
    throw jobFailure(
      'ContentMalformed',
      `'${name}' says that it lasts ${durationSeconds} s, and has next to nothing.`,
    );
  }
  const isOdd = ({ frameRate: { numerator, denominator } }: SourceFile['video'][number]) =>
    numerator < denominator * FRAMES_PER_SECOND_MIN || numerator > denominator * FRAMES_PER_SECOND_MAX;
  if (video.some(isOdd)) {
    throw jobFailure(
      'ContentUnsupported',
      `The pictures of '${name}' have no frame rate that can be encoded.`,
    );
  }
}

async function orDownloadFailure<T>(name: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw isBlobError(error) ? downloadFailure(error, name) : error;
  }
}

/** Below `baseUri`, with its query (which may be a signature) where the file has none of its own. */
function addressOf(baseUri: string | null | undefined, file: string): string {
  if (baseUri == null) return file;
  const base = new URL(baseUri);
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  const url = new URL(file, base.href);
  if (url.search === '') url.search = base.search;
  return url.href;
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
