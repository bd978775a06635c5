import { createHash } from 'node:crypto';
import { type AddedTo, openAddedTrack } from '../library/added-track.ts';
import { leadOf } from '../library/lead-track.ts';
import { canonicalHeader, type LibraryContainer, type LibraryTrack } from '../library/library-container.ts';
import { streamNameFrom } from '../library/track-identity.ts';
import type { FragmentEntry, PresentationIndex } from '../model/presentation.ts';
import type { Track } from '../model/track.ts';
import type { ByteCache } from './byte-cache.ts';
import type { AddedTrackView } from './delivery-directory.ts';
import type { Clock } from './lookup-cache.ts';
import type { DeliveryLog } from './origin-ports.ts';
import type { PeekableSource } from './peekable-source.ts';

/** Ordinals of added tracks; those of recordings count from 1. */
const ORDINAL_MIN = 32_768;
const ORDINALS = 32_768;
const OPENED_AT_ONCE_MAX = 4;
/** How soon a file is asked for again that storage did not give. */
const RETRY_MS = 5_000;
/** What the added tracks of one presentation may hold in memory; what does not fit is left out. */
const OPENED_BYTES_MAX = 256 * 1024 * 1024;

interface Opened {
  /** For which version of what is wanted it was opened. */
  readonly wanted: string;
  /** Which one it is, in the names of its bytes. */
  readonly version: string;
  /** Undefined: it cannot be served. */
  readonly track: LibraryTrack | undefined;
  readonly retryAtMs: number | undefined;
}

export interface TrackedSourceDeps {
  readonly container: string;
  readonly files: LibraryContainer;
  readonly bytes: ByteCache;
  readonly clock: Clock;
  readonly log: DeliveryLog;
}

/**
 * A recording with the tracks that were added to its asset, once it has ended. One that is being changed stays as it was
 * until that is over.
 */
export class TrackedSource implements PeekableSource {
  readonly #source: PeekableSource;
  readonly #deps: TrackedSourceDeps;
  readonly #opened = new Map<string, Opened>();
  #wanted: readonly AddedTrackView[] = [];
  /** What the opened ones belong to. */
  #base: PresentationIndex | undefined;
  #opening: Promise<void> | undefined;
  #built: { readonly of: string; readonly index: PresentationIndex } | undefined;

  constructor(source: PeekableSource, deps: TrackedSourceDeps) {
    this.#source = source;
    this.#deps = deps;
  }

  /** Tells which tracks the asset has now, as often as anybody asks for it. */
  follow(wanted: readonly AddedTrackView[]): void {
    this.#wanted = wanted;
  }

