import { describe, expect, it } from '@jest/globals';
import { decideHealth, type HealthFacts } from '../../src/live/health.ts';
import * as liveEvents from '../../src/live/live-events.ts';
import { TrackMonitor } from '../../src/live/track-monitor.ts';
import { TICKS_PER_SECOND } from '../../src/time/timescale.ts';

const START_MS = Date.parse('2021-05-14T23:49:40.324Z');
/** On the media timeline, in 2026. */
const START_TICKS = 2_173_000_000_000_322;
const BITRATE_BPS = 2_500_000;

function monitorOf(bitrateBps = BITRATE_BPS): TrackMonitor {
  return new TrackMonitor({ trackType: 'video', trackName: 'video', bitrateBps, nowMs: START_MS });
}

/** Fragments of 2 s for 20 s, whose media advances `mediaSeconds` per fragment. */
function sendFor20Seconds(monitor: TrackMonitor, bitrateBps: number, mediaSeconds = 2): void {
  for (let index = 0; index <= 10; index += 1) {
    const ticks = START_TICKS + index * mediaSeconds * TICKS_PER_SECOND;
    monitor.addSample(ticks, index === 0 ? 0 : (bitrateBps * 2) / 8);
    monitor.addFragment(START_MS + index * 2000, ticks);
  }
}

describe('track monitor', () => {
  it('says what arrived since the last heartbeat, in the fields of the original', () => {
    const monitor = monitorOf();
    sendFor20Seconds(monitor, 2_462_600);
    const heartbeat = {
      trackType: 'video',
      trackName: 'video',
      bitrate: 2_500_000,
      incomingBitrate: 2_462_600,
      lastTimestamp: String(START_TICKS + 20 * TICKS_PER_SECOND),
      timescale: '10000000',
      overlapCount: 0,
      discontinuityCount: 0,
      nonincreasingCount: 0,
      unexpectedBitrate: false,
      state: 'Running',
      healthy: true,
      lastFragmentArrivalTime: '2021-05-14T23:50:00.324',
      ingestDriftValue: '0',
      transcriptionState: '',
      transcriptionLanguage: '',
    };
    expect(monitor.takeHeartbeat(START_MS + 20_000, 'Running')).toEqual(heartbeat);
    // The encoder has left: the next one has nothing of the last.
    expect(monitor.takeHeartbeat(START_MS + 40_000, 'Running')).toEqual({
      ...heartbeat,
      incomingBitrate: 0,
      unexpectedBitrate: true,
      healthy: false,
      ingestDriftValue: 'n/a',
    });
  });

  it.each([
    { name: 'as declared', declared: 1_000_000, sent: 1_000_000, unexpected: false },
    { name: 'just under double', declared: 1_000_000, sent: 1_999_600, unexpected: false },
    { name: 'double', declared: 1_000_000, sent: 2_000_000, unexpected: true },
    { name: 'just over half', declared: 1_000_000, sent: 500_400, unexpected: false },
    { name: 'half', declared: 1_000_000, sent: 500_000, unexpected: true },
    { name: 'nothing', declared: 1_000_000, sent: 0, unexpected: true },
    { name: 'something, of an unknown bitrate', declared: 0, sent: 5_000_000, unexpected: false },
    { name: 'nothing, of an unknown bitrate', declared: 0, sent: 0, unexpected: true },
  ])('calls a bitrate unexpected: $name → $unexpected', ({ declared, sent, unexpected }) => {
    const monitor = monitorOf(declared);
    sendFor20Seconds(monitor, sent);
    expect(monitor.takeHeartbeat(START_MS + 20_000, 'Running')).toMatchObject({
      incomingBitrate: sent,
      unexpectedBitrate: unexpected,
      healthy: !unexpected,
    });
  });

  it('does not judge the bitrate of a moment', () => {
    const monitor = monitorOf();
    monitor.addSample(START_TICKS, 200_000);
    expect(monitor.takeHeartbeat(START_MS, 'Running')).toMatchObject({
      unexpectedBitrate: false,
      lastFragmentArrivalTime: '',
      ingestDriftValue: 'n/a',
    });
  });

  it.each([
    { name: 'keeping pace', mediaSeconds: 2, drift: '0' },
    { name: 'a quarter too slow', mediaSeconds: 1.5, drift: '15' },
    { name: 'standing still', mediaSeconds: 0, drift: '60' },
    { name: 'ahead', mediaSeconds: 3, drift: '0' },
  ])('measures the drift of media $name as $drift seconds per minute', ({ mediaSeconds, drift }) => {
    const monitor = monitorOf();
    sendFor20Seconds(monitor, BITRATE_BPS, mediaSeconds);
    expect(monitor.takeHeartbeat(START_MS + 20_000, 'Running').ingestDriftValue).toBe(drift);
  });

  it.each([
    { name: 'overlap', count: (m: TrackMonitor) => m.countOverlap(), field: 'overlapCount', drift: '0' },
    {
      name: 'discontinuity',
      count: (m: TrackMonitor) => m.countDiscontinuity(),
      field: 'discontinuityCount',
      drift: 'n/a',
    },
    {
      name: 'time that does not increase',
      count: (m: TrackMonitor) => m.countNonIncreasing(),
      field: 'nonincreasingCount',
      drift: '0',
    },
  ])('is unhealthy for one heartbeat after an $name', ({ count, field, drift }) => {
    const monitor = monitorOf();
    sendFor20Seconds(monitor, BITRATE_BPS);
    count(monitor);
    const heartbeat = monitor.takeHeartbeat(START_MS + 20_000, 'Running');
    expect(heartbeat).toMatchObject({ [field]: 1, healthy: false, ingestDriftValue: drift });
    monitor.addSample(START_TICKS + 40 * TICKS_PER_SECOND, (BITRATE_BPS * 20) / 8);
    expect(monitor.takeHeartbeat(START_MS + 40_000, 'Running')).toMatchObject({ [field]: 0, healthy: true });
  });
});

