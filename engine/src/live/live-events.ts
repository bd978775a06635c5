import { TICKS_PER_SECOND } from '../time/timescale.ts';
import type { LiveNewEvent } from './live-deps.ts';
import type { IngestHeartbeat } from './track-monitor.ts';

/** Who an event about an encoder is about; the ingest URL comes without its token. */
export interface EncoderFacts {
  readonly liveEventName: string;
  readonly ingestUrl: string;
  readonly streamId: string;
  readonly encoderIp: string;
  readonly encoderPort: number;
}

export function encoderConnected(encoder: EncoderFacts): LiveNewEvent {
  return original('LiveEventEncoderConnected', encoder.liveEventName, encoderData(encoder));
}

export function connectionRejected(rejection: EncoderFacts & { readonly resultCode: string }): LiveNewEvent {
  const { liveEventName, resultCode } = rejection;
  return original('LiveEventConnectionRejected', liveEventName, { ...encoderData(rejection), resultCode });
}

export function encoderDisconnected(
  disconnection: EncoderFacts & { readonly resultCode: string },
): LiveNewEvent {
  const { liveEventName, resultCode } = disconnection;
  return original('LiveEventEncoderDisconnected', liveEventName, {
    ...encoderData(disconnection),
    resultCode,
  });
}

export function incomingStreamReceived(
  received: EncoderFacts & {
    readonly trackType: string;
    readonly trackName: string;
    readonly bitrateBps: number;
    readonly timestampTicks: number;
    readonly durationTicks: number;
  },
): LiveNewEvent {
  const { ingestUrl, encoderIp, encoderPort, trackType, trackName, bitrateBps } = received;
  return original('LiveEventIncomingStreamReceived', received.liveEventName, {
    ingestUrl,
    trackType,
    trackName,
    bitrate: bitrateBps,
    encoderIp,
    encoderPort: String(encoderPort),
    timestamp: String(received.timestampTicks),
    duration: String(received.durationTicks),
    timescale: String(TICKS_PER_SECOND),
  });
}

export function ingestHeartbeat(liveEventName: string, heartbeat: IngestHeartbeat): LiveNewEvent {
  return original('LiveEventIngestHeartbeat', liveEventName, { ...heartbeat });
}

export function channelArchiveHeartbeat(
  liveEventName: string,
  archive: { readonly latencyMs: number | undefined; readonly latencyResultCode: string },
): LiveNewEvent {
  const channelLatencyMs = archive.latencyMs === undefined ? '' : String(archive.latencyMs);
  const { latencyResultCode } = archive;
  return original('LiveEventChannelArchiveHeartbeat', liveEventName, { channelLatencyMs, latencyResultCode });
}

export function healthChanged(change: {
  readonly liveEventName: string;
  readonly previous: string;
  readonly health: string;
  readonly reasons: readonly string[];
}): LiveNewEvent {
  const { liveEventName, ...data } = change;
  return { type: 'Headend.Media.LiveEventHealthChanged', subject: subjectOf(liveEventName), data };
}

function original(
  name: string,
  liveEventName: string,
  data: Readonly<Record<string, unknown>>,
): LiveNewEvent {
  return { type: `Microsoft.Media.${name}`, subject: subjectOf(liveEventName), data };
}

function subjectOf(liveEventName: string): string {
  return `liveEvent/${liveEventName}`;
}

/** Ports are strings in the original's schema. */
function encoderData({ ingestUrl, streamId, encoderIp, encoderPort }: EncoderFacts) {
  return { ingestUrl, streamId, encoderIp, encoderPort: String(encoderPort) };
}
