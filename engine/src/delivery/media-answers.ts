import type { FragmentEntry, PresentationIndex, TrackIndex } from '../model/presentation.ts';
import type { Track } from '../model/track.ts';
import { findFragment } from '../packager/fragment-window.ts';
import { entityTagOf } from './entity-tag.ts';
import { cacheControlOf, type FoundPresentation } from './found-presentation.ts';
import { OriginError } from './origin-errors.ts';
import type { Content } from './origin-response.ts';

/** The header of one format of a track. */
export async function header(
  found: FoundPresentation,
  { track }: TrackIndex,
  formatIndex: number,
): Promise<Content> {
  if (formatIndex >= track.formats.length) {
    throw new OriginError('MPE_EGRESS_TIMESTAMP_NOT_FOUND', `the track has ${track.formats.length} formats`);
  }
  return headerContent(found, track, await fromStorage(found.source.header(track, formatIndex)));
}

/** Undefined: it is not at hand. */
export function headerNow(
  found: FoundPresentation,
  { track }: TrackIndex,
  formatIndex: number,
): Content | undefined {
  const body = found.source.peekHeader(track, formatIndex);
  return body && headerContent(found, track, body);
}

function headerContent(found: FoundPresentation, track: Track, body: Uint8Array): Content {
  const content = { kind: 'header', isPreview: found.isPreview } as const;
  return {
    body,
    contentType: `${track.type}/mp4`,
    cacheControl: cacheControlOf(found, content),
    entityTag: entityTagOf(body),
  };
}

export async function fragment(
  found: FoundPresentation,
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

/** Undefined: it is not at hand. */
export function fragmentNow(
  found: FoundPresentation,
  index: PresentationIndex,
  wanted: { readonly track: TrackIndex; readonly ticks: number },
): Content | undefined {
  const { track } = wanted.track;
  const place = findFragment(wanted.track, wanted.ticks, index.state);
  if (place.kind !== 'found') return undefined;
  const body = found.source.peekFragment(track, place.entry);
  return body && fragmentContent(found, { track, entry: place.entry, body });
}

function fragmentContent(
  found: FoundPresentation,
  { track, entry, body }: { readonly track: Track; readonly entry: FragmentEntry; readonly body: Uint8Array },
): Content {
  return {
    body,
    contentType: `${track.type}/mp4`,
    cacheControl: cacheControlOf(found, { kind: 'fragment' }),
    entityTag: fragmentTag(track.folder, entry),
  };
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
