import { canonical } from '../domain/canonical.ts';
import { Problem } from '../domain/errors.ts';
import { isFinal, isWithoutResult, type Operation, type OperationKind } from '../domain/operation.ts';
import {
  hasBegun,
  inputAssetOf,
  isRecording,
  isUpload,
  type Video,
  type VideoSettings,
  videoState,
  waitsForVerb,
} from '../domain/video.ts';
import { type Caller, checkIfMatch, newOperation, note } from './api-channels.ts';
import { useProfile } from './api-protection.ts';
import { createInput } from './carry-out-video.ts';
import type { ProfileStore, ProfileUsers } from './protection-ports.ts';
import { videoTimeline } from './reconcile-video.ts';
import type { SecretStore } from './secret-store.ts';
import { forgetAddress, keepAddress, markOf, shownSettings } from './source-address.ts';
import type { Clock, DueIndex, OperationStore, ProgramStore, Stored, Timeline } from './stores.ts';
import type { UploadIndex, VideoMedia, VideoStore } from './video-ports.ts';

const ATTEMPTS_MAX = 8;
/** Of a verb that is asked for again and again while nothing can be done. */
const OPEN_OPERATIONS_MAX = 50;
const FILE_DEFAULT = 'upload';

export interface VideoDependencies {
  readonly videos: VideoStore;
  readonly uploadIndex: UploadIndex;
  readonly videoDue: DueIndex;
  readonly programs: ProgramStore;
  readonly operations: OperationStore;
  readonly timeline: Timeline;
  readonly profiles: ProfileStore;
  readonly profileUsers: ProfileUsers;
  readonly secrets: SecretStore;
  readonly videoMedia: VideoMedia;
  readonly clock: Clock;
  readonly random: { guid(): string };
}

interface With {
  readonly caller: Caller;
  readonly deps: VideoDependencies;
}

export async function getVideo(
  name: string,
  { videos }: Pick<VideoDependencies, 'videos'>,
): Promise<Stored<Video>> {
  const stored = await videos.find(name);
  if (stored === undefined) throw new Problem('videoNotFound', { detail: `There is no video ${name}.` });
  return stored;
}

/** Settings as they are stored, with what became of the source's address. */
export interface WantedVideo {
  readonly name: string;
  readonly settings: VideoSettings;
  /** Of a new video; its source's address is kept under it already when there is a mark. */
  readonly id?: string;
  readonly sourceMark?: string | null;
}

/** Stores what is wanted of a video; its addresses are chosen here, once. */
export async function putVideo(
  wanted: WantedVideo,
  { caller, deps }: With,
): Promise<{ video: Video; created: boolean }> {
  const { name } = wanted;
  const existing = await deps.videos.find(name);
  if (existing !== undefined) {
    const change = (before: Video) => withVideoSettings(before, wanted.settings);
    return { video: await changeVideo(name, change, { caller, deps }), created: false };
  }
  checkIfMatch(caller, undefined);
  const id = wanted.id ?? deps.random.guid();
  const { settings, address } = shownSettings(wanted.settings);
  const sourceAsset = await sourceAssetOf(settings, deps);
  await useProfile(settings.protection, { video: name }, deps);
  if (wanted.id === undefined) await keepAddress(address, id, deps.secrets);
  const sourceMark = wanted.sourceMark ?? markOf(address, id);
  const video = newVideo({ name, id, settings, sourceMark, sourceAsset }, deps);
  await deps.videoDue.set(name, deps.clock.now());
  if ((await deps.videos.save(video, undefined)) === undefined) {
    if (wanted.id === undefined && address !== null) await forgetAddress(id, deps.secrets);
    return putVideo(wanted, { caller, deps });
  }
  await noteVideo(
    name,
    { type: 'video.created', by: caller.by, effect: 'The video is wanted; its addresses are fixed.' },
    deps,
  );
  return { video, created: true };
}

/** Of a video that is made of a recording: it is looked up once, because the program may be deleted before. */
async function sourceAssetOf(
  { source }: VideoSettings,
  { programs }: VideoDependencies,
): Promise<string | null> {
  if (!isRecording(source)) return null;
  const { channel, program } = source.program;
  const stored = await programs.find(channel, program);
  if (stored !== undefined && stored.value.deleted !== 'deleteRecording') return stored.value.assetName;
  throw new Problem('invalidBody', {
    detail: `The channel ${channel} has no program ${program}.`,
    errors: [{ pointer: '/source/program', message: 'a program that there is' }],
  });
}

