import { LRUCache } from 'lru-cache';
import type { FragmentEntry, PresentationIndex, TrackIndex } from '../model/presentation.ts';
import type { Track } from '../model/track.ts';
import { type MpdOptions, mpdPhaseOf } from '../packager/dash-packager.ts';
import { findFragment, findTrack } from '../packager/fragment-window.ts';
import { writeMediaPlaylist, writeMultivariantPlaylist } from '../packager/hls-packager.ts';
import {
  MalformedStreamingUrl,
  type PresentationPath,
  parseStreamingPath,
  type StreamingRequest,
} from '../packager/streaming-path.ts';
import { isInNetworks } from '../resources/ip-allow-list.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import { type CachedContent, writeCacheControl } from './cache-policy.ts';
import { closedUrlOf, knowsEnd } from './closing-url.ts';
import type { LocatorView } from './delivery-directory.ts';
import type { Clock, DirectoryCache } from './directory-cache.ts';
import { checkFormat } from './enabled-formats.ts';
import { checkServing, checkViewer, type EndpointView, endpointFor } from './endpoint-view.ts';
import { entityTagOf } from './entity-tag.ts';
import {
  type FirstFragmentHold,
  isMpdComplete,
  isPlaylistComplete,
  type OnGone,
} from './first-fragment-hold.ts';
import { OriginError } from './origin-errors.ts';
import type { Content } from './origin-response.ts';
import type { PeekableSource } from './peekable-source.ts';
import type { SourceRegistry } from './source-registry.ts';

const HLS_TYPE = 'application/vnd.apple.mpegurl';
const DASH_TYPE = 'application/dash+xml';
const TEXTS_PER_INDEX_MAX = 600;
/** Addresses that were asked for lately; each is at most as long as the server takes them. */
const PATHS_MAX = 4_096;

export interface StreamingRequestsDeps {
  readonly directory: DirectoryCache;
  readonly sources: SourceRegistry;
  readonly hold: FirstFragmentHold;
  readonly endpointName: string;
  readonly clock: Clock;
  readonly writeMpd: (index: PresentationIndex, options: MpdOptions) => string;
}

interface ManifestText {
  readonly body: Uint8Array;
  readonly entityTag: string;
}

/** What a request has beside its path. */
export interface Client {
  /** IP address of the connection; a proxy in front of the origin must restrict previews itself. */
  readonly address: string;
  /** As it was asked for, with its query. */
  readonly url: string;
  /** The `Host` header. */
  readonly host: string;
  /** Of the request; `name` is lower-case. */
  header(name: string): string | undefined;
  /** Where this origin tells the time. */
  readonly utcTimingUrl: string;
  readonly onGone: OnGone;
}

type Asking = Pick<Client, 'url' | 'address' | 'host' | 'header'>;

interface Found {
  readonly source: PeekableSource;
  readonly request: StreamingRequest;
  readonly isPreview: boolean;
  readonly secondsUntilExpiry: number | undefined;
  readonly audience: 'public' | 'private';
  /** What the endpoint says of caching what does not change. */
  readonly lastingSeconds: number | undefined;
}

/** Answers the paths of the original's URL grammar. */
export class StreamingRequests {
  readonly #deps: StreamingRequestsDeps;
  /** Manifests as text, one build per version of an index for any number of viewers. */
  readonly #texts = new WeakMap<PresentationIndex, Map<string, ManifestText>>();
  /** By the address as it was sent, parsed. */
  readonly #paths = new LRUCache<string, PresentationPath>({ max: PATHS_MAX });

  constructor(deps: StreamingRequestsDeps) {
    this.#deps = deps;
  }