  async index(): Promise<PresentationIndex> {
    const base = await this.#source.index();
    if (!this.#takes(base)) return base;
    if (this.#missing().length > 0) {
      this.#opening ??= this.#open(base).finally(() => {
        this.#opening = undefined;
      });
      await this.#opening;
    }
    return this.#combined(base);
  }

  peekIndex(): PresentationIndex | undefined {
    const base = this.#source.peekIndex();
    if (base === undefined || !this.#takes(base)) return base;
    return this.#missing().length > 0 ? undefined : this.#combined(base);
  }

  async header(track: Track, formatIndex: number): Promise<Uint8Array> {
    return this.#own(track) ? canonicalHeader(track, formatIndex) : this.#source.header(track, formatIndex);
  }

  peekHeader(track: Track, formatIndex: number): Uint8Array | undefined {
    return this.#own(track)
      ? canonicalHeader(track, formatIndex)
      : this.#source.peekHeader(track, formatIndex);
  }

  fragment(track: Track, entry: FragmentEntry): Promise<Uint8Array | undefined> {
    const own = this.#own(track);
    if (own?.track === undefined) return this.#source.fragment(track, entry);
    const { track: opened } = own;
    return this.#deps.bytes.get(this.fragmentName(track, entry), () => opened.fragment(entry));
  }

  peekFragment(track: Track, entry: FragmentEntry): Uint8Array | undefined {
    return this.#own(track)
      ? this.#deps.bytes.peek(this.fragmentName(track, entry))
      : this.#source.peekFragment(track, entry);
  }

  headerName(track: Track, formatIndex: number): string {
    const own = this.#own(track);
    return own === undefined
      ? this.#source.headerName(track, formatIndex)
      : this.#nameOf(own, track, 'header');
  }

  fragmentName(track: Track, entry: FragmentEntry): string {
    const own = this.#own(track);
    return own === undefined
      ? this.#source.fragmentName(track, entry)
      : this.#nameOf(own, track, String(entry.decodeTimeTicks));
  }

  #nameOf({ version }: Opened, { folder }: Track, part: string): string {
    return `${this.#deps.container}/${folder}/${part}!${version}`;
  }

  /** What is live has no added tracks: they belong to what is recorded (reference §1.2). */
  #takes(base: PresentationIndex): boolean {
    if (base.state !== 'ended' || (this.#wanted.length === 0 && this.#opened.size === 0)) return false;
    if (this.#base !== base) {
      this.#base = base;
      this.#opened.clear();
      this.#built = undefined;
    }
    return leadOf(base.tracks) !== undefined;
  }

  #missing(): readonly AddedTrackView[] {
    const nowMs = this.#deps.clock.nowMs();
    return this.#wanted.filter(({ name, version, isPending }) => {
      const opened = this.#opened.get(name);
      if (isPending) return false;
      if (opened?.wanted !== version) return true;
      return opened.retryAtMs !== undefined && opened.retryAtMs <= nowMs;
    });
  }

  async #open(base: PresentationIndex): Promise<void> {
    const wanted = this.#wanted;
    const missing = this.#missing();
    for (let from = 0; from < missing.length; from += OPENED_AT_ONCE_MAX) {
      const batch = missing.slice(from, from + OPENED_AT_ONCE_MAX);
      const opened = await Promise.all(batch.map((one) => this.#openOne(one, base, wanted)));
      if (this.#base !== base) return;
      for (const [at, one] of batch.entries()) {
        const found = opened[at];
        if (found !== undefined) this.#keep(one.name, found);
      }
    }
  }

  #keep(name: string, opened: Opened): void {
    const wanted = new Set(this.#wanted.map((one) => one.name));
    for (const known of [...this.#opened.keys()]) if (!wanted.has(known)) this.#opened.delete(known);
    this.#opened.delete(name);
    let bytes = opened.track?.tableBytes ?? 0;
    for (const { track } of this.#opened.values()) bytes += track?.tableBytes ?? 0;
    const fits = bytes <= OPENED_BYTES_MAX;
    if (!fits) this.#deps.log.warn('origin.tracksTooLarge', { container: this.#deps.container, track: name });
    this.#opened.set(name, fits ? opened : { ...opened, track: undefined });
  }

  async #openOne(
    wanted: AddedTrackView,
    base: PresentationIndex,
    all: readonly AddedTrackView[],
  ): Promise<Opened> {
    const { container, files, clock, log } = this.#deps;
    const { name, version } = wanted;
    const lead = leadOf(base.tracks);
    const none = { wanted: version, version, track: undefined, retryAtMs: undefined };
    if (lead === undefined) return none;
    try {
      const outcome = await openAddedTrack(files, wanted, { lead, ...placeOf(wanted, base, all) });
      if (!('reason' in outcome)) return { ...none, track: outcome };
      log.warn('origin.trackUnreadable', { container, track: name, reason: outcome.reason });
      return none;
    } catch (error) {
      log.warn('origin.trackUnreadable', { container, track: name, error });
      // What is known of it goes on.
      const known = this.#opened.get(name) ?? none;
      return { ...known, wanted: version, retryAtMs: clock.nowMs() + RETRY_MS };
    }
  }

  #shown(): readonly (Opened & { readonly track: LibraryTrack })[] {
    return this.#wanted.flatMap(({ name }) => {
      const opened = this.#opened.get(name);
      return opened?.track === undefined ? [] : [{ ...opened, track: opened.track }];
    });
  }

  /** The same object again for the same tracks. */
  #combined(base: PresentationIndex): PresentationIndex {
    const shown = this.#shown();
    if (shown.length === 0) return base;
    const of = shown.map(({ track, version }) => `${track.index.track.folder}!${version}`).join();
    if (this.#built?.of === of) return this.#built.index;
    const index = { ...base, tracks: [...base.tracks, ...shown.map(({ track }) => track.index)] };
    this.#built = { of, index };
    return index;
  }

  /** Undefined: the track is one of the recording's. */
  #own({ folder }: Track): Opened | undefined {
    for (const opened of this.#opened.values()) {
      if (opened.track?.index.track.folder === folder) return opened;
    }
    return undefined;
  }
}

function placeOf(
  wanted: AddedTrackView,
  { tracks, filesZeroTicks }: PresentationIndex,
  all: readonly AddedTrackView[],
): Omit<AddedTo, 'lead'> {
  const starts = tracks.flatMap(({ fragments: [first] }) =>
    first === undefined ? [] : [first.decodeTimeTicks],
  );
  const startTicks = Math.min(...starts);
  return {
    startTicks,
    zeroTicks: filesZeroTicks ?? startTicks,
    ordinal: ordinalOf(wanted.name, all),
    streamName: streamNameOf(
      wanted.name,
      all,
      new Set(tracks.map(({ track }) => track.streamName.toLowerCase())),
    ),
  };
}

/** Names that meet in what addresses can hold are told apart by numbers, in the order of the names. */
function streamNameOf(name: string, all: readonly AddedTrackView[], taken: Set<string>): string {
  for (const one of all) {
    const wanted = streamNameFrom(one.name, one.type);
    let streamName = wanted;
    for (let number = 2; taken.has(streamName.toLowerCase()); number += 1) streamName = `${wanted}_${number}`;
    if (one.name === name) return streamName;
    taken.add(streamName.toLowerCase());
  }
  return streamNameFrom(name, 'track');
}

/** The same for as long as it is there, whatever comes or goes beside it; of names that meet, each has its own. */
function ordinalOf(name: string, all: readonly AddedTrackView[]): number {
  const taken = new Set<number>();
  for (const one of all) {
    let ordinal = createHash('sha256').update(one.name).digest().readUInt16BE(0) % ORDINALS;
    while (taken.has(ordinal)) ordinal = (ordinal + 1) % ORDINALS;
    if (one.name === name) return ORDINAL_MIN + ordinal;
    taken.add(ordinal);
  }
  return ORDINAL_MIN;
}
