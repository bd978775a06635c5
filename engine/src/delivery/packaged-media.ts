import { createHash } from 'node:crypto';
import type { FragmentEntry } from '../model/presentation.ts';
import type { ProtectionKey } from '../model/protection.ts';
import type { Track } from '../model/track.ts';
import { packageCaptions } from '../packager/caption-segments.ts';
import { packageDashFragment, packageDashHeader } from '../packager/dash-segments.ts';
import { packageHlsFragment, packageHlsHeader } from '../packager/hls-cmaf-segments.ts';
import { keyFrameFragment } from '../packager/key-frame-fragment.ts';
import { packageSmoothFragment } from '../packager/smooth-segments.ts';
import { fragmentsOfTsSegment, packageTsKeyFrame, packageTsSegment } from '../packager/ts-packager.ts';
import { type TsSegment, tsSegmentKey } from '../packager/ts-segments.ts';
import { ByteCache } from './byte-cache.ts';
import type { FoundPresentation } from './found-presentation.ts';

/** Beside the cache of what is stored, which clear CMAF is served from. */
const PACKAGED_BYTES_MAX_DEFAULT = 256 * 1024 * 1024;
const TAG_CHARS = 22;

/** What is made of stored bytes for an answer. */
export interface PackagedMedia {
  /** The same for the same bytes, in every origin process. */
  readonly name: string;
  /** Undefined: what it is made of is gone. */
  make(): Promise<Uint8Array | undefined>;
}

/**
 * Media as players get it, by presentation, track, place, form and key; bounded in bytes. Who asks for the same at the
 * same time shares one packaging.
 */
export class PackagedMediaCache {
  readonly #bytes: ByteCache;
  readonly #tags = new WeakMap<Uint8Array, string>();
  #packagings = 0;

  constructor(sizeBytesMax: number = PACKAGED_BYTES_MAX_DEFAULT) {
    this.#bytes = new ByteCache(sizeBytesMax);
  }

  /** How many times something was made since the start. */
  get packagings(): number {
    return this.#packagings;
  }

  peek({ name }: PackagedMedia): Uint8Array | undefined {
    return this.#bytes.peek(name);
  }

  get(media: PackagedMedia): Promise<Uint8Array | undefined> {
    return this.#bytes.get(media.name, () => {
      this.#packagings += 1;
      return media.make();
    });
  }

  /** Strong: equal names are equal bytes, and hashing megabytes would cost more than sending them. */
  entityTagOf(body: Uint8Array, { name }: PackagedMedia): string {
    const known = this.#tags.get(body);
    if (known !== undefined) return known;
    const tag = `"${digestOf(`${name}!${body.byteLength}`)}"`;
    this.#tags.set(body, tag);
    return tag;
  }
}

/** Undefined: it is what is stored, also where the playlist says that headers are in the clear. */
export function packagedHeader(
  { source, request, protection }: FoundPresentation,
  track: Track,
  formatIndex: number,
): PackagedMedia | undefined {
  if (protection?.keyOf(track) === undefined) return undefined;
  const isHls = request.form.format === 'm3u8-cmaf';
  if (isHls && protection.scheme === 'aes128') return undefined;
  const packageHeader = isHls ? packageHlsHeader : packageDashHeader;
  return {
    name: `${source.headerName(track, formatIndex)}!${packagingOf(request.form)}!${protection.version}`,
    async make() {
      const stored = await source.header(track, formatIndex);
      return packageHeader(stored, { track, formatIndex, protection });
    },
  };
}

interface FragmentPlace {
  readonly track: Track;
  readonly entry: FragmentEntry;
}

/** A segment that is one stored fragment. Undefined: it is what is stored. */
export function packagedFragment(found: FoundPresentation, place: FragmentPlace): PackagedMedia | undefined {
  const { protection, request, source } = found;
  const key = protection?.keyOf(place.track);
  if (protection === undefined || key === undefined) return undefined;
  const packageFragment = request.form.format === 'm3u8-cmaf' ? packageHlsFragment : packageDashFragment;
  return {
    name: nameOf(found, place, key),
    async make() {
      const stored = await source.fragment(place.track, place.entry);
      return stored && packageFragment(stored, { ...place, protection });
    },
  };
}

