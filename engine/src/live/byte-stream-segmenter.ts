import type { PublishedTrack, TextFragment, TrackKey } from '../ingest/publish-session.ts';
import type { Sample } from '../model/sample.ts';
import type { Track, TrackType } from '../model/track.ts';
import { TICKS_PER_MILLISECOND, TICKS_PER_SECOND } from '../time/timescale.ts';
import { identifyAudio } from './audio-identity.ts';
import { type ClosedStretch, ElementaryStream } from './elementary-stream.ts';
import type { LiveFragment } from './live-fragment.ts';
import type { ClosedFragment } from './open-fragment.ts';
import type { Irregularity, PlacedSource, SegmentedEvent } from './segmented-event.ts';
import type { ClaimedTrack } from './track-registry.ts';

/** A fragment must end; the original's limit. */
const KEY_FRAME_INTERVAL_TICKS_MAX = 20 * TICKS_PER_SECOND;
const JUMP_BACK_TICKS_MAX = TICKS_PER_SECOND;
const JUMP_FORWARD_TICKS_MAX = 10 * TICKS_PER_SECOND;
/** More than this missing between two samples is told. */
const GAP_TICKS_MIN = TICKS_PER_SECOND;
/** RTMP rounds to milliseconds, and encoders jitter; sound that steps back further is said twice. */
const AUDIO_STEP_BACK_TICKS_MAX = 40 * TICKS_PER_MILLISECOND;
/** Undeclared bitrates are measured and rounded to this. */
const MEASURED_BITRATE_STEP_BPS = 1000;
/** Boundaries one audio fragment can hold; more would mean key frames every few milliseconds. */
const AUDIO_CUTS_MAX = 64;
/** Audio frames held back until it is clear whose they are: more than 5 s of them. */
const AUDIO_OFFERED_MAX = 512;
/** What a byte stream is not placed after. */
const NOTHING_LEFT = { lookBackTicks: 0, leftOffsetTicks: undefined } as const;

export type AddResult = 'taken' | 'ignored' | 'fragmentTooLong';

/** One encoder connection: places its samples on the timeline and closes fragments at key frames. */
export class ByteStreamSegmenter implements PlacedSource {
  readonly streamId: string;
  readonly #event: SegmentedEvent;
  readonly #elementary = new Map<TrackKey, ElementaryStream>();
  readonly #texts = new Map<TrackKey, PublishedTrack>();
  #offsetTicks: number | undefined;
  #isClosed = false;
  /** What a `breakOff` leaves for the next placement. */
  #after: { readonly lookBackTicks: number; readonly leftOffsetTicks: number | undefined } = NOTHING_LEFT;

  constructor(event: SegmentedEvent, streamId: string) {
    this.#event = event;
    this.streamId = streamId;
  }

  get isPlaced(): boolean {
    return this.#offsetTicks !== undefined;
  }

  get hasVideo(): boolean {
    return this.#ofType('video').length > 0;
  }

  get isDescribed(): boolean {
    return this.#elementary.size + this.#texts.size > 0;
  }

  tracks(): Track[] {
    return [...this.#elementary.values()].flatMap(({ claimed }) =>
      claimed === undefined ? [] : [claimed.track],
    );
  }

  setTrack(key: TrackKey, description: PublishedTrack): void {
    if (description.type === 'text') {
      this.#texts.set(key, description);
      return;
    }
    const known = this.#elementary.get(key);
    if (known !== undefined) {
      known.describe(description);
      return;
    }
    const taken = this.#ofType('audio').flatMap(({ audio }) => audio ?? []);
    const audio = description.type === 'audio' ? identifyAudio(description, taken) : undefined;
    this.#elementary.set(key, new ElementaryStream(description, audio));
  }

