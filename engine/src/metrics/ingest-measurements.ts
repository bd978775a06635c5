/** An event that a live event tells of itself. */
interface ToldEvent {
  readonly type: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface IngestMeasurement {
  readonly liveEvent: string;
  readonly metric: string;
  readonly dimensions: readonly [string];
  readonly value: number;
}

const HEARTBEAT = 'Microsoft.Media.LiveEventIngestHeartbeat';
const SUBJECT_PREFIX = 'liveEvent/';

/** What the heartbeat of a track says in numbers; nothing for any other event. */
export function ingestMeasurements({ type, subject, data }: ToldEvent): readonly IngestMeasurement[] {
  if (type !== HEARTBEAT || !subject.startsWith(SUBJECT_PREFIX)) return [];
  const liveEvent = subject.slice(SUBJECT_PREFIX.length);
  const bitrateBps = Number(data['bitrate']);
  const trackName = String(data['trackName']);
  // Tracks of several qualities have one name: as in recordings it is told apart by the bitrate.
  const dimensions = [bitrateBps > 0 ? `${trackName}_${bitrateBps}` : trackName] as const;
  const lastMs = (Number.parseFloat(String(data['lastTimestamp'])) / Number(data['timescale'])) * 1_000;
  const values = [
    ['IngestBitrate', Number(data['incomingBitrate'])],
    // `n/a` when it cannot be measured.
    ['IngestDriftValue', Number(data['ingestDriftValue'])],
    ['IngestLastTimestamp', Math.round(lastMs)],
  ] as const;
  return values
    .filter(([, value]) => Number.isFinite(value))
    .map(([metric, value]) => ({ liveEvent, metric, dimensions, value }));
}
