import type { PublishedTrack, PublishRequest, TextFragment, TrackKey } from '../ingest/publish-session.ts';
import { TICKS_PER_MILLISECOND, TICKS_PER_SECOND } from '../time/timescale.ts';
import type { StreamMember, StreamSink } from './redundant-stream.ts';

/** Fragments of one track that are remembered; more than two encoders repeat after a reconnect. */
const FRAGMENTS_REMEMBERED_MAX = 256;
/** Two are asked for (reference §2.3); encoders that keep more are let repeat more. */
const FRAGMENTS_REPEATED_MAX = 4;
/** Encoders round the same time each for itself. */
export const SAME_TIME_TICKS = 2 * TICKS_PER_MILLISECOND;
/** A clock that is this far off is another clock, and not a late or an early fragment. */
const OTHER_CLOCK_TICKS = 60 * TICKS_PER_SECOND;
/** Another clock is followed only when nobody has sent by the present one for this long. */
const OTHER_CLOCK_SILENT_MS = 3000;
/** Encoders close a connection and go on with another: the stream is over when none came for this long. */
export const MERGED_LINGER_MS = 10_000;

export type DroppedFragment = 'overlap' | 'nonIncreasing';

interface TrackProgress {
  readonly seen: number[];
  lastTicks: number;
  endTicks: number;
  lastAtMs: number;
}

/**
 * One stream of fragmented MP4 that several connections carry at once (reference §2.3): each fragment is taken from the
 * connection that brings it first, so two encoders with the same clock are one without a seam.
 */
export class MergedStream {
  readonly #sink: MergedSink;
  readonly #clock: { now(): number };
  readonly #onDropped: (key: TrackKey, timestampTicks: number, why: DroppedFragment) => void;
  readonly #progress = new Map<TrackKey, TrackProgress>();
  readonly #told = new Map<TrackKey, PublishedTrack>();
  #members = 0;
  #emptySinceMs: number | undefined;

  constructor(options: {
    readonly sink: MergedSink;
    readonly clock: { now(): number };
    readonly onDropped: (key: TrackKey, timestampTicks: number, why: DroppedFragment) => void;
  }) {
    this.#sink = options.sink;
    this.#clock = options.clock;
    this.#onDropped = options.onDropped;
  }

  /** Closes the sink when nobody has carried the stream for a while; true when it is over. */
  closeWhenIdle(nowMs: number): boolean {
    const isIdle = this.#emptySinceMs !== undefined && nowMs - this.#emptySinceMs > MERGED_LINGER_MS;
    if (isIdle) this.#sink.close();
    return isIdle;
  }

  join(endpoint: PublishRequest['endpoint']): MergedMember {
    this.#members += 1;
    this.#emptySinceMs = undefined;
    const tracks = new Map<TrackKey, PublishedTrack>();
    const begun = new Set<TrackKey>();
    return {
      isUsed: true,
      endpoint,
      setTrack: (key, track) => void tracks.set(key, track),
      beginFragment: (key, fragment) => {
        // The live event's text tracks tell for themselves what they have, whoever brings it.
        if (tracks.get(key)?.type === 'text') return true;
        const isFirst = !begun.has(key);
        begun.add(key);
        return this.#begin(key, fragment, isFirst);
      },
      addSample: (key, sample) => {
        const track = tracks.get(key);
        if (track === undefined) return 'ignored';
        this.#tell(key, track);
        return this.#sink.addSample(key, sample);
      },
      addTextFragment: (key, fragment) => {
        const track = tracks.get(key);
        if (track === undefined) return;
        this.#tell(key, track);
        this.#sink.addTextFragment(key, fragment);
      },
      waitsFor: () => undefined,
      leave: () => this.#leave(),
    };
  }

  #tell(key: TrackKey, track: PublishedTrack): void {
    if (this.#told.get(key) === track) return;
    this.#told.set(key, track);
    this.#sink.setTrack(key, track);
  }

  #begin(key: TrackKey, { timestampTicks, durationTicks }: FragmentTimes, isFirst: boolean): boolean {
    const progress = this.#progress.get(key);
    const nowMs = this.#clock.now();
    const endTicks = timestampTicks + durationTicks;
    const isRestart = isFirst && this.#isRestart(progress, timestampTicks);
    if (progress === undefined || isRestart || this.#isOtherClock(progress, timestampTicks, nowMs)) {
      const first = { seen: [timestampTicks], lastTicks: timestampTicks, endTicks, lastAtMs: nowMs };
      this.#progress.set(key, first);
      return true;
    }
    if (progress.seen.some((seen) => Math.abs(seen - timestampTicks) <= SAME_TIME_TICKS)) return false;
    const why = lateness(progress, timestampTicks);
    if (why !== undefined) {
      this.#onDropped(key, timestampTicks, why);
      return false;
    }
    progress.seen.push(timestampTicks);
    if (progress.seen.length > FRAGMENTS_REMEMBERED_MAX) progress.seen.shift();
    progress.lastTicks = timestampTicks;
    progress.endTicks = endTicks;
    progress.lastAtMs = nowMs;
    return true;
  }

  #isOtherClock({ lastTicks, lastAtMs }: TrackProgress, timestampTicks: number, nowMs: number): boolean {
    const isFar = Math.abs(timestampTicks - lastTicks) > OTHER_CLOCK_TICKS;
    return isFar && nowMs - lastAtMs > OTHER_CLOCK_SILENT_MS;
  }

  /** An encoder that is alone and begins further back than any repeats after a reconnect: its clock began anew. */
  #isRestart(progress: TrackProgress | undefined, timestampTicks: number): boolean {
    const repeated = progress?.seen.at(-FRAGMENTS_REPEATED_MAX);
    return this.#members === 1 && repeated !== undefined && timestampTicks < repeated - SAME_TIME_TICKS;
  }

  #leave(): void {
    this.#members -= 1;
    if (this.#members === 0) this.#emptySinceMs = this.#clock.now();
  }
}

export interface MergedSink extends StreamSink {
  addTextFragment(key: TrackKey, fragment: TextFragment): void;
}

export interface FragmentTimes {
  readonly timestampTicks: number;
  readonly durationTicks: number;
}

export interface MergedMember extends StreamMember {
  /** Whether the fragment is wanted: nobody has brought it yet, and it does not come too late. */
  beginFragment(key: TrackKey, fragment: FragmentTimes): boolean;
  addTextFragment(key: TrackKey, fragment: TextFragment): void;
}

function lateness(progress: TrackProgress, timestampTicks: number): DroppedFragment | undefined {
  if (timestampTicks < progress.lastTicks) return 'nonIncreasing';
  return timestampTicks < progress.endTicks - SAME_TIME_TICKS ? 'overlap' : undefined;
}
