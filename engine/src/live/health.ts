import { TICKS_PER_SECOND } from '../time/timescale.ts';

/** Low latency and quick channel changes need key frames at least this often; the original's hard advice. */
const KEY_FRAME_INTERVAL_TICKS_MAX = 4 * TICKS_PER_SECOND;
const SILENT_SECONDS_MAX = 5;

export interface HealthFacts {
  readonly recordingOutputs: number;
  readonly encodersConnected: number;
  /** Undefined when no encoder is connected. */
  readonly secondsSinceLastMedia: number | undefined;
  readonly longestKeyFrameIntervalTicks: number;
  readonly hasAudio: boolean;
  readonly hasVideo: boolean;
  readonly unexpectedBitrate: boolean;
  readonly nonIncreasing: boolean;
  readonly pendingBytes: number;
  readonly pendingBytesMax: number;
}

export type HealthLevel = 'healthy' | 'warning' | 'error' | 'unknown';

export interface LiveHealth {
  readonly health: HealthLevel;
  readonly reasons: readonly string[];
}

type Rule = readonly [reason: string, level: 'warning' | 'error', applies: (facts: HealthFacts) => boolean];

const isSending = (facts: HealthFacts) => facts.encodersConnected > 0;

/** Worst first. */
const RULES: readonly Rule[] = [
  ['STORAGE_SLOW', 'error', ({ pendingBytes, pendingBytesMax }) => pendingBytes > pendingBytesMax / 2],
  ['NO_INPUT', 'error', (facts) => facts.recordingOutputs > 0 && !isSending(facts)],
  ['NO_INPUT', 'error', ({ secondsSinceLastMedia }) => (secondsSinceLastMedia ?? 0) > SILENT_SECONDS_MAX],
  [
    'KEYFRAMES_TOO_FAR_APART',
    'warning',
    (facts) => facts.longestKeyFrameIntervalTicks > KEY_FRAME_INTERVAL_TICKS_MAX,
  ],
  ['TIMESTAMPS_NOT_INCREASING', 'warning', ({ nonIncreasing }) => nonIncreasing],
  ['BITRATE_UNEXPECTED', 'warning', ({ unexpectedBitrate }) => unexpectedBitrate],
  ['NO_VIDEO', 'warning', (facts) => isSending(facts) && facts.hasAudio && !facts.hasVideo],
  ['NO_AUDIO', 'warning', (facts) => isSending(facts) && facts.hasVideo && !facts.hasAudio],
];

/** The live event's health from what is measured: `unknown` until an encoder has something to say. */
export function decideHealth(facts: HealthFacts): LiveHealth {
  const found = RULES.filter(([, , applies]) => applies(facts));
  const reasons = [...new Set(found.map(([reason]) => reason))];
  if (found.some(([, level]) => level === 'error')) return { health: 'error', reasons };
  if (found.length > 0) return { health: 'warning', reasons };
  const known = isSending(facts) && (facts.hasAudio || facts.hasVideo);
  return { health: known ? 'healthy' : 'unknown', reasons };
}
