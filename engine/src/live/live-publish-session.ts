import type {
  IngestResultCode,
  PublishedTrack,
  PublishRequest,
  PublishSession,
  TrackKey,
} from '../ingest/publish-session.ts';
import type { Sample } from '../model/sample.ts';
import type { ByteStreamSegmenter } from './byte-stream-segmenter.ts';
import { TooManyTracks } from './track-registry.ts';

/** What a session needs of its live event. */
export interface SessionHost {
  /** Undefined while there is room; else resolves when there is again. */
  roomForMedia(): Promise<void> | undefined;
  sessionClosed(session: LivePublishSession, resultCode: IngestResultCode): Promise<void>;
}

/** One encoder connection of a live event. */
export class LivePublishSession implements PublishSession {
  readonly request: PublishRequest;
  readonly #host: SessionHost;
  readonly #stream: ByteStreamSegmenter;
  readonly #clock: { now(): number };
  readonly #revocation = new AbortController();
  #closed: Promise<void> | undefined;
  lastSampleAtMs: number;

  constructor(options: {
    readonly request: PublishRequest;
    readonly host: SessionHost;
    readonly stream: ByteStreamSegmenter;
    readonly clock: { now(): number };
  }) {
    this.request = options.request;
    this.#host = options.host;
    this.#stream = options.stream;
    this.#clock = options.clock;
    this.lastSampleAtMs = options.clock.now();
  }

  get revoked(): AbortSignal {
    return this.#revocation.signal;
  }

  get hasVideo(): boolean {
    return this.#stream.tracks().some(({ type }) => type === 'video');
  }

  get hasAudio(): boolean {
    return this.#stream.tracks().some(({ type }) => type === 'audio');
  }

  setTrack(trackKey: TrackKey, description: PublishedTrack): void {
    if (this.#isOver) return;
    this.#stream.setTrack(trackKey, description);
  }

  /** Redundant fragmented MP4 comes with its own listener; RTMP never asks. */
  beginFragment(): boolean {
    return !this.#isOver;
  }

  addSample(trackKey: TrackKey, sample: Sample): Promise<void> | undefined {
    if (this.#isOver) return undefined;
    this.lastSampleAtMs = this.#clock.now();
    try {
      if (this.#stream.addSample(trackKey, sample) === 'fragmentTooLong') {
        this.revoke('MPE_INGEST_RTMP_TOO_LARGE_UNPROCESSED_FLV');
        return undefined;
      }
    } catch (error) {
      if (!(error instanceof TooManyTracks)) throw error;
      this.revoke('MPE_CAPACITY_LIMIT_REACHED');
      return undefined;
    }
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

  async #close(resultCode: IngestResultCode): Promise<void> {
    this.#stream.close();
    const reason: unknown = this.#revocation.signal.reason;
    // What we dropped it for says more than what the socket saw of it.
    const wasDropped = this.#revocation.signal.aborted && typeof reason === 'string';
    await this.#host.sessionClosed(this, wasDropped ? (reason as IngestResultCode) : resultCode); // only `revoke` aborts it
  }
}