/** A video of which nothing has been made. */
export function newVideo(
  {
    name,
    id,
    settings,
    sourceMark,
    sourceAsset,
  }: Pick<Video, 'name' | 'id' | 'settings' | 'sourceMark' | 'sourceAsset'>,
  { clock, random }: Pick<VideoDependencies, 'clock' | 'random'>,
): Video {
  return {
    name,
    id,
    createdAtMs: clock.now(),
    generation: 1,
    changedAtMs: clock.now(),
    settings,
    sourceMark,
    sourceAsset,
    ownsSource: false,
    encodeWanted: !waitsForVerb(settings),
    publishingWanted: 'auto',
    deleted: false,
    manifestName: name,
    locatorId: random.guid(),
    imagesLocatorId: random.guid(),
    contentKeys: [],
    uploadOpen: null,
    uploads: [],
    attempts: 0,
    attempt: null,
    media: null,
    stale: [],
    published: false,
    imagesPublished: false,
    conditions: [],
    openOperations: [],
    lastOperation: null,
    error: null,
    failure: null,
    untold: [],
  };
}

/** The order of fields says nothing: a preset is the caller's own. */
const isEqual = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b);

export function withVideoSettings(video: Video, wanted: VideoSettings): Video {
  if (video.deleted) throw new Problem('videoDeleting', { detail: 'Wait until it is gone.' });
  const { settings, address } = shownSettings(wanted);
  // What is shown has no query string: sent back as it is, it says nothing about it.
  const isOther = address !== null && markOf(address, video.id) !== video.sourceMark;
  if (isOther || !isEqual(settings.source, video.settings.source)) {
    throw new Problem('immutableField', {
      detail: 'What it is made of is fixed. Make another video of the other source.',
      errors: [{ pointer: '/source', message: 'cannot be changed' }],
      current: { source: video.settings.source },
    });
  }
  const { protection } = video.settings;
  if (video.published && settings.protection !== protection) {
    throw new Problem('immutableField', {
      detail:
        'The protection is in the addresses of what is published. Unpublish it first, change it, publish it again.',
      errors: [{ pointer: '/protection', message: 'cannot be changed while it is published' }],
      current: { protection, published: true },
    });
  }
  if (isEqual(settings, video.settings)) return video;
  return { ...video, settings, generation: video.generation + 1 };
}

/** Reads, changes and writes until nobody was in between; the due mark comes first, so a crash after it loses nothing. */
export async function changeVideo(
  name: string,
  change: (video: Video) => Video,
  { caller, deps }: With,
): Promise<Video> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const stored = await getVideo(name, deps);
    checkIfMatch(caller, stored.value);
    const changed = change(stored.value);
    if (changed === stored.value) return changed;
    const { protection } = changed.settings;
    if (protection !== stored.value.settings.protection) await useProfile(protection, { video: name }, deps);
    const next = { ...changed, changedAtMs: deps.clock.now() };
    await deps.videoDue.set(name, deps.clock.now());
    if ((await deps.videos.save(next, stored.etag)) !== undefined) return next;
  }
  throw new Problem('busy', { detail: 'The video changes faster than this call could follow.' });
}

export type VideoVerb = 'encode' | 'publish' | 'unpublish' | 'delete';

