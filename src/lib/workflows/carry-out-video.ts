import type { VideoStep } from '../domain/decide-video.ts';
import { type AttemptProblem, withFailedAttempt } from '../domain/observe-video.ts';
import {
  type Attempt,
  inputAssetOf,
  isRecording,
  isUpload,
  jobNameOf,
  outputAssetOf,
  uploadContainerOf,
  type Video,
  videoOwnerOf,
} from '../domain/video.ts';
import { transformOutputs } from '../domain/video-transform.ts';
import { withoutQueries } from '../domain/without-queries.ts';
import { adoptOutput } from './adopt-output.ts';
import type { MediaService, Outcome } from './media-service.ts';
import type { ProtectionSteps } from './protect-media.ts';
import { IMAGES_POLICY } from './read-video.ts';
import type { SecretStore } from './secret-store.ts';
import { findAddress } from './source-address.ts';
import type { JobSource, UploadIndex, VideoMedia } from './video-ports.ts';

const DONE: Outcome = { kind: 'done' };
const later = (code: string, message: string): Outcome => ({ kind: 'later', code, message });

/** What a step did, and what the video is by it. */
export interface VideoOutcome {
  readonly outcome: Outcome;
  readonly change?: (video: Video) => Video;
}

export interface VideoTools {
  readonly media: MediaService;
  readonly videoMedia: VideoMedia;
  readonly uploadIndex: UploadIndex;
  readonly secrets: SecretStore;
  readonly protection: ProtectionSteps;
  /** Stores a change of the video as it was read; undefined: somebody was in between. */
  readonly save: (change: (video: Video) => Video) => Promise<string | undefined>;
  readonly nowMs: number;
}

const only = async (outcome: Promise<Outcome>): Promise<VideoOutcome> => ({ outcome: await outcome });

/** Carries out one step; every step may have been carried out before. `forget` is its caller's. */
export async function carryOutVideo(
  video: Video,
  step: Exclude<VideoStep, { kind: 'forget' }>,
  tools: VideoTools,
): Promise<VideoOutcome> {
  const { media, protection } = tools;
  switch (step.kind) {
    case 'createInput':
      return only(createInput(video, tools));
    case 'submit':
      return submit(video, tools);
    case 'adopt':
      return adopt(video, tools);
    case 'addCaption':
      return addCaption(video, step.caption, tools);
    case 'createKeys':
      return only(
        protection.createKeys(video, (contentKeys) => tools.save((before) => ({ ...before, contentKeys }))),
      );
    case 'applyKeyPolicy':
      return only(protection.applyKeyPolicy(video));
    case 'applyDeliveryPolicy':
      return only(protection.applyDeliveryPolicy(video));
    case 'publish':
      return only(publish(video, tools));
    case 'unpublish':
      return only(media.locators.remove(video.locatorId));
    case 'publishImages':
      return only(publishImages(video, tools));
    case 'unpublishImages':
      return only(media.locators.remove(video.imagesLocatorId));
    default:
      return removeAttempt(video, step.attempt, tools);
  }
}

/** Where its files are uploaded to; events about its container find it by the index. */
export async function createInput(
  video: Video,
  { uploadIndex, videoMedia }: Pick<VideoTools, 'uploadIndex' | 'videoMedia'>,
): Promise<Outcome> {
  const container = uploadContainerOf(video);
  await uploadIndex.put(container, video.name);
  return videoMedia.inputs.create(inputAssetOf(video), { owner: videoOwnerOf(video), container });
}

/** The transform, the places of what is made, the job: in this order, each as often as it takes. */
async function submit(video: Video, tools: VideoTools): Promise<VideoOutcome> {
  const { attempt } = video;
  const { transforms, jobs } = tools.videoMedia;
  if (attempt === null) return { outcome: DONE };
  const source = await sourceOf(video, attempt, tools.secrets);
  if (source === undefined)
    return failing(
      'configuration',
      {
        code: 'sourceAddressMissing',
        message: 'The secret store has lost the address of the source: make another video.',
      },
      tools,
    );
  // What is refused here is refused whenever it is asked: the preset, or the source, is not what it should be.
  const wanted = transformOutputs({
    encoding: attempt.encoding,
    indexing: attempt.indexing,
    poster: attempt.outputs.includes('images'),
  });
  const transform = await transforms.ensure(attempt.transform, wanted);
  if (transform.kind === 'refused') return failing('configuration', transform, tools);
  if (transform.kind !== 'done') return { outcome: transform };
  const outputs = attempt.outputs.map((label) => ({
    label,
    asset: outputAssetOf(video, attempt.number, label),
  }));
  for (const { asset } of outputs) {
    const made = await tools.media.assets.create(asset, videoOwnerOf(video));
    if (made.kind !== 'done') return { outcome: made };
  }
  const job = await jobs.create({
    transform: attempt.transform,
    name: jobNameOf(video, attempt.number),
    priority: video.settings.priority,
    source,
    outputs,
  });
  return job.kind === 'refused' ? failing('configuration', job, tools) : { outcome: job };
}

