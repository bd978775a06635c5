import type { FragmentEntry, PresentationIndex, TrackIndex } from '../model/presentation.ts';
import { isCaptions, type Track } from '../model/track.ts';
import { findFragment } from '../packager/fragment-window.ts';
import { isTsForm } from '../packager/hls-media-playlist.ts';
import { isInSmooth } from '../packager/smooth-manifest.ts';
import { findSmoothFragment } from '../packager/smooth-timeline.ts';
import { tsSegmentOf } from '../packager/ts-segments.ts';
import type { CachedContent } from './cache-policy.ts';
import { entityTagOf } from './entity-tag.ts';
import { cacheControlOf, type FoundPresentation, isSmooth } from './found-presentation.ts';
import { OriginError } from './origin-errors.ts';
import type { Content } from './origin-response.ts';
import {
  type PackagedMedia,
  type PackagedMediaCache,
  packagedCaptions,
  packagedFragment,
  packagedHeader,
  packagedKeyFrame,
  packagedSmoothFragment,
  packagedTsSegment,
} from './packaged-media.ts';

const TS_TYPE = 'video/mp2t';
const WEBVTT_TYPE = 'text/vtt; charset=utf-8';

/** Answers with headers and segments of presentations as viewers have them (`shownIndex`): as they are stored, or as they are made for the form that is asked for. */
export class MediaAnswers {
  readonly #packaged: PackagedMediaCache;

  constructor(packaged: PackagedMediaCache) {
    this.#packaged = packaged;
  }

  async header(found: FoundPresentation, { track }: TrackIndex, formatIndex: number): Promise<Content> {
    if (!hasHeaders(found)) throw new OriginError('MPE_BAD_URL_SYNTAX', 'this format has no headers');
    if (formatIndex >= track.formats.length) {
      const message = `the track has ${track.formats.length} formats`;
      throw new OriginError('MPE_EGRESS_TIMESTAMP_NOT_FOUND', message);
    }
    const media = packagedHeader(found, track, formatIndex);
    const body = await fromStorage(
      media === undefined ? found.source.header(track, formatIndex) : this.#packaged.get(media),
    );
    if (body === undefined) throw new OriginError('MPE_EGRESS_TIMESTAMP_NOT_FOUND', 'the header is gone');
    return headerContent(found, track, body);
  }

  /** Undefined: it is not at hand. */
  headerNow(found: FoundPresentation, { track }: TrackIndex, formatIndex: number): Content | undefined {
    if (!hasHeaders(found) || formatIndex >= track.formats.length) return undefined;
    const media = packagedHeader(found, track, formatIndex);
    const body =
      media === undefined ? found.source.peekHeader(track, formatIndex) : this.#packaged.peek(media);
    return body && headerContent(found, track, body);
  }

  async fragment(found: FoundPresentation, index: PresentationIndex, wanted: Wanted): Promise<Content> {
    const segment = findSegment(found, index, wanted);
    if (segment === 'notReady') throw new OriginError('MPE_FRAGMENT_NOT_READY', 'ahead of the live edge');
    if (segment === 'gone') throw noFragment();
    const { track, entry, media } = segment;
    const body = await fromStorage(
      media === undefined ? found.source.fragment(track, entry) : this.#packaged.get(media),
    );
    if (body === undefined) throw noFragment();
    return this.#segmentContent(found, segment, body);
  }

  /** Undefined: it is not at hand. */
  fragmentNow(found: FoundPresentation, index: PresentationIndex, wanted: Wanted): Content | undefined {
    const segment = findSegment(found, index, wanted);
    if (segment === 'notReady' || segment === 'gone') return undefined;
    const { track, entry, media } = segment;
    const body = media === undefined ? found.source.peekFragment(track, entry) : this.#packaged.peek(media);
    return body && this.#segmentContent(found, segment, body);
  }

  #segmentContent(
    found: FoundPresentation,
    { track, entry, media, contentType }: Segment,
    body: Uint8Array,
  ): Content {
    return {
      body,
      contentType,
      cacheControl: cacheControlOf(found, lastingOf(track, { kind: 'fragment' })),
      entityTag:
        media === undefined ? storedTag(track, entry, body) : this.#packaged.entityTagOf(body, media),
    };
  }
}

/** Which bytes begin at a time, in the format that is asked for. */
interface Segment {
  readonly track: Track;
  readonly entry: FragmentEntry;
  /** Undefined: the stored fragment. */
  readonly media: PackagedMedia | undefined;
  readonly contentType: string;
}

