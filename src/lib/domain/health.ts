export type HealthLevel = 'ok' | 'info' | 'warning' | 'error';

export interface Health {
  readonly level: HealthLevel;
  readonly code: string;
  readonly message: string;
}

type Sentence = readonly [level: HealthLevel, code: string, message: string];

export const HEALTHY: Health = {
  level: 'ok',
  code: 'HEALTHY',
  message: 'The encoder is sending as it should.',
};
export const STOPPED_HEALTH: Health = { level: 'info', code: 'STOPPED', message: 'The channel is stopped.' };
export const STANDBY_HEALTH: Health = {
  level: 'info',
  code: 'STANDBY',
  message: 'The channel stands by: it starts in an instant, and lets no encoder in before.',
};
export const WAITING_HEALTH: Health = {
  level: 'info',
  code: 'WAITING_FOR_ENCODER',
  message: 'Ready. Waiting for the encoder: type the server and the stream key into it and press start.',
};

const NO_INPUT: Sentence = [
  'warning',
  'NO_INPUT',
  'Nothing arrives from the encoder while a program records: the recording has a gap until it is back. Check the encoder and its network.',
];
export const NO_INPUT_HEALTH: Health = { level: NO_INPUT[0], code: NO_INPUT[1], message: NO_INPUT[2] };

/** What the media service's reason codes mean to a producer, and what to do. */
const SENTENCES: Readonly<Record<string, Sentence>> = {
  MPE_RTMP_APPID_AUTH_FAILURE: [
    'error',
    'WRONG_STREAM_KEY',
    'An encoder was refused: its stream key is wrong. Copy the key again from the stream-key address of this channel.',
  ],
  MPE_INGEST_ENCODER_CONNECTION_DENIED: [
    'error',
    'ENCODER_ADDRESS_NOT_ALLOWED',
    'An encoder was refused: its network address is not in allowFrom. Add it, or send from an allowed network.',
  ],
  MPE_INGEST_RTMP_SETDATAFRAME_NOT_RECEIVED: [
    'error',
    'NO_STREAM_DESCRIPTION',
    'The encoder did not describe its stream (onMetaData). Restart it; with several bitrates every one of them must send it.',
  ],
  MPE_INGEST_CODEC_NOT_SUPPORTED: [
    'error',
    'CODEC_NOT_SUPPORTED',
    'The encoder sends a codec that is not supported. Set H.264 video and AAC audio in the encoder’s output settings.',
  ],
  MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED: [
    'error',
    'NO_HEADERS',
    'The encoder sent media before its codec headers. Restart the encoder.',
  ],
  MPE_INGEST_MEDIA_QUALITIES_EXCEEDED: [
    'error',
    'TOO_MANY_TRACKS',
    'The encoder sends more bitrates or tracks than this channel takes. Send fewer.',
  ],
  MPE_INGEST_BITRATE_AGGREGATED_EXCEEDED: [
    'error',
    'BITRATE_TOO_HIGH',
    'The encoder sends more than this channel takes: 20 Mbit/s per bitrate and 60 Mbit/s in all; 4 and 5 for passthroughBasic. Lower the bitrate in the encoder’s output settings.',
  ],
  MPE_INGEST_FRAMERATE_EXCEEDED: [
    'error',
    'FRAME_RATE_TOO_HIGH',
    'The frame rate is higher than this channel takes. Set 60 frames per second or less in the encoder’s video settings.',
  ],
  MPE_INGEST_VIDEO_RESOLUTION_NOT_SUPPORTED: [
    'error',
    'RESOLUTION_NOT_SUPPORTED',
    'The picture is larger than this channel takes (4096 × 2160). Set a smaller output resolution in the encoder’s video settings.',
  ],
  MPE_INGEST_RTMP_TOO_LARGE_UNPROCESSED_FLV: [
    'error',
    'NO_KEYFRAMES',
    'The encoder sends no keyframes, so nobody can play it. Set Keyframe Interval to 2 seconds in the encoder’s output settings.',
  ],
  MPE_KEY_FRAME_INTERVAL_TOO_LARGE: [
    'warning',
    'KEYFRAMES_TOO_FAR_APART',
    'Keyframes are too far apart: viewers start late and switch quality slowly. Set Keyframe Interval to 2 seconds in your encoder.',
  ],
  MPE_BAD_URL_SYNTAX: [
    'error',
    'WRONG_INGEST_ADDRESS',
    'An encoder connected to a malformed address. Copy the server address again from the stream-key address.',
  ],
  MPE_RTMP_SESSION_IDLE_TIMEOUT: [
    'warning',
    'ENCODER_IDLE',
    'The encoder was connected but sent nothing, and was disconnected. Check that its video source delivers a picture.',
  ],
  MPE_CAPACITY_LIMIT_REACHED: [
    'error',
    'SENDING_TOO_FAST',
    'The encoder sends faster than real time. Check its settings.',
  ],
  MPE_INGEST_DISCONTINUITY: [
    'warning',
    'GAPS_IN_INPUT',
    'There are gaps in what the encoder sends. Check the network between encoder and channel.',
  ],
  MPI_SYSTEM_MAINTENANCE: [
    'warning',
    'MAINTENANCE',
    'The encoder was disconnected for maintenance; it may reconnect at once.',
  ],
  FragmentDrop_OverlapTimestamp: [
    'warning',
    'TIMESTAMPS_OVERLAP',
    'Media with overlapping timestamps was dropped. Restart the encoder if this goes on.',
  ],
  FragmentDrop_NonIncreasingTimestamp: [
    'warning',
    'TIMESTAMPS_GO_BACK',
    'Media whose timestamps go back was dropped. Restart the encoder if this goes on.',
  ],
  KEYFRAMES_TOO_FAR_APART: [
    'warning',
    'KEYFRAMES_TOO_FAR_APART',
    'Keyframes are too far apart: viewers start late and switch quality slowly. Set Keyframe Interval to 2 seconds in your encoder.',
  ],
  NO_INPUT,
  TIMESTAMPS_NOT_INCREASING: [
    'warning',
    'TIMESTAMPS_GO_BACK',
    'Media whose timestamps go back was dropped. Restart the encoder if this goes on.',
  ],
  NO_AUDIO: [
    'warning',
    'NO_AUDIO',
    'The encoder sends a picture and no sound. Check its audio source, or choose one.',
  ],
  NO_VIDEO: [
    'warning',
    'NO_VIDEO',
    'The encoder sends sound and no picture. Check its video source, or choose one.',
  ],
  STORAGE_SLOW: [
    'warning',
    'STORAGE_SLOW',
    'The recording is written more slowly than the input arrives; nothing is lost yet. The operator of the media service should check its storage.',
  ],
  BITRATE_UNEXPECTED: [
    'warning',
    'BITRATE_UNSTEADY',
    'The bitrate that arrives is far from the announced one. Set constant bitrate (CBR) in the encoder, check the upload speed, or lower the bitrate.',
  ],
  TRACKS_OUT_OF_SYNC: [
    'warning',
    'TRACKS_OUT_OF_SYNC',
    'Sound and picture drift apart. Check that both come from one source with one clock, and restart the encoder.',
  ],
  VIDEO_QUALITIES_OUT_OF_SYNC: [
    'warning',
    'BITRATES_OUT_OF_SYNC',
    'The bitrates are not aligned with one another. Send all of them from one encoder with one clock, and restart it.',
  ],
  GAPS_IN_INPUT: [
    'warning',
    'GAPS_IN_INPUT',
    'There are gaps in what the encoder sends: viewers see jumps. Check the network between encoder and channel, and whether the encoder drops frames.',
  ],
  TIMESTAMPS_OVERLAP: [
    'warning',
    'TIMESTAMPS_OVERLAP',
    'The encoder sends the same time twice: what overlaps is dropped. Let one encoder only send each bitrate, or restart it.',
  ],
  KEYFRAMES_NOT_ALIGNED: [
    'warning',
    'KEYFRAMES_NOT_ALIGNED',
    'The keyframes of the bitrates are not at the same times: viewers cannot switch smoothly. Send all bitrates from one encoder, with the same Keyframe Interval and without scene-cut keyframes.',
  ],
  BACKUP_ENCODER_ACTIVE: [
    'info',
    'BACKUP_IN_USE',
    'The picture comes from the encoder at the backup address, because nothing arrives at the primary one. Check the primary encoder.',
  ],
  MPE_RTMP_FLV_TAG_TIMESTAMP_INVALID: [
    'error',
    'TIMESTAMPS_NOT_VALID',
    'An encoder was dropped: its timestamps make no sense. Restart the encoder, and synchronise its clock.',
  ],
  INGEST_LAGGING: [
    'warning',
    'UPLOAD_TOO_SLOW',
    'The input falls behind real time: the upload is too slow. Lower the bitrate to about two thirds of the upload speed, or use a cable instead of a radio link.',
  ],
};

