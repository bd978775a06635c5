import type { Sample, TimedSample } from '../model/sample.ts';
import type { TrackFormat, TrackType } from '../model/track.ts';

/** Result codes of the original service's events that ingest can produce (media-services reference, events). */
export type IngestResultCode =
  | 'S_OK'
  | 'MPE_RTMP_APPID_AUTH_FAILURE'
  | 'MPE_INGEST_ENCODER_CONNECTION_DENIED'
  | 'MPE_INGEST_CODEC_NOT_SUPPORTED'
  | 'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED'
  | 'MPE_INGEST_RTMP_SETDATAFRAME_NOT_RECEIVED'
  | 'MPE_INGEST_RTMP_TOO_LARGE_UNPROCESSED_FLV'
  | 'MPE_BAD_URL_SYNTAX'
  | 'MPE_RTMP_SESSION_IDLE_TIMEOUT'
  | 'MPE_CAPACITY_LIMIT_REACHED'
  | 'MPE_CLIENT_TERMINATED_SESSION'
  | 'MPI_STREAM_HIT_EOF'
  | 'MPI_REST_API_CHANNEL_STOP'
  | 'MPI_REST_API_CHANNEL_RESET'
  | 'MPI_SYSTEM_MAINTENANCE'
  | 'MPE_INGEST_MEDIA_QUALITIES_EXCEEDED'
  | 'MPE_INGEST_BITRATE_AGGREGATED_EXCEEDED'
  | 'MPE_INGEST_FRAMERATE_EXCEEDED'
  | 'MPE_INGEST_VIDEO_RESOLUTION_NOT_SUPPORTED'
  | 'MPE_RTMP_FLV_TAG_TIMESTAMP_INVALID'
  | 'MPE_CLIENT_DISCONNECTED'
  | 'MPE_INGEST_DISCONTINUITY'
  | 'ERROR_END_OF_MEDIA';

/** What an encoder says before it sends media. */
export interface PublishRequest {
  /** The path part after `live/`, compared in constant time with the live event's access token. */
  readonly accessToken: string;
  /** The encoder's own name for this byte stream; one publisher per name. */
  readonly streamId: string;
  readonly encoderIp: string;
  readonly encoderPort: number;
  readonly protocol: 'RTMP' | 'FragmentedMP4';
  /** Which of the live event's two addresses the encoder chose; a backup waits until the primary is silent. */
  readonly endpoint: 'primary' | 'backup';
  /** Where the encoder connected, as its user knows the address; for events, so the access token in it is masked. */
  readonly ingestUrl: string;
}

export type PublishDecision =
  | { readonly kind: 'accepted'; readonly session: PublishSession }
  | { readonly kind: 'refused'; readonly resultCode: IngestResultCode; readonly message: string };

/** Implemented by the live runtime; ingest knows nothing of live events, only of sessions. */
export interface PublishDoor {
  open(request: PublishRequest): Promise<PublishDecision>;
  /** A connection that failed before it could ask (bad URL, garbage after the handshake, unsupported codec). */
  reportRefusal(request: Partial<PublishRequest>, resultCode: IngestResultCode): Promise<void>;
}

/** Whom encoders of fragmented MP4 find: they may ask first, with an empty POST. */
export interface ProbedDoor extends PublishDoor {
  /** Whether `open` would let it in; nothing begins. A refusal is told as one of `open` is. */
  probe(request: PublishRequest): Promise<ProbeDecision>;
}

export type ProbeDecision =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly resultCode: IngestResultCode; readonly message: string };

/** One encoder connection that was let in. Calls arrive in order; times are the encoder's own, unwrapped, in ticks. */
export interface PublishSession {
  /** Declares a track or its new configuration. Always before its first sample. */
  setTrack(trackKey: TrackKey, description: PublishedTrack): void;
  /**
   * Fragmented MP4 only, before the samples of a fragment: whether they are wanted. False when another connection of the
   * same stream has delivered this fragment already, or when it comes too late.
   */
  beginFragment(trackKey: TrackKey, fragment: { timestampTicks: number; durationTicks: number }): boolean;
  /**
   * Hands over one sample. Returns a promise only when the receiver's bounded queue is full; the caller then reads no
   * more from the socket until it resolves. The session owns `sample.data` from here on.
   */
  addSample(trackKey: TrackKey, sample: Sample): Promise<void> | undefined;
  /**
   * One whole fragment of a track of type `text`, after `beginFragment` wanted it; such tracks have no `addSample`. As
   * `addSample`, returns a promise when the caller is to read no more for now.
   */
  addTextFragment(trackKey: TrackKey, fragment: TextFragment): Promise<void> | undefined;
  /** The encoder left, or was dropped for `resultCode`. */
  close(resultCode: IngestResultCode): Promise<void>;
  /** Aborted (reason: an `IngestResultCode`) when the service wants this encoder gone: event stopped, reset, taken over. */
  readonly revoked: AbortSignal;
}

/** Times are the encoder's own, in ticks; `samples` are in order and not empty. */
export interface TextFragment {
  readonly timestampTicks: number;
  readonly samples: readonly TimedSample[];
}

/** Names a track within one session: chosen by ingest, opaque to the receiver. */
export type TrackKey = string;

export interface PublishedTrack {
  readonly type: TrackType;
  /** The encoder's own name of the track, undefined when it has none; several audio tracks are told apart by it. */
  readonly name: string | undefined;
  /** BCP 47, undefined when the encoder did not say. */
  readonly language: string | undefined;
  readonly format: TrackFormat;
  /** From `onMetaData` (`videodatarate`, `audiodatarate`), undefined when the encoder did not say. */
  readonly declaredBitrateBps: number | undefined;
  readonly declaredFrameRate: number | undefined;
}