  /** `path` is decoded. Throws `OriginError`. Manifests of what has just begun wait for its first fragment. */
  async respond(path: string, client: Client): Promise<Content> {
    const parsed = parsePathOf(path);
    const { directory, endpointName } = this.#deps;
    const locator = await directory.findLocator(parsed.locatorId);
    const endpoints = await directory.streamingEndpoints(locator?.account);
    const endpoint = endpointFor(client.host, endpoints, endpointName);
    const found = this.#find(parsed, { endpoint, locator, client });
    const index = await found.source.index();
    this.#paths.set(client.url, parsed);
    if (index.tracks.length === 0) {
      throw new OriginError('MPE_RESOURCE_NOT_FOUND', 'nothing is recorded under this name');
    }
    const { request } = found;
    switch (request.kind) {
      case 'manifest':
        return request.form.format === 'm3u8-cmaf'
          ? this.#multivariant(found, index)
          : this.#mpd(found, index, client);
      case 'mediaPlaylist':
        return this.#mediaPlaylist(found, index, { asked: getTrack(index, request), client });
      case 'initialization':
        return header(found, getTrack(index, request), request.formatIndex);
      case 'fragment':
        return fragment(found, index, { track: getTrack(index, request), ticks: request.decodeTimeTicks });
    }
  }

  /**
   * The same answer, at once, when all that it takes is at hand and nothing has to be waited for; else undefined. Throws
   * `OriginError`.
   */
  respondNow(client: Asking): Content | undefined {
    const parsed = this.#paths.get(client.url);
    if (parsed === undefined) return undefined;
    const { directory, endpointName } = this.#deps;
    const locator = directory.peekLocator(parsed.locatorId);
    if (locator === undefined) return undefined;
    const endpoints = directory.peekStreamingEndpoints(locator.account);
    if (endpoints === undefined) return undefined;
    const endpoint = endpointFor(client.host, endpoints, endpointName);
    const found = this.#find(parsed, { endpoint, locator, client });
    const index = found.source.peekIndex();
    if (index === undefined || index.tracks.length === 0) return undefined;
    return this.#contentNow(found, index);
  }

  #contentNow(found: Found, index: PresentationIndex): Content | undefined {
    const { request, source } = found;
    if (request.kind === 'manifest') {
      return request.form.format === 'm3u8-cmaf' ? this.#multivariant(found, index) : undefined;
    }
    const trackIndex = findTrack(index, request.streamName, request.bitrateBps);
    if (trackIndex === undefined) return undefined;
    const { track } = trackIndex;
    if (request.kind === 'mediaPlaylist') {
      return isPlaylistComplete(index, track.folder) ? this.#playlist(found, index, trackIndex) : undefined;
    }
    if (request.kind === 'initialization') {
      const body = source.peekHeader(track, request.formatIndex);
      return body && headerContent(found, track, body);
    }
    const place = findFragment(trackIndex, request.decodeTimeTicks, index.state);
    if (place.kind !== 'found') return undefined;
    const body = source.peekFragment(track, place.entry);
    return body && fragmentContent(found, { track, entry: place.entry, body });
  }

  #find(
    { manifestName, request }: PresentationPath,
    known: {
      readonly endpoint: EndpointView | undefined;
      readonly locator: LocatorView | undefined;
      readonly client: Asking;
    },
  ): Found {
    const { sources, clock } = this.#deps;
    const { locator, client } = known;
    const endpoint = checkServing(known.endpoint);
    if (locator === undefined) throw new OriginError('MPE_RESOURCE_NOT_FOUND', 'no such streaming locator');
    const secondsUntilExpiry = checkTime(locator, clock.nowMs());
    const audience =
      locator.kind === 'preview'
        ? checkAddress(locator, client.address)
        : checkViewer(endpoint, client, clock.nowMs());
    checkFormat(locator, request);
    const source = sources.find(locator, manifestName);
    if (source === undefined) throw new OriginError('MPE_RESOURCE_NOT_FOUND', 'no such manifest');
    const isPreview = locator.kind === 'preview';
    const lastingSeconds = isPreview ? undefined : endpoint.maxAgeSeconds;
    return { source, request, isPreview, secondsUntilExpiry, audience, lastingSeconds };
  }

  /** Never waits: that it answers is how others know that an encoder is sending. */
  #multivariant(found: Found, index: PresentationIndex): Content {
    const text = this.#text(index, 'multivariant', () => writeMultivariantPlaylist(index));
    return manifestContent(found, { index, text, contentType: HLS_TYPE });
  }

  async #mediaPlaylist(
    found: Found,
    known: PresentationIndex,
    { asked, client }: { readonly asked: TrackIndex; readonly client: Client },
  ): Promise<Content> {
    const { folder } = asked.track;
    const isComplete = (index: PresentationIndex) => isPlaylistComplete(index, folder);
    const index = await this.#deps.hold.until(found.source, known, { isComplete, onGone: client.onGone });
    const track = index.tracks.find((candidate) => candidate.track.folder === folder);
    if (track === undefined) throw new OriginError('MPE_EGRESS_TRACK_NOT_FOUND', 'the track is gone');
    return this.#playlist(found, index, track);
  }

  #playlist(found: Found, index: PresentationIndex, track: TrackIndex): Content {
    const text = this.#text(index, `media!${track.track.folder}`, () => writeMediaPlaylist(index, track));
    return manifestContent(found, { index, text, contentType: HLS_TYPE });
  }

  async #mpd(
    found: Found,
    known: PresentationIndex,
    { url, utcTimingUrl, onGone }: Client,
  ): Promise<Content> {
    const isClosing = knowsEnd(url);
    // Another process may have told the end that this one is about to see.
    const isComplete = isClosing ? hasEnded : isMpdComplete;
    const index = await this.#deps.hold.until(found.source, known, { isComplete, onGone });
    const nowMs = this.#deps.clock.nowMs();
    const phase = mpdPhaseOf(index, nowMs, isClosing);
    const closedUrl = phase === 'closing' ? closedUrlOf(url) : '';
    const text = this.#text(index, `mpd!${phase}!${closedUrl}!${utcTimingUrl}`, () =>
      this.#deps.writeMpd(index, { nowMs, utcTimingUrl, knowsEnd: isClosing, closedUrl }),
    );
    const isLive = phase !== 'onDemand';
    return manifestContent(found, { index, text, contentType: DASH_TYPE, isLive });
  }

  #text(index: PresentationIndex, name: string, write: () => string): ManifestText {
    const texts = this.#texts.get(index) ?? new Map<string, ManifestText>();
    this.#texts.set(index, texts);
    const known = texts.get(name);
    if (known !== undefined) return known;
    const body = Buffer.from(write());
    const text = { body, entityTag: entityTagOf(body) };
    if (texts.size < TEXTS_PER_INDEX_MAX) texts.set(name, text);
    return text;
  }
}