/** The key frame alone, in the container of its HLS form. */
export function packagedKeyFrame(found: FoundPresentation, place: FragmentPlace): PackagedMedia {
  const { protection, request, source } = found;
  const isCmaf = request.form.format === 'm3u8-cmaf';
  return {
    name: `${nameOf(found, place, protection?.keyOf(place.track))}!keyframe`,
    async make() {
      const stored = await source.fragment(place.track, place.entry);
      if (stored === undefined) return undefined;
      if (!isCmaf) return packageTsKeyFrame(stored, { ...place, protection });
      const frame = keyFrameFragment(stored, place);
      return protection === undefined ? frame : packageHlsFragment(frame, { ...place, protection });
    },
  };
}

/** A segment of MPEG-TS, of several fragments. */
export function packagedTsSegment(found: FoundPresentation, segment: TsSegment): PackagedMedia {
  const { protection, source } = found;
  const [entry] = segment.entries;
  const { track } = segment.trackIndex;
  const needed = fragmentsOfTsSegment(segment);
  const parts = needed.map((one) => `${one.track.folder}/${one.entry.decodeTimeTicks}`).join();
  const name = nameOf(found, { track, entry }, protection && tsSegmentKey(segment, protection));
  return {
    name: `${name}!${segment.number}!${digestOf(parts)}`,
    async make() {
      const stored = await Promise.all(needed.map((one) => source.fragment(one.track, one.entry)));
      const byEntry = new Map(needed.map((one, at) => [one.entry, stored[at]]));
      if (stored.includes(undefined)) return undefined;
      const bytesOf = (_track: Track, wanted: FragmentEntry): Uint8Array => {
        const bytes = byEntry.get(wanted);
        if (bytes === undefined) throw new RangeError('a fragment that the segment did not ask for');
        return bytes;
      };
      return packageTsSegment(segment, bytesOf, protection);
    },
  };
}

/** Captions of one fragment, or of HLS with MPEG-TS of as many as its segments have; each form has its own. */
export function packagedCaptions(
  found: FoundPresentation,
  track: Track,
  entries: readonly [FragmentEntry, ...FragmentEntry[]],
): PackagedMedia {
  const { request, source } = found;
  const [first, ...others] = entries;
  const times = entries.map(({ decodeTimeTicks }) => decodeTimeTicks).join();
  return {
    name: `${nameOf(found, { track, entry: first }, undefined)}!${digestOf(times)}`,
    async make() {
      const [bytes, ...rest] = await Promise.all(entries.map((entry) => source.fragment(track, entry)));
      if (bytes === undefined || rest.includes(undefined)) return undefined;
      const following = others.flatMap((entry, at) => {
        const stored = rest[at];
        return stored === undefined ? [] : [{ entry, bytes: stored }];
      });
      return packageCaptions([{ entry: first, bytes }, ...following], { track, form: request.form });
    },
  };
}

/** Never what is stored: a fragment of Smooth Streaming tells of those that follow. */
export function packagedSmoothFragment(
  found: FoundPresentation,
  place: FragmentPlace & { readonly following: readonly FragmentEntry[] },
): PackagedMedia {
  const { protection, source } = found;
  const key = protection?.keyOf(place.track);
  return {
    name: `${nameOf(found, place, key)}!${place.following.length}`,
    async make() {
      const stored = await source.fragment(place.track, place.entry);
      return stored && packageSmoothFragment(stored, { ...place, protection });
    },
  };
}

function nameOf(
  { source, request, protection }: FoundPresentation,
  { track, entry }: FragmentPlace,
  key: ProtectionKey | undefined,
): string {
  // The salt differs between two names of one recording, which share what is stored.
  const keyed = protection && key ? `${keyTagOf(key)}!${Buffer.from(protection.ivSalt).toString('hex')}` : '';
  return `${source.fragmentName(track, entry)}!${packagingOf(request.form)}!${keyed}`;
}

/** What the bytes depend on: neither filters nor the choice of sound are in them. */
const packagingOf = ({ format, encryption }: FoundPresentation['request']['form']): string =>
  `${format}!${encryption ?? ''}`;

const keyTags = new WeakMap<ProtectionKey, string>();

/** One key may be in several locators; an id may have another value in another account, or when it is made anew. */
function keyTagOf(key: ProtectionKey): string {
  const known = keyTags.get(key);
  if (known !== undefined) return known;
  const tag = createHash('sha256').update(key.id).update(key.value).digest('base64url').slice(0, TAG_CHARS);
  keyTags.set(key, tag);
  return tag;
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, TAG_CHARS);
}
