import type {
  IngestResultCode,
  PublishDecision,
  PublishedTrack,
  PublishRequest,
  TrackKey,
} from '../ingest/publish-session.ts';
import type { ByteStreamSegmenter } from './byte-stream-segmenter.ts';
import type { EventQueue } from './event-queue.ts';
import { decideAtDoor, denied, type Refusal } from './ingest-door.ts';
import { decideMeasuredVideo, decideVideo, INGEST_LIMITS, type IngestLimits } from './ingest-limits.ts';
import type { LiveLog } from './live-deps.ts';
import type { LiveEventView } from './live-directory.ts';
import * as liveEvents from './live-events.ts';
import { LivePublishSession, type SessionHost } from './live-publish-session.ts';
import { type DroppedFragment, MergedStream } from './merged-stream.ts';
import { RedundantStream } from './redundant-stream.ts';
import type { SentVideo } from './video-meter.ts';

export const SESSIONS_PER_EVENT_MAX = 32;
/** A publisher that sends nothing for this long makes room for another of the same name. */
const SILENT_MS_MAX = 3000;

export interface LiveSessionsOptions {
  readonly liveEventName: string;
  readonly openByteStream: (streamId: string) => ByteStreamSegmenter;
  readonly fragmentDropped: (
    stream: ByteStreamSegmenter,
    key: TrackKey,
    timestampTicks: number,
    why: DroppedFragment,
  ) => void;
  readonly roomForMedia: () => Promise<void> | undefined;
  /** After an encoder has left. */
  readonly onLeft: () => void;
  readonly events: EventQueue;
  readonly clock: { now(): number };
  readonly log: LiveLog;
}

type CarriedStream = RedundantStream | MergedStream;

/** The encoder connections of one live event: who is let in, which of them is used, and what is told of them. */
export class LiveSessions implements SessionHost {
  readonly #options: LiveSessionsOptions;
  readonly #sessions = new Set<LivePublishSession>();
  readonly #streams = new Map<string, CarriedStream>();
  #limits: IngestLimits = INGEST_LIMITS.None;

  constructor(options: LiveSessionsOptions) {
    this.#options = options;
  }

