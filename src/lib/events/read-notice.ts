import type { LiveEventEvent } from '../contracts/live-event-event.ts';
import { type Health, healthFromReason, heartbeatReason } from '../domain/health.ts';
import type { LiveEventNotice } from '../workflows/handle-live-event.ts';

const CONNECTION_LENGTH_MAX = 100;

type Data = LiveEventEvent['data'];

interface Meaning {
  readonly effect: string;
  readonly reconcile: boolean;
  readonly health?: Health | null | undefined;
  readonly healthLasts?: true;
  /** It comes every 20 s: without a problem it says nothing. */
  readonly onlyProblems?: true;
  readonly encoder?: 'connected' | 'disconnected';
}

const fromReason = (reason: string | undefined): Health | undefined =>
  reason === undefined ? undefined : healthFromReason(reason);

/** What each event type means here; the data is advice for people, never a reason to act. */
const MEANINGS: Readonly<Record<string, (data: Data) => Meaning>> = {
  LiveEventEncoderConnected: () => ({
    effect: 'An encoder connected.',
    reconcile: true,
    encoder: 'connected',
  }),
  LiveEventIncomingStreamReceived: ({ trackName = 'a track' }) => ({
    effect: `The first media of ${trackName} arrived.`,
    reconcile: true,
    encoder: 'connected',
  }),
  LiveEventEncoderDisconnected: ({ resultCode }) => {
    // It may have been dropped for something that was seen only while it sent.
    const health = fromReason(resultCode);
    const effect = health === undefined ? 'An encoder disconnected.' : 'An encoder was dropped.';
    return { effect, reconcile: true, encoder: 'disconnected', health };
  },
  LiveEventConnectionRejected: ({ resultCode }) => ({
    effect: 'An encoder was refused.',
    reconcile: false,
    health: fromReason(resultCode),
  }),
  LiveEventTrackDiscontinuityDetected: () => ({
    effect: 'There is a gap in a track.',
    reconcile: false,
    health: fromReason('MPE_INGEST_DISCONTINUITY'),
  }),
  LiveEventIncomingStreamsOutOfSync: () => ({
    effect: 'Sound and picture drift apart.',
    reconcile: false,
    health: fromReason('TRACKS_OUT_OF_SYNC'),
  }),
  LiveEventIncomingVideoStreamsOutOfSync: () => ({
    effect: 'Bitrates drift apart.',
    reconcile: false,
    health: fromReason('VIDEO_QUALITIES_OUT_OF_SYNC'),
  }),
  LiveEventIncomingDataChunkDropped: ({ resultCode }) => ({
    effect: 'Media was dropped.',
    reconcile: false,
    health: fromReason(resultCode),
  }),
  LiveEventIngestHeartbeat: (data) => ({
    effect: 'The input is not healthy.',
    reconcile: false,
    health: heartbeatHealth(data),
    onlyProblems: true,
  }),
  LiveEventChannelArchiveHeartbeat: ({ latencyResultCode }) => ({
    effect: 'The recording reports a problem.',
    reconcile: false,
    health: fromReason(latencyResultCode),
    onlyProblems: true,
  }),
  LiveEventHealthChanged: ({ health, reasons = [] }) => ({
    effect: `The input’s health is ${health ?? 'unknown'}.`,
    reconcile: false,
    health: fromReason(reasons[0]) ?? null,
    healthLasts: true,
  }),
  LiveEventStateChanged: ({ state = 'unknown' }) => ({
    effect: `The live event is ${state}.`,
    reconcile: true,
  }),
  LiveOutputStateChanged: ({ state = 'unknown' }) => ({
    effect: `A recording is ${state}.`,
    reconcile: true,
  }),
};

function heartbeatHealth(data: Data): Health | undefined {
  return fromReason(
    heartbeatReason({
      trackType: data.trackType,
      healthy: data.healthy ?? true,
      unexpectedBitrate: data.unexpectedBitrate ?? false,
      overlapCount: data.overlapCount ?? 0,
      discontinuityCount: data.discontinuityCount ?? 0,
      nonincreasingCount: data.nonincreasingCount ?? 0,
      incomingBitrate: data.incomingBitrate ?? 0,
    }),
  );
}

/** Undefined for an event that is not about a live event, that says nothing or that nobody here understands. */
export function readNotice(received: LiveEventEvent): LiveEventNotice | undefined {
  const channel = /^\/?liveevents?\/([^/]{1,32})(?:\/|$)/i.exec(received.subject)?.[1]?.toLowerCase();
  const name = received.eventType.replace(/^(?:Microsoft|Headend)\.Media\./, '');
  const meaning = Object.hasOwn(MEANINGS, name) ? MEANINGS[name]?.(received.data) : undefined;
  // Times come without a zone from the original service; they are UTC.
  const atMs = Date.parse(
    /(?:Z|[+-]\d\d:\d\d)$/.test(received.eventTime) ? received.eventTime : `${received.eventTime}Z`,
  );
  if (channel === undefined || meaning === undefined || Number.isNaN(atMs)) return undefined;
  const { effect, reconcile, health, encoder, healthLasts = false } = meaning;
  if (meaning.onlyProblems === true && health === undefined) return undefined;
  return {
    id: received.id,
    channel,
    type: received.eventType,
    atMs,
    effect,
    reconcile,
    health,
    healthLasts,
    encoder,
    connection: connectionOf(received.data),
  };
}

const connectionOf = ({ encoderIp = '', encoderPort = '', streamId = '' }: Data): string =>
  (encoderPort === '' ? streamId : `${encoderIp}:${encoderPort}`).slice(0, CONNECTION_LENGTH_MAX);
