import type { TrackType } from '../model/track.ts';
import { TICKS_PER_MILLISECOND, TICKS_PER_SECOND } from '../time/timescale.ts';

/** Too short a time says nothing of a bitrate: a key frame alone looks like a flood. */
const JUDGED_PERIOD_MS_MIN = 5000;
const UNEXPECTED_FACTOR = 2;
const SECONDS_PER_MINUTE = 60;

export interface TrackFacts {
  readonly trackType: TrackType;
  readonly trackName: string;
  readonly bitrateBps: number;
}

/** The data of `Microsoft.Media.LiveEventIngestHeartbeat`, with the original's names and types. */
export interface IngestHeartbeat {
  readonly trackType: TrackType;
  readonly trackName: string;
  readonly bitrate: number;
  readonly incomingBitrate: number;
  readonly lastTimestamp: string;
  readonly timescale: string;
  readonly overlapCount: number;
  readonly discontinuityCount: number;
  readonly nonincreasingCount: number;
  readonly unexpectedBitrate: boolean;
  readonly state: string;
  readonly healthy: boolean;
  /** UTC, without a zone as the original has it; empty before the first. */
  readonly lastFragmentArrivalTime: string;
  /** Seconds of lag per minute, `n/a` when it cannot be measured. */
  readonly ingestDriftValue: string;
  readonly transcriptionState: string;
  readonly transcriptionLanguage: string;
}

/** How often it happened. */
export interface Irregularities {
  readonly overlaps: number;
  readonly discontinuities: number;
  readonly nonIncreasing: number;
}

interface Arrival {
  readonly atMs: number;
  readonly timestampTicks: number;
}

/** Observes one track between two heartbeats. */
export class TrackMonitor {
  readonly #track: TrackFacts;
  #periodStartMs: number;
  #periodBytes = 0;
  #overlaps = 0;
  #discontinuities = 0;
  #nonIncreasing = 0;
  #newestTicks: number | undefined;
  /** Of the period before, so that what is judged does not forget at the turn. */
  #before: Irregularities = { overlaps: 0, discontinuities: 0, nonIncreasing: 0 };
  #newestDurationTicks = 0;
  /** The newest fragment when the period began, from which drift is measured. */
  #arrivalBefore: Arrival | undefined;
  #lastArrival: Arrival | undefined;

  constructor(options: TrackFacts & { readonly nowMs: number }) {
    const { nowMs, ...track } = options;
    this.#track = track;
    this.#periodStartMs = nowMs;
  }

  addSample(dtsTicks: number, sizeBytes: number): void {
    this.#periodBytes += sizeBytes;
    this.#see(dtsTicks);
  }

  addFragment(nowMs: number, lastTimestampTicks: number, durationTicks = 0): void {
    this.#see(lastTimestampTicks);
    this.#newestDurationTicks = durationTicks;
    this.#lastArrival = { atMs: nowMs, timestampTicks: lastTimestampTicks };
    this.#arrivalBefore ??= this.#lastArrival;
  }

  get facts(): TrackFacts {
    return this.#track;
  }

  /** The newest sample or fragment. */
  get newestTicks(): number | undefined {
    return this.#newestTicks;
  }

  get newestFragment(): { readonly timestampTicks: number; readonly durationTicks: number } | undefined {
    const arrival = this.#lastArrival;
    if (arrival === undefined) return undefined;
    return { timestampTicks: arrival.timestampTicks, durationTicks: this.#newestDurationTicks };
  }

  /** In this period of a heartbeat, so far. */
  get irregularities(): Irregularities {
    return {
      overlaps: this.#overlaps,
      discontinuities: this.#discontinuities,
      nonIncreasing: this.#nonIncreasing,
    };
  }

  /** In this period and the one before. */
  get recentIrregularities(): Irregularities {
    const { overlaps, discontinuities, nonIncreasing } = this.#before;
    return {
      overlaps: overlaps + this.#overlaps,
      discontinuities: discontinuities + this.#discontinuities,
      nonIncreasing: nonIncreasing + this.#nonIncreasing,
    };
  }

  countOverlap(): void {
    this.#overlaps += 1;
  }

  countDiscontinuity(): void {
    this.#discontinuities += 1;
  }

  countNonIncreasing(): void {
    this.#nonIncreasing += 1;
  }

  /** What was seen since the last call (or the beginning); counting begins anew. */
  takeHeartbeat(nowMs: number, state: string): IngestHeartbeat {
    const { trackType, trackName, bitrateBps } = this.#track;
    const periodMs = Math.max(1, nowMs - this.#periodStartMs);
    const incomingBitrate = Math.round((this.#periodBytes * 8 * 1000) / periodMs);
    // Text comes when there is something to say.
    const isText = trackType === 'text';
    const isJudged = !isText && periodMs >= JUDGED_PERIOD_MS_MIN;
    const unexpectedBitrate = isJudged && isUnexpected(incomingBitrate, bitrateBps);
    const irregularities = this.#overlaps + this.#discontinuities + this.#nonIncreasing;
    const heartbeat: IngestHeartbeat = {
      trackType,
      trackName,
      bitrate: bitrateBps,
      incomingBitrate,
      lastTimestamp: this.#newestTicks === undefined ? '' : String(this.#newestTicks),
      timescale: String(TICKS_PER_SECOND),
      overlapCount: this.#overlaps,
      discontinuityCount: this.#discontinuities,
      nonincreasingCount: this.#nonIncreasing,
      unexpectedBitrate,
      state,
      healthy: irregularities === 0 && !unexpectedBitrate,
      lastFragmentArrivalTime: writeArrivalTime(this.#lastArrival),
      // A jump of the encoder's clock is not lag.
      ingestDriftValue:
        isText || this.#discontinuities > 0 ? 'n/a' : writeDrift(this.#arrivalBefore, this.#lastArrival),
      transcriptionState: '',
      transcriptionLanguage: '',
    };
    this.#beginPeriod(nowMs);
    return heartbeat;
  }

  #beginPeriod(nowMs: number): void {
    this.#before = this.irregularities;
    this.#periodStartMs = nowMs;
    this.#periodBytes = 0;
    this.#overlaps = 0;
    this.#discontinuities = 0;
    this.#nonIncreasing = 0;
    this.#arrivalBefore = this.#lastArrival;
  }

  #see(ticks: number): void {
    this.#newestTicks = Math.max(this.#newestTicks ?? ticks, ticks);
  }
}

/** A declared bitrate of 0 is one that nobody knows: only silence is then unexpected. */
function isUnexpected(incomingBps: number, declaredBps: number): boolean {
  if (incomingBps === 0) return true;
  if (declaredBps === 0) return false;
  return incomingBps >= declaredBps * UNEXPECTED_FACTOR || incomingBps * UNEXPECTED_FACTOR <= declaredBps;
}

function writeArrivalTime(arrival: Arrival | undefined): string {
  return arrival === undefined ? '' : new Date(arrival.atMs).toISOString().slice(0, -1);
}

function writeDrift(before: Arrival | undefined, last: Arrival | undefined): string {
  if (before === undefined || last === undefined || last.atMs <= before.atMs) return 'n/a';
  const wallMs = last.atMs - before.atMs;
  const mediaMs = (last.timestampTicks - before.timestampTicks) / TICKS_PER_MILLISECOND;
  const lagSeconds = ((wallMs - mediaMs) / wallMs) * SECONDS_PER_MINUTE;
  // Media that comes early is no lag.
  return String(Math.max(0, Math.round(lagSeconds)));
}