  get all(): readonly LivePublishSession[] {
    return [...this.#sessions];
  }

  get isBackupUsed(): boolean {
    return this.all.some(({ isUsed, request }) => isUsed && request.endpoint === 'backup');
  }

  /** Lets an encoder in or says why not. */
  async publish(request: PublishRequest, view: LiveEventView): Promise<PublishDecision> {
    const { clock, events } = this.#options;
    const refusal = decideAtDoor(request, view, clock.now()) ?? this.#refuseName(request);
    if (refusal !== undefined) return refusal;
    this.#limits = INGEST_LIMITS[view.encodingType];
    const member = this.#streamFor(request).join(request.endpoint);
    const session = new LivePublishSession({ request, host: this, member, clock });
    this.#sessions.add(session);
    // Stored before the encoder is let in: whoever waits for it must not have to find out by himself.
    events.add(liveEvents.encoderConnected(this.#encoderOf(request)));
    await events.drained();
    return { kind: 'accepted', session };
  }

  roomForMedia(): Promise<void> | undefined {
    return this.#options.roomForMedia();
  }

  judgeTrack(
    session: LivePublishSession,
    trackKey: TrackKey,
    track: PublishedTrack,
  ): IngestResultCode | undefined {
    if (track.type !== 'video') return undefined;
    const others = this.all.flatMap((other) => {
      // Connections of one stream name carry the same; `key` tells what one connection carries apart.
      const isSame = other.request.streamId === session.request.streamId;
      if (isSame && other !== session) return [];
      return other.tracks().filter(({ type, key }) => type === 'video' && !(isSame && key === trackKey));
    });
    const totalBps = others.reduce((total, { declaredBitrateBps = 0 }) => total + declaredBitrateBps, 0);
    return decideVideo(track, { tracks: others.length, totalBps }, this.#limits);
  }

  judgeVideo(sent: SentVideo): IngestResultCode | undefined {
    return decideMeasuredVideo(sent, this.#limits);
  }

  async sessionClosed(session: LivePublishSession, resultCode: IngestResultCode): Promise<void> {
    this.#sessions.delete(session);
    const { streamId } = session.request;
    const isLast = !this.all.some(({ request }) => request.streamId === streamId);
    if (isLast && this.#streams.get(streamId) instanceof RedundantStream) this.#streams.delete(streamId);
    const encoder = { ...this.#encoderOf(session.request), resultCode };
    const { events } = this.#options;
    if (!session.hasDelivered && REFUSALS.has(resultCode)) events.add(liveEvents.connectionRejected(encoder));
    events.add(liveEvents.encoderDisconnected(encoder));
    this.#options.onLeft();
    await events.drained();
  }

  /** The connection that feeds a stream now. */
  encoderOfStream(streamId: string): liveEvents.EncoderFacts | undefined {
    const carrying = this.all.filter(({ request }) => request.streamId === streamId);
    const session = carrying.find(({ isUsed }) => isUsed) ?? carrying[0];
    return session && this.#encoderOf(session.request);
  }

  /** Ends streams that nobody carries any more. */
  sweep(): void {
    const nowMs = this.#options.clock.now();
    for (const [streamId, stream] of this.#streams) {
      if (stream instanceof MergedStream && stream.closeWhenIdle(nowMs)) this.#streams.delete(streamId);
    }
  }

  /** Asks for all encoders to be dropped; resolves when they are, or after `waitMsMax`. */
  async drop(resultCode: IngestResultCode, waitMsMax: number): Promise<void> {
    const dropped = this.all;
    for (const session of dropped) session.revoke(resultCode);
    const deadline = new Promise((resolve) => setTimeout(resolve, waitMsMax).unref());
    await Promise.race([Promise.all(dropped.map((session) => session.close(resultCode))), deadline]);
    for (const stream of this.#streams.values()) {
      if (stream instanceof MergedStream) stream.closeWhenIdle(Number.POSITIVE_INFINITY);
    }
    this.#streams.clear();
  }

  #streamFor(request: PublishRequest): CarriedStream {
    const known = this.#streams.get(request.streamId);
    if (known !== undefined) return known;
    const stream = this.#openStream(request);
    this.#streams.set(request.streamId, stream);
    return stream;
  }

  #openStream({ streamId, protocol }: PublishRequest): CarriedStream {
    const { clock, log, liveEventName, openByteStream, fragmentDropped } = this.#options;
    const sink = openByteStream(streamId);
    if (protocol === 'FragmentedMP4') {
      return new MergedStream({
        sink,
        clock,
        onDropped: (key, timestampTicks, why) => fragmentDropped(sink, key, timestampTicks, why),
      });
    }
    const onTakeover = (notice: object) => log.info('live.takeover', { liveEventName, streamId, ...notice });
    return new RedundantStream({ sink, clock, onTakeover });
  }

  /** One publisher per name and address; the other address of the same name is its standby. */
  #refuseName(request: PublishRequest): Refusal | undefined {
    const same = this.all.find(
      (session) =>
        session.request.streamId === request.streamId && session.request.endpoint === request.endpoint,
    );
    if (same !== undefined && request.protocol === 'RTMP') {
      if (this.#options.clock.now() - same.lastSampleAtMs < SILENT_MS_MAX) {
        return denied(
          'another encoder is publishing this stream: give yours another stream name, or stop the other',
        );
      }
      same.revoke('MPE_RTMP_SESSION_IDLE_TIMEOUT');
      this.#giveUp(same);
    }
    if (this.#sessions.size < SESSIONS_PER_EVENT_MAX) return undefined;
    return denied(`at most ${SESSIONS_PER_EVENT_MAX} encoders publish into one live event`);
  }

  /** Its place is free at once; the connection closes when it can. */
  #giveUp(session: LivePublishSession): void {
    session.close('MPE_RTMP_SESSION_IDLE_TIMEOUT').catch((error: unknown) => {
      this.#options.log.error('live.closeFailed', { liveEventName: this.#options.liveEventName, error });
    });
    this.#sessions.delete(session);
  }

  #encoderOf(request: PublishRequest): liveEvents.EncoderFacts {
    const { ingestUrl, streamId, encoderIp, encoderPort } = request;
    return { liveEventName: this.#options.liveEventName, ingestUrl, streamId, encoderIp, encoderPort };
  }
}

/** What an encoder that has delivered nothing is refused for, and does not merely leave with. */
const REFUSALS: ReadonlySet<IngestResultCode> = new Set([
  'MPE_INGEST_MEDIA_QUALITIES_EXCEEDED',
  'MPE_INGEST_BITRATE_AGGREGATED_EXCEEDED',
  'MPE_INGEST_FRAMERATE_EXCEEDED',
  'MPE_INGEST_VIDEO_RESOLUTION_NOT_SUPPORTED',
]);
