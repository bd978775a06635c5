import type { FragmentEntry, PresentationIndex } from '../model/presentation.ts';
import type { Track } from '../model/track.ts';
import type { ByteCache } from './byte-cache.ts';
import { type FeedDeps, FeedSubscription } from './feed-subscription.ts';
import type { Clock } from './lookup-cache.ts';
import { OriginError } from './origin-errors.ts';
import type { FeedReply } from './origin-ports.ts';
import type { PeekableSource } from './peekable-source.ts';
import { TrackTimelines } from './track-timelines.ts';

const PREVIEW_WINDOW_TICKS = 600_000_000;
/** How long a preview whose owner is silent is still shown. */
const SILENT_MS_MAX = 60_000;

export interface PreviewSourceDeps extends FeedDeps {
  readonly bytes: ByteCache;
  readonly clock: Clock;
}

/**
 * The preview of a live event: the owner's feed and nothing else. Another owner counts from the beginning again, so its
 * numbers are moved behind those already shown: a playlist's media sequence must not go backwards.
 */
export class PreviewSource implements PeekableSource {
  readonly #liveEventId: string;
  readonly #deps: PreviewSourceDeps;
  readonly #feed: FeedSubscription;
  #timelines = new TrackTimelines();
  /** What a new owner has told, until its first fragment replaces what the old one had. */
  #next: TrackTimelines | undefined;
  #epoch: number | undefined;
  /** Last sequence shown of each track before the present owner, and how far its numbers are moved. */
  #sequenceFloor = new Map<string, number>();
  readonly #sequenceShift = new Map<string, number>();
  #discontinuityShift = 0;
  #discontinuityLast = -1;
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #built:
    | { readonly of: TrackTimelines; readonly version: number; readonly index: PresentationIndex }
    | undefined;

  constructor(liveEventId: string, deps: PreviewSourceDeps) {
    this.#liveEventId = liveEventId;
    this.#deps = deps;
    this.#feed = new FeedSubscription(
      { liveEventId, source: 'preview' },
      {
        onReply: (reply, restarted) => this.#onReply(reply, restarted),
        onNotFound: () => this.#forget(),
      },
      deps,
    );
  }

  get fragmentCount(): number {
    return this.#timelines.fragmentCount;
  }

  close(): void {
    this.#feed.close();
  }

  async index(): Promise<PresentationIndex> {
    await this.#feed.ready();
    return this.#index();
  }

  peekIndex(): PresentationIndex | undefined {
    return this.#feed.owner === undefined ? undefined : this.#index();
  }

  peekHeader(track: Track, formatIndex: number): Uint8Array | undefined {
    return this.#deps.bytes.peek(this.headerName(track, formatIndex));
  }

  peekFragment(track: Track, entry: FragmentEntry): Uint8Array | undefined {
    return this.#deps.bytes.peek(this.fragmentName(track, entry));
  }

  headerName({ folder }: Track, formatIndex: number): string {
    return `preview!${this.#liveEventId}!${this.#epoch}/${folder}/header-${formatIndex}`;
  }

  fragmentName({ folder }: Track, { decodeTimeTicks }: FragmentEntry): string {
    return `preview!${this.#liveEventId}/${folder}/${decodeTimeTicks}`;
  }

  #index(): PresentationIndex {
    if (this.#feed.owner !== undefined) this.#heardAtMs = this.#deps.clock.nowMs();
    else if (this.#deps.clock.nowMs() - this.#heardAtMs > SILENT_MS_MAX) this.#forget();
    const timelines = this.#timelines;
    if (this.#built?.of === timelines && this.#built.version === timelines.version) return this.#built.index;
    timelines.trimTo(PREVIEW_WINDOW_TICKS);
    const index: PresentationIndex = { state: 'live', tracks: timelines.snapshot(), rewindTicks: undefined };
    this.#built = { of: timelines, version: timelines.version, index };
    return index;
  }

  async header(track: Track, formatIndex: number): Promise<Uint8Array> {
    const { folder } = track;
    const bytes = await this.#deps.bytes.get(this.headerName(track, formatIndex), () =>
      this.#ask((owner) => this.#deps.feed.header(owner, this.#liveEventId, { folder, formatIndex })),
    );
    if (bytes === undefined) throw new OriginError('MPE_STORAGE_SERVER_BUSY', 'the encoder is coming back');
    return bytes;
  }

  fragment(track: Track, entry: FragmentEntry): Promise<Uint8Array | undefined> {
    const { folder } = track;
    const { decodeTimeTicks } = entry;
    return this.#deps.bytes.get(this.fragmentName(track, entry), () =>
      this.#ask((owner) => this.#deps.feed.fragment(owner, this.#liveEventId, { folder, decodeTimeTicks })),
    );
  }

  async #ask(
    read: (owner: NonNullable<FeedSubscription['owner']>) => Promise<Uint8Array | undefined>,
  ): Promise<Uint8Array | undefined> {
    const { owner } = this.#feed;
    if (owner === undefined) return undefined;
    try {
      return await read(owner);
    } catch (error) {
      throw new OriginError('MPE_STORAGE_SERVER_BUSY', 'the ingest process does not answer', {
        cause: error,
      });
    }
  }

  #forget(): void {
    this.#adopt(new TrackTimelines());
    this.#epoch = undefined;
  }

  #onReply(reply: FeedReply, restarted: boolean): void {
    this.#heardAtMs = this.#deps.clock.nowMs();
    if (restarted && reply.epoch !== this.#epoch) {
      this.#epoch = reply.epoch;
      this.#next = new TrackTimelines();
      if (this.#timelines.fragmentCount === 0) this.#adopt(this.#next);
    } else if (restarted && !reply.lines.some(({ line }) => line.kind === 'fragment')) {
      // The owner has let go of what it held: nobody has sent for long.
      this.#adopt(new TrackTimelines());
    }
    for (const { folder, line } of reply.lines) {
      if (line.kind === 'track') (this.#next ?? this.#timelines).addTrack(line.track);
      if (line.kind === 'fragment') this.#addFragment(folder, line.entry);
    }
    // Missed for good: the preview has no history, and a hole in a playlist is worse than a shorter one.
    if (this.#timelines.hasGap()) this.#timelines.trimToContiguous();
    if (reply.ended) this.#forget();
  }

  #addFragment(folder: string, entry: FragmentEntry): void {
    if (this.#next !== undefined) {
      this.#discontinuityShift = Math.max(0, this.#discontinuityLast + 1 - entry.discontinuity);
      this.#adopt(this.#next);
    }
    const shown = {
      ...entry,
      sequence: entry.sequence + this.#shiftOf(folder, entry),
      discontinuity: entry.discontinuity + this.#discontinuityShift,
    };
    this.#discontinuityLast = Math.max(this.#discontinuityLast, shown.discontinuity);
    this.#timelines.addFragment(folder, shown);
  }

  #shiftOf(folder: string, entry: FragmentEntry): number {
    const known = this.#sequenceShift.get(folder);
    if (known !== undefined) return known;
    const shift = Math.max(0, (this.#sequenceFloor.get(folder) ?? -1) + 1 - entry.sequence);
    this.#sequenceShift.set(folder, shift);
    return shift;
  }

  #adopt(next: TrackTimelines): void {
    for (const { track, fragments } of this.#timelines.snapshot()) {
      const last = fragments.at(-1);
      if (last !== undefined) this.#sequenceFloor.set(track.folder, last.sequence);
    }
    this.#sequenceShift.clear();
    this.#timelines = next;
    this.#next = undefined;
  }
}