function hasEnded({ state }: PresentationIndex): boolean {
  return state === 'ended';
}

function parsePathOf(path: string): PresentationPath {
  try {
    // It decodes once more; a percent sign that is part of a name must survive that.
    const parsed = parseStreamingPath(path.replaceAll('%', '%25'));
    if (parsed.kind === 'presentation' && isServed(parsed.request)) return parsed;
  } catch (error) {
    if (error instanceof MalformedStreamingUrl) throw new OriginError('MPE_BAD_URL_SYNTAX', error.message);
    throw error;
  }
  throw new OriginError('MPE_OUTPUT_FORMAT_BLOCKED', 'this form is not served yet');
}

function isServed(request: StreamingRequest): boolean {
  const { format, encryption, filters, isAudioOnlyListed, defaultAudio } = request.form;
  if (format !== 'm3u8-cmaf' && format !== 'mpd-time-cmaf') return false;
  if (request.kind === 'mediaPlaylist' && request.isKeyFrames) return false;
  return encryption === undefined && filters.length === 0 && !isAudioOnlyListed && defaultAudio === undefined;
}

function checkTime(locator: LocatorView, nowMs: number): number | undefined {
  if (locator.kind === 'preview') return undefined;
  const { startTimeMs, endTimeMs } = locator;
  if (startTimeMs !== undefined && nowMs < startTimeMs) {
    throw new OriginError('MPE_UNAUTHORIZED', 'the streaming locator is not valid yet');
  }
  if (endTimeMs === undefined) return undefined;
  if (nowMs >= endTimeMs) throw new OriginError('MPE_UNAUTHORIZED', 'the streaming locator has expired');
  return (endTimeMs - nowMs) / 1000;
}

