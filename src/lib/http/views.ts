import { type Channel, channelState } from '../domain/channel.ts';
import { formatDuration } from '../domain/duration.ts';
import type { Operation } from '../domain/operation.ts';
import { playbackAddresses } from '../domain/playback-forms.ts';
import { type Program, programState } from '../domain/program.ts';
import { awaitsPublishing } from '../domain/program-wants.ts';
import { type Delivery, isEncrypted, type ProtectionProfile } from '../domain/protection.ts';
import type { TimelineEntry } from '../workflows/stores.ts';

export const time = (ms: number): string => new Date(ms).toISOString();
export const timeOrNull = (ms: number | null): string | null => (ms === null ? null : time(ms));
const BASE = '/api/v1';

const failureView = (failure: Channel['failure']) =>
  failure === null ? null : { code: failure.code, message: failure.message, at: time(failure.atMs) };

export const channelHref = (channel: string): string => `${BASE}/channels/${channel}`;
export const programHref = (channel: string, program: string): string =>
  `${channelHref(channel)}/programs/${program}`;

export const videoHref = (video: string): string => `${BASE}/videos/${video}`;

interface Server {
  readonly role: 'primary' | 'backup';
  readonly protocol: string;
  /** Without the key. */
  readonly server: string;
}

/** What an ingest address ends with: the access token, and for fragmented MP4 the name of the publishing point. */
const KEY_AND_AFTER = /\/[0-9a-f-]{32,36}(?<after>\/ingest\.isml)?$/i;

/** The ingest addresses of the last reading, the safer ones first. The second of each protocol is the redundant one. */
function servers(channel: Channel): readonly Server[] {
  const found = (channel.actual?.ingestUrls ?? []).map((url) => {
    const cut = url.search(KEY_AND_AFTER);
    const scheme = url.slice(0, url.indexOf(':'));
    return {
      protocol: scheme.startsWith('rtmp') ? scheme : 'smooth',
      server: cut < 0 ? new URL(url).origin : url.slice(0, cut),
    };
  });
  const ofProtocol = (protocol: string) =>
    found
      .filter((candidate) => candidate.protocol === protocol)
      .map((item, index) => ({ role: index === 0 ? ('primary' as const) : ('backup' as const), ...item }));
  return ['rtmps', 'rtmp', 'smooth'].flatMap(ofProtocol);
}

export function channelView(channel: Channel) {
  const { settings } = channel;
  const preview = channel.actual?.previewUrl ?? null;
  return {
    name: channel.name,
    state: channelState(channel),
    desired: channel.desired,
    description: settings.description,
    health: {
      level: channel.health.level,
      code: channel.health.code,
      message: channel.health.message,
      since: time(channel.health.sinceMs),
    },
    ingest: {
      ...settings.ingest,
      servers: servers(channel).map(({ role, protocol, server }) => ({ role, protocol, url: server })),
      streamKey: {
        hint: `…${channel.accessToken.slice(-4)}`,
        href: `${channelHref(channel.name)}/stream-key`,
      },
      allowFrom: settings.allowFrom,
      sending: channel.encoderSending,
      tracks: channel.encoderSending ? channel.inputTracks : [],
    },
    preview:
      preview === null
        ? null
        : { hls: `${preview}(format=m3u8-cmaf)`, dash: `${preview}(format=mpd-time-cmaf)` },
    encoding: settings.encoding,
    keyFrameInterval: settings.keyFrameInterval,
    autoStop: settings.autoStop,
    labels: settings.labels,
    failure: failureView(channel.failure),
    createdAt: time(channel.createdAtMs),
    href: channelHref(channel.name),
  };
}

export function streamKeyView(channel: Channel, nowMs: number) {
  const key = channel.accessToken;
  const isSmooth = channel.settings.ingest.protocol === 'smooth';
  const until = channel.previousKey?.validUntilMs ?? 0;
  return {
    streamKey: isSmooth ? key : `${key}/main`,
    servers: servers(channel).map((server) => ({
      ...server,
      url: `${server.server}/${key}${isSmooth ? '/ingest.isml' : ''}`,
    })),
    previousKeyValidUntil: until > nowMs ? time(until) : null,
  };
}