const failing = (
  category: AttemptProblem['category'],
  { code, message }: { code: string; message: string },
  { nowMs }: VideoTools,
): VideoOutcome => ({
  outcome: DONE,
  change: (video) =>
    withFailedAttempt(video, { code, category, message: withoutQueries(message), mayRetry: false }, nowMs),
});

async function sourceOf(
  video: Video,
  { files }: Attempt,
  secrets: SecretStore,
): Promise<JobSource | undefined> {
  const { source } = video.settings;
  const whole = { from: null, to: null };
  if (isUpload(source)) return { kind: 'asset', asset: inputAssetOf(video), files, ...whole };
  if (isRecording(source)) {
    const { from, to } = source;
    return { kind: 'asset', asset: video.sourceAsset ?? '', files: [], from, to };
  }
  if (video.sourceMark === null) return { kind: 'url', url: source.url };
  const url = await findAddress(video.id, secrets);
  return url === undefined ? undefined : { kind: 'url', url };
}

async function adopt(video: Video, tools: VideoTools): Promise<VideoOutcome> {
  const { attempt } = video;
  if (attempt === null) return { outcome: DONE };
  const made = await adoptOutput(video, attempt, tools.videoMedia.files);
  if (made === undefined)
    return failing(
      'configuration',
      {
        code: 'notStreamable',
        message:
          'What the preset makes has no server manifest: viewers cannot be led to it. Use one that makes MP4 files.',
      },
      tools,
    );
  const change = (before: Video): Video => {
    const old = before.media;
    // A recording is what the next encoding is made of, too.
    const isStale = old !== null && old.attempt !== made.attempt && old.asset !== before.sourceAsset;
    const stale = isStale ? [{ number: old.attempt, transform: old.transform }] : [];
    return { ...before, media: made, stale: [...before.stale, ...stale] };
  };
  return { outcome: DONE, change };
}

/** The media service works on it for a while: it is there when it is read to be there. */
async function addCaption(video: Video, name: string, { videoMedia }: VideoTools): Promise<VideoOutcome> {
  const { media } = video;
  const caption = media?.captions.find((one) => one.name === name);
  if (media === null || caption === undefined) return { outcome: DONE };
  const { asset } = media;
  const become =
    (state: 'added' | 'refused') =>
    (before: Video): Video => ({
      ...before,
      media: before.media && {
        ...before.media,
        captions: before.media.captions.map((one) => (one.name === name ? { ...one, state } : one)),
      },
    });
  const found = await videoMedia.tracks.find(asset, name);
  if (found === 'succeeded') return { outcome: DONE, change: become('added') };
  if (found === 'failed') return { outcome: DONE, change: become('refused') };
  if (found === 'inProgress') return { outcome: later('trackInProgress', 'The captions are being added.') };
  const { file, language } = caption;
  const added = await videoMedia.tracks.add({ asset, name, file, language });
  // A video without captions is better than none: what is refused is told by its condition.
  if (added.kind === 'refused') return { outcome: DONE, change: become('refused') };
  return {
    outcome: added.kind === 'done' ? later('trackInProgress', 'The captions are being added.') : added,
  };
}

async function publish(video: Video, { media, protection }: VideoTools): Promise<Outcome> {
  if (video.media === null) return DONE;
  const assetName = video.media.asset;
  const { locatorId } = video;
  const locator = await protection.locatorOf({ ...video, assetName, mediaId: video.name }, locatorId);
  return 'kind' in locator ? locator : media.locators.create(locator);
}

async function publishImages(video: Video, { media }: VideoTools): Promise<Outcome> {
  if (video.media === null) return DONE;
  return media.locators.create({
    name: video.imagesLocatorId,
    assetName: outputAssetOf(video, video.media.attempt, 'images'),
    locatorId: video.imagesLocatorId,
    streamingPolicy: IMAGES_POLICY,
    keyPolicy: null,
    contentKeys: [],
    mediaId: video.name,
  });
}

const LABELS = ['encode', 'images', 'index'] as const;
const RUNNING = new Set(['queued', 'processing']);

/** First the job, so that nothing writes any more; then what it has written. */
async function removeAttempt(
  video: Video,
  number: number,
  { media, videoMedia: { jobs } }: VideoTools,
): Promise<VideoOutcome> {
  const stale = video.stale.find((one) => one.number === number);
  if (stale === undefined) return { outcome: DONE };
  const name = jobNameOf(video, number);
  const job = await jobs.find(stale.transform, name);
  if (job !== undefined && RUNNING.has(job.state)) {
    const canceled = await jobs.cancel(stale.transform, name);
    return {
      outcome: canceled.kind === 'done' ? later('canceling', 'Its job is being canceled.') : canceled,
    };
  }
  if (job?.state === 'canceling') return { outcome: later('canceling', 'Its job is being canceled.') };
  const removals = [
    ...(job === undefined ? [] : [await jobs.remove(stale.transform, name)]),
    ...(await Promise.all(LABELS.map((label) => media.assets.remove(outputAssetOf(video, number, label))))),
  ];
  const failed = removals.find(({ kind }) => kind !== 'done');
  if (failed !== undefined) return { outcome: failed };
  const change = (before: Video): Video => ({
    ...before,
    stale: before.stale.filter((one) => one.number !== number),
  });
  return { outcome: DONE, change };
}
