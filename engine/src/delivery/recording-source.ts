import type { FragmentEntry, PresentationIndex } from '../model/presentation.ts';
import type { Track } from '../model/track.ts';
import type { ByteCache } from './byte-cache.ts';
import type { AssetLocatorView } from './delivery-directory.ts';
import { type FeedDeps, FeedSubscription } from './feed-subscription.ts';
import type { Clock } from './lookup-cache.ts';
import { OriginError } from './origin-errors.ts';
import type { FeedReply, Recording, RecordingReader } from './origin-ports.ts';
import type { PeekableSource } from './peekable-source.ts';
import { TrackTimelines } from './track-timelines.ts';

/** A recording that nobody finishes and no live output lists ends by itself after this. */
const ABANDONED_MS = 30_000;
const STORED_INDEX_MS_MIN = 1_000;
/** How often what may be replaced is looked at, while somebody watches it. */
const LOOKED_AT_AGAIN_MS = 5_000;

export type LiveOutputOfAsset = AssetLocatorView['liveOutputs'][number];

export interface RecordingSourceDeps extends FeedDeps {
  readonly recordings: RecordingReader;
  readonly bytes: ByteCache;
  readonly clock: Clock;
}

/**
 * One recording from its first fragment to long after its last. While a live output writes it, the edge comes from the
 * owner's feed and the history from storage; once it has ended, all is in storage. What was once shown is never taken
 * back on the way from one to the other.
 */
export class RecordingSource implements PeekableSource {
  readonly #container: string;
  readonly #manifestName: string;
  readonly #deps: RecordingSourceDeps;
  #timelines = new TrackTimelines();
  #output: LiveOutputOfAsset | undefined;
  /** Kept when the output is gone: what it deleted stays deleted. */
  #archiveWindowTicks: number | undefined;
  /** Kept too: viewers go on with the segments that they know. */
  #fragmentsPerTsSegment: number | undefined;
  /** Kept too: between the output's end and the recording's the window stays as it was. */
  #rewindTicks: number | undefined;
  #feed: FeedSubscription | undefined;
  #ended = false;
  #endedAtMs: number | undefined;
  #zeroMs: PresentationIndex['zeroMs'];
  #filesZeroTicks: number | undefined;
  /** Of what may be replaced after its end. */
  #version: string | undefined;
  #needsHistory = true;
  #historyAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  #trimmedAtVersion = -1;
  #built: { readonly version: number; readonly index: PresentationIndex } | undefined;

  constructor(container: string, manifestName: string, deps: RecordingSourceDeps) {
    this.#container = container;
    this.#manifestName = manifestName;
    this.#deps = deps;
  }

  get fragmentCount(): number {
    return this.#timelines.fragmentCount;
  }