  /** Times are the encoder's own. Throws `TooManyTracks`. */
  addSample(key: TrackKey, sample: Sample): AddResult {
    const elementary = this.#elementary.get(key);
    if (elementary === undefined || this.#isClosed) return 'ignored';
    return elementary.type === 'audio'
      ? this.#addAudio(elementary, sample)
      : this.#addVideo(elementary, sample);
  }

  /** Whole, and on its own: it goes by the media's clock and changes nothing of it. */
  addTextFragment(key: TrackKey, fragment: TextFragment): void {
    const description = this.#texts.get(key);
    if (description === undefined || this.#isClosed) return;
    const { streamId } = this;
    this.#event.addText({ streamId, description, fragment, offsetTicks: this.#offsetTicks });
  }

  /** Another encoder goes on with this byte stream: its clock is another, its first `lookBackTicks` lie in the past. */
  breakOff(lookBackTicks: number): void {
    const leftOffsetTicks = this.#offsetTicks;
    this.#unplace();
    this.#after = { lookBackTicks, leftOffsetTicks };
  }

  /** A whole fragment that was not taken. */
  fragmentDropped(key: TrackKey, dtsTicks: number, kind: 'overlap' | 'nonIncreasing'): void {
    const elementary = this.#elementary.get(key);
    if (elementary === undefined || this.#offsetTicks === undefined) return;
    const timestampTicks = dtsTicks + this.#offsetTicks;
    this.#irregular(elementary, { kind, timestampTicks, isDropped: true });
  }

  /** Flushes what is open; the byte stream is over. */
  close(): void {
    this.#isClosed = true;
    this.#flush();
    this.#event.forget(this);
  }

  snapshots(): LiveFragment[] {
    return [...this.#elementary.values()].flatMap((elementary) => {
      const stretch = elementary.snapshot();
      const fragment = stretch && this.#event.toFragment(elementary, stretch);
      return fragment === undefined ? [] : [fragment];
    });
  }

  cutAudio(): void {
    for (const elementary of this.#ofType('audio')) this.#cutAudio(elementary);
  }

  #cutAudio(elementary: ElementaryStream): void {
    for (let cuts = 0; cuts < AUDIO_CUTS_MAX; cuts += 1) {
      const { startTicks, lastDtsTicks } = elementary.open;
      if (startTicks === undefined || lastDtsTicks === undefined) return;
      const boundary = this.#event.audioBoundaryAfter(startTicks, lastDtsTicks);
      if (boundary === undefined || lastDtsTicks < boundary) return;
      this.#closeBefore(elementary, boundary);
    }
  }

  #ofType(type: TrackType): ElementaryStream[] {
    return [...this.#elementary.values()].filter((elementary) => elementary.type === type);
  }

  #addVideo(elementary: ElementaryStream, sample: Sample): AddResult {
    if (elementary.needsRandomAccessPoint && !sample.isRandomAccessPoint) return 'ignored';
    this.#claimDeclared(elementary);
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
      const isLate = ticks < this.#event.endOf(elementary.claimed?.track) - TICKS_PER_MILLISECOND;
      if (isLate) this.#irregular(elementary, { kind: 'overlap', timestampTicks: ticks, isDropped: true });
      if (isLate) return undefined;
      return { ...sample, dtsTicks: Math.max(ticks, this.#event.endOf(elementary.claimed?.track)) };
    }
    if (ticks > last) {
      this.#lookForGap(elementary, last, ticks);
      return { ...sample, dtsTicks: ticks };
    }
    this.#irregular(elementary, { kind: 'nonIncreasing', timestampTicks: ticks, isDropped: false });
    const dtsTicks = last + 1;
    // Only the decode time is mended: the picture is still shown when the encoder said.
    return { ...sample, dtsTicks, compositionOffsetTicks: sample.compositionOffsetTicks + ticks - dtsTicks };
  }

  #addAudio(elementary: ElementaryStream, sample: Sample): AddResult {
    switch (this.#useOf(elementary, sample)) {
      case 'notYetClear':
        return this.#hold(elementary, sample);
      case 'anothers':
        elementary.offered = [];
        return 'ignored';
      case 'used':
        return this.#addHeld(elementary, sample);
    }
  }

  #hold({ offered }: ElementaryStream, sample: Sample): AddResult {
    if (offered.length >= AUDIO_OFFERED_MAX) offered.shift();
    offered.push(sample);
    return 'taken';
  }