/** Whether caches may keep the answers for others; throws `CLIENT_ADDRESS_DENIED`. */
function checkAddress(locator: LocatorView, address: string): Found['audience'] {
  if (locator.kind !== 'preview' || locator.viewerAllow.length === 0) return 'public';
  if (isInNetworks(locator.viewerAllow, address)) return 'private';
  throw new OriginError('CLIENT_ADDRESS_DENIED', 'this preview cannot be watched from here');
}

function getTrack(
  index: PresentationIndex,
  request: { readonly streamName: string; readonly bitrateBps: number },
): TrackIndex {
  const track = findTrack(index, request.streamName, request.bitrateBps);
  if (track === undefined) throw new OriginError('MPE_EGRESS_TRACK_NOT_FOUND', 'no such track');
  return track;
}

function manifestContent(
  found: Found,
  made: {
    readonly index: PresentationIndex;
    readonly text: ManifestText;
    readonly contentType: string;
    readonly isLive?: boolean;
  },
): Content {
  const { index, text, contentType, isLive = index.state === 'live' } = made;
  const content = { kind: 'manifest', isLive, targetDurationSeconds: reloadSeconds(index) } as const;
  return {
    ...text,
    contentType,
    cacheControl: cacheControlOf(found, content),
  };
}

/** A new fragment can be expected after as long as the last one took. */
function reloadSeconds(index: PresentationIndex): number {
  let durationTicks = 0;
  for (const { fragments } of index.tracks) {
    durationTicks = Math.max(durationTicks, fragments.at(-1)?.durationTicks ?? 0);
  }
  return Math.round(durationTicks / TICKS_PER_SECOND);
}

async function header(found: Found, { track }: TrackIndex, formatIndex: number): Promise<Content> {
  if (formatIndex >= track.formats.length) {
    throw new OriginError('MPE_EGRESS_TIMESTAMP_NOT_FOUND', `the track has ${track.formats.length} formats`);
  }
  return headerContent(found, track, await fromStorage(found.source.header(track, formatIndex)));
}

function headerContent(found: Found, track: Track, body: Uint8Array): Content {
  const content = { kind: 'header', isPreview: found.isPreview } as const;
  return {
    body,
    contentType: `${track.type}/mp4`,
    cacheControl: cacheControlOf(found, content),
    entityTag: entityTagOf(body),
  };
}

async function fragment(
  found: Found,
  index: PresentationIndex,
  wanted: { readonly track: TrackIndex; readonly ticks: number },
): Promise<Content> {
  const { track } = wanted.track;
  const place = findFragment(wanted.track, wanted.ticks, index.state);
  if (place.kind === 'notReady') {
    throw new OriginError('MPE_FRAGMENT_NOT_READY', 'ahead of the live edge');
  }
  const body =
    place.kind === 'found' ? await fromStorage(found.source.fragment(track, place.entry)) : undefined;
  if (body === undefined || place.kind !== 'found') {
    throw new OriginError('MPE_EGRESS_TIMESTAMP_NOT_FOUND', 'no fragment begins at this time');
  }
  return fragmentContent(found, { track, entry: place.entry, body });
}

function fragmentContent(
  found: Found,
  { track, entry, body }: { readonly track: Track; readonly entry: FragmentEntry; readonly body: Uint8Array },
): Content {
  return {
    body,
    contentType: `${track.type}/mp4`,
    cacheControl: cacheControlOf(found, { kind: 'fragment' }),
    entityTag: fragmentTag(track.folder, entry),
  };
}

function cacheControlOf(
  { secondsUntilExpiry, audience, lastingSeconds }: Found,
  content: CachedContent,
): string {
  return writeCacheControl(content, secondsUntilExpiry, audience, lastingSeconds);
}

/** Create-only blobs: the name says all, and hashing megabytes per request would cost more than sending them. */
function fragmentTag(folder: string, entry: FragmentEntry): string {
  return `"${folder}-${entry.decodeTimeTicks}-${entry.sizeBytes}"`;
}

async function fromStorage<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof OriginError) throw error;
    throw new OriginError('MPE_STORAGE_SERVER_BUSY', 'storage does not answer', { cause: error });
  }
}
