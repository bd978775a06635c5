import { TICKS_PER_SECOND } from '../time/timescale.ts';

export type Health = 'healthy' | 'warning' | 'error' | 'unknown';

export interface HealthFacts {
  readonly recordingOutputs: number;
  readonly encodersConnected: number;
  /** Undefined when no encoder is connected. */
  readonly secondsSinceLastMedia: number | undefined;
  /** 0 before the first whole video fragment. */
  readonly longestKeyFrameIntervalTicks: number;
  readonly hasAudio: boolean;
  readonly hasVideo: boolean;
  readonly unexpectedBitrate: boolean;
  readonly nonIncreasing: boolean;
  /** Media came that lies before the end of its track. */
  readonly overlaps: boolean;
  readonly hasGaps: boolean;
  /** Sound and picture. */
  readonly tracksOutOfSync: boolean;
  readonly videosOutOfSync: boolean;
  readonly keyFramesMisaligned: boolean;
  /** How much later media comes with each minute; 0 when it keeps pace or nothing is known. */
  readonly lagSecondsPerMinute: number;
  /** A stream is taken from the encoder at the backup address. */
  readonly isBackupUsed: boolean;
  /** Recorded media not committed to storage yet, and how much of it makes the encoders wait. */
  readonly pendingBytes: number;
  readonly pendingBytesMax: number;
}

export interface HealthDecision {
  readonly health: Health;
  /** Codes, the gravest first; the API's users read sentences for them. */
  readonly reasons: readonly string[];
}

const SILENT_SECONDS_MAX = 10;
/** 4 s, and the milliseconds to which RTMP rounds. */
export const KEY_FRAME_INTERVAL_TICKS_MAX = 4 * TICKS_PER_SECOND + TICKS_PER_SECOND / 10;
const SLOW_STORAGE_SHARE = 0.5;
/** Jitter of the network makes a second or two of a heartbeat's 20; an encoder that is too slow makes more. */
const LAG_SECONDS_PER_MINUTE_MAX = 3;

interface Rule {
  readonly reason: string;
  /** `info` is told and is no fault. */
  readonly level: 'error' | 'warning' | 'info';
  readonly applies: (facts: HealthFacts) => boolean;
}

const isSilent = ({ secondsSinceLastMedia }: HealthFacts): boolean =>
  secondsSinceLastMedia === undefined || secondsSinceLastMedia > SILENT_SECONDS_MAX;

/** While an encoder sends; the gravest first. */
const RULES: readonly Rule[] = [
  {
    reason: 'STORAGE_SLOW',
    level: 'error',
    applies: ({ pendingBytes, pendingBytesMax }) => pendingBytes >= pendingBytesMax,
  },
  { reason: 'NO_VIDEO', level: 'warning', applies: ({ hasVideo }) => !hasVideo },
  {
    reason: 'TIMESTAMPS_NOT_INCREASING',
    level: 'warning',
    applies: ({ nonIncreasing }) => nonIncreasing,
  },
  { reason: 'TIMESTAMPS_OVERLAP', level: 'warning', applies: ({ overlaps }) => overlaps },
  { reason: 'GAPS_IN_INPUT', level: 'warning', applies: ({ hasGaps }) => hasGaps },
  { reason: 'TRACKS_OUT_OF_SYNC', level: 'warning', applies: ({ tracksOutOfSync }) => tracksOutOfSync },
  {
    reason: 'VIDEO_QUALITIES_OUT_OF_SYNC',
    level: 'warning',
    applies: ({ videosOutOfSync }) => videosOutOfSync,
  },
  {
    reason: 'INGEST_LAGGING',
    level: 'warning',
    applies: ({ lagSecondsPerMinute }) => lagSecondsPerMinute > LAG_SECONDS_PER_MINUTE_MAX,
  },
  {
    reason: 'KEYFRAMES_TOO_FAR_APART',
    level: 'warning',
    applies: ({ hasVideo, longestKeyFrameIntervalTicks }) =>
      hasVideo && longestKeyFrameIntervalTicks > KEY_FRAME_INTERVAL_TICKS_MAX,
  },
  {
    reason: 'KEYFRAMES_NOT_ALIGNED',
    level: 'warning',
    applies: ({ keyFramesMisaligned }) => keyFramesMisaligned,
  },
  {
    // Audio that declares no bitrate has its track with the first whole fragment: it is not missing before.
    reason: 'NO_AUDIO',
    level: 'warning',
    applies: ({ hasAudio, longestKeyFrameIntervalTicks }) => !hasAudio && longestKeyFrameIntervalTicks > 0,
  },
  {
    reason: 'STORAGE_SLOW',
    level: 'warning',
    applies: ({ pendingBytes, pendingBytesMax }) =>
      pendingBytes < pendingBytesMax && pendingBytes > pendingBytesMax * SLOW_STORAGE_SHARE,
  },
  { reason: 'BITRATE_UNEXPECTED', level: 'warning', applies: ({ unexpectedBitrate }) => unexpectedBitrate },
  { reason: 'BACKUP_ENCODER_ACTIVE', level: 'info', applies: ({ isBackupUsed }) => isBackupUsed },
];

/** How a live event's input is, and why. `unknown`: nobody sends and nothing waits for it, or nothing is known yet. */
export function decideHealth(facts: HealthFacts): HealthDecision {
  if (facts.encodersConnected === 0 && facts.recordingOutputs === 0)
    return { health: 'unknown', reasons: [] };
  if (facts.encodersConnected === 0 || isSilent(facts)) {
    return { health: facts.recordingOutputs > 0 ? 'error' : 'warning', reasons: ['NO_INPUT'] };
  }
  if (!facts.hasAudio && !facts.hasVideo) return { health: 'unknown', reasons: [] };
  const broken = RULES.filter(({ applies }) => applies(facts));
  return { health: healthOf(broken), reasons: broken.map(({ reason }) => reason) };
}

function healthOf(broken: readonly Rule[]): Health {
  if (broken.some(({ level }) => level === 'error')) return 'error';
  return broken.some(({ level }) => level === 'warning') ? 'warning' : 'healthy';
}