  /** After what was held back. */
  #addHeld(elementary: ElementaryStream, sample: Sample): AddResult {
    const { offered } = elementary;
    if (offered.length > 0) elementary.offered = [];
    for (const before of offered) this.#addUsed(elementary, before);
    return this.#addUsed(elementary, sample);
  }

  #addUsed(elementary: ElementaryStream, sample: Sample): AddResult {
    const { audioClock: clock } = elementary;
    if (clock === undefined) return 'ignored';
    this.#claimDeclared(elementary);
    const ticks = this.#toTimeline(elementary, sample.dtsTicks);
    const newestTicks = elementary.newestHeardTicks ?? ticks;
    const last = elementary.open.lastDtsTicks;
    const endTicks = this.#event.endOf(elementary.claimed?.track);
    const late = lateness({ ticks, newestTicks, isFirst: last === undefined, endTicks }, clock);
    if (late !== undefined) {
      // Whoever takes another's place begins with what is there already: nothing is wrong with that.
      const isExpected = late === 'overlap' && !elementary.hasStarted;
      if (!isExpected) this.#irregular(elementary, { kind: late, timestampTicks: ticks, isDropped: true });
      return 'ignored';
    }
    elementary.newestHeardTicks = Math.max(newestTicks, ticks);
    if (last !== undefined) this.#lookForGap(elementary, last, ticks);
    const dtsTicks = Math.max(last === undefined ? endTicks : last + 1, clock.next(ticks));
    if (elementary.formatChanged) this.#closeBefore(elementary, dtsTicks);
    const placed = { ...sample, dtsTicks };
    if (!elementary.open.canTake(placed)) return 'fragmentTooLong';
    const result = this.#take(elementary, placed);
    this.#cutAudio(elementary);
    return result;
  }

  /** Whether this connection is the one whose sound is used for its track. */
  #useOf(elementary: ElementaryStream, { dtsTicks }: Sample): 'used' | 'anothers' | 'notYetClear' {
    const { audio } = elementary;
    if (audio === undefined) return 'anothers';
    if (!elementary.hasStarted) {
      elementary.offeredSinceTicks ??= dtsTicks;
      const settled = this.#event.audio.settle(this, audio, dtsTicks - elementary.offeredSinceTicks);
      if (settled === undefined) return 'notYetClear';
      elementary.audio = settled;
    }
    return this.#event.audio.feeds(this, elementary.audio?.slot ?? audio.slot) ? 'used' : 'anothers';
  }

  /** Applies this byte stream's offset; a jump of the encoder's clock ends the session and begins another. */
  #toTimeline(elementary: ElementaryStream, dtsTicks: number): number {
    if (this.#offsetTicks !== undefined) {
      const ticks = dtsTicks + this.#offsetTicks;
      const last = elementary.open.lastDtsTicks;
      if (
        last !== undefined &&
        (ticks < last - JUMP_BACK_TICKS_MAX || ticks > last + JUMP_FORWARD_TICKS_MAX)
      ) {
        this.#discontinuity(elementary, last, ticks);
        this.#unplace();
      }
    }
    this.#offsetTicks ??= this.#place(elementary, dtsTicks);
    return dtsTicks + this.#offsetTicks;
  }

  #place(elementary: ElementaryStream, dtsTicks: number): number {
    const { lookBackTicks, leftOffsetTicks } = this.#after;
    this.#after = NOTHING_LEFT;
    const trackEndTicks = this.#event.endOf(elementary.claimed?.track);
    return this.#event.place(this, { dtsTicks, trackEndTicks, lookBackTicks, leftOffsetTicks });
  }

  #unplace(): void {
    this.#flush();
    this.#offsetTicks = undefined;
    for (const elementary of this.#ofType('audio')) elementary.restartAudioClock();
  }

  #take(elementary: ElementaryStream, placed: Sample): AddResult {
    elementary.add(placed);
    this.#event.advance(placed.dtsTicks);
    this.#tellStart(elementary, placed.dtsTicks);
    const track = elementary.claimed?.track;
    if (track !== undefined) this.#event.sampleTaken(track, placed.dtsTicks, placed.data.byteLength);
    return 'taken';
  }

  #closeBefore(elementary: ElementaryStream, boundaryTicks: number): void {
    const stretch = elementary.closeBefore(boundaryTicks);
    if (stretch !== undefined) this.#emit(elementary, stretch);
  }

  #flush(): void {
    for (const elementary of this.#elementary.values()) {
      const stretch = elementary.closeAll();
      if (stretch !== undefined) this.#emit(elementary, stretch);
    }
  }

  #emit(elementary: ElementaryStream, stretch: ClosedStretch): void {
    const { closed } = stretch;
    if (elementary.claimed === undefined) {
      const { track } = this.#claim(elementary, measuredBitrate(closed));
      this.#tellStart(elementary, closed.decodeTimeTicks);
      // Only now is it known which track it goes on with.
      if (closed.decodeTimeTicks < this.#event.endOf(track)) {
        const timestampTicks = closed.decodeTimeTicks;
        this.#irregular(elementary, { kind: 'overlap', timestampTicks, isDropped: true });
        return;
      }
    }
    this.#event.emit(elementary, stretch);
  }

  #claimDeclared(elementary: ElementaryStream): void {
    const { claimed, declaredBitrateBps } = elementary;
    if (claimed === undefined && declaredBitrateBps !== undefined)
      this.#claim(elementary, declaredBitrateBps);
  }

  #claim(elementary: ElementaryStream, bitrateBps: number): ClaimedTrack {
    const { type, audio, format } = elementary;
    const claimed = this.#event.claim({ type, bitrateBps, format, names: audio });
    elementary.claimed = claimed;
    return claimed;
  }

  #tellStart(elementary: ElementaryStream, timestampTicks: number): void {
    if (elementary.hasStarted || elementary.claimed === undefined) return;
    elementary.hasStarted = true;
    const { track } = elementary.claimed;
    const { sampleDurationTicks: durationTicks } = elementary;
    this.#event.trackStarted({ track, streamId: this.streamId, timestampTicks, durationTicks });
    const endTicks = this.#event.endOf(track);
    if (endTicks > 0 && timestampTicks - endTicks > GAP_TICKS_MIN) {
      const gapTicks = timestampTicks - endTicks;
      const gap = { previousTicks: endTicks, newTicks: timestampTicks, gapTicks };
      this.#irregular(elementary, { kind: 'discontinuity', ...gap });
    }
  }

  #lookForGap(elementary: ElementaryStream, lastTicks: number, ticks: number): void {
    const expectedTicks = lastTicks + elementary.sampleDurationTicks;
    if (ticks - expectedTicks > GAP_TICKS_MIN) this.#discontinuity(elementary, lastTicks, ticks);
  }

  #discontinuity(elementary: ElementaryStream, previousTicks: number, newTicks: number): void {
    const gapTicks = newTicks - previousTicks - elementary.sampleDurationTicks;
    this.#irregular(elementary, { kind: 'discontinuity', previousTicks, newTicks, gapTicks });
  }

  #irregular(elementary: ElementaryStream, irregularity: Irregularity): void {
    if (elementary.claimed !== undefined) this.#event.irregular(elementary.claimed.track, irregularity);
  }
}

function lateness(
  sample: { ticks: number; newestTicks: number; isFirst: boolean; endTicks: number },
  clock: { readonly frameDurationTicks: number },
): 'overlap' | 'nonIncreasing' | undefined {
  const { ticks, newestTicks, isFirst, endTicks } = sample;
  if (isFirst && ticks < endTicks - clock.frameDurationTicks / 2) return 'overlap';
  return ticks < newestTicks - AUDIO_STEP_BACK_TICKS_MAX ? 'nonIncreasing' : undefined;
}

/** An encoder that does not say its bitrate gets its track when there is a fragment to measure. */
function measuredBitrate({ payloadBytes, durationTicks }: ClosedFragment): number {
  const bitsPerSecond = (payloadBytes * 8 * TICKS_PER_SECOND) / durationTicks;
  return Math.max(1, Math.round(bitsPerSecond / MEASURED_BITRATE_STEP_BPS)) * MEASURED_BITRATE_STEP_BPS;
}