/** The reasons of an orderly end: no health problem. */
const GRACEFUL = new Set([
  'S_OK',
  'MPE_CLIENT_TERMINATED_SESSION',
  'MPE_CLIENT_DISCONNECTED',
  'MPI_STREAM_HIT_EOF',
  'MPI_REST_API_CHANNEL_RESET',
  'MPI_REST_API_CHANNEL_STOP',
]);

const CODE_LENGTH_MAX = 80;

/** The sentence for a reason code; undefined when the code means that nothing is wrong. Unknown codes get a plain one. */
export function healthFromReason(reason: string): Health | undefined {
  if (GRACEFUL.has(reason)) return undefined;
  const sentence = Object.hasOwn(SENTENCES, reason) ? SENTENCES[reason] : undefined;
  if (sentence === undefined) {
    const shown = reason.replace(/[^A-Za-z0-9_.-]/g, '').slice(0, CODE_LENGTH_MAX);
    return {
      level: 'warning',
      code: 'INGEST_PROBLEM',
      message: `The media service reports a problem with the input (${shown}).`,
    };
  }
  const [level, code, message] = sentence;
  return { level, code, message };
}

export interface IngestHeartbeat {
  /** Undefined: the service did not say. */
  readonly trackType: string | undefined;
  readonly healthy: boolean;
  readonly unexpectedBitrate: boolean;
  readonly overlapCount: number;
  readonly discontinuityCount: number;
  readonly nonincreasingCount: number;
  readonly incomingBitrate: number;
}

/** What an unhealthy heartbeat complains about, the gravest first; undefined for a healthy one. */
export function heartbeatReason(heartbeat: IngestHeartbeat): string | undefined {
  if (heartbeat.healthy) return undefined;
  if (heartbeat.nonincreasingCount > 0) return 'FragmentDrop_NonIncreasingTimestamp';
  if (heartbeat.overlapCount > 0) return 'FragmentDrop_OverlapTimestamp';
  if (heartbeat.discontinuityCount > 0) return 'MPE_INGEST_DISCONTINUITY';
  // Bitrate 0 is an encoder that left: whether it sends is read from the service, not from a heartbeat.
  if (heartbeat.incomingBitrate === 0) return undefined;
  // Silence is coded in a fraction of what was announced for sound.
  const isSound = heartbeat.trackType?.toLowerCase() === 'audio';
  return heartbeat.unexpectedBitrate && !isSound ? 'BITRATE_UNEXPECTED' : undefined;
}
