import { parseAacFormat } from '../codecs/aac.ts';
import { containsIdr, parseH264Format } from '../codecs/h264.ts';
import { containsRecoveryPoint } from '../codecs/h264-recovery-point.ts';
import { containsIrap, parseHevcFormat } from '../codecs/hevc.ts';
import { MalformedCodecConfiguration } from '../codecs/malformed-codec-configuration.ts';
import type { TrackFormat, TrackType } from '../model/track.ts';
import { IngestRefusal } from './ingest-refusal.ts';
import type { TrackKey } from './publish-session.ts';

/** Video bytes since decoding could last begin: 20 s at the highest input bitrate per layer. */
export const UNPROCESSED_BYTES_MAX = 64 * 1024 * 1024;

const CODECS = {
  h264: {
    header: 'AVC sequence header',
    parse: parseH264Format,
    isRandomAccessPoint: (unit: Uint8Array) => containsIdr(unit) || containsRecoveryPoint(unit),
  },
  hevc: {
    header: 'HEVC sequence start',
    parse: parseHevcFormat,
    isRandomAccessPoint: containsIrap,
  },
  aac: { header: 'AAC sequence header', parse: parseAacFormat, isRandomAccessPoint: () => true },
} as const;

export type RtmpCodec = keyof typeof CODECS;
export type MediaType = Exclude<TrackType, 'text'>;

/** One track of an RTMP connection: its decoder configuration, and where decoding can begin. */
export class RtmpTrack {
  readonly key: TrackKey;
  readonly type: MediaType;
  readonly trackId: number;
  #codec: RtmpCodec;
  #configurationRecord: Uint8Array | undefined;
  /** Declared with the first sample that uses it, so that a late `onMetaData` still counts. */
  #pendingFormat: TrackFormat | undefined;
  #bytesSinceRandomAccess = 0;
  #sawRandomAccess = false;

  constructor(type: MediaType, trackId: number, codec: RtmpCodec) {
    this.type = type;
    this.trackId = trackId;
    this.key = trackKey(type, trackId);
    this.#codec = codec;
  }

  /** A sequence header. Throws `IngestRefusal`. */
  configure(codec: RtmpCodec, record: Uint8Array): void {
    const known = this.#configurationRecord;
    // Encoders repeat the same header; only another one is news.
    if (known !== undefined && this.#codec === codec && equalBytes(known, record)) return;
    // A copy, because it lives as long as the session and the message's array is much larger.
    const own = record.slice();
    const { header, parse } = CODECS[codec];
    try {
      this.#pendingFormat = parse(own);
    } catch (error) {
      if (!(error instanceof MalformedCodecConfiguration)) throw error;
      throw new IngestRefusal(
        'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED',
        `The encoder's ${header} cannot be used: ${error.message}.`,
        { cause: error, trackKey: this.key },
      );
    }
    this.#codec = codec;
    this.#configurationRecord = own;
  }

  /** Media must come after its header. Throws `IngestRefusal`. */
  requireConfiguration(codec: RtmpCodec): void {
    if (this.#configurationRecord !== undefined && this.#codec === codec) return;
    throw new IngestRefusal(
      'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED',
      `The encoder sent ${this.type} without its ${CODECS[codec].header} first.`,
      { trackKey: this.key },
    );
  }

  /**
   * Whether a video access unit is wanted, and whether a fragment may begin with it; nothing can be decoded before the
   * first such. Throws `IngestRefusal` when none comes for too long.
   */
  judge(unit: { readonly isKeyFrame: boolean; readonly data: Uint8Array }): 'dropped' | 'random' | 'other' {
    const { data } = unit;
    // The flag alone is not believed: a fragment that begins with it must be decodable from there.
    const isRandomAccessPoint = unit.isKeyFrame && CODECS[this.#codec].isRandomAccessPoint(data);
    this.#bytesSinceRandomAccess = isRandomAccessPoint ? 0 : this.#bytesSinceRandomAccess + data.length;
    if (this.#bytesSinceRandomAccess > UNPROCESSED_BYTES_MAX) {
      throw new IngestRefusal(
        'MPE_INGEST_RTMP_TOO_LARGE_UNPROCESSED_FLV',
        `No key frame in ${UNPROCESSED_BYTES_MAX} bytes of video. Set the encoder's key frame interval to 2 seconds.`,
        { trackKey: this.key },
      );
    }
    this.#sawRandomAccess ||= isRandomAccessPoint;
    if (!this.#sawRandomAccess) return 'dropped';
    return isRandomAccessPoint ? 'random' : 'other';
  }

  /** The format that the receiver does not know yet, once. */
  takeNewFormat(): TrackFormat | undefined {
    const format = this.#pendingFormat;
    this.#pendingFormat = undefined;
    return format;
  }
}

/** `video`, `audio`, and for the further tracks of Enhanced RTMP `audio-2`… */
export function trackKey(type: MediaType, trackId: number): TrackKey {
  return trackId === 0 ? type : `${type}-${trackId + 1}`;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