export function programView(
  program: Program,
  view: {
    channel: Pick<Channel, 'encoderSending'>;
    /** Undefined: there is none of this name. */
    profile: ProtectionProfile | undefined;
    streamingBaseUrl: string;
    keyDeliveryBaseUrl: string;
    nowMs: number;
  },
) {
  const { channel, profile, streamingBaseUrl, nowMs } = view;
  const { settings } = program;
  const manifest = `${streamingBaseUrl}/${program.locatorId}/${program.manifestName}.ism/manifest`;
  const over = program.finishedAtMs ?? undefined;
  const began = program.firstFrameAtMs ?? undefined;
  return {
    name: program.name,
    channel: program.channel,
    state: programState(program, channel),
    description: settings.description,
    start: settings.start,
    rewind: settings.rewind,
    keep: settings.keep,
    protection: settings.protection,
    publish: settings.publish,
    playback: {
      status: playbackStatus(program, nowMs),
      ...(profile === undefined ? NOT_DELIVERED : playbackAddresses(manifest, profile.delivery)),
      protection:
        profile === undefined
          ? null
          : protectionView({ ...program, mediaId: program.assetName }, { ...view, profile }),
    },
    recording: {
      asset: program.assetName,
      firstFrameAt: timeOrNull(program.firstFrameAtMs),
      finishedAt: timeOrNull(program.finishedAtMs),
      duration: began === undefined ? null : formatDuration((over ?? nowMs) - began),
    },
    conditions: program.conditions.map(({ type, status, reason, sinceMs }) => ({
      type,
      status,
      reason,
      since: time(sinceMs),
    })),
    labels: settings.labels,
    failure: failureView(program.failure),
    createdAt: time(program.createdAtMs),
    href: programHref(program.channel, program.name),
  };
}

export const NOT_DELIVERED = { hls: null, dash: null, smooth: null };

/** What a player has to know to get keys; null: nothing is encrypted. */
export function protectionView(
  media: { readonly contentKeys: Program['contentKeys']; readonly mediaId: string },
  { profile, keyDeliveryBaseUrl }: { profile: ProtectionProfile; keyDeliveryBaseUrl: string },
) {
  const { delivery, keys } = profile;
  if (!isEncrypted(delivery)) return null;
  const { hls, dash, smooth } = delivery;
  return {
    profile: profile.name,
    access: keys.access,
    tokens: keys.access === 'token' ? `${BASE}/playback-tokens` : null,
    encryption: { hls, dash, smooth },
    keyIds: media.contentKeys.map(({ id }) => id),
    servers: licenceServers(delivery, { keyDeliveryBaseUrl, mediaId: media.mediaId }),
  };
}

/** Addresses of other servers, which want the id of a key in them, keep its place: `{ContentKeyId}`. */
function licenceServers(
  { keyUrl, drm, ...delivery }: Delivery,
  { keyDeliveryBaseUrl, mediaId }: { keyDeliveryBaseUrl: string; mediaId: string },
) {
  const isUsed = (...modes: readonly string[]) =>
    [delivery.hls, delivery.dash, delivery.smooth].some((mode) => modes.includes(mode));
  const at = (server: { readonly licenceUrl: string | null } | null, path: string): string | null => {
    if (server === null) return null;
    const own = `${keyDeliveryBaseUrl}/${path}`;
    return server.licenceUrl?.replaceAll(/\{AlternativeMediaId\}/gi, mediaId) ?? own;
  };
  return {
    aes128: isUsed('aes128') ? at({ licenceUrl: keyUrl }, '?kid={ContentKeyId}') : null,
    clearKey: at(drm.clearKey, 'ClearKey/'),
    playReady: at(drm.playReady, 'PlayReady/'),
    widevine: at(drm.widevine, 'Widevine/?kid={ContentKeyId}'),
    fairPlay: at(drm.fairPlay, 'FairPlay/?kid={ContentKeyId}'),
  };
}

function playbackStatus(program: Program, nowMs: number) {
  if (program.published) return program.finishedAtMs === null ? 'live' : 'onDemand';
  return awaitsPublishing(program, nowMs) ? 'waiting' : 'notPublished';
}

export function operationView(operation: Operation) {
  const {
    id,
    kind,
    status,
    percentComplete,
    step,
    error,
    channel = '',
    program,
    video,
    streamingEndpoint,
    encodingCapacity,
  } = operation;
  const ofProgram = program === undefined ? channelHref(channel) : programHref(channel, program);
  const ofChannel = video === undefined ? ofProgram : videoHref(video);
  const ofEndpoint =
    streamingEndpoint === undefined ? ofChannel : `${BASE}/streaming-endpoints/${streamingEndpoint}`;
  const target = encodingCapacity === undefined ? ofEndpoint : `${BASE}/encoding-capacity`;
  return {
    id,
    kind,
    target,
    status,
    percentComplete,
    step,
    error,
    createdAt: time(operation.createdAtMs),
    finishedAt: timeOrNull(operation.finishedAtMs ?? null),
  };
}

export const timelineView = ({
  id,
  atMs,
  type,
  source,
  by,
  program,
  effect,
  milliseconds,
}: TimelineEntry) => ({
  id,
  at: time(atMs),
  type,
  source,
  by,
  program,
  effect,
  milliseconds,
});