  /** Tells which live output writes the recording now, as often as anybody asks for it. */
  follow(output: LiveOutputOfAsset | undefined): void {
    if (this.#ended) return;
    const isSame =
      output?.liveEventId === this.#output?.liveEventId && output?.outputName === this.#output?.outputName;
    this.#output = output;
    this.#archiveWindowTicks = output?.archiveWindowTicks ?? this.#archiveWindowTicks;
    this.#fragmentsPerTsSegment = output?.fragmentsPerTsSegment ?? this.#fragmentsPerTsSegment;
    if (output !== undefined) this.#rewindTicks = output.rewindWindowTicks;
    if (isSame) return;
    this.#feed?.close();
    this.#feed = undefined;
    this.#needsHistory = true;
    if (output === undefined) return;
    const target = { liveEventId: output.liveEventId, source: `output!${output.outputName}` };
    const listener = {
      onReply: (reply: FeedReply, restarted: boolean) => this.#onReply(reply, restarted),
      onNotFound: () => {
        this.#needsHistory = true;
      },
    };
    this.#feed = new FeedSubscription(target, listener, this.#deps);
  }

  close(): void {
    this.#feed?.close();
  }

  /** No tracks: there is no such recording (yet). */
  async index(): Promise<PresentationIndex> {
    if (!this.#ended) await this.#update();
    this.#lookAgain();
    return this.#index();
  }

  peekIndex(): PresentationIndex | undefined {
    this.#lookAgain();
    return this.#ended || this.#isUpToDate() ? this.#index() : undefined;
  }

  peekHeader(track: Track, formatIndex: number): Uint8Array | undefined {
    return this.#deps.bytes.peek(this.headerName(track, formatIndex));
  }

  peekFragment(track: Track, entry: FragmentEntry): Uint8Array | undefined {
    return this.#deps.bytes.peek(this.fragmentName(track, entry));
  }

  #isUpToDate(): boolean {
    return this.#feed?.owner !== undefined && !this.#needsHistory;
  }

  headerName({ folder }: Track, formatIndex: number): string {
    return `${this.#container}/${folder}/header-${formatIndex}${this.#versionMark()}`;
  }

  fragmentName({ folder }: Track, { decodeTimeTicks }: FragmentEntry): string {
    return `${this.#container}/${folder}/${decodeTimeTicks}${this.#versionMark()}`;
  }

  #versionMark(): string {
    return this.#version === undefined ? '' : `!${this.#version}`;
  }

