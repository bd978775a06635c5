import type { HttpResponseInit } from '@azure/functions';
import type { Services } from '../composition.ts';
import { UploadUrlBody, VideoBody, videoName } from '../contracts/video-body.ts';
import { parseDurationMs } from '../domain/duration.ts';
import { Problem } from '../domain/errors.ts';
import { mergePatch } from '../domain/merge-patch.ts';
import { outputAssetOf, type Video, type VideoMedia, type VideoSettings } from '../domain/video.ts';
import { errorFields, log } from '../log.ts';
import { etagOf } from '../workflows/api-channels.ts';
import { findProfile } from '../workflows/api-protection.ts';
import {
  changeVideo,
  getVideo,
  openUpload,
  putVideo,
  runVideo,
  type VideoVerb,
  withVideoSettings,
} from '../workflows/api-videos.ts';
import { videoTimeline } from '../workflows/reconcile-video.ts';
import { type Call, json, parameter, parseValue, readBody, readJson } from './handle.ts';
import { answerList } from './lists.ts';
import { answerOperation } from './operations.ts';
import { videoView } from './video-view.ts';
import { timelineView, videoHref } from './views.ts';

/** Limits of block blobs: https://learn.microsoft.com/rest/api/storageservices/understanding-block-blobs--append-blobs--and-page-blobs */
const BLOCK_BYTES_MAX = 4_194_304_000;
const BLOCKS_MAX = 50_000;
const INDEX_BYTES_MAX = 32 * 1024 * 1024;

const nameOf = (call: Call): string => parameter(call, 'video', videoName);

const parseSettings = (value: unknown): VideoSettings => parseValue(value, VideoBody);

async function answer(status: number, video: Video, app: Services): Promise<HttpResponseInit> {
  const profile = await findProfile(video.settings.protection, app);
  const { streamingBaseUrl, keyDeliveryBaseUrl } = app;
  const view = videoView(video, { profile, streamingBaseUrl, keyDeliveryBaseUrl, nowMs: app.clock.now() });
  const location = status === 201 ? { location: videoHref(video.name) } : {};
  return json(status, view, { etag: etagOf(video), ...location });
}

export async function putVideoCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const settings = parseSettings(await readJson(call.request));
  const { video, created } = await putVideo(
    { name: nameOf(call), settings },
    { caller: call.caller, deps: app },
  );
  await askForVideo(video.name, app);
  return answer(created ? 201 : 200, video, app);
}

export async function getVideoCall(call: Call, app: Services): Promise<HttpResponseInit> {
  return answer(200, (await getVideo(nameOf(call), app)).value, app);
}

export async function patchVideoCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const patch = await readJson(call.request);
  const change = (video: Video) => withVideoSettings(video, parseSettings(mergePatch(video.settings, patch)));
  const video = await changeVideo(nameOf(call), change, { caller: call.caller, deps: app });
  await askForVideo(video.name, app);
  return answer(200, video, app);
}

export async function listVideosCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const { streamingBaseUrl, keyDeliveryBaseUrl } = app;
  const profiles = new Map<string, Awaited<ReturnType<typeof findProfile>>>();
  const read = async (options: { after: string | undefined; sizeMax: number }) => {
    const page = await app.videos.page(options);
    for (const { settings } of page.items) {
      const { protection } = settings;
      if (!profiles.has(protection)) profiles.set(protection, await findProfile(protection, app));
    }
    return page;
  };
  const view = (video: Video) => {
    const profile = profiles.get(video.settings.protection);
    return videoView(video, { profile, streamingBaseUrl, keyDeliveryBaseUrl, nowMs: app.clock.now() });
  };
  return answerList(call, read, { view, keyOf: ({ name }) => name });
}

/** encode, publish, unpublish and delete. */
export async function runVideoCall(verb: VideoVerb, call: Call, app: Services): Promise<HttpResponseInit> {
  const operation = await runVideo(nameOf(call), verb, { caller: call.caller, deps: app });
  return answerOperation(call, operation, app);
}

export async function createUploadUrlCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const { lifetime, file } = await readBody(call.request, UploadUrlBody);
  const wish = { lifetimeMs: parseDurationMs(lifetime) ?? 0, file };
  const place = await openUpload(nameOf(call), wish, { caller: call.caller, deps: app });
  return json(200, {
    container: place.container,
    file: place.file,
    url: place.url,
    expiresAt: new Date(place.expiresAtMs).toISOString(),
    sizeBytesMax: BLOCK_BYTES_MAX * BLOCKS_MAX,
    blockBytesMax: BLOCK_BYTES_MAX,
    blocksMax: BLOCKS_MAX,
    how: 'Put Block and Put Block List, or Put Blob with x-ms-blob-type: BlockBlob, as with any Azure block blob.',
  });
}

export async function listVideoTimelineCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const { value: video } = await getVideo(nameOf(call), app);
  const { channel } = videoTimeline(video.name);
  return answerList(call, (options) => app.timeline.page(channel, options), {
    view: timelineView,
    keyOf: ({ id }) => id,
  });
}

export const getVideoTranscriptCall = (call: Call, app: Services): Promise<HttpResponseInit> =>
  indexFile(call, app, { fileOf: ({ transcript }) => transcript, contentType: 'text/vtt; charset=utf-8' });

export const getVideoInsightsCall = (call: Call, app: Services): Promise<HttpResponseInit> =>
  indexFile(call, app, { fileOf: ({ insights }) => insights, contentType: 'application/json' });

async function indexFile(
  call: Call,
  app: Services,
  { fileOf, contentType }: { fileOf: (media: VideoMedia) => string | null; contentType: string },
): Promise<HttpResponseInit> {
  const { value: video } = await getVideo(nameOf(call), app);
  const { media } = video;
  const file = media === null ? null : fileOf(media);
  const body =
    media === null || file === null
      ? undefined
      : await app.videoMedia.files.read(outputAssetOf(video, media.attempt, 'index'), file, INDEX_BYTES_MAX);
  if (body === undefined)
    throw new Problem('notIndexed', { detail: `The video ${video.name} has no index.` });
  return { status: 200, headers: { 'content-type': contentType, 'cache-control': 'no-store' }, body };
}

/** What is wanted is stored and due already: a message that cannot be sent makes it later, not wrong. */
async function askForVideo(video: string, app: Services): Promise<void> {
  try {
    await app.queue.sendVideo(video, 0);
  } catch (error) {
    log('warn', 'reconcile.notAsked', { video, ...errorFields(error) });
  }
}
