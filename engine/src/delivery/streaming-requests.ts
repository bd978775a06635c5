import { LRUCache } from 'lru-cache';
import type { PresentationIndex, TrackIndex } from '../model/presentation.ts';
import { findTrack } from '../packager/fragment-window.ts';
import {
  MalformedStreamingUrl,
  type PresentationPath,
  parseStreamingPath,
} from '../packager/streaming-path.ts';
import { isInNetworks } from '../resources/ip-allow-list.ts';
import { allowedDelivery } from './allowed-delivery.ts';
import type { LocatorView } from './delivery-directory.ts';
import type { DirectoryCache } from './directory-cache.ts';
import { checkServing, checkViewer, type EndpointView, endpointFor } from './endpoint-view.ts';
import { FilteredSources } from './filtered-source.ts';
import type { OnGone } from './first-fragment-hold.ts';
import { type FoundPresentation, shownIndex } from './found-presentation.ts';
import { checkTime } from './locator-time.ts';
import { ManifestAnswers, type ManifestAnswersDeps } from './manifest-answers.ts';
import { MediaAnswers } from './media-answers.ts';
import { composedFilters, type FilterHomes, type FilterNames } from './media-filters.ts';
import { OriginError } from './origin-errors.ts';
import type { Content } from './origin-response.ts';
import type { PackagedMediaCache } from './packaged-media.ts';
import type { SourceRegistry } from './source-registry.ts';
import { trackProtectionOf } from './track-protection.ts';

/** Addresses that were asked for lately; each is at most as long as the server takes them. */
const PATHS_MAX = 4_096;

export interface StreamingRequestsDeps extends ManifestAnswersDeps {
  readonly directory: DirectoryCache;
  readonly sources: SourceRegistry;
  readonly packaged: PackagedMediaCache;
  readonly endpointName: string;
}

/** What a request has beside its path. */
export interface Client {
  /** IP address of the viewer. */
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

/** Answers the paths of the original's URL grammar. */
export class StreamingRequests {
  readonly #deps: StreamingRequestsDeps;
  readonly #manifests: ManifestAnswers;
  readonly #filtered = new FilteredSources();
  readonly #media: MediaAnswers;
  /** By the address as it was sent, without its query: that may be different for every viewer. */
  readonly #paths = new LRUCache<string, PresentationPath>({ max: PATHS_MAX });

  constructor(deps: StreamingRequestsDeps) {
    this.#deps = deps;
    this.#manifests = new ManifestAnswers(deps);
    this.#media = new MediaAnswers(deps.packaged);
  }

  /** `path` is decoded. Throws `OriginError`. Manifests of what has just begun wait for its first fragment. */
  async respond(path: string, client: Client): Promise<Content> {
    const parsed = parsePathOf(path);
    const { directory, endpointName } = this.#deps;
    const locator = await directory.findLocator(parsed.locatorId);
    const endpoints = await directory.streamingEndpoints(locator?.account);
    const endpoint = endpointFor(client.host, endpoints, endpointName);
    const filters = hasFilters(parsed, locator)
      ? await directory.findFilterHomes(locator, filterNames(parsed, locator))
      : NO_FILTERS;
    const found = this.#find(parsed, { endpoint, locator, filters, client });
    const index = await found.source.index();
    this.#paths.set(withoutQuery(client.url), parsed);
    if (index.tracks.length === 0) {
      throw new OriginError('MPE_RESOURCE_NOT_FOUND', 'nothing is recorded under this name');
    }
    const { request } = found;
    if (request.kind === 'manifest') return this.#manifests.manifest(found, index, client);
    const shown = shownIndex(found, index);
    const track = getTrack(shown, request);
    if (request.kind === 'mediaPlaylist') {
      return this.#manifests.mediaPlaylist(found, index, { ...track.track, onGone: client.onGone });
    }
    return request.kind === 'initialization'
      ? this.#media.header(found, track, request.formatIndex)
      : this.#media.fragment(found, shown, { track, ticks: request.decodeTimeTicks });
  }

