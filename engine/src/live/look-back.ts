import type { PublishedTrack, TrackKey } from '../ingest/publish-session.ts';
import type { Sample } from '../model/sample.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';

/** At least this much, from a key frame on: twice the time after which a silent encoder is given up, and a slow network. */
export const LOOK_BACK_TICKS = 4 * TICKS_PER_SECOND;
/** 4 s and a key-frame interval of the highest bitrate that one connection may send. */
export const LOOK_BACK_BYTES_MAX = 32 * 1024 * 1024;
export const LOOK_BACK_SAMPLES_MAX = 10_000;

export interface HeldSample {
  readonly key: TrackKey;
  /** The configuration that it was sent under. */
  readonly track: PublishedTrack;
  readonly sample: Sample;
  /** Unix milliseconds. */
  readonly arrivedAtMs: number;
}

/** What one encoder connection has sent last, from a key frame on. */
export class LookBack {
  #held: HeldSample[] = [];
  #sizeBytes = 0;
  #hasVideo = false;

  /** In the order of arrival; the first is a place to begin decoding. */
  get samples(): readonly HeldSample[] {
    return this.#held;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  add(held: HeldSample): void {
    // Sound that came before the first picture is no beginning any more.
    if (held.track.type === 'video' && !this.#hasVideo) this.clear();
    this.#hasVideo ||= held.track.type === 'video';
    if (this.#held.length === 0 && !this.isBeginning(held)) return;
    this.#held.push(held);
    this.#sizeBytes += held.sample.data.byteLength;
    this.#trim(held.sample.dtsTicks);
  }

  clear(): void {
    this.#held = [];
    this.#sizeBytes = 0;
  }

  /** Whether decoding can begin here: at a key frame, and anywhere in sound alone. */
  isBeginning({ track, sample }: HeldSample): boolean {
    return sample.isRandomAccessPoint && (track.type === 'video' || !this.#hasVideo);
  }

  #trim(newestTicks: number): void {
    const isTooMuch = this.#sizeBytes > LOOK_BACK_BYTES_MAX || this.#held.length > LOOK_BACK_SAMPLES_MAX;
    const next = this.#held.findIndex((held, index) => index > 0 && this.isBeginning(held));
    if (next === -1) {
      if (isTooMuch) this.clear();
      return;
    }
    const second = this.#held[next];
    const isLongEnough = second !== undefined && newestTicks - second.sample.dtsTicks >= LOOK_BACK_TICKS;
    // A clock that jumped back leaves nothing that belongs together.
    const hasJumped = second !== undefined && newestTicks < second.sample.dtsTicks - LOOK_BACK_TICKS;
    if (isTooMuch || isLongEnough || hasJumped) this.#drop(next);
  }

  #drop(count: number): void {
    for (const { sample } of this.#held.splice(0, count)) this.#sizeBytes -= sample.data.byteLength;
  }
}
