import type { PublishedTrack, TrackKey } from '../ingest/publish-session.ts';
import type { Sample } from '../model/sample.ts';
import type { Track, TrackFormat, TrackType } from '../model/track.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import { AudioClock } from './audio-clock.ts';
import { type ClosedStretch, ElementaryStream } from './elementary-stream.ts';
import type { LiveFragment } from './live-fragment.ts';
import type { ClosedFragment } from './open-fragment.ts';
import { type ClaimedTrack, isSameFormat } from './track-registry.ts';

/** A fragment must end; the original's limit. */
const KEY_FRAME_INTERVAL_TICKS_MAX = 20 * TICKS_PER_SECOND;
const JUMP_BACK_TICKS_MAX = TICKS_PER_SECOND;
const JUMP_FORWARD_TICKS_MAX = 10 * TICKS_PER_SECOND;
/** Undeclared bitrates are measured and rounded to this. */
const MEASURED_BITRATE_STEP_BPS = 1000;
/** Boundaries one audio fragment can hold; more would mean key frames every few milliseconds. */
const AUDIO_CUTS_MAX = 64;

/** What a byte stream needs of the live event whose tracks it feeds. */
export interface SegmentedEvent {
  readonly grid: { shouldCut(timeTicks: number, openTicks: number): boolean };
  /** Throws `TooManyTracks`. */
  claim(type: TrackType, bitrateBps: number, format: TrackFormat): ClaimedTrack;
  trackStarted(start: TrackStart): void;
  /** A sample lies here: the live position, that other byte streams are placed by. */
  advance(ticks: number): void;
  sampleTaken(track: Track, dtsTicks: number, sizeBytes: number): void;
  irregular(track: Track, irregularity: Irregularity): void;
  /** The offset that puts this byte stream's times on the timeline. */
  place(stream: ByteStreamSegmenter, sample: SampleToPlace): number;
  endOf(track: Track | undefined): number;
  /** True for the one byte stream whose audio is used; the first to ask while nobody feeds. */
  feedsAudio(stream: ByteStreamSegmenter): boolean;
  /** A video fragment begins here: the audio is cut at the same place. */
  addBoundary(ticks: number): void;
  audioBoundaryAfter(startTicks: number, newestTicks: number): number | undefined;
  toFragment(elementary: ElementaryStream, stretch: ClosedStretch): LiveFragment | undefined;
  emit(elementary: ElementaryStream, stretch: ClosedStretch): void;
  /** The byte stream has flushed and is over. */
  forget(stream: ByteStreamSegmenter): void;
}

export interface SampleToPlace {
  /** By the encoder's clock. */
  readonly dtsTicks: number;
  readonly trackEndTicks: number;
  /** How much later the newest media of the encoder is that has arrived already. */
  readonly lookBackTicks: number;
  /** The offset of a session that this is not part of. */
  readonly leftOffsetTicks: number | undefined;
}

export type Irregularity = 'overlap' | 'discontinuity' | 'nonIncreasing';

/** The first sample of a track in a byte stream's life. */
export interface TrackStart {
  readonly track: Track;
  readonly streamId: string;
  readonly timestampTicks: number;
  readonly durationTicks: number;
}

export type AddResult = 'taken' | 'ignored' | 'fragmentTooLong';

/** One encoder connection: places its samples on the timeline and closes fragments at key frames. */
export class ByteStreamSegmenter {
  readonly #event: SegmentedEvent;
  readonly #streamId: string;
  readonly #elementary = new Map<TrackKey, ElementaryStream>();
  #audioClock: AudioClock | undefined;
  #offsetTicks: number | undefined;
  /** What a `breakOff` leaves for the next placement. */
  #after: { readonly lookBackTicks: number; readonly leftOffsetTicks: number | undefined } | undefined;

  constructor(event: SegmentedEvent, streamId: string) {
    this.#event = event;
    this.#streamId = streamId;
  }

  get isPlaced(): boolean {
    return this.#offsetTicks !== undefined;
  }

  get hasVideo(): boolean {
    return this.#first('video') !== undefined;
  }

  tracks(): Track[] {
    return [...this.#elementary.values()].flatMap(({ claimed }) =>
      claimed === undefined ? [] : [claimed.track],
    );
  }

  setTrack(key: TrackKey, description: PublishedTrack): void {
    const elementary = this.#elementary.get(key);
    const isSame = elementary !== undefined && isSameFormat(elementary.format, description.format);
    if (elementary !== undefined) elementary.describe(description);
    else this.#elementary.set(key, new ElementaryStream(description.type, description));
    if (isSame) return;
    if (description.format.kind === 'aac') this.#audioClock = new AudioClock(description.format);
  }

