import { TICKS_PER_SECOND } from '../time/timescale.ts';

/** Byte streams of one encoder start within this of each other; anything else begins a new discontinuity. */
const SAME_SESSION_TICKS_MAX = 10 * TICKS_PER_SECOND;
/** More sessions than this in one run of the process: the oldest are forgotten, long after their fragments left. */
const SESSIONS_MAX = 1024;

interface TimelineSession {
  readonly startTicks: number;
  readonly offsetTicks: number;
  readonly discontinuity: number;
}

export interface TimelinePlacement {
  /** The encoder's time of the sample to place. */
  readonly dtsTicks: number;
  /** Wall clock on the media timeline, at the sample's arrival. */
  readonly nowTicks: number;
  /** Where the track of this sample ends so far: nothing of it may come before. */
  readonly trackEndTicks: number;
  /** Whether a byte stream of the current session is still sending. */
  readonly sessionIsLive: boolean;
  /** The offset of a session that the sample is known not to be part of: its encoder was given up. */
  readonly leftOffsetTicks: number | undefined;
}

/**
 * Maps encoders' clocks onto the media timeline of one live event. One offset per publishing session, shared by every
 * byte stream that arrives close to the live position; what does not fit begins a new session, that is a discontinuity.
 */
export class SessionTimeline {
  readonly #sessions: TimelineSession[] = [];
  #positionTicks: number;
  #nextDiscontinuity: number;

  constructor(seed: { readonly endTicks: number | undefined; readonly discontinuity: number | undefined }) {
    this.#positionTicks = seed.endTicks ?? 0;
    this.#nextDiscontinuity = (seed.discontinuity ?? -1) + 1;
  }

  /** Where the newest sample of any track ends. */
  get positionTicks(): number {
    return this.#positionTicks;
  }

  /** Of the newest session; undefined before the first. */
  get offsetTicks(): number | undefined {
    return this.#sessions.at(-1)?.offsetTicks;
  }

  advance(endTicks: number): void {
    this.#positionTicks = Math.max(this.#positionTicks, endTicks);
  }

  /** The offset to add to this byte stream's times, from a session that fits or from a new one. */
  place(placement: TimelinePlacement): number {
    const current = this.#sessions.at(-1);
    if (current !== undefined && placement.sessionIsLive && this.#fits(current, placement)) {
      return current.offsetTicks;
    }
    const startTicks = Math.max(placement.nowTicks, this.#positionTicks, placement.trackEndTicks);
    const offsetTicks = startTicks - placement.dtsTicks;
    this.#sessions.push({ startTicks, offsetTicks, discontinuity: this.#nextDiscontinuity });
    this.#nextDiscontinuity += 1;
    if (this.#sessions.length > SESSIONS_MAX) this.#sessions.shift();
    return offsetTicks;
  }

  /** Of the latest session that starts at or before this time. */
  discontinuityAt(ticks: number): number {
    const session = this.#sessions.findLast(({ startTicks }) => startTicks <= ticks) ?? this.#sessions[0];
    return session?.discontinuity ?? this.#nextDiscontinuity;
  }

  #fits(session: TimelineSession, placement: TimelinePlacement): boolean {
    if (session.offsetTicks === placement.leftOffsetTicks) return false;
    const ticks = placement.dtsTicks + session.offsetTicks;
    // The first samples of a session may lie a little before its start: audio and video do not begin together.
    return (
      ticks >= placement.trackEndTicks && Math.abs(ticks - this.#positionTicks) <= SAME_SESSION_TICKS_MAX
    );
  }
}
