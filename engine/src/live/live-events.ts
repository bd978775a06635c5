import { TICKS_PER_SECOND } from '../time/timescale.ts';
import type { Health } from './health.ts';
import type { LiveNewEvent } from './live-deps.ts';
import type { Lag, SyncedTrack } from './sync-watch.ts';
import type { IngestHeartbeat, TrackFacts } from './track-monitor.ts';

// Names and types of the fields are the original service's: ports, times and timescales are strings, bitrates numbers.

export interface EncoderFacts {
  readonly liveEventName: string;
  /** Without the access token. */
  readonly ingestUrl: string;
  readonly streamId: string;
  readonly encoderIp: string;
  readonly encoderPort: number;
}

export function encoderConnected(encoder: EncoderFacts): LiveNewEvent {
  return liveEventEvent('Microsoft.Media.LiveEventEncoderConnected', encoder, encoderData(encoder));
}

export function connectionRejected(refusal: EncoderFacts & { readonly resultCode: string }): LiveNewEvent {
  const data = { ...encoderData(refusal), resultCode: refusal.resultCode };
  return liveEventEvent('Microsoft.Media.LiveEventConnectionRejected', refusal, data);
}

export function encoderDisconnected(leaving: EncoderFacts & { readonly resultCode: string }): LiveNewEvent {
  const data = { ...encoderData(leaving), resultCode: leaving.resultCode };
  return liveEventEvent('Microsoft.Media.LiveEventEncoderDisconnected', leaving, data);
}

export function incomingStreamReceived(
  start: EncoderFacts & TrackFacts & { readonly timestampTicks: number; readonly durationTicks: number },
): LiveNewEvent {
  const { ingestUrl, encoderIp, encoderPort } = encoderData(start);
  return liveEventEvent('Microsoft.Media.LiveEventIncomingStreamReceived', start, {
    ingestUrl,
    ...trackData(start),
    encoderIp,
    encoderPort,
    timestamp: String(start.timestampTicks),
    duration: String(start.durationTicks),
    timescale: String(TICKS_PER_SECOND),
  });
}

export function ingestHeartbeat(liveEventName: string, heartbeat: IngestHeartbeat): LiveNewEvent {
  return liveEventEvent('Microsoft.Media.LiveEventIngestHeartbeat', { liveEventName }, { ...heartbeat });
}

export function channelArchiveHeartbeat(
  liveEventName: string,
  archive: { readonly latencyMs: number | undefined; readonly latencyResultCode: string },
): LiveNewEvent {
  const { latencyMs, latencyResultCode } = archive;
  return liveEventEvent(
    'Microsoft.Media.LiveEventChannelArchiveHeartbeat',
    { liveEventName },
    {
      channelLatencyMs: latencyMs === undefined ? '' : String(Math.round(latencyMs)),
      latencyResultCode,
    },
  );
}

export function trackDiscontinuityDetected(
  jump: TrackFacts & {
    readonly liveEventName: string;
    readonly previousTimestampTicks: number;
    readonly newTimestampTicks: number;
    readonly discontinuityGapTicks: number;
  },
): LiveNewEvent {
  return liveEventEvent('Microsoft.Media.LiveEventTrackDiscontinuityDetected', jump, {
    ...trackData(jump),
    previousTimestamp: String(jump.previousTimestampTicks),
    newTimestamp: String(jump.newTimestampTicks),
    discontinuityGap: String(jump.discontinuityGapTicks),
    timescale: String(TICKS_PER_SECOND),
  });
}

export function incomingDataChunkDropped(
  dropped: TrackFacts & {
    readonly liveEventName: string;
    readonly timestampTicks: number;
    readonly resultCode: 'FragmentDrop_OverlapTimestamp' | 'FragmentDrop_NonIncreasingTimestamp';
  },
): LiveNewEvent {
  return liveEventEvent('Microsoft.Media.LiveEventIncomingDataChunkDropped', dropped, {
    ...trackData(dropped),
    timestamp: String(dropped.timestampTicks),
    timescale: String(TICKS_PER_SECOND),
    resultCode: dropped.resultCode,
  });
}

export function incomingStreamsOutOfSync(liveEventName: string, { behind, ahead }: Lag): LiveNewEvent {
  return liveEventEvent(
    'Microsoft.Media.LiveEventIncomingStreamsOutOfSync',
    { liveEventName },
    {
      minLastTimestamp: String(behind.newestTicks),
      typeOfStreamWithMinLastTimestamp: STREAM_TYPES[behind.type],
      maxLastTimestamp: String(ahead.newestTicks),
      typeOfStreamWithMaxLastTimestamp: STREAM_TYPES[ahead.type],
      timescaleOfMinLastTimestamp: String(TICKS_PER_SECOND),
      timescaleOfMaxLastTimestamp: String(TICKS_PER_SECOND),
    },
  );
}

export function incomingVideoStreamsOutOfSync(liveEventName: string, { behind, ahead }: Lag): LiveNewEvent {
  const first = fragmentOf(ahead);
  const second = fragmentOf(behind);
  return liveEventEvent(
    'Microsoft.Media.LiveEventIncomingVideoStreamsOutOfSync',
    { liveEventName },
    {
      firstTimestamp: String(first.timestampTicks),
      firstDuration: String(first.durationTicks),
      secondTimestamp: String(second.timestampTicks),
      secondDuration: String(second.durationTicks),
      timescale: String(TICKS_PER_SECOND),
    },
  );
}

/** Ours; `reasons` has the gravest first. */
export function healthChanged(change: {
  readonly liveEventName: string;
  readonly previous: Health;
  readonly health: Health;
  readonly reasons: readonly string[];
}): LiveNewEvent {
  const { previous, health, reasons } = change;
  return liveEventEvent('Headend.Media.LiveEventHealthChanged', change, { previous, health, reasons });
}

const STREAM_TYPES = { video: 'Video', audio: 'Audio', text: 'Text' } as const;

/** The newest fragment; before the first there is only the newest sample. */
function fragmentOf({ newestTicks, fragment }: SyncedTrack): NonNullable<SyncedTrack['fragment']> {
  return fragment ?? { timestampTicks: newestTicks, durationTicks: 0 };
}

function liveEventEvent(
  type: string,
  { liveEventName }: { readonly liveEventName: string },
  data: Readonly<Record<string, unknown>>,
): LiveNewEvent {
  return { type, subject: `liveEvent/${liveEventName}`, data };
}

function encoderData({ ingestUrl, streamId, encoderIp, encoderPort }: EncoderFacts) {
  return { ingestUrl, streamId, encoderIp, encoderPort: String(encoderPort) };
}

function trackData({ trackType, trackName, bitrateBps }: TrackFacts) {
  return { trackType, trackName, bitrate: bitrateBps };
}
