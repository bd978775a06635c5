import type { IngestResultCode } from './publish-session.ts';

/** What an encoder is told when its session is revoked: an RTMP status code, and a sentence for the person there. */
export interface Revocation {
  readonly status: 'NetStream.Unpublish.Failed' | 'NetStream.Failed';
  readonly sentence: string;
}

const GONE = 'NetStream.Unpublish.Failed';
const REFUSED = 'NetStream.Failed';

export const REVOKED_OTHERWISE: Revocation = {
  status: GONE,
  sentence: 'The live event no longer takes this stream.',
};

export const REVOCATIONS: Readonly<Partial<Record<IngestResultCode, Revocation>>> = {
  MPI_REST_API_CHANNEL_STOP: {
    status: GONE,
    sentence: 'The live event no longer takes this stream: it was stopped.',
  },
  MPI_REST_API_CHANNEL_RESET: {
    status: GONE,
    sentence: 'The live event no longer takes this stream: it was reset. Connect again.',
  },
  MPI_SYSTEM_MAINTENANCE: {
    status: GONE,
    sentence: 'The live event no longer takes this stream here: the service moves it. Connect again.',
  },
  MPE_RTMP_SESSION_IDLE_TIMEOUT: {
    status: GONE,
    sentence: 'The stream was silent, and another encoder has taken its place.',
  },
  MPE_CAPACITY_LIMIT_REACHED: {
    status: REFUSED,
    sentence: 'The live event has no room for more tracks or faster media.',
  },
  MPE_INGEST_CODEC_NOT_SUPPORTED: {
    status: REFUSED,
    sentence: 'This type of live event does not take the codec. Set the encoder to H.264 and AAC.',
  },
  MPE_INGEST_MEDIA_QUALITIES_EXCEEDED: {
    status: REFUSED,
    sentence: 'This type of live event takes one video quality and one audio track. Send fewer.',
  },
  MPE_INGEST_BITRATE_AGGREGATED_EXCEEDED: {
    status: REFUSED,
    sentence: 'The bitrate exceeds what this type of live event takes. Set the encoder to a lower one.',
  },
  MPE_INGEST_FRAMERATE_EXCEEDED: {
    status: REFUSED,
    sentence: 'The frame rate exceeds what this type of live event takes: at most 60 frames per second.',
  },
  MPE_INGEST_VIDEO_RESOLUTION_NOT_SUPPORTED: {
    status: REFUSED,
    sentence: 'The picture is larger than this type of live event takes. Set the encoder to a smaller one.',
  },
  MPE_INGEST_RTMP_TOO_LARGE_UNPROCESSED_FLV: {
    status: REFUSED,
    sentence: "Key frames are too far apart. Set the encoder's key frame interval to 2 seconds.",
  },
};

const CODE = /^(MPE|MPI|ERROR)_[A-Z_]+$/;

/** Revocations are made by the live runtime, which names them by result codes. */
export function isRevocationCode(reason: unknown): reason is IngestResultCode {
  return typeof reason === 'string' && CODE.test(reason);
}
