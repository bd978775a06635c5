import { parseAacFormat } from '../codecs/aac.ts';
import { containsIdr, parseH264Format } from '../codecs/h264.ts';
import { containsRecoveryPoint } from '../codecs/h264-recovery-point.ts';
import { MalformedCodecConfiguration } from '../codecs/malformed-codec-configuration.ts';
import { parseFlvAudioTag, parseFlvVideoTag } from '../formats/flv.ts';
import { MalformedFlv } from '../formats/malformed-flv.ts';
import type { TrackFormat, TrackType } from '../model/track.ts';
import { amf0Property } from '../protocols/rtmp/amf0.ts';
import { parseData } from '../protocols/rtmp/command.ts';
import { MESSAGE_TYPE, type RtmpMessage } from '../protocols/rtmp/message.ts';
import { TICKS_PER_MILLISECOND } from '../time/timescale.ts';
import { IngestRefusal } from './ingest-refusal.ts';
import type { PublishPath } from './publish-path.ts';
import type { PublishSession } from './publish-session.ts';

/** Video bytes since decoding could last begin: 20 s at the highest input bitrate per layer. */
export const UNPROCESSED_BYTES_MAX = 64 * 1024 * 1024;
/** Ten years: far from where ticks stop being exact. */
const TIMESTAMP_MS_MAX = 10 * 366 * 86_400_000;
/** FFmpeg divides the bitrates of `onMetaData` by 1024, everybody else by 1000. */
const LAVF_KILO = 1024;
const SEQUENCE_HEADER_NAMES = { video: 'AVC sequence header', audio: 'AAC sequence header' } as const;

interface TrackState {
  configurationRecord: Uint8Array | undefined;
  /** Declared with the first sample that uses it, so that a late `onMetaData` still counts. */
  pendingFormat: TrackFormat | undefined;
  declaredBitrateBps: number | undefined;
}

/** Turns the media messages of one RTMP connection into the calls of a publish session. */
export class RtmpIntake {
  readonly #session: PublishSession;
  readonly #tracks: Readonly<Record<TrackType, TrackState>>;
  #declaredFrameRate: number | undefined;
  #lastTimestampMs: number | undefined;
  #timeMs = 0;
  #bytesSinceRandomAccess = 0;
  #sawRandomAccess = false;
  #hasDeclaredTrack = false;

  constructor(session: PublishSession, declaredKbps: PublishPath['declaredKbps']) {
    this.#session = session;
    const track = (kbps: number | undefined): TrackState => ({
      configurationRecord: undefined,
      pendingFormat: undefined,
      declaredBitrateBps: kbps === undefined ? undefined : Math.round(kbps * 1000),
    });
    this.#tracks = { video: track(declaredKbps.video), audio: track(declaredKbps.audio) };
  }

  /** Whether the session knows of a track: what comes after it is a disconnect, no longer a refusal. */
  hasDeclaredTrack(): boolean {
    return this.#hasDeclaredTrack;
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
    switch (message.typeId) {
      case MESSAGE_TYPE.video:
        return this.#takeVideo(message);
      case MESSAGE_TYPE.audio:
        return this.#takeAudio(message);
      default:
        this.#takeData(message);
        return undefined;
    }
  }

