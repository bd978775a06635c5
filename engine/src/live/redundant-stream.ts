import type { PublishedTrack, PublishRequest, TrackKey } from '../ingest/publish-session.ts';
import type { Sample } from '../model/sample.ts';
import type { Track } from '../model/track.ts';
import type { AddResult } from './byte-stream-segmenter.ts';
import { type HeldSample, LookBack } from './look-back.ts';
import { decideTakeover, type Takeover } from './takeover.ts';
import { TooManyTracks } from './track-registry.ts';

/**
 * An encoder that sends nothing for this long is given up for its standby. Longer than a lost packet takes to be sent
 * again twice, shorter than what players hold back; and a takeover that was not needed costs nothing.
 */
export const TAKEOVER_SILENT_MS = 1500;

/** What both connections feed: a `ByteStreamSegmenter`. */
export interface StreamSink {
  tracks(): readonly Track[];
  setTrack(key: TrackKey, track: PublishedTrack): void;
  addSample(key: TrackKey, sample: Sample): AddResult;
  /** What follows has another clock, and its first `lookBackTicks` lie in the past. */
  breakOff(lookBackTicks: number): void;
  close(): void;
}

export interface StreamMember {
  /** False in standby. */
  readonly isUsed: boolean;
  readonly endpoint: PublishRequest['endpoint'];
  setTrack(key: TrackKey, track: PublishedTrack): void;
  addSample(key: TrackKey, sample: Sample): AddResult;
  /** Until then it is not its fault that it sends nothing. */
  waitsFor(room: Promise<void>): void;
  leave(): void;
}

export interface TakeoverNotice {
  readonly endpoint: PublishRequest['endpoint'];
  readonly kind: Takeover['kind'];
  readonly reason: 'closed' | 'silent';
}

/**
 * One stream of a live event that up to two connections carry: one is used, the other is held in standby, with a
 * bounded look-back, and goes on where the first one closes or falls silent. The first one that comes back is the
 * standby from then on.
 */
export class RedundantStream {
  readonly #sink: StreamSink;
  readonly #clock: { now(): number };
  readonly #onTakeover: (notice: TakeoverNotice) => void;
  #members: Member[] = [];
  #used: Member | undefined;
  /** The newest sample used of each track, by the times of the sink. */
  readonly #lastTicks = new Map<TrackKey, number>();
  /** The configuration that the sink was told last. */
  readonly #told = new Map<TrackKey, PublishedTrack>();

  constructor(options: {
    readonly sink: StreamSink;
    readonly clock: { now(): number };
    readonly onTakeover: (notice: TakeoverNotice) => void;
  }) {
    this.#sink = options.sink;
    this.#clock = options.clock;
    this.#onTakeover = options.onTakeover;
  }

  /** Of the connection in use. */
  get endpoint(): PublishRequest['endpoint'] | undefined {
    return this.#used?.endpoint;
  }

