import { createHash } from 'node:crypto';
import {
  hasBegun,
  inputAssetOf,
  isRecording,
  isUpload,
  jobNameOf,
  outputAssetOf,
  type Video,
} from '../domain/video.ts';
import type { VideoSnapshot } from '../domain/video-snapshot.ts';
import { transformOutputs } from '../domain/video-transform.ts';
import type { MediaService } from './media-service.ts';
import type { ProfileStore } from './protection-ports.ts';
import { isCurrent, type ProfileReading, protectionOf, readProfiles } from './read-protection.ts';
import type { SecretStore } from './secret-store.ts';
import type { ProgramStore } from './stores.ts';
import type { VideoMedia } from './video-ports.ts';

const HASH_LENGTH = 20;
/** The media service's own; pictures are files for whoever has their address. */
export const IMAGES_POLICY = 'Predefined_DownloadOnly';

/** A transform is named by what it makes, so it never changes and is shared by all that want the same. */
export const transformNameOf = (settings: Parameters<typeof transformOutputs>[0]): string => {
  const made = JSON.stringify(transformOutputs(settings));
  return `headend-${createHash('sha256').update(made).digest('hex').slice(0, HASH_LENGTH)}`;
};

interface Dependencies {
  readonly media: MediaService;
  readonly videoMedia: VideoMedia;
  readonly programs: ProgramStore;
  readonly profiles: ProfileStore;
  readonly secrets: SecretStore;
}

export interface VideoReading {
  readonly snapshot: VideoSnapshot;
  readonly profiles: ReadonlyMap<string, ProfileReading>;
}

/** Reads what a video depends on, and nothing else. */
export async function readVideo(video: Video, nowMs: number, deps: Dependencies): Promise<VideoReading> {
  const { jobs } = deps.videoMedia;
  const { attempt } = video;
  const [input, job, locator, images, profiles, isRecordingOver] = await Promise.all([
    readInput(video, deps.videoMedia),
    attempt !== null && hasBegun(video)
      ? jobs.find(attempt.transform, jobNameOf(video, attempt.number))
      : undefined,
    deps.media.locators.find(video.locatorId),
    deps.media.locators.find(video.imagesLocatorId),
    readProfiles([video.settings.protection], deps),
    readRecording(video, deps.programs),
  ]);
  const reading = profiles.get(video.settings.protection);
  const isOurs =
    locator !== undefined &&
    reading !== undefined &&
    locator.assetName === video.media?.asset &&
    isCurrent(locator, { media: video, reading });
  const pictures = video.media === null ? null : outputAssetOf(video, video.media.attempt, 'images');
  const snapshot: VideoSnapshot = {
    video,
    ...input,
    isRecordingOver,
    job,
    locator: kindOf(locator, isOurs),
    imagesLocator: kindOf(images, images?.assetName === pictures),
    protection: reading === undefined ? undefined : protectionOf(video, reading),
    transform: transformNameOf(video.settings),
    nowMs,
  };
  return { snapshot, profiles };
}

const kindOf = (found: unknown, isOurs: boolean): 'absent' | 'ours' | 'outdated' => {
  if (found === undefined) return 'absent';
  return isOurs ? 'ours' : 'outdated';
};

/** The container is looked at as long as something may arrive, or is to begin with what is there. */
async function readInput(
  video: Video,
  { inputs, files }: VideoMedia,
): Promise<Pick<VideoSnapshot, 'inputAsset' | 'uploads'>> {
  const isNeeded =
    isUpload(video.settings.source) && !video.deleted && !hasBegun(video) && video.media === null;
  if (!isNeeded && !(isUpload(video.settings.source) && video.encodeWanted))
    return { inputAsset: 'notRead', uploads: undefined };
  const asset = inputAssetOf(video);
  const [exists, uploads] = await Promise.all([inputs.exists(asset), files.list(asset)]);
  return { inputAsset: exists ? 'ready' : 'absent', uploads };
}

/** A program that is gone records no more; what it recorded may be there. */
async function readRecording({ settings: { source } }: Video, programs: ProgramStore): Promise<boolean> {
  if (!isRecording(source)) return false;
  const stored = await programs.find(source.program.channel, source.program.program);
  return stored === undefined || stored.value.finishedAtMs !== null;
}
