import type { LiveTelemetry } from '../resources/live-telemetry.ts';
import type { LiveNewEvent } from './live-deps.ts';

type StreamEvent = Omit<LiveTelemetry['streamEvents'][number], 'eventTime'>;
type Data = StreamEvent['data'];

/** What the original's stream events are made of: our events, under its other names (reference openapi, 2022-11-01). */
const MAKERS: Readonly<Record<string, (data: Data) => StreamEvent | undefined>> = {
  'Microsoft.Media.LiveEventEncoderConnected': (data) =>
    streamEvent('BeginIngest', 'Information', { ...encoder(data), resultCode: 'S_OK' }),
  'Microsoft.Media.LiveEventEncoderDisconnected': (data) =>
    streamEvent('EndIngest', 'Information', { ...encoder(data), resultCode: text(data, 'resultCode') }),
  'Microsoft.Media.LiveEventConnectionRejected': (data) =>
    streamEvent('InvalidConnection', 'Error', { ...encoder(data), resultCode: text(data, 'resultCode') }),
  'Microsoft.Media.LiveEventIncomingStreamReceived': (data) =>
    ofTrack('FirstChunkReceived', 'Information', data, {
      mediaTimestamp: text(data, 'timestamp'),
      duration: text(data, 'duration'),
      remoteIp: text(data, 'encoderIp'),
      remotePort: text(data, 'encoderPort'),
      resultCode: 'S_OK',
    }),
  'Microsoft.Media.LiveEventIncomingDataChunkDropped': (data) =>
    ofTrack('ChunkDropped', 'Warning', data, {
      mediaTimestamp: text(data, 'timestamp'),
      fragmentDropReason: text(data, 'resultCode'),
      resultCode: text(data, 'resultCode'),
    }),
  'Microsoft.Media.LiveEventTrackDiscontinuityDetected': (data) =>
    ofTrack('Discontinuity', 'Warning', data, {
      previousFragmentTimestamp: text(data, 'previousTimestamp'),
      currentFragmentTimestamp: text(data, 'newTimestamp'),
      discontinuityGap: Number(text(data, 'discontinuityGap')),
    }),
  'Microsoft.Media.LiveEventIncomingVideoStreamsOutOfSync': (data) =>
    streamEvent('UnalignedKeyFrames', 'Warning', {
      mediaType: 'video',
      fragmentOneTimestamp: text(data, 'firstTimestamp'),
      fragmentOneDuration: text(data, 'firstDuration'),
      fragmentTwoTimestamp: text(data, 'secondTimestamp'),
      fragmentTwoDuration: text(data, 'secondDuration'),
      timescale: text(data, 'timescale'),
    }),
  'Microsoft.Media.LiveEventIncomingStreamsOutOfSync': (data) =>
    streamEvent('UnalignedPresentation', 'Warning', {
      minTime: text(data, 'minLastTimestamp'),
      minTimeMediaType: text(data, 'typeOfStreamWithMinLastTimestamp'),
      maxTime: text(data, 'maxLastTimestamp'),
      maxTimeMediaType: text(data, 'typeOfStreamWithMaxLastTimestamp'),
      timescaleOfMinTime: text(data, 'timescaleOfMinLastTimestamp'),
      timescaleOfMaxTime: text(data, 'timescaleOfMaxLastTimestamp'),
    }),
};

/** Undefined for what the original has no stream event of: other events, and tracks that are neither sound nor picture. */
export function streamEventOf({ type, data }: LiveNewEvent): StreamEvent | undefined {
  const make = Object.hasOwn(MAKERS, type) ? MAKERS[type] : undefined;
  return make?.(plainData(data));
}

/** `{name}_{bitrate}`, as the original calls a track in its telemetry. */
export const trackIdOf = (data: Data): string => `${text(data, 'trackName')}_${data['bitrate'] ?? 0}`;

export const isMedia = (data: Data): boolean =>
  data['trackType'] === 'audio' || data['trackType'] === 'video';

/** Of an event: everything that is a plain value. */
export function plainData(data: LiveNewEvent['data']): Data {
  const entries = Object.entries(data).flatMap(([name, value]) =>
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
      ? [[name, value] as const]
      : [],
  );
  return Object.fromEntries(entries);
}

export const text = (data: Data, field: string): string => String(data[field] ?? '');

function streamEvent(name: string, eventLevel: string, data: Data): StreamEvent {
  return { eventType: `StreamEvent/${name}`, eventLevel, data };
}

function ofTrack(name: string, eventLevel: string, data: Data, more: Data): StreamEvent | undefined {
  if (!isMedia(data)) return undefined;
  return streamEvent(name, eventLevel, {
    trackName: trackIdOf(data),
    mediaType: text(data, 'trackType'),
    bitrate: data['bitrate'] ?? null,
    timescale: text(data, 'timescale'),
    ...more,
  });
}

function encoder(data: Data): Data {
  return {
    streamName: text(data, 'streamId'),
    remoteIp: text(data, 'encoderIp'),
    remotePort: text(data, 'encoderPort'),
  };
}
