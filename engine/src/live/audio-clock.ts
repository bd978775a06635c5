import { aacFrameClock } from '../formats/aac-frame-clock.ts';
import type { AudioFormat } from '../model/track.ts';
import { TICKS_PER_MILLISECOND } from '../time/timescale.ts';

/** RTMP rounds to milliseconds and encoders jitter; more than this is a gap, not jitter. */
const JITTER_TICKS_MAX = 40 * TICKS_PER_MILLISECOND;
/** An encoder whose audio clock runs late is followed by at most this share of a frame per frame. */
const SLEW_FRAMES = 1 / 20;
const FRAMES_PER_ANCHOR_MAX = 1_000_000;

/**
 * Times AAC frames by counting them, so that fragments join without gaps or overlaps; follows the encoder's clock when
 * the two have drifted apart.
 */
export class AudioClock {
  readonly #frameTicks: (frameIndex: number) => number;
  #anchorTicks: number | undefined;
  #frames = 0;

  constructor(format: AudioFormat) {
    this.#frameTicks = aacFrameClock(format);
  }

  get frameDurationTicks(): number {
    return this.#frameTicks(1);
  }

  /** The time of the next frame, given what the encoder says (already on the media timeline). */
  next(encoderTicks: number): number {
    const anchor = this.#anchorTicks;
    if (anchor === undefined) return this.#restart(encoderTicks);
    const counted = anchor + this.#frameTicks(this.#frames);
    const behind = encoderTicks - counted;
    if (behind > JITTER_TICKS_MAX) return this.#restart(encoderTicks);
    if (this.#frames >= FRAMES_PER_ANCHOR_MAX) return this.#restart(counted);
    // Counting runs ahead of the encoder: shorten frames a little until they meet; times must not go back.
    const slew = behind < -JITTER_TICKS_MAX ? Math.floor(this.frameDurationTicks * SLEW_FRAMES) : 0;
    this.#anchorTicks = anchor - slew;
    this.#frames += 1;
    return counted - slew;
  }

  #restart(ticks: number): number {
    this.#anchorTicks = ticks;
    this.#frames = 1;
    return ticks;
  }
}