function findSegment(
  found: FoundPresentation,
  index: PresentationIndex,
  wanted: Wanted,
): Segment | 'notReady' | 'gone' {
  if (isCaptions(wanted.track.track)) return findCaptions(found, index, wanted);
  if (isSmooth(found)) return findSmooth(found, index, wanted);
  const { track: trackIndex, ticks } = wanted;
  const { track } = trackIndex;
  const { request } = found;
  const { form } = request;
  const isKeyFrame = request.kind === 'fragment' && request.isKeyFrame === true;
  if (isTsForm(form) && !isKeyFrame) {
    const place = tsSegmentOf(index, trackIndex, { decodeTimeTicks: ticks, form });
    if (place.kind !== 'found') return place.kind;
    const [entry] = place.segment.entries;
    return { track, entry, contentType: TS_TYPE, media: packagedTsSegment(found, place.segment) };
  }
  const place = findFragment(trackIndex, ticks, index.state);
  if (place.kind !== 'found') return place.kind;
  const { entry } = place;
  if (!isKeyFrame) {
    return { track, entry, contentType: typeOf(track), media: packagedFragment(found, { track, entry }) };
  }
  if (track.type !== 'video') return 'gone';
  const contentType = isTsForm(form) ? TS_TYPE : typeOf(track);
  return { track, entry, contentType, media: packagedKeyFrame(found, { track, entry }) };
}

function findCaptions(
  found: FoundPresentation,
  index: PresentationIndex,
  { track: trackIndex, ticks }: Wanted,
): Segment | 'notReady' | 'gone' {
  const { request } = found;
  const { form } = request;
  const { track } = trackIndex;
  // Key frames are of pictures.
  if (request.kind === 'fragment' && request.isKeyFrame === true) return 'gone';
  const contentType = form.format.startsWith('m3u8') ? WEBVTT_TYPE : typeOf(track);
  if (isTsForm(form)) {
    const place = tsSegmentOf(index, trackIndex, { decodeTimeTicks: ticks, form });
    if (place.kind !== 'found') return place.kind;
    const { entries } = place.segment;
    return { track, entry: entries[0], contentType, media: packagedCaptions(found, track, entries) };
  }
  const place = findFragment(trackIndex, ticks, index.state);
  if (place.kind !== 'found') return place.kind;
  const { entry } = place;
  return { track, entry, contentType, media: packagedCaptions(found, track, [entry]) };
}

function findSmooth(
  found: FoundPresentation,
  index: PresentationIndex,
  { track: trackIndex, ticks }: Wanted,
): Segment | 'notReady' | 'gone' {
  const { track } = trackIndex;
  if (!isInSmooth(index, track, found.protection)) return 'gone';
  const place = findSmoothFragment(index, trackIndex, ticks);
  if (place.kind !== 'found') return place.kind;
  const media = packagedSmoothFragment(found, { ...place, track });
  return { track, entry: place.entry, contentType: typeOf(track), media };
}

/** Sparse text is in Smooth Streaming only, as media of whatever kind. */
function typeOf(track: Track): string {
  if (isCaptions(track)) return 'application/mp4';
  return track.type === 'audio' ? 'audio/mp4' : 'video/mp4';
}

interface Wanted {
  readonly track: TrackIndex;
  readonly ticks: number;
}

const hasHeaders = (found: FoundPresentation): boolean => !(isSmooth(found) || isTsForm(found.request.form));

function headerContent(found: FoundPresentation, track: Track, body: Uint8Array): Content {
  const content = lastingOf(track, { kind: 'header', isPreview: found.isPreview });
  return {
    body,
    contentType: typeOf(track),
    cacheControl: cacheControlOf(found, content),
    entityTag: entityTagOf(body),
  };
}

const noFragment = (): OriginError =>
  new OriginError('MPE_EGRESS_TIMESTAMP_NOT_FOUND', 'no fragment begins at this time');

/** What may be replaced is remembered for as long as the manifest that lists it. */
function lastingOf({ isReplaceable }: Track, content: CachedContent): CachedContent {
  return isReplaceable === true ? { kind: 'manifest', isLive: false, targetDurationSeconds: 0 } : content;
}

/** Create-only blobs: the name says all, and hashing megabytes per request would cost more than sending them. */
function storedTag({ folder, isReplaceable }: Track, entry: FragmentEntry, body: Uint8Array): string {
  return isReplaceable === true
    ? entityTagOf(body)
    : `"${folder}-${entry.decodeTimeTicks}-${entry.sizeBytes}"`;
}

async function fromStorage<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof OriginError) throw error;
    throw new OriginError('MPE_STORAGE_SERVER_BUSY', 'storage does not answer', { cause: error });
  }
}