  /**
   * The same answer, at once, when all that it takes is at hand and nothing has to be waited for; else undefined. Throws
   * `OriginError`.
   */
  respondNow(client: Asking): Content | undefined {
    const parsed = this.#paths.get(withoutQuery(client.url));
    if (parsed === undefined) return undefined;
    const { directory, endpointName } = this.#deps;
    const locator = directory.peekLocator(parsed.locatorId);
    if (locator === undefined) return undefined;
    const endpoints = directory.peekStreamingEndpoints(locator.account);
    if (endpoints === undefined) return undefined;
    const endpoint = endpointFor(client.host, endpoints, endpointName);
    const filters = hasFilters(parsed, locator)
      ? directory.peekFilterHomes(locator, filterNames(parsed, locator))
      : NO_FILTERS;
    if (filters === undefined) return undefined;
    const found = this.#find(parsed, { endpoint, locator, filters, client });
    const index = found.source.peekIndex();
    if (index === undefined || index.tracks.length === 0) return undefined;
    return this.#contentNow(found, index);
  }

  #contentNow(found: FoundPresentation, index: PresentationIndex): Content | undefined {
    const { request } = found;
    if (request.kind === 'manifest') return this.#manifests.manifestNow(found, index);
    const shown = shownIndex(found, index);
    const track = findTrack(shown, request.streamName, request.bitrateBps);
    if (track === undefined) return undefined;
    if (request.kind === 'mediaPlaylist') return this.#manifests.mediaPlaylistNow(found, index, track);
    return request.kind === 'initialization'
      ? this.#media.headerNow(found, track, request.formatIndex)
      : this.#media.fragmentNow(found, shown, { track, ticks: request.decodeTimeTicks });
  }

  #find(
    { manifestName, request: asked }: PresentationPath,
    known: {
      readonly endpoint: EndpointView | undefined;
      readonly locator: LocatorView | undefined;
      readonly filters: FilterHomes;
      readonly client: Asking;
    },
  ): FoundPresentation {
    const { sources, clock } = this.#deps;
    const { locator, client } = known;
    const endpoint = checkServing(known.endpoint);
    if (locator === undefined) throw new OriginError('MPE_RESOURCE_NOT_FOUND', 'no such streaming locator');
    const secondsUntilExpiry = checkTime(locator, clock.nowMs());
    const isPreview = locator.kind === 'preview';
    const audience = isPreview
      ? checkAddress(locator, client.address)
      : checkViewer(endpoint, client, clock.nowMs());
    const isManifest = asked.kind === 'manifest' || asked.kind === 'mediaPlaylist';
    const { form, encrypted } = allowedDelivery(locator.rules, { form: asked.form, isManifest });
    const request = form === asked.form ? asked : { ...asked, form };
    const protection = encrypted && trackProtectionOf(encrypted, manifestName);
    const whole = sources.find(locator, manifestName);
    if (whole === undefined) throw new OriginError('MPE_RESOURCE_NOT_FOUND', 'no such manifest');
    const names = filterNames({ request }, locator);
    const source = this.#filtered.of(whole, composedFilters(names, known.filters));
    const lastingSeconds = isPreview ? undefined : endpoint.maxAgeSeconds;
    return { source, request, protection, isPreview, secondsUntilExpiry, audience, lastingSeconds };
  }
}

const NO_FILTERS: FilterHomes = { ofAccount: [], ofAsset: [] };

const filterNames = ({ request }: Pick<PresentationPath, 'request'>, locator: LocatorView): FilterNames => ({
  ofLocator: locator.kind === 'asset' ? locator.filters : [],
  ofAddress: request.form.filters,
});

function hasFilters(parsed: PresentationPath, locator: LocatorView | undefined): locator is LocatorView {
  if (locator === undefined) return false;
  const { ofLocator, ofAddress } = filterNames(parsed, locator);
  return ofLocator.length + ofAddress.length > 0;
}

function withoutQuery(url: string): string {
  const at = url.indexOf('?');
  return at < 0 ? url : url.slice(0, at);
}

function parsePathOf(path: string): PresentationPath {
  try {
    // It decodes once more; a percent sign that is part of a name must survive that.
    const parsed = parseStreamingPath(path.replaceAll('%', '%25'));
    if (parsed.kind === 'presentation') return parsed;
  } catch (error) {
    if (error instanceof MalformedStreamingUrl) throw new OriginError('MPE_BAD_URL_SYNTAX', error.message);
    throw error;
  }
  throw new OriginError('MPE_BAD_URL_SYNTAX', 'not a presentation');
}

/** Whether caches may keep the answers for others; throws `CLIENT_ADDRESS_DENIED`. */
function checkAddress(locator: LocatorView, address: string): FoundPresentation['audience'] {
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
