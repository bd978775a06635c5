import { parseFlvAudioTag, parseFlvVideoTag } from '../formats/flv.ts';
import type { FlvAudioTag, FlvVideoTag } from '../formats/flv-tag.ts';
import { MalformedFlv } from '../formats/malformed-flv.ts';
import { parseData } from '../protocols/rtmp/command.ts';
import { MESSAGE_TYPE, type RtmpMessage } from '../protocols/rtmp/message.ts';
import { TICKS_PER_MILLISECOND } from '../time/timescale.ts';
import { IngestRefusal, unsupportedCodec } from './ingest-refusal.ts';
import type { PublishPath } from './publish-path.ts';
import type { PublishSession, TrackKey } from './publish-session.ts';
import { readStreamMetadata, type StreamMetadata } from './rtmp-metadata.ts';
import { type MediaType, type RtmpCodec, RtmpTrack, trackKey } from './rtmp-track.ts';

/** Ten years: far from where ticks stop being exact. */
const TIMESTAMP_MS_MAX = 10 * 366 * 86_400_000;
/** Tracks of one connection, Enhanced RTMP included. */
const TRACKS_MAX = 16;

export interface RtmpIntakeOptions {
  readonly session: PublishSession;
  readonly declaredKbps: PublishPath['declaredKbps'];
  /** Whether encoders publish other streams into the same live event now. */
  isMultiBitrate(): boolean;
}

/** Turns the media messages of one RTMP connection into the calls of a publish session. */
export class RtmpIntake {
  readonly #options: RtmpIntakeOptions;
  readonly #session: PublishSession;
  readonly #tracks = new Map<TrackKey, RtmpTrack>();
  readonly #declared = new Set<TrackKey>();
  #metadata: StreamMetadata | undefined;
  #lastTimestampMs: number | undefined;
  #timeMs = 0;

  constructor(options: RtmpIntakeOptions) {
    this.#options = options;
    this.#session = options.session;
  }

  /** Whether the session knows of the track, or of any: what comes after it is a disconnect, no longer a refusal. */
  hasDeclared(key: TrackKey | undefined): boolean {
    return key === undefined ? this.#declared.size > 0 : this.#declared.has(key);
  }

  /** The session's promise when it is full. Throws `IngestRefusal`, or `RtmpError` `MalformedAmf`. */
  take(message: RtmpMessage): Promise<void> | undefined {
    try {
      return this.#take(message);
    } catch (error) {
      if (!(error instanceof MalformedFlv)) throw error;
      throw new IngestRefusal(
        'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED',
        `The encoder sent audio or video that cannot be read: ${error.message}.`,
        { cause: error },
      );
    }
  }

