import type {
  IngestResultCode,
  PublishedTrack,
  PublishRequest,
  PublishSession,
  TextFragment,
  TrackKey,
} from '../ingest/publish-session.ts';
import type { Sample } from '../model/sample.ts';
import type { FragmentTimes, MergedMember } from './merged-stream.ts';
import type { StreamMember } from './redundant-stream.ts';
import { TooManyTracks } from './track-registry.ts';
import { type SentVideo, VideoMeter } from './video-meter.ts';

/** What a session needs of its live event. */
export interface SessionHost {
  /** Undefined while there is room; else resolves when there is again. */
  roomForMedia(): Promise<void> | undefined;
  /** Why a track is too much for the live event, undefined when it is not. */
  judgeTrack(
    session: LivePublishSession,
    trackKey: TrackKey,
    track: PublishedTrack,
  ): IngestResultCode | undefined;
  judgeVideo(sent: SentVideo): IngestResultCode | undefined;
  sessionClosed(session: LivePublishSession, resultCode: IngestResultCode): Promise<void>;
}

export interface SessionTrack extends PublishedTrack {
  readonly key: TrackKey;
}

/** One encoder connection of a live event. */
export class LivePublishSession implements PublishSession {
  readonly request: PublishRequest;
  readonly #host: SessionHost;
  readonly #member: StreamMember | MergedMember;
  readonly #clock: { now(): number };
  readonly #revocation = new AbortController();
  readonly #tracks = new Map<TrackKey, PublishedTrack>();
  readonly #meters = new Map<TrackKey, VideoMeter>();
  #closed: Promise<void> | undefined;
  #hasDelivered = false;
  lastSampleAtMs: number;

  constructor(options: {
    readonly request: PublishRequest;
    readonly host: SessionHost;
    readonly member: StreamMember | MergedMember;
    readonly clock: { now(): number };
  }) {
    this.request = options.request;
    this.#host = options.host;
    this.#member = options.member;
    this.#clock = options.clock;
    this.lastSampleAtMs = options.clock.now();
  }

  get revoked(): AbortSignal {
    return this.#revocation.signal;
  }

  /** False while another connection of the same stream is used. */
  get isUsed(): boolean {
    return this.#member.isUsed;
  }

  /** Whether media of it was taken; before that, whoever drops it refuses it. */
  get hasDelivered(): boolean {
    return this.#hasDelivered;
  }

  /** Whether it carries text alone: whoever sends no picture and no sound is no input. */
  get isTextOnly(): boolean {
    const tracks = [...this.#tracks.values()];
    return tracks.length > 0 && tracks.every(({ type }) => type === 'text');
  }

  /** Declared so far. */
  tracks(): SessionTrack[] {
    return [...this.#tracks].map(([key, track]) => ({ key, ...track }));
  }

  setTrack(trackKey: TrackKey, description: PublishedTrack): void {
    if (this.#isOver) return;
    const tooMuch = this.#host.judgeTrack(this, trackKey, description);
    if (tooMuch !== undefined) {
      this.revoke(tooMuch);
      return;
    }
    this.#tracks.set(trackKey, description);
    this.#member.setTrack(trackKey, description);
  }

  beginFragment(trackKey: TrackKey, fragment: FragmentTimes): boolean {
    if (this.#isOver) return false;
    return 'beginFragment' in this.#member ? this.#member.beginFragment(trackKey, fragment) : true;
  }

  addSample(trackKey: TrackKey, sample: Sample): Promise<void> | undefined {
    if (this.#isOver) return undefined;
    this.lastSampleAtMs = this.#clock.now();
    const fault = this.#measure(trackKey, sample) ?? this.#add(trackKey, sample);
    if (fault !== undefined) {
      this.revoke(fault);
      return undefined;
    }
    const room = this.#host.roomForMedia();
    if (room !== undefined) this.#member.waitsFor(room);
    return room;
  }

  addTextFragment(trackKey: TrackKey, fragment: TextFragment): Promise<void> | undefined {
    if (this.#isOver || !('addTextFragment' in this.#member)) return undefined;
    this.#member.addTextFragment(trackKey, fragment);
    return this.#host.roomForMedia();
  }

  /** Asks ingest to drop the encoder; it calls `close` when the connection is down. */
  revoke(resultCode: IngestResultCode): void {
    if (!this.#revocation.signal.aborted) this.#revocation.abort(resultCode);
  }

  close(resultCode: IngestResultCode): Promise<void> {
    this.#closed ??= this.#close(resultCode);
    return this.#closed;
  }

  get #isOver(): boolean {
    return this.#closed !== undefined || this.#revocation.signal.aborted;
  }

  #add(trackKey: TrackKey, sample: Sample): IngestResultCode | undefined {
    try {
      const result = this.#member.addSample(trackKey, sample);
      this.#hasDelivered ||= result === 'taken';
      return result === 'fragmentTooLong' ? 'MPE_INGEST_RTMP_TOO_LARGE_UNPROCESSED_FLV' : undefined;
    } catch (error) {
      if (!(error instanceof TooManyTracks)) throw error;
      return 'MPE_CAPACITY_LIMIT_REACHED';
    }
  }

  #measure(trackKey: TrackKey, sample: Sample): IngestResultCode | undefined {
    if (this.#tracks.get(trackKey)?.type !== 'video') return undefined;
    const meter = this.#meters.get(trackKey) ?? new VideoMeter();
    this.#meters.set(trackKey, meter);
    const sent = meter.add(sample, this.lastSampleAtMs);
    return sent && this.#host.judgeVideo(sent);
  }

  async #close(resultCode: IngestResultCode): Promise<void> {
    this.#member.leave();
    const reason: unknown = this.#revocation.signal.reason;
    // What we dropped it for says more than what the socket saw of it.
    const wasDropped = this.#revocation.signal.aborted && typeof reason === 'string';
    await this.#host.sessionClosed(this, wasDropped ? (reason as IngestResultCode) : resultCode); // only `revoke` aborts it
  }
}
