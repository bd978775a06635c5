import type { TrackType } from '../model/track.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';

/** The data of a `LiveEventIngestHeartbeat`, in the original's words. */
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
  readonly lastFragmentArrivalTime: string;
  /** Seconds that the track falls behind the wall clock per minute, "n/a" when nothing arrived to measure. */
  readonly ingestDriftValue: string;
  readonly transcriptionState: '';
  readonly transcriptionLanguage: '';
}

interface Period {
  readonly startedAtMs: number;
  bytes: number;
  firstDtsTicks: number | undefined;
  overlaps: number;
  discontinuities: number;
  nonIncreasing: number;
}

/** Measures what arrives of one track between two heartbeats. */
export class TrackMonitor {
  readonly #track: { readonly trackType: TrackType; readonly trackName: string; readonly bitrateBps: number };
  #period: Period;
  #lastDtsTicks = 0;
  #lastFragmentAtMs: number;

  constructor(options: {
    readonly trackType: TrackType;
    readonly trackName: string;
    readonly bitrateBps: number;
    readonly nowMs: number;
  }) {
    this.#track = options;
    this.#period = newPeriod(options.nowMs);
    this.#lastFragmentAtMs = options.nowMs;
  }

  addSample(dtsTicks: number, sizeBytes: number): void {
    this.#period.bytes += sizeBytes;
    this.#period.firstDtsTicks ??= dtsTicks;
    this.#lastDtsTicks = dtsTicks;
  }

  addFragment(nowMs: number): void {
    this.#lastFragmentAtMs = nowMs;
  }

  countOverlap(): void {
    this.#period.overlaps += 1;
  }

  countDiscontinuity(): void {
    this.#period.discontinuities += 1;
  }

  countNonIncreasing(): void {
    this.#period.nonIncreasing += 1;
  }

  /** Sums up the time since the last call and begins anew. */
  takeHeartbeat(nowMs: number, state: string): IngestHeartbeat {
    const period = this.#period;
    this.#period = newPeriod(nowMs);
    const { trackType, trackName, bitrateBps } = this.#track;
    const seconds = Math.max(0.001, (nowMs - period.startedAtMs) / 1000);
    const incomingBitrate = Math.round((period.bytes * 8) / seconds);
    const unexpectedBitrate =
      incomingBitrate === 0 ||
      (bitrateBps > 0 && (incomingBitrate >= 2 * bitrateBps || incomingBitrate <= bitrateBps / 2));
    const irregular = period.overlaps + period.discontinuities + period.nonIncreasing > 0;
    return {
      trackType,
      trackName,
      bitrate: bitrateBps,
      incomingBitrate,
      lastTimestamp: String(this.#lastDtsTicks),
      timescale: String(TICKS_PER_SECOND),
      overlapCount: period.overlaps,
      discontinuityCount: period.discontinuities,
      nonincreasingCount: period.nonIncreasing,
      unexpectedBitrate,
      state,
      healthy: !irregular && !unexpectedBitrate,
      lastFragmentArrivalTime: new Date(this.#lastFragmentAtMs).toISOString().slice(0, -1),
      ingestDriftValue: this.#drift(period, seconds),
      transcriptionState: '',
      transcriptionLanguage: '',
    };
  }

  #drift(period: Period, seconds: number): string {
    if (period.firstDtsTicks === undefined || period.discontinuities > 0) return 'n/a';
    const mediaSeconds = (this.#lastDtsTicks - period.firstDtsTicks) / TICKS_PER_SECOND;
    return String(Math.round(((seconds - mediaSeconds) / seconds) * 60));
  }
}

function newPeriod(startedAtMs: number): Period {
  return {
    startedAtMs,
    bytes: 0,
    firstDtsTicks: undefined,
    overlaps: 0,
    discontinuities: 0,
    nonIncreasing: 0,
  };
}
