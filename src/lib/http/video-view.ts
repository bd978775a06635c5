import { formatDuration } from '../domain/duration.ts';
import { playbackAddresses } from '../domain/playback-forms.ts';
import type { ProtectionProfile } from '../domain/protection.ts';
import {
  awaitsVideoPublishing,
  isUpload,
  type Video,
  type VideoError,
  type VideoMedia,
  videoState,
} from '../domain/video.ts';
import { videoProgress } from '../domain/video-progress.ts';
import { NOT_DELIVERED, protectionView, time, timeOrNull, videoHref } from './views.ts';

/** In the order in which they become true. */
const CONDITIONS = [
  'Uploaded',
  'Encoded',
  'Indexed',
  'KeyPolicyReady',
  'DeliveryPolicyReady',
  'Published',
] as const;

interface Viewed {
  /** Undefined: there is none of this name. */
  readonly profile: ProtectionProfile | undefined;
  readonly streamingBaseUrl: string;
  readonly keyDeliveryBaseUrl: string;
  readonly nowMs: number;
}

export function videoView(video: Video, view: Viewed) {
  const { settings, media } = video;
  const { nowMs } = view;
  return {
    name: video.name,
    state: videoState(video, nowMs),
    description: settings.description,
    source: settings.source,
    encoding: settings.encoding,
    priority: settings.priority,
    protection: settings.protection,
    publish: settings.publish,
    indexing: settings.indexing,
    progress: videoProgress(video, nowMs),
    conditions: CONDITIONS.flatMap((wanted) => video.conditions.filter(({ type }) => type === wanted)).map(
      ({ type, status, reason, sinceMs }) => ({ type, status, reason, since: time(sinceMs) }),
    ),
    playback: playbackView(video, view),
    duration: media?.durationMs == null ? null : formatDuration(media.durationMs),
    renditions: media?.renditions ?? [],
    ...imagesView(video, view),
    ...indexView(video, media),
    downloads: downloadsView(video, view),
    uploads: isUpload(settings.source) ? video.uploads : [],
    attempts: video.attempts,
    error: errorView(video),
    labels: settings.labels,
    createdAt: time(video.createdAtMs),
    href: videoHref(video.name),
  };
}

function playbackView(video: Video, view: Viewed) {
  const { profile, streamingBaseUrl, nowMs } = view;
  const manifest = `${streamingBaseUrl}/${video.locatorId}/${video.manifestName}.ism/manifest`;
  const unpublished = awaitsVideoPublishing(video, nowMs) ? 'waiting' : 'notPublished';
  return {
    status: video.published ? 'onDemand' : unpublished,
    ...(profile === undefined ? NOT_DELIVERED : playbackAddresses(manifest, profile.delivery)),
    protection:
      profile === undefined ? null : protectionView({ ...video, mediaId: video.name }, { ...view, profile }),
  };
}

const fileUrl = (base: string, locatorId: string, file: string): string =>
  `${base}/${locatorId}/${encodeURIComponent(file)}`;

function imagesView({ media, imagesPublished, imagesLocatorId }: Video, { streamingBaseUrl }: Viewed) {
  if (media === null || !imagesPublished) return { poster: null, sprites: null };
  const url = (file: string): string => fileUrl(streamingBaseUrl, imagesLocatorId, file);
  const { poster, sprites } = media;
  return {
    poster: poster === null ? null : url(poster),
    sprites: sprites === null ? null : { image: url(sprites.image), vtt: url(sprites.vtt) },
  };
}

function indexView({ name }: Video, media: VideoMedia | null) {
  const captions = media?.captions ?? [];
  return {
    captions: captions.map((caption) => ({
      name: caption.name,
      language: caption.language,
      inManifests: caption.state === 'added',
    })),
    transcript: media?.transcript == null ? null : `${videoHref(name)}/transcript`,
    insights: media?.insights == null ? null : `${videoHref(name)}/insights`,
  };
}

const downloadsView = (
  { media, published, locatorId }: Video,
  { profile, streamingBaseUrl }: Viewed,
): readonly string[] =>
  media !== null && published && profile?.delivery.download === true
    ? media.files.map((file) => fileUrl(streamingBaseUrl, locatorId, file))
    : [];

const ADVICE: Readonly<Record<VideoError['category'], string>> = {
  service: 'Something went wrong in the media service: POST …/encode tries anew.',
  download: 'The source could not be fetched: see that its address answers, then POST …/encode.',
  upload: 'The result could not be stored: see that the storage account is reachable, then POST …/encode.',
  configuration: 'What is asked for cannot be made: change `encoding` or `indexing`, then POST …/encode.',
  content: 'The file is not what it should be: upload another one, then POST …/encode.',
  account: 'The media service has no right to what it needs: give it that right, then POST …/encode.',
};

function errorView({ error, failure }: Video) {
  if (error !== null) {
    const { category, code, reason, retry, retryAtMs, atMs } = error;
    const advice = retry === 'automatic' ? 'Wait: it is tried again by itself.' : ADVICE[category];
    return { category, code, reason, retry, retryAt: timeOrNull(retryAtMs), advice, at: time(atMs) };
  }
  if (failure === null) return null;
  return {
    category: 'service',
    code: failure.code,
    reason: failure.message,
    retry: 'automatic',
    retryAt: null,
    advice: 'The media service refused a step; it is asked again each minute.',
    at: time(failure.atMs),
  };
}