  #take(message: RtmpMessage): Promise<void> | undefined {
    const { payload, timestampMs } = message;
    switch (message.typeId) {
      case MESSAGE_TYPE.video:
        return this.#takeAll(parseFlvVideoTag(payload), (tag) => this.#takeVideo(tag, timestampMs));
      case MESSAGE_TYPE.audio:
        return this.#takeAll(parseFlvAudioTag(payload), (tag) => this.#takeAudio(tag, timestampMs));
      default:
        this.#takeData(message);
        return undefined;
    }
  }

  /** The tracks of one message are few and small: a session that is full after the first takes the others all the same. */
  #takeAll<Tag>(
    tags: readonly Tag[],
    take: (tag: Tag) => Promise<void> | undefined,
  ): Promise<void> | undefined {
    const waits = tags.map(take).filter((wait) => wait !== undefined);
    return waits.length < 2 ? waits[0] : Promise.all(waits).then(() => undefined);
  }

  #takeVideo(tag: FlvVideoTag, timestampMs: number): Promise<void> | undefined {
    if (tag.kind === 'ignored') return undefined;
    if (tag.kind === 'unsupportedCodec') throw unsupportedCodec(trackKey('video', tag.trackId), tag.name);
    const track = this.#trackOf('video', tag.trackId, tag.codec);
    if (tag.kind === 'sequenceHeader') {
      track.configure(tag.codec, tag.configurationRecord);
      return undefined;
    }
    const timeMs = this.#unwrap(timestampMs);
    track.requireConfiguration(tag.codec);
    const judgement = track.judge(tag);
    if (judgement === 'dropped') return undefined;
    this.#requireMetadata(track);
    this.#declare(track);
    return this.#session.addSample(track.key, {
      dtsTicks: timeMs * TICKS_PER_MILLISECOND,
      compositionOffsetTicks: tag.compositionTimeMs * TICKS_PER_MILLISECOND,
      isRandomAccessPoint: judgement === 'random',
      data: tag.data,
    });
  }

  #takeAudio(tag: FlvAudioTag, timestampMs: number): Promise<void> | undefined {
    if (tag.kind === 'ignored') return undefined;
    if (tag.kind === 'unsupportedCodec') throw unsupportedCodec(trackKey('audio', tag.trackId), tag.name);
    const track = this.#trackOf('audio', tag.trackId, 'aac');
    if (tag.kind === 'sequenceHeader') {
      track.configure('aac', tag.configurationRecord);
      return undefined;
    }
    const timeMs = this.#unwrap(timestampMs);
    track.requireConfiguration('aac');
    this.#declare(track);
    return this.#session.addSample(track.key, {
      dtsTicks: timeMs * TICKS_PER_MILLISECOND,
      compositionOffsetTicks: 0,
      isRandomAccessPoint: true,
      data: tag.data,
    });
  }

  #takeData(message: RtmpMessage): void {
    const [name, values] = parseData(message);
    if (name !== 'onMetaData') return;
    const metadata = readStreamMetadata(values);
    const { unsupported } = metadata;
    if (unsupported !== undefined) throw unsupportedCodec(unsupported.type, unsupported.name);
    this.#metadata = metadata;
  }

  #trackOf(type: MediaType, trackId: number, codec: RtmpCodec): RtmpTrack {
    const key = trackKey(type, trackId);
    const known = this.#tracks.get(key);
    if (known !== undefined) return known;
    if (this.#tracks.size >= TRACKS_MAX) {
      throw new IngestRefusal('MPE_CAPACITY_LIMIT_REACHED', `At most ${TRACKS_MAX} tracks per connection.`);
    }
    const track = new RtmpTrack(type, trackId, codec);
    this.#tracks.set(key, track);
    return track;
  }

  /** Of several bitrates each must say which it is; one alone need not (reference §2.2, §6). */
  #requireMetadata(track: RtmpTrack): void {
    if (this.#declared.has(track.key) || this.#metadata !== undefined) return;
    if (this.#options.declaredKbps.video !== undefined || !this.#options.isMultiBitrate()) return;
    throw new IngestRefusal(
      'MPE_INGEST_RTMP_SETDATAFRAME_NOT_RECEIVED',
      'Several streams are published at once, and this one came without onMetaData: let the encoder send it, or add ?videodatarate={kbit/s} to the stream name.',
      { trackKey: track.key },
    );
  }

  #declare(track: RtmpTrack): void {
    const format = track.takeNewFormat();
    if (format === undefined) return;
    const { key, type, trackId } = track;
    this.#declared.add(key);
    const declaredKbps = trackId === 0 ? this.#options.declaredKbps[type] : undefined;
    const queried = declaredKbps === undefined ? undefined : Math.round(declaredKbps * 1000);
    this.#session.setTrack(key, {
      type,
      name: undefined,
      language: undefined,
      format,
      declaredBitrateBps: this.#metadata?.bitrateBps(type, trackId) ?? queried,
      declaredFrameRate: type === 'video' ? this.#metadata?.frameRate(trackId) : undefined,
    });
  }

  /** All tracks share one clock; the nearer way round tells a wrap of the 32 bits from a step back. */
  #unwrap(timestampMs: number): number {
    const last = this.#lastTimestampMs ?? 0;
    this.#timeMs += this.#lastTimestampMs === undefined ? timestampMs : (timestampMs - last) | 0;
    this.#lastTimestampMs = timestampMs;
    if (Math.abs(this.#timeMs) > TIMESTAMP_MS_MAX) {
      throw new IngestRefusal(
        'MPE_RTMP_FLV_TAG_TIMESTAMP_INVALID',
        'The timestamps of the encoder run away.',
      );
    }
    return this.#timeMs;
  }
}