  #takeVideo(message: RtmpMessage): Promise<void> | undefined {
    const tag = parseFlvVideoTag(message.payload);
    if (tag.kind === 'unsupportedCodec') throw unsupportedCodec('video', tag.name);
    if (tag.kind === 'sequenceHeader') {
      this.#configure('video', tag.configurationRecord, parseH264Format);
      return undefined;
    }
    if (tag.kind !== 'accessUnit') return undefined;
    const timeMs = this.#unwrap(message.timestampMs);
    this.#requireConfiguration('video');
    // The flag alone is not believed: a fragment that begins with it must be decodable from there.
    const isRandomAccessPoint = tag.isKeyFrame && (containsIdr(tag.data) || containsRecoveryPoint(tag.data));
    this.#bytesSinceRandomAccess = isRandomAccessPoint ? 0 : this.#bytesSinceRandomAccess + tag.data.length;
    if (this.#bytesSinceRandomAccess > UNPROCESSED_BYTES_MAX) {
      throw new IngestRefusal(
        'MPE_INGEST_RTMP_TOO_LARGE_UNPROCESSED_FLV',
        `No key frame in ${UNPROCESSED_BYTES_MAX} bytes of video. Set the encoder's key frame interval to 2 seconds.`,
      );
    }
    // Nothing can be decoded before the first one.
    this.#sawRandomAccess ||= isRandomAccessPoint;
    if (!this.#sawRandomAccess) return undefined;
    this.#declare('video');
    return this.#session.addSample('video', {
      dtsTicks: timeMs * TICKS_PER_MILLISECOND,
      compositionOffsetTicks: tag.compositionTimeMs * TICKS_PER_MILLISECOND,
      isRandomAccessPoint,
      data: tag.data,
    });
  }

  #takeAudio(message: RtmpMessage): Promise<void> | undefined {
    const tag = parseFlvAudioTag(message.payload);
    if (tag.kind === 'unsupportedCodec') throw unsupportedCodec('audio', tag.name);
    if (tag.kind === 'sequenceHeader') {
      this.#configure('audio', tag.configurationRecord, parseAacFormat);
      return undefined;
    }
    if (tag.kind !== 'accessUnit') return undefined;
    const timeMs = this.#unwrap(message.timestampMs);
    this.#requireConfiguration('audio');
    this.#declare('audio');
    return this.#session.addSample('audio', {
      dtsTicks: timeMs * TICKS_PER_MILLISECOND,
      compositionOffsetTicks: 0,
      isRandomAccessPoint: true,
      data: tag.data,
    });
  }

  #takeData(message: RtmpMessage): void {
    const [name, metadata] = parseData(message);
    if (name !== 'onMetaData') return;
    const encoder = amf0Property(metadata, 'encoder');
    const kilo = typeof encoder === 'string' && encoder.startsWith('Lavf') ? LAVF_KILO : 1000;
    const number = (key: string): number | undefined => {
      const value = amf0Property(metadata, key);
      return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : undefined;
    };
    for (const key of ['video', 'audio'] as const) {
      const kbps = number(`${key}datarate`);
      if (kbps !== undefined) this.#tracks[key].declaredBitrateBps = Math.round(kbps * kilo);
    }
    this.#declaredFrameRate = number('framerate') ?? this.#declaredFrameRate;
  }

  #configure(key: TrackType, record: Uint8Array, parseFormat: (record: Uint8Array) => TrackFormat): void {
    const track = this.#tracks[key];
    // Encoders repeat the same header; only another one is news.
    if (track.configurationRecord !== undefined && equalBytes(track.configurationRecord, record)) return;
    // A copy, because it lives as long as the session and the message's array is much larger.
    const own = record.slice();
    try {
      track.pendingFormat = parseFormat(own);
    } catch (error) {
      if (!(error instanceof MalformedCodecConfiguration)) throw error;
      throw new IngestRefusal(
        'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED',
        `The encoder's ${SEQUENCE_HEADER_NAMES[key]} cannot be used: ${error.message}.`,
        { cause: error },
      );
    }
    track.configurationRecord = own;
  }

  #requireConfiguration(key: TrackType): void {
    if (this.#tracks[key].configurationRecord !== undefined) return;
    throw new IngestRefusal(
      'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED',
      `The encoder sent ${key} without its ${SEQUENCE_HEADER_NAMES[key]} first.`,
    );
  }

  #declare(key: TrackType): void {
    const track = this.#tracks[key];
    if (track.pendingFormat === undefined) return;
    this.#session.setTrack(key, {
      type: key,
      name: undefined,
      language: undefined,
      format: track.pendingFormat,
      declaredBitrateBps: track.declaredBitrateBps,
      declaredFrameRate: key === 'video' ? this.#declaredFrameRate : undefined,
    });
    track.pendingFormat = undefined;
    this.#hasDeclaredTrack = true;
  }

  /** Both tracks share one clock; the nearer way round tells a wrap of the 32 bits from a step back. */
  #unwrap(timestampMs: number): number {
    const last = this.#lastTimestampMs ?? 0;
    this.#timeMs += this.#lastTimestampMs === undefined ? timestampMs : (timestampMs - last) | 0;
    this.#lastTimestampMs = timestampMs;
    if (Math.abs(this.#timeMs) > TIMESTAMP_MS_MAX) {
      throw new IngestRefusal('MPE_CLIENT_TERMINATED_SESSION', 'The timestamps of the encoder run away.');
    }
    return this.#timeMs;
  }
}

function unsupportedCodec(key: TrackType, name: string): IngestRefusal {
  return new IngestRefusal(
    'MPE_INGEST_CODEC_NOT_SUPPORTED',
    `The ${key} codec ${name} is not supported. Set the encoder to ${key === 'video' ? 'H.264' : 'AAC'}.`,
  );
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
