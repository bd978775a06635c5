import { writeFragment } from '../formats/isobmff/fragment-writer.ts';
import type { Track, TrackFormat } from '../model/track.ts';
import { TICKS_PER_SECOND, timelineTicksFromUnixMs } from '../time/timescale.ts';
import { AudioFeeders } from './audio-feeders.ts';
import { ByteStreamSegmenter } from './byte-stream-segmenter.ts';
import { CutGrid } from './cut-grid.ts';
import type { ClosedStretch, ElementaryStream } from './elementary-stream.ts';
import { type LiveFragment, movieSequenceAt, type RecordedSoFar } from './live-fragment.ts';
import type {
  ArrivedText,
  Irregularity,
  PlacedSource,
  SampleToPlace,
  SegmentedEvent,
  TrackStart,
} from './segmented-event.ts';
import { SessionTimeline } from './session-timeline.ts';
import { TextTracks } from './text-tracks.ts';
import { type ClaimedTrack, TrackRegistry, type WantedTrack } from './track-registry.ts';

/** Shorter audio at the start joins the first fragment instead of making one of its own. */
const AUDIO_FRAGMENT_TICKS_MIN = TICKS_PER_SECOND / 2;
const AUDIO_ONLY_FRAGMENT_TICKS = 2 * TICKS_PER_SECOND;
/** Audio waits this long for the video's next key frame before it is cut by itself. */
const AUDIO_WAITS_FOR_VIDEO_TICKS_MAX = 20 * TICKS_PER_SECOND;

/** Where segmented media goes. Calls are synchronous and in order per track. */
export interface SegmenterOutput {
  /** A track is known, or its formats have grown: always before a fragment that uses them. */
  trackKnown(track: Track): void;
  /** The first sample of a track in this byte stream's life, with the track it feeds. */
  trackStarted(start: TrackStart): void;
  sampleTaken(track: Track, dtsTicks: number, sizeBytes: number): void;
  irregular(track: Track, irregularity: Irregularity): void;
  fragment(fragment: LiveFragment): void;
}

/** Turns the byte streams of one live event into CMAF fragments that are aligned across its tracks. No I/O. */
export class EventSegmenter implements SegmentedEvent {
  readonly grid = new CutGrid();
  readonly #timeline: SessionTimeline;
  readonly #registry: TrackRegistry;
  readonly #output: SegmenterOutput;
  readonly #clock: { now(): number };
  readonly #streams = new Set<PlacedSource>();
  /** Where each track ends; nothing may come before it. */
  readonly #ends = new Map<string, number>();
  readonly audio: AudioFeeders;
  readonly #texts: TextTracks;