/** Asks for a verb; a second call while it is so gets the same operation. */
export async function runVideo(name: string, verb: VideoVerb, { caller, deps }: With): Promise<Operation> {
  const kind: OperationKind = `video.${verb}`;
  const { value: before } = await getVideo(name, deps);
  checkIfMatch(caller, before);
  if (before.lastOperation?.kind === kind) {
    const repeated = await deps.operations.find(before.lastOperation.id);
    const isSame = repeated !== undefined && !isWithoutResult(repeated);
    // What has been encoded may be encoded anew; the other verbs say what is to be so.
    if (isSame && !(verb === 'encode' && isFinal(repeated))) return repeated;
  }
  if (before.deleted && verb !== 'delete')
    throw new Problem('videoDeleting', { detail: 'It is being deleted.' });
  if (verb === 'encode') await checkUploaded(before, deps);
  const operation = await newOperation({ kind, video: name }, deps);
  const open = { id: operation.id, kind };
  const change = (video: Video): Video => ({
    ...wanting(video, verb),
    generation: video.generation + 1,
    openOperations: [...video.openOperations, open].slice(-OPEN_OPERATIONS_MAX),
    lastOperation: open,
    failure: null,
  });
  await changeVideo(name, change, { caller: { ...caller, ifMatch: undefined }, deps });
  await noteVideo(name, { type: kind, by: caller.by, effect: `Asked for: ${verb}.` }, deps);
  return operation;
}

/** One that runs is what is asked for: it is followed, not begun twice. */
function wanting(video: Video, verb: VideoVerb): Video {
  switch (verb) {
    case 'encode':
      return hasBegun(video) ? video : { ...video, encodeWanted: true };
    case 'publish':
      return { ...video, publishingWanted: 'published' };
    case 'unpublish':
      return { ...video, publishingWanted: 'unpublished' };
    default:
      return { ...video, deleted: true };
  }
}

async function checkUploaded(video: Video, { videoMedia, clock }: VideoDependencies): Promise<void> {
  if (!isUpload(video.settings.source) || hasBegun(video)) return;
  const found = await videoMedia.files.list(inputAssetOf(video));
  if (found.length > 0) return;
  throw new Problem('nothingUploaded', {
    detail: 'Upload a file to the address of POST …/upload-url first.',
    current: { state: videoState(video, clock.now()) },
  });
}

export interface UploadPlace {
  /** Both are secrets. */
  readonly container: string;
  readonly url: string;
  readonly file: string;
  readonly expiresAtMs: number;
}

/** Where a video's files are uploaded to, signed for a while. Waits for the media service: without it there is no place. */
export async function openUpload(
  name: string,
  { lifetimeMs, file }: { lifetimeMs: number; file: string | null },
  { caller, deps }: With,
): Promise<UploadPlace> {
  const { value: video } = await getVideo(name, deps);
  checkIfMatch(caller, video);
  if (video.deleted) throw new Problem('videoDeleting', { detail: 'It is being deleted.' });
  const { source } = video.settings;
  if (!isUpload(source))
    throw new Problem('notAnUpload', {
      detail: 'The media service fetches what this video is made of.',
      current: { source },
    });
  const asset = inputAssetOf(video);
  const nowMs = deps.clock.now();
  const expiresAtMs = nowMs + lifetimeMs;
  await ensureInput(video, deps);
  const container = await deps.videoMedia.inputs.uploadUrl(asset, expiresAtMs);
  if (container === undefined)
    throw new Problem('mediaServiceUnavailable', { detail: 'The place for the upload is not there yet.' });
  const untilMs = Math.max(expiresAtMs, video.uploadOpen?.untilMs ?? 0);
  const opened = (before: Video): Video => ({ ...before, uploadOpen: { sinceMs: nowMs, untilMs } });
  await changeVideo(name, opened, { caller: { ...caller, ifMatch: undefined }, deps });
  await noteVideo(
    name,
    { type: 'video.uploadUrl', by: caller.by, effect: 'Who has the address can upload.' },
    deps,
  );
  const named = file ?? source.upload.files?.[0] ?? FILE_DEFAULT;
  const url = new URL(container);
  url.pathname = `${url.pathname}/${encodeURIComponent(named)}`;
  return { container, url: url.href, file: named, expiresAtMs };
}

async function ensureInput(video: Video, deps: VideoDependencies): Promise<void> {
  if (await deps.videoMedia.inputs.exists(inputAssetOf(video))) return;
  const outcome = await createInput(video, deps);
  if (outcome.kind === 'done') return;
  const code = outcome.kind === 'later' ? 'mediaServiceUnavailable' : 'mediaServiceRefused';
  throw new Problem(code, { detail: outcome.message });
}

const noteVideo = (
  name: string,
  told: { type: string; by: string; effect: string },
  deps: VideoDependencies,
): Promise<void> => note(videoTimeline(name).channel, told, deps);