  #index(): PresentationIndex {
    if (this.#archiveWindowTicks !== undefined && this.#trimmedAtVersion !== this.#timelines.version) {
      this.#timelines.trimTo(this.#archiveWindowTicks);
      this.#trimmedAtVersion = this.#timelines.version;
    }
    const state = this.#ended || this.#isAbandoned() ? 'ended' : 'live';
    const rewindTicks = this.#rewindTicks;
    const { version } = this.#timelines;
    const built = this.#built;
    if (
      built?.version === version &&
      built.index.state === state &&
      built.index.rewindTicks === rewindTicks
    ) {
      return built.index;
    }
    const endedAtMs = this.#endedAtMs;
    const zeroMs = this.#zeroMs;
    const tracks = this.#timelines.snapshot();
    const fragmentsPerTsSegment = this.#fragmentsPerTsSegment;
    const filesZeroTicks = this.#filesZeroTicks;
    const index: PresentationIndex = {
      ...{ state, tracks, rewindTicks, endedAtMs, zeroMs, fragmentsPerTsSegment, filesZeroTicks },
    };
    this.#built = { version, index };
    return index;
  }

  async header(track: Track, formatIndex: number): Promise<Uint8Array> {
    // From storage first: a recording numbers its formats for itself, and its header is there before its fragments.
    const bytes = await this.#deps.bytes.get(
      this.headerName(track, formatIndex),
      async () =>
        (await this.#deps.recordings.header(this.#container, track.folder, formatIndex)) ??
        (await this.#fromFeed((feed, owner, event) =>
          feed.header(owner, event, { folder: track.folder, formatIndex }),
        )),
    );
    if (bytes === undefined) {
      throw new OriginError(
        'MPE_STORAGE_SERVER_BUSY',
        `format ${formatIndex} of the track is not stored yet`,
      );
    }
    return bytes;
  }

  fragment(track: Track, entry: FragmentEntry): Promise<Uint8Array | undefined> {
    const { decodeTimeTicks } = entry;
    const { folder } = track;
    return this.#deps.bytes.get(
      this.fragmentName(track, entry),
      async () =>
        (await this.#fromFeed((feed, owner, event) =>
          feed.fragment(owner, event, { folder, decodeTimeTicks }),
        )) ?? (await this.#deps.recordings.fragment(this.#container, folder, decodeTimeTicks)),
    );
  }

  async #fromFeed(
    read: (
      feed: RecordingSourceDeps['feed'],
      owner: NonNullable<FeedSubscription['owner']>,
      liveEventId: string,
    ) => Promise<Uint8Array | undefined>,
  ): Promise<Uint8Array | undefined> {
    const owner = this.#feed?.owner;
    if (owner === undefined || this.#output === undefined) return undefined;
    try {
      return await read(this.#deps.feed, owner, this.#output.liveEventId);
    } catch (error) {
      this.#deps.log.warn('origin.feedBytesFailed', { liveEventId: this.#output.liveEventId, error });
      return undefined;
    }
  }

  #onReply(reply: FeedReply, restarted: boolean): void {
    if (restarted) this.#needsHistory = true;
    for (const { folder, line } of reply.lines) {
      if (line.kind === 'track') this.#timelines.addTrack(line.track);
      if (line.kind === 'fragment') this.#timelines.addFragment(folder, line.entry);
    }
    if (this.#timelines.hasGap()) this.#needsHistory = true;
    // Ended means that every line is committed; what was missed is in the stored index, which is read once more.
    if (reply.ended) this.#needsHistory = true;
  }

  async #update(): Promise<void> {
    await this.#feed?.ready();
    if (this.#isUpToDate()) return;
    this.#reading ??= this.#readStored().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  async #readStored(): Promise<void> {
    const nowMs = this.#deps.clock.nowMs();
    if (nowMs - this.#historyAtMs < STORED_INDEX_MS_MIN) return;
    try {
      this.#needsHistory = false;
      const recording = await this.#deps.recordings.readRecording(this.#container, this.#manifestName);
      this.#historyAtMs = nowMs;
      if (recording === undefined) return;
      this.#timelines.addTracks(recording.tracks);
      this.#describe(recording);
      this.#archiveWindowTicks ??= recording.archiveWindowTicks;
      this.#fragmentsPerTsSegment ??= recording.fragmentsPerTsSegment;
      if (recording.state === 'ended') this.#end(recording.endedAtMs);
    } catch (error) {
      this.#needsHistory = true;
      this.#deps.log.warn('origin.indexUnreadable', { container: this.#container, error });
      if (this.#timelines.fragmentCount > 0) return;
      throw new OriginError('MPE_STORAGE_SERVER_BUSY', 'the recording cannot be read', { cause: error });
    }
  }

  #describe({ zeroMs, filesZeroTicks, version }: Recording): void {
    this.#zeroMs = zeroMs;
    this.#filesZeroTicks = filesZeroTicks;
    this.#version = version;
  }

  /** In the background: who watches goes on with what is known. */
  #lookAgain(): void {
    const nowMs = this.#deps.clock.nowMs();
    if (!this.#ended || this.#version === undefined || this.#reading !== undefined) return;
    if (nowMs - this.#historyAtMs < LOOKED_AT_AGAIN_MS) return;
    this.#historyAtMs = nowMs;
    this.#reading = this.#readReplaced().finally(() => {
      this.#reading = undefined;
    });
  }

  async #readReplaced(): Promise<void> {
    try {
      const recording = await this.#deps.recordings.readRecording(this.#container, this.#manifestName);
      if (recording === undefined || recording.version === this.#version) return;
      this.#timelines = new TrackTimelines();
      this.#timelines.addTracks(recording.tracks);
      this.#describe(recording);
      this.#built = undefined;
    } catch (error) {
      this.#deps.log.warn('origin.indexUnreadable', { container: this.#container, error });
    }
  }

  #end(endedAtMs: number | undefined): void {
    this.#ended = true;
    this.#endedAtMs = endedAtMs;
    this.#feed?.close();
    this.#feed = undefined;
  }

  #isAbandoned(): boolean {
    if (this.#output !== undefined || this.#timelines.fragmentCount === 0) return false;
    let committedAtMs = Number.NEGATIVE_INFINITY;
    for (const { track } of this.#built?.index.tracks ?? this.#timelines.snapshot()) {
      committedAtMs = Math.max(
        committedAtMs,
        this.#timelines.lastOf(track.folder)?.committedAtMs ?? committedAtMs,
      );
    }
    return this.#deps.clock.nowMs() - committedAtMs > ABANDONED_MS;
  }
}