const encoder = {
  liveEventName: 'arena',
  ingestUrl: 'rtmp://127.0.0.1:1935/live/****/15864-stream0',
  streamId: '15864-stream0',
  encoderIp: '131.107.147.1',
  encoderPort: 27485,
};
const encoderData = {
  ingestUrl: 'rtmp://127.0.0.1:1935/live/****/15864-stream0',
  streamId: '15864-stream0',
  encoderIp: '131.107.147.1',
  encoderPort: '27485',
};
const track = { trackType: 'video', trackName: 'video', bitrateBps: 2_962_000 } as const;

describe('live event events', () => {
  it.each([
    {
      event: liveEvents.encoderConnected(encoder),
      type: 'Microsoft.Media.LiveEventEncoderConnected',
      data: encoderData,
    },
    {
      event: liveEvents.connectionRejected({ ...encoder, resultCode: 'MPE_INGEST_CODEC_NOT_SUPPORTED' }),
      type: 'Microsoft.Media.LiveEventConnectionRejected',
      data: { ...encoderData, resultCode: 'MPE_INGEST_CODEC_NOT_SUPPORTED' },
    },
    {
      event: liveEvents.encoderDisconnected({ ...encoder, resultCode: 'S_OK' }),
      type: 'Microsoft.Media.LiveEventEncoderDisconnected',
      data: { ...encoderData, resultCode: 'S_OK' },
    },
    {
      event: liveEvents.incomingStreamReceived({
        ...encoder,
        ...track,
        timestampTicks: START_TICKS,
        durationTicks: 20_000_000,
      }),
      type: 'Microsoft.Media.LiveEventIncomingStreamReceived',
      data: {
        ingestUrl: 'rtmp://127.0.0.1:1935/live/****/15864-stream0',
        trackType: 'video',
        trackName: 'video',
        bitrate: 2_962_000,
        encoderIp: '131.107.147.1',
        encoderPort: '27485',
        timestamp: String(START_TICKS),
        duration: '20000000',
        timescale: '10000000',
      },
    },
    {
      event: liveEvents.trackDiscontinuityDetected({
        liveEventName: 'arena',
        ...track,
        previousTimestampTicks: START_TICKS,
        newTimestampTicks: START_TICKS + 575_284,
        discontinuityGapTicks: 575_284,
      }),
      type: 'Microsoft.Media.LiveEventTrackDiscontinuityDetected',
      data: {
        trackName: 'video',
        previousTimestamp: String(START_TICKS),
        trackType: 'video',
        bitrate: 2_962_000,
        newTimestamp: String(START_TICKS + 575_284),
        discontinuityGap: '575284',
        timescale: '10000000',
      },
    },
    {
      event: liveEvents.incomingDataChunkDropped({
        liveEventName: 'arena',
        ...track,
        timestampTicks: START_TICKS,
        resultCode: 'FragmentDrop_OverlapTimestamp',
      }),
      type: 'Microsoft.Media.LiveEventIncomingDataChunkDropped',
      data: {
        trackType: 'video',
        trackName: 'video',
        bitrate: 2_962_000,
        timestamp: String(START_TICKS),
        timescale: '10000000',
        resultCode: 'FragmentDrop_OverlapTimestamp',
      },
    },
    {
      event: liveEvents.incomingStreamsOutOfSync('arena', {
        behind: { type: 'audio', newestTicks: 319_996, fragment: undefined },
        ahead: { type: 'video', newestTicks: 366_000, fragment: undefined },
      }),
      type: 'Microsoft.Media.LiveEventIncomingStreamsOutOfSync',
      data: {
        minLastTimestamp: '319996',
        typeOfStreamWithMinLastTimestamp: 'Audio',
        maxLastTimestamp: '366000',
        typeOfStreamWithMaxLastTimestamp: 'Video',
        timescaleOfMinLastTimestamp: '10000000',
        timescaleOfMaxLastTimestamp: '10000000',
      },
    },
    {
      event: liveEvents.incomingVideoStreamsOutOfSync('arena', {
        behind: {
          type: 'video',
          newestTicks: 0,
          fragment: { timestampTicks: 2_162_057_216, durationTicks: 2000 },
        },
        ahead: {
          type: 'video',
          newestTicks: 0,
          fragment: { timestampTicks: 2_162_058_216, durationTicks: 2000 },
        },
      }),
      type: 'Microsoft.Media.LiveEventIncomingVideoStreamsOutOfSync',
      data: {
        firstTimestamp: '2162058216',
        firstDuration: '2000',
        secondTimestamp: '2162057216',
        secondDuration: '2000',
        timescale: '10000000',
      },
    },
    {
      event: liveEvents.channelArchiveHeartbeat('arena', { latencyMs: 10.4, latencyResultCode: 'S_OK' }),
      type: 'Microsoft.Media.LiveEventChannelArchiveHeartbeat',
      data: { channelLatencyMs: '10', latencyResultCode: 'S_OK' },
    },
    {
      event: liveEvents.channelArchiveHeartbeat('arena', {
        latencyMs: undefined,
        latencyResultCode: 'MPE_KEY_FRAME_INTERVAL_TOO_LARGE',
      }),
      type: 'Microsoft.Media.LiveEventChannelArchiveHeartbeat',
      data: { channelLatencyMs: '', latencyResultCode: 'MPE_KEY_FRAME_INTERVAL_TOO_LARGE' },
    },
    {
      event: liveEvents.healthChanged({
        liveEventName: 'arena',
        previous: 'healthy',
        health: 'warning',
        reasons: ['KEYFRAMES_TOO_FAR_APART'],
      }),
      type: 'Headend.Media.LiveEventHealthChanged',
      data: { previous: 'healthy', health: 'warning', reasons: ['KEYFRAMES_TOO_FAR_APART'] },
    },
  ])('$type has the fields of the original', ({ event: built, type, data }) => {
    expect(built).toEqual({ type, subject: 'liveEvent/arena', data });
  });

  it('a heartbeat is its own data', () => {
    const heartbeat = monitorOf().takeHeartbeat(START_MS + 20_000, 'Running');
    expect(liveEvents.ingestHeartbeat('arena', heartbeat)).toEqual({
      type: 'Microsoft.Media.LiveEventIngestHeartbeat',
      subject: 'liveEvent/arena',
      data: heartbeat,
    });
  });
});