  /** Times are the encoder's own. */
  addSample(key: TrackKey, sample: Sample): AddResult {
    const elementary = this.#elementary.get(key);
    if (elementary === undefined) return 'ignored';
    if (elementary.type === 'audio')
      return this.#event.feedsAudio(this) ? this.#addAudio(elementary, sample) : 'ignored';
    return this.#addVideo(elementary, sample);
  }

  /** Another encoder goes on with this byte stream: its clock is another, its first `lookBackTicks` lie in the past. */
  breakOff(lookBackTicks: number): void {
    this.#flush();
    this.#after = { lookBackTicks, leftOffsetTicks: this.#offsetTicks };
    this.#offsetTicks = undefined;
    this.#restartAudioClock();
  }

  /** Flushes what is open; the byte stream is over. */
  close(): void {
    this.#flush();
    this.#event.forget(this);
  }

  /** A whole fragment that was not taken. */
  fragmentDropped(key: TrackKey, _timestampTicks: number, why: 'overlap' | 'nonIncreasing'): void {
    const elementary = this.#elementary.get(key);
    if (elementary !== undefined) this.#irregular(elementary, why);
  }

  snapshots(): LiveFragment[] {
    return [...this.#elementary.values()].flatMap((elementary) => {
      const stretch = elementary.snapshot();
      const fragment = stretch && this.#event.toFragment(elementary, stretch);
      return fragment === undefined ? [] : [fragment];
    });
  }

  cutAudio(): void {
    const elementary = this.#first('audio');
    for (let cuts = 0; elementary !== undefined && cuts < AUDIO_CUTS_MAX; cuts += 1) {
      const { startTicks, lastDtsTicks } = elementary.open;
      if (startTicks === undefined || lastDtsTicks === undefined) return;
      const boundary = this.#event.audioBoundaryAfter(startTicks, lastDtsTicks);
      if (boundary === undefined || lastDtsTicks < boundary) return;
      this.#closeBefore(elementary, boundary);
    }
  }

  #first(type: TrackType): ElementaryStream | undefined {
    return [...this.#elementary.values()].find((elementary) => elementary.type === type);
  }

  #addVideo(elementary: ElementaryStream, sample: Sample): AddResult {
    if (elementary.needsRandomAccessPoint && !sample.isRandomAccessPoint) return 'ignored';
    const placed = this.#placeVideo(elementary, sample);
    if (placed === undefined) return 'ignored';
    const { startTicks } = elementary.open;
    if (startTicks !== undefined && placed.isRandomAccessPoint)
      this.#cutVideo(elementary, placed.dtsTicks, startTicks);
    if (elementary.open.startTicks === undefined) this.#event.addBoundary(placed.dtsTicks);
    const openTicks = placed.dtsTicks - (elementary.open.startTicks ?? placed.dtsTicks);
    if (openTicks > KEY_FRAME_INTERVAL_TICKS_MAX || !elementary.open.canTake(placed))
      return 'fragmentTooLong';
    return this.#take(elementary, placed);
  }

  #cutVideo(elementary: ElementaryStream, dtsTicks: number, startTicks: number): void {
    if (!elementary.formatChanged && !this.#event.grid.shouldCut(dtsTicks, dtsTicks - startTicks)) return;
    this.#closeBefore(elementary, dtsTicks);
  }

  /** On the media timeline, ascending; undefined when it must wait for a key frame after a jump. */
  #placeVideo(elementary: ElementaryStream, sample: Sample): Sample | undefined {
    const ticks = this.#toTimeline(elementary, sample.dtsTicks);
    const last = elementary.open.lastDtsTicks;
    if (last === undefined) {
      if (elementary.needsRandomAccessPoint && !sample.isRandomAccessPoint) return undefined;
      const dtsTicks = Math.max(ticks, this.#event.endOf(elementary.claimed?.track));
      return { ...sample, dtsTicks };
    }
    if (ticks > last) return { ...sample, dtsTicks: ticks };
    this.#irregular(elementary, 'nonIncreasing');
    const dtsTicks = last + 1;
    // Only the decode time is mended: the picture is still shown when the encoder said.
    return { ...sample, dtsTicks, compositionOffsetTicks: sample.compositionOffsetTicks + ticks - dtsTicks };
  }

  #addAudio(elementary: ElementaryStream, sample: Sample): AddResult {
    const clock = this.#audioClock;
    if (clock === undefined) return 'ignored';
    const ticks = this.#toTimeline(elementary, sample.dtsTicks);
    const last = elementary.open.lastDtsTicks;
    if (
      last === undefined &&
      ticks < this.#event.endOf(elementary.claimed?.track) - clock.frameDurationTicks
    ) {
      this.#irregular(elementary, 'overlap');
      return 'ignored';
    }
    const floor = last === undefined ? this.#event.endOf(elementary.claimed?.track) : last + 1;
    const dtsTicks = Math.max(floor, clock.next(ticks));
    if (elementary.formatChanged) this.#closeBefore(elementary, dtsTicks);
    const placed = { ...sample, dtsTicks };
    if (!elementary.open.canTake(placed)) return 'fragmentTooLong';
    const result = this.#take(elementary, placed);
    this.cutAudio();
    return result;
  }

  /** Applies this byte stream's offset; a jump of the encoder's clock ends the session and begins another. */
  #toTimeline(elementary: ElementaryStream, dtsTicks: number): number {
    if (this.#offsetTicks !== undefined && this.#jumps(elementary, dtsTicks + this.#offsetTicks)) {
      this.#irregular(elementary, 'discontinuity');
      this.#flush();
      this.#offsetTicks = undefined;
      this.#restartAudioClock();
    }
    this.#offsetTicks ??= this.#place(elementary, dtsTicks);
    return dtsTicks + this.#offsetTicks;
  }

  #place(elementary: ElementaryStream, dtsTicks: number): number {
    const { lookBackTicks, leftOffsetTicks } = this.#after ?? {
      lookBackTicks: 0,
      leftOffsetTicks: undefined,
    };
    this.#after = undefined;
    const trackEndTicks = this.#event.endOf(elementary.claimed?.track);
    return this.#event.place(this, { dtsTicks, trackEndTicks, lookBackTicks, leftOffsetTicks });
  }

  #jumps(elementary: ElementaryStream, ticks: number): boolean {
    const last = elementary.open.lastDtsTicks;
    return (
      last !== undefined && (ticks < last - JUMP_BACK_TICKS_MAX || ticks > last + JUMP_FORWARD_TICKS_MAX)
    );
  }

  #restartAudioClock(): void {
    const format = this.#first('audio')?.openFormat;
    if (format?.kind === 'aac') this.#audioClock = new AudioClock(format);
  }

  #take(elementary: ElementaryStream, placed: Sample): AddResult {
    elementary.add(placed);
    this.#event.advance(placed.dtsTicks);
    if (elementary.claimed === undefined && elementary.declaredBitrateBps !== undefined) {
      this.#claim(elementary, elementary.declaredBitrateBps, placed.dtsTicks);
    }
    const track = elementary.claimed?.track;
    if (track !== undefined) this.#event.sampleTaken(track, placed.dtsTicks, placed.data.byteLength);
    return 'taken';
  }

  #closeBefore(elementary: ElementaryStream, boundaryTicks: number): void {
    const stretch = elementary.closeBefore(boundaryTicks);
    if (stretch === undefined) return;
    this.#claimMeasured(elementary, stretch.closed);
    this.#event.emit(elementary, stretch);
  }

  #flush(): void {
    for (const elementary of this.#elementary.values()) {
      const stretch = elementary.closeAll();
      if (stretch === undefined) continue;
      this.#claimMeasured(elementary, stretch.closed);
      this.#event.emit(elementary, stretch);
    }
  }

  /** An encoder that does not say its bitrate gets its track when there is a fragment to measure. */
  #claimMeasured(elementary: ElementaryStream, closed: ClosedFragment): void {
    if (elementary.claimed !== undefined) return;
    const bitsPerSecond = (closed.payloadBytes * 8 * TICKS_PER_SECOND) / closed.durationTicks;
    const steps = Math.max(1, Math.round(bitsPerSecond / MEASURED_BITRATE_STEP_BPS));
    this.#claim(elementary, steps * MEASURED_BITRATE_STEP_BPS, closed.decodeTimeTicks);
  }

  #claim(elementary: ElementaryStream, bitrateBps: number, timestampTicks: number): void {
    elementary.claimed = this.#event.claim(elementary.type, bitrateBps, elementary.openFormat);
    const { track } = elementary.claimed;
    const { sampleDurationTicks: durationTicks } = elementary;
    this.#event.trackStarted({ track, streamId: this.#streamId, timestampTicks, durationTicks });
  }

  #irregular(elementary: ElementaryStream, what: Irregularity): void {
    if (elementary.claimed !== undefined) this.#event.irregular(elementary.claimed.track, what);
  }
}
