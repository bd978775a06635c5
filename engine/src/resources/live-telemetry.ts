import { z } from 'zod';
import type { LiveEventState } from './live-event-state.ts';

const time = z.string();
const data = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));

/** What the process that takes a live event's encoders in remembers of them; times are ISO 8601 in UTC. */
export const LiveTelemetry = z.object({
  /** Empty while nobody sends. */
  healthStatus: z.enum(['', 'Excellent', 'Good', 'Poor']),
  healthDescriptions: z.array(z.string()),
  lastUpdatedTime: time,
  ingestion: z
    .object({
      streamName: z.string(),
      begin: time,
      end: time.nullable(),
      endReason: z.string(),
      ingestInterruptions: z.array(
        z.object({ begin: time, end: time, duration: z.string(), reason: z.string() }),
      ),
    })
    .nullable(),
  trackStatus: z.array(
    z.object({
      trackId: z.string(),
      expectedBitrate: z.number(),
      incomingBitrate: z.number().nullable(),
      ingestDrift: z.string(),
    }),
  ),
  streamEvents: z.array(z.object({ eventType: z.string(), eventTime: time, eventLevel: z.string(), data })),
  heartbeats: z.array(z.object({ eventTime: time, data })),
});
export type LiveTelemetry = z.output<typeof LiveTelemetry>;

/** Of a live event of which nobody remembers anything. */
export const noTelemetry = (nowIso: string): LiveTelemetry => ({
  healthStatus: '',
  healthDescriptions: [],
  lastUpdatedTime: nowIso,
  ingestion: null,
  trackStatus: [],
  streamEvents: [],
  heartbeats: [],
});

/** The fields of a stream event, in the original's order: every one is there. */
const STREAM_EVENT_FIELDS = [
  ...['trackName', 'streamId', 'trackId', 'mediaType', 'bitrate', 'mediaTimestamp', 'timescale'],
  ...['previousFragmentTimestamp', 'previousFragmentDuration', 'currentFragmentTimestamp'],
  ...['fragmentOneTimestamp', 'fragmentOneDuration', 'fragmentTwoTimestamp', 'fragmentTwoDuration'],
  ...['fragmentDropReason', 'discontinuityGap', 'streamName', 'resultCode', 'resultMessage', 'duration'],
  ...['resolution', 'minTime', 'minTimeMediaType', 'maxTime', 'maxTimeMediaType'],
  ...['timescaleOfMinTime', 'timescaleOfMaxTime', 'remoteIp', 'remotePort'],
];

/** The answers to `getStatus`, `getStreamEvents` and `getTrackIngestHeartbeats`. */
export const LIVE_TELEMETRY_ANSWERS = {
  status: (telemetry: LiveTelemetry, state: LiveEventState): object => {
    const { healthStatus, healthDescriptions, lastUpdatedTime, ingestion, trackStatus } = telemetry;
    const isRunning = state === 'Running';
    return {
      value: [
        {
          state: isRunning ? 'Running' : 'Stopped',
          healthStatus: isRunning ? healthStatus : '',
          healthDescriptions,
          lastUpdatedTime,
          ingestion,
          trackStatus: trackStatus.map((track) => ({
            ...track,
            incomingBitrate: isRunning ? track.incomingBitrate : null,
            ingestDrift: isRunning ? track.ingestDrift : '',
            requestReceived: null,
            requestSucceeded: null,
          })),
        },
      ],
    };
  },
  streamEvents: ({ streamEvents }: LiveTelemetry): object => ({
    value: streamEvents.map((event) => ({
      ...event,
      data: Object.fromEntries(STREAM_EVENT_FIELDS.map((field) => [field, event.data[field] ?? null])),
    })),
  }),
  heartbeats: ({ heartbeats }: LiveTelemetry): object => ({
    value: heartbeats.map((heartbeat) => ({ eventType: 'TrackEvent/IngestHeartbeat', ...heartbeat })),
  }),
} as const;

export type LiveTelemetryAnswer = keyof typeof LIVE_TELEMETRY_ANSWERS;