  /** At most one for each endpoint; the caller sees to that. */
  join(endpoint: PublishRequest['endpoint']): StreamMember {
    const member = new Member(this, endpoint, this.#clock);
    this.#members.push(member);
    this.#used ??= member;
    return member;
  }

  isUsed(member: Member): boolean {
    return member === this.#used;
  }

  add(member: Member, held: HeldSample): AddResult {
    if (this.#members.length > 1) member.lookBack.add(held);
    const used = this.#used;
    if (member === used || used === undefined) return this.#deliver(member, held);
    if (!used.isSilent(held.arrivedAtMs)) return 'taken';
    return this.#takeOver(member, used, 'silent');
  }

  leave(member: Member): void {
    this.#members = this.#members.filter((other) => other !== member);
    const [standby] = this.#members;
    if (standby === undefined) {
      this.#used = undefined;
      this.#sink.close();
      return;
    }
    if (member === this.#used) this.#replace(member, standby);
    // Alone there is nobody to compare with.
    standby.lookBack.clear();
  }

  /** Too many tracks are the standby's fault: it hears of them with its next sample. */
  #replace(left: Member, standby: Member): void {
    try {
      this.#takeOver(standby, left, 'closed');
    } catch (error) {
      if (!(error instanceof TooManyTracks)) throw error;
    }
  }

  #takeOver(standby: Member, left: Member, reason: TakeoverNotice['reason']): AddResult {
    // One that has fallen silent too has nothing but what was shown long ago.
    const samples = standby.isSilent(this.#clock.now()) ? [] : [...standby.lookBack.samples];
    const takeover = decideTakeover(left.lookBack.samples, samples, left.lastSampleAtMs);
    this.#used = standby;
    this.#onTakeover({ endpoint: standby.endpoint, kind: takeover.kind, reason });
    if (takeover.kind === 'seamless') {
      standby.shiftTicks = left.shiftTicks + takeover.shiftTicks;
      return this.#deliverAll(standby, samples);
    }
    standby.shiftTicks = 0;
    this.#lastTicks.clear();
    const rest = samples.slice(takeover.from);
    this.#sink.breakOff(spanOf(rest));
    return this.#deliverAll(standby, rest);
  }

  #deliverAll(member: Member, samples: readonly HeldSample[]): AddResult {
    let result: AddResult = 'taken';
    for (const held of samples) {
      const added = this.#deliver(member, held);
      if (added === 'fragmentTooLong') result = added;
    }
    return result;
  }

  #deliver(member: Member, { key, track, sample }: HeldSample): AddResult {
    const dtsTicks = sample.dtsTicks + member.shiftTicks;
    const last = this.#lastTicks.get(key);
    // What its predecessor has delivered already; an encoder's own steps back are for the segmenter to judge.
    if (member.isCatchingUp(key) && last !== undefined && dtsTicks <= last) return 'ignored';
    member.caughtUp(key);
    this.#lastTicks.set(key, dtsTicks);
    if (this.#told.get(key) !== track) {
      this.#told.set(key, track);
      this.#sink.setTrack(key, track);
    }
    return this.#sink.addSample(key, member.shiftTicks === 0 ? sample : { ...sample, dtsTicks });
  }
}

class Member implements StreamMember {
  readonly endpoint: PublishRequest['endpoint'];
  readonly lookBack = new LookBack();
  /** What its times need to be those of the sink. */
  shiftTicks = 0;
  lastSampleAtMs: number;
  readonly #stream: RedundantStream;
  readonly #clock: { now(): number };
  readonly #tracks = new Map<TrackKey, PublishedTrack>();
  /** Tracks of which it has delivered since it took over. */
  readonly #caughtUp = new Set<TrackKey>();
  #waits = 0;

  constructor(stream: RedundantStream, endpoint: PublishRequest['endpoint'], clock: { now(): number }) {
    this.#stream = stream;
    this.endpoint = endpoint;
    this.#clock = clock;
    this.lastSampleAtMs = clock.now();
  }

  get isUsed(): boolean {
    return this.#stream.isUsed(this);
  }

  setTrack(key: TrackKey, track: PublishedTrack): void {
    this.#tracks.set(key, track);
  }

  addSample(key: TrackKey, sample: Sample): AddResult {
    const track = this.#tracks.get(key);
    if (track === undefined) return 'ignored';
    // In standby it has not caught up with anything.
    if (!this.isUsed) this.#caughtUp.clear();
    const arrivedAtMs = this.#clock.now();
    const result = this.#stream.add(this, { key, track, sample, arrivedAtMs });
    this.lastSampleAtMs = arrivedAtMs;
    return result;
  }

  waitsFor(room: Promise<void>): void {
    this.#waits += 1;
    const over = () => {
      this.#waits -= 1;
      this.lastSampleAtMs = this.#clock.now();
    };
    room.then(over, over);
  }

  leave(): void {
    this.#stream.leave(this);
  }

  isSilent(nowMs: number): boolean {
    return this.#waits === 0 && nowMs - this.lastSampleAtMs > TAKEOVER_SILENT_MS;
  }

  isCatchingUp(key: TrackKey): boolean {
    return !this.#caughtUp.has(key);
  }

  caughtUp(key: TrackKey): void {
    this.#caughtUp.add(key);
  }
}

function spanOf(samples: readonly HeldSample[]): number {
  const times = samples.map(({ sample }) => sample.dtsTicks);
  return times.length === 0 ? 0 : Math.max(...times) - Math.min(...times);
}