  constructor(options: {
    readonly soFar: readonly RecordedSoFar[];
    readonly audioTracksMax: number;
    readonly clock: { now(): number };
    readonly output: SegmenterOutput;
  }) {
    const { soFar, clock, output } = options;
    const known = <T>(values: readonly (T | undefined)[]): T[] =>
      values.filter((value) => value !== undefined);
    const ends = known(soFar.map(({ endTicks }) => endTicks));
    const discontinuities = known(soFar.map(({ discontinuity }) => discontinuity));
    this.#timeline = new SessionTimeline({
      endTicks: ends.length === 0 ? undefined : Math.max(...ends),
      discontinuity: discontinuities.length === 0 ? undefined : Math.max(...discontinuities),
    });
    this.#registry = new TrackRegistry(soFar.flatMap(({ tracks }) => tracks));
    this.audio = new AudioFeeders(options.audioTracksMax, () => this.#streams);
    this.#clock = clock;
    this.#output = output;
    this.#texts = new TextTracks({ registry: this.#registry, timeline: this.#timeline, output });
  }

  openByteStream(streamId: string): ByteStreamSegmenter {
    const stream = new ByteStreamSegmenter(this, streamId);
    this.#streams.add(stream);
    return stream;
  }

  forget(stream: PlacedSource): void {
    for (const { folder } of stream.tracks()) this.#registry.release(folder);
    this.#streams.delete(stream);
    this.audio.forget(stream);
  }

  /** What every open fragment holds now, for an output that ends in the middle of one. */
  snapshots(): LiveFragment[] {
    return [...this.#streams].flatMap((stream) => stream.snapshots());
  }

  /** Tracks that an encoder is feeding now. */
  liveTracks(): Track[] {
    return [...this.#streams].flatMap((stream) => stream.tracks());
  }

  claim(wanted: WantedTrack): ClaimedTrack {
    const claimed = this.#registry.claim(wanted);
    this.#output.trackKnown(claimed.track);
    return claimed;
  }

  trackStarted(start: TrackStart): void {
    this.#output.trackStarted(start);
  }

  advance(ticks: number): void {
    this.#timeline.advance(ticks);
  }

  sampleTaken(track: Track, dtsTicks: number, sizeBytes: number): void {
    this.#output.sampleTaken(track, dtsTicks, sizeBytes);
  }

  irregular(track: Track, irregularity: Irregularity): void {
    this.#output.irregular(track, irregularity);
  }

  place(stream: PlacedSource, sample: SampleToPlace): number {
    const sessionIsLive = [...this.#streams].some((other) => other !== stream && other.isPlaced);
    const { lookBackTicks, ...placement } = sample;
    const nowTicks = timelineTicksFromUnixMs(this.#clock.now()) - lookBackTicks;
    const offsetTicks = this.#timeline.place({ ...placement, nowTicks, sessionIsLive });
    this.#texts.placed(offsetTicks, sample.dtsTicks + offsetTicks);
    return offsetTicks;
  }

  addText(arrived: ArrivedText): void {
    const isPlaced = [...this.#streams].some((stream) => stream.isPlaced);
    const eventOffset = isPlaced ? this.#timeline.offsetTicks : undefined;
    this.#texts.add(arrived, arrived.offsetTicks ?? eventOffset);
  }

  endOf(track: Track | undefined): number {
    return track === undefined ? 0 : (this.#ends.get(track.folder) ?? 0);
  }

  addBoundary(ticks: number): void {
    this.grid.add(ticks);
    for (const stream of this.#streams) stream.cutAudio();
  }

  audioBoundaryAfter(startTicks: number, newestTicks: number): number | undefined {
    if (![...this.#streams].some((stream) => stream.hasVideo)) return startTicks + AUDIO_ONLY_FRAGMENT_TICKS;
    const boundary = this.grid.firstAfter(startTicks + AUDIO_FRAGMENT_TICKS_MIN);
    const waitedTooLong = newestTicks - startTicks > AUDIO_WAITS_FOR_VIDEO_TICKS_MAX;
    return boundary ?? (waitedTooLong ? startTicks + AUDIO_ONLY_FRAGMENT_TICKS : undefined);
  }

  emit(elementary: ElementaryStream, stretch: ClosedStretch): void {
    const fragment = this.toFragment(elementary, stretch);
    if (fragment === undefined) return;
    const endTicks = fragment.decodeTimeTicks + fragment.durationTicks;
    this.#ends.set(fragment.track.folder, endTicks);
    this.#timeline.advance(endTicks);
    this.#output.fragment(fragment);
  }

  toFragment(elementary: ElementaryStream, { closed, format }: ClosedStretch): LiveFragment | undefined {
    const claimed = elementary.claimed;
    if (claimed === undefined) return undefined;
    const { track, formatIndex } = this.#inFormat(elementary, claimed.track, format);
    const { head, payload, sizeBytes } = writeFragment({
      track,
      sequence: movieSequenceAt(closed.decodeTimeTicks),
      decodeTimeTicks: closed.decodeTimeTicks,
      samples: closed.samples,
    });
    return {
      track,
      decodeTimeTicks: closed.decodeTimeTicks,
      durationTicks: closed.durationTicks,
      sampleCount: closed.samples.length,
      discontinuity: this.#timeline.discontinuityAt(closed.decodeTimeTicks),
      formatIndex,
      // The one copy of the media on its way: sockets, blobs and feed all take this buffer.
      bytes: Buffer.concat([head, ...payload], sizeBytes),
    };
  }

  #inFormat(elementary: ElementaryStream, track: Track, format: TrackFormat) {
    const claimed = this.#registry.useFormat(track.folder, format);
    if (claimed.track !== track) this.#output.trackKnown(claimed.track);
    elementary.claimed = claimed;
    return claimed;
  }
}
