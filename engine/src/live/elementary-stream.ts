import type { PublishedTrack } from '../ingest/publish-session.ts';
import type { Sample } from '../model/sample.ts';
import type { TrackFormat, TrackType } from '../model/track.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
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
  /** Nothing may be added before a random access point arrives (video, at the start and after a jump). */
  needsRandomAccessPoint = true;
  #description: PublishedTrack;
  #openFormat: TrackFormat;
  #sampleDurationTicks: number;

  constructor(type: TrackType, description: PublishedTrack) {
    this.type = type;
    this.#description = description;
    this.#openFormat = description.format;
    this.#sampleDurationTicks = Math.round(
      TICKS_PER_SECOND / (description.declaredFrameRate ?? NOMINAL_FRAME_RATE),
    );
  }

  /** Takes effect with the next fragment. The same configuration again changes nothing. */
  describe(description: PublishedTrack): void {
    const { format } = this.#description;
    this.#description = isSameFormat(format, description.format) ? { ...description, format } : description;
  }

  /** As described last. */
  get format(): TrackFormat {
    return this.#description.format;
  }

  get declaredBitrateBps(): number | undefined {
    return this.#description.declaredBitrateBps;
  }

  /** The configuration of the samples in the open fragment. */
  get openFormat(): TrackFormat {
    return this.#openFormat;
  }

  get formatChanged(): boolean {
    return this.#openFormat !== this.#description.format;
  }

  /** How long the newest sample lasts if nothing follows it. */
  get sampleDurationTicks(): number {
    return this.#sampleDurationTicks;
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
