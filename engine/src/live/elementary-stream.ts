import type { PublishedTrack } from '../ingest/publish-session.ts';
import type { Sample } from '../model/sample.ts';
import type { TrackFormat, TrackType } from '../model/track.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import { AudioClock } from './audio-clock.ts';
import type { AudioIdentity } from './audio-identity.ts';
import { type ClosedFragment, OpenFragment } from './open-fragment.ts';
import { type ClaimedTrack, isSameFormat } from './track-registry.ts';

const NOMINAL_FRAME_RATE = 25;

/** What an elementary stream gives when a fragment of it is closed. */
export interface ClosedStretch {
  readonly closed: ClosedFragment;
  readonly format: TrackFormat;
}

/** One track of one byte stream: its open fragment, its configuration, and the track it feeds once that is known. */
export class ElementaryStream {
  readonly type: TrackType;
  readonly open = new OpenFragment();
  claimed: ClaimedTrack | undefined;
  /** Whether the live event was told that its track begins. */
  hasStarted = false;
  /** Undefined for video. */
  audio: AudioIdentity | undefined;
  /** Nothing may be added before a random access point arrives (video, at the start and after a jump). */
  needsRandomAccessPoint = true;
  /** Audio: since when the encoder has offered it, by its own clock. */
  offeredSinceTicks: number | undefined;
  /** Audio: what was offered while it is not clear which track it belongs to. */
  offered: Sample[] = [];
  /** Audio: the newest time that the encoder gave since its clock last jumped, on the timeline. */
  newestHeardTicks: number | undefined;
  #description: PublishedTrack;
  #openFormat: TrackFormat;
  #sampleDurationTicks: number;
  #audioClock: AudioClock | undefined;

  constructor(description: PublishedTrack, audio: AudioIdentity | undefined) {
    this.type = description.type;
    this.audio = audio;
    this.#description = description;
    this.#openFormat = description.format;
    this.#audioClock = clockOf(description.format);
    this.#sampleDurationTicks = Math.round(
      TICKS_PER_SECOND / (description.declaredFrameRate ?? NOMINAL_FRAME_RATE),
    );
  }

  /** Takes effect with the next fragment. The same configuration again changes nothing. */
  describe(description: PublishedTrack): void {
    const { format } = this.#description;
    if (isSameFormat(format, description.format)) {
      this.#description = { ...description, format };
      return;
    }
    this.#description = description;
    this.#audioClock = clockOf(description.format);
  }

  get declaredBitrateBps(): number | undefined {
    return this.#description.declaredBitrateBps;
  }

  /** The configuration of the samples in the open fragment. */
  get openFormat(): TrackFormat {
    return this.#openFormat;
  }

  /** The configuration of what comes next. */
  get format(): TrackFormat {
    return this.#description.format;
  }

  get formatChanged(): boolean {
    return this.#openFormat !== this.#description.format;
  }

  /** How long the newest sample lasts if nothing follows it. */
  get sampleDurationTicks(): number {
    return this.#sampleDurationTicks;
  }

  /** Undefined for video. */
  get audioClock(): AudioClock | undefined {
    return this.#audioClock;
  }

  /** The encoder's clock has jumped. */
  restartAudioClock(): void {
    this.#audioClock = clockOf(this.#description.format);
    this.newestHeardTicks = undefined;
  }

  add(sample: Sample): void {
    const last = this.open.lastDtsTicks;
    if (last === undefined) this.#openFormat = this.#description.format;
    else this.#sampleDurationTicks = sample.dtsTicks - last;
    this.open.add(sample);
    this.needsRandomAccessPoint = false;
  }

  closeBefore(boundaryTicks: number): ClosedStretch | undefined {
    const last = this.open.lastDtsTicks;
    if (last === undefined) return undefined;
    const successorTicks = boundaryTicks > last ? boundaryTicks : last + this.#sampleDurationTicks;
    const closed = this.open.closeBefore(boundaryTicks, successorTicks);
    return closed && { closed, format: this.#openFormat };
  }

  /** Everything, its last sample lasting as long as the one before. */
  closeAll(): ClosedStretch | undefined {
    this.needsRandomAccessPoint = this.type === 'video';
    const last = this.open.lastDtsTicks;
    if (last === undefined) return undefined;
    const closed = this.open.closeBefore(Number.POSITIVE_INFINITY, last + this.#sampleDurationTicks);
    return closed && { closed, format: this.#openFormat };
  }

  /** What `closeAll` would give, leaving the fragment open. */
  snapshot(): ClosedStretch | undefined {
    const closed = this.open.snapshot(this.#sampleDurationTicks);
    return closed && { closed, format: this.#openFormat };
  }
}

function clockOf(format: TrackFormat): AudioClock | undefined {
  return format.kind === 'aac' ? new AudioClock(format) : undefined;
}