const sending: HealthFacts = {
  recordingOutputs: 1,
  encodersConnected: 1,
  secondsSinceLastMedia: 0.04,
  longestKeyFrameIntervalTicks: 2 * TICKS_PER_SECOND,
  hasAudio: true,
  hasVideo: true,
  unexpectedBitrate: false,
  nonIncreasing: false,
  overlaps: false,
  hasGaps: false,
  tracksOutOfSync: false,
  videosOutOfSync: false,
  keyFramesMisaligned: false,
  lagSecondsPerMinute: 0,
  isBackupUsed: false,
  pendingBytes: 0,
  pendingBytesMax: 1000,
};
const gone = { encodersConnected: 0, secondsSinceLastMedia: undefined, hasAudio: false, hasVideo: false };

describe('health', () => {
  it.each<{ name: string; facts: Partial<HealthFacts>; is: string }>([
    { name: 'all well', facts: {}, is: 'healthy' },
    { name: 'all well and not recorded', facts: { recordingOutputs: 0 }, is: 'healthy' },
    { name: 'no encoder, none needed', facts: { ...gone, recordingOutputs: 0 }, is: 'unknown' },
    { name: 'no encoder, but recording', facts: gone, is: 'error NO_INPUT' },
    {
      name: 'connected, no track known yet',
      facts: { hasAudio: false, hasVideo: false, longestKeyFrameIntervalTicks: 0 },
      is: 'unknown',
    },
    { name: 'a short silence', facts: { secondsSinceLastMedia: 9 }, is: 'healthy' },
    { name: 'a long silence', facts: { secondsSinceLastMedia: 11 }, is: 'error NO_INPUT' },
    {
      name: 'a long silence, not recorded',
      facts: { secondsSinceLastMedia: 11, recordingOutputs: 0 },
      is: 'warning NO_INPUT',
    },
    { name: 'key frames every 4 s', facts: { longestKeyFrameIntervalTicks: 40_010_000 }, is: 'healthy' },
    {
      name: 'key frames every 5 s',
      facts: { longestKeyFrameIntervalTicks: 50_000_000 },
      is: 'warning KEYFRAMES_TOO_FAR_APART',
    },
    { name: 'no sound', facts: { hasAudio: false }, is: 'warning NO_AUDIO' },
    {
      name: 'no sound yet, before the first fragment',
      facts: { hasAudio: false, longestKeyFrameIntervalTicks: 0 },
      is: 'healthy',
    },
    { name: 'no picture', facts: { hasVideo: false }, is: 'warning NO_VIDEO' },
    { name: 'bitrate', facts: { unexpectedBitrate: true }, is: 'warning BITRATE_UNEXPECTED' },
    { name: 'overlaps', facts: { overlaps: true }, is: 'warning TIMESTAMPS_OVERLAP' },
    { name: 'gaps', facts: { hasGaps: true }, is: 'warning GAPS_IN_INPUT' },
    { name: 'sound and picture apart', facts: { tracksOutOfSync: true }, is: 'warning TRACKS_OUT_OF_SYNC' },
    { name: 'qualities apart', facts: { videosOutOfSync: true }, is: 'warning VIDEO_QUALITIES_OUT_OF_SYNC' },
    { name: 'key frames apart', facts: { keyFramesMisaligned: true }, is: 'warning KEYFRAMES_NOT_ALIGNED' },
    { name: 'a little late', facts: { lagSecondsPerMinute: 3 }, is: 'healthy' },
    { name: 'too slow', facts: { lagSecondsPerMinute: 4 }, is: 'warning INGEST_LAGGING' },
    { name: 'backup', facts: { isBackupUsed: true }, is: 'healthy BACKUP_ENCODER_ACTIVE' },
    {
      name: 'a fault of the backup',
      facts: { isBackupUsed: true, hasAudio: false },
      is: 'warning NO_AUDIO BACKUP_ENCODER_ACTIVE',
    },
    { name: 'timestamps', facts: { nonIncreasing: true }, is: 'warning TIMESTAMPS_NOT_INCREASING' },
    { name: 'storage behind by half', facts: { pendingBytes: 500 }, is: 'healthy' },
    { name: 'storage behind by more', facts: { pendingBytes: 501 }, is: 'warning STORAGE_SLOW' },
    { name: 'storage away', facts: { pendingBytes: 1000 }, is: 'error STORAGE_SLOW' },
    {
      name: 'several, the gravest first',
      facts: { pendingBytes: 2000, unexpectedBitrate: true, longestKeyFrameIntervalTicks: 80_000_000 },
      is: 'error STORAGE_SLOW KEYFRAMES_TOO_FAR_APART BITRATE_UNEXPECTED',
    },
  ])('$name: $is', ({ facts, is }) => {
    const { health, reasons } = decideHealth({ ...sending, ...facts });
    expect([health, ...reasons].join(' ')).toBe(is);
  });
});
