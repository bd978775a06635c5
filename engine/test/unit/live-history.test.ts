import { describe, expect, it } from '@jest/globals';
import type { LiveNewEvent } from '../../src/live/live-deps.ts';
import * as liveEvents from '../../src/live/live-events.ts';
import { LiveHistories, LiveHistory } from '../../src/live/live-history.ts';
import { LIVE_TELEMETRY_ANSWERS, LiveTelemetry, noTelemetry } from '../../src/resources/live-telemetry.ts';

const START = Date.UTC(2026, 0, 1);
const ENCODER = {
  liveEventName: 'e',
  ingestUrl: 'rtmp://h/live/****/main',
  streamId: 'main',
  encoderIp: '10.0.0.1',
  encoderPort: 4000,
};
const connected = () => liveEvents.encoderConnected(ENCODER);
const gone = (resultCode: string) => liveEvents.encoderDisconnected({ ...ENCODER, resultCode });
const VIDEO = { trackType: 'video', trackName: 'video', bitrateBps: 2_000_000 } as const;

const heartbeat = (more: object = {}): LiveNewEvent =>
  liveEvents.ingestHeartbeat('e', {
    trackType: 'video',
    trackName: 'video',
    bitrate: 2_000_000,
    incomingBitrate: 2_000_000,
    lastTimestamp: '1',
    timescale: '10000000',
    overlapCount: 0,
    discontinuityCount: 0,
    nonincreasingCount: 0,
    unexpectedBitrate: false,
    state: 'Running',
    healthy: true,
    lastFragmentArrivalTime: '2026-01-01T00:00:00.000',
    ingestDriftValue: '0',
    transcriptionState: '',
    transcriptionLanguage: '',
    ...more,
  });
const discontinuity = (discontinuityGapTicks: number): LiveNewEvent =>
  liveEvents.trackDiscontinuityDetected({
    ...VIDEO,
    liveEventName: 'e',
    previousTimestampTicks: 1,
    newTimestampTicks: 2,
    discontinuityGapTicks,
  });

/** After the events, one a second. */
function historyOf(...events: readonly LiveNewEvent[]): LiveHistory {
  const history = new LiveHistory();
  for (const [index, newEvent] of events.entries()) history.observe(newEvent, START + index * 1000);
  return history;
}

describe('the history of a live event', () => {
  it.each([
    ['nobody ever sent', [], ''],
    ['all is well', [connected(), heartbeat()], 'Excellent'],
    [
      'no more than half of the picture comes',
      [connected(), heartbeat({ incomingBitrate: 1_000_000 })],
      'Good',
    ],
    ['hardly anything of the picture comes', [connected(), heartbeat({ incomingBitrate: 100_000 })], 'Poor'],
    [
      'silence makes the sound small',
      [connected(), heartbeat({ trackType: 'audio', bitrate: 128_000, incomingBitrate: 3000 })],
      'Excellent',
    ],
    ['the input falls behind', [connected(), heartbeat({ ingestDriftValue: '2' })], 'Good'],
    ['there was a small gap', [connected(), heartbeat(), discontinuity(9_000_000)], 'Good'],
    ['there was a large gap', [connected(), heartbeat(), discontinuity(100_000_000)], 'Poor'],
    ['the encoder has left', [connected(), heartbeat(), gone('S_OK')], 'Poor'],
  ])('judges its health when %s', (_name, events, health) => {
    const telemetry = historyOf(...events).telemetry(START + 5000);
    expect(telemetry.healthStatus).toBe(health);
    expect(telemetry.healthDescriptions.length).toBeGreaterThan(0);
    expect(LiveTelemetry.parse(JSON.parse(JSON.stringify(telemetry)))).toEqual(telemetry);
  });

  it('forgives what was more than a heartbeat ago', () => {
    const history = historyOf(connected(), discontinuity(100_000_000));
    history.observe(heartbeat(), START + 40_000);
    expect(history.telemetry(START + 41_000).healthStatus).toBe('Excellent');
  });

  it('takes a pause for an interruption, and what comes after a stop for another ingestion', () => {
    const history = historyOf(connected(), gone('MPE_CLIENT_TERMINATED_SESSION'), connected());
    const iso = (seconds: number) => new Date(START + seconds * 1000).toISOString();
    expect(history.telemetry(START).ingestion).toEqual({
      streamName: 'main',
      begin: iso(0),
      end: null,
      endReason: '',
      ingestInterruptions: [
        { begin: iso(1), end: iso(2), duration: 'PT1S', reason: 'MPE_CLIENT_TERMINATED_SESSION' },
      ],
    });
    history.observe(gone('MPI_REST_API_CHANNEL_STOP'), START + 3000);
    expect(history.telemetry(START).ingestion).toMatchObject({
      end: iso(3),
      endReason: 'MPI_REST_API_CHANNEL_STOP',
    });
    history.observe(connected(), START + 9000);
    expect(history.telemetry(START).ingestion).toMatchObject({ begin: iso(9), ingestInterruptions: [] });
  });

  it('keeps what came last, once, and nothing of tracks that are no media', () => {
    const history = new LiveHistory();
    for (let count = 0; count < 300; count += 1) {
      const newEvent = discontinuity(count);
      history.observe(newEvent, START + count);
      history.observe(newEvent, START + count);
      history.observe(heartbeat({ lastTimestamp: String(count) }), START + count);
      history.observe(heartbeat({ trackType: 'text' }), START + count);
    }
    const { streamEvents, heartbeats } = history.telemetry(START);
    expect(streamEvents.map(({ data }) => data['discontinuityGap'])).toEqual(
      Array.from({ length: 200 }, (_, index) => index + 100),
    );
    expect(heartbeats.map(({ data }) => data['lastTimestamp'])).toEqual(
      Array.from({ length: 180 }, (_, index) => String(index + 120)),
    );
  });

  it('is one per live event, whatever the letter case, of those that were seen last', () => {
    const histories = new LiveHistories(2);
    const first = histories.of('acct/One');
    expect(histories.of('ACCT/one')).toBe(first);
    histories.of('acct/two');
    histories.of('acct/one');
    histories.of('acct/three');
    expect(['acct/one', 'acct/two', 'acct/three'].map((id) => histories.find(id) !== undefined)).toEqual([
      true,
      false,
      true,
    ]);
  });

  it('is answered as nothing of a live event that nobody remembers', () => {
    const telemetry = noTelemetry('2026-01-01T00:00:00.000Z');
    expect(LIVE_TELEMETRY_ANSWERS.status(telemetry, 'Stopped')).toEqual({
      value: [
        {
          state: 'Stopped',
          healthStatus: '',
          healthDescriptions: [],
          lastUpdatedTime: '2026-01-01T00:00:00.000Z',
          ingestion: null,
          trackStatus: [],
        },
      ],
    });
    expect(LIVE_TELEMETRY_ANSWERS.streamEvents(telemetry)).toEqual({ value: [] });
    expect(LIVE_TELEMETRY_ANSWERS.heartbeats(telemetry)).toEqual({ value: [] });
  });
});
