import { describe, expect, it } from '@jest/globals';
import type { PublishRequest } from '../../src/ingest/publish-session.ts';
import { decideAtDoor } from '../../src/live/ingest-door.ts';
import { decideMeasuredVideo, decideVideo, INGEST_LIMITS } from '../../src/live/ingest-limits.ts';
import { KeyFrameAlignment } from '../../src/live/key-frame-alignment.ts';
import type { LiveEventView } from '../../src/live/live-directory.ts';
import { SyncWatch } from '../../src/live/sync-watch.ts';
import { VideoMeter } from '../../src/live/video-meter.ts';
import { TICKS_PER_SECOND } from '../../src/time/timescale.ts';

const NOW_MS = 1_800_000_000_000;
const request: PublishRequest = {
  accessToken: 'abcd1234ef',
  streamId: 'main',
  encoderIp: '198.51.100.7',
  encoderPort: 5000,
  protocol: 'RTMP',
  endpoint: 'primary',
  ingestUrl: 'rtmp://host:1935/live/****/main',
};
const view: LiveEventView = {
  id: 'media/arena',
  name: 'arena',
  resourceState: 'Running',
  isResetting: false,
  encodingType: 'PassthroughStandard',
  streamingProtocol: 'RTMP',
  ingestAllow: [{ address: '0.0.0.0', prefixLength: 0 }],
  accessToken: 'abcd1234ef',
  previousAccessToken: undefined,
  previewLocatorId: '00000000-0000-0000-0000-000000000000',
  outputs: [],
};
const allow = (address: string, prefixLength: number) => ({ ingestAllow: [{ address, prefixLength }] });
const DENIED = 'MPE_INGEST_ENCODER_CONNECTION_DENIED';
const UNKNOWN = 'MPE_RTMP_APPID_AUTH_FAILURE';

describe('the door', () => {
  it.each<{
    name: string;
    of?: Partial<PublishRequest>;
    at?: Partial<LiveEventView>;
    is: string | undefined;
  }>([
    { name: 'everything right', is: undefined },
    { name: 'another token', of: { accessToken: 'abcd1234ee' }, is: UNKNOWN },
    { name: 'no token', of: { accessToken: '' }, is: UNKNOWN },
    { name: 'no networks', at: { ingestAllow: [] }, is: DENIED },
    { name: 'its network', at: allow('198.51.100.0', 24), is: undefined },
    { name: 'another network', at: allow('198.51.101.0', 24), is: DENIED },
    { name: 'its address', at: allow('198.51.100.7', 32), is: undefined },
    {
      name: 'its address, mapped into IPv6',
      of: { encoderIp: '::ffff:198.51.100.7' },
      at: allow('198.51.100.7', 32),
      is: undefined,
    },
    { name: 'an IPv6 network', of: { encoderIp: '2001:db8::7' }, at: allow('2001:db8::', 32), is: undefined },
    { name: 'IPv6 where only IPv4 is let in', of: { encoderIp: '2001:db8::7' }, is: DENIED },
    { name: 'IPv4 where only IPv6 is let in', at: allow('::', 0), is: DENIED },
    { name: 'no address', of: { encoderIp: '' }, is: DENIED },
    { name: 'another protocol', of: { protocol: 'FragmentedMP4' }, is: DENIED },
    { name: 'StandBy', at: { resourceState: 'StandBy' }, is: DENIED },
    {
      name: 'a token just replaced',
      of: { accessToken: 'old0000000' },
      at: { previousAccessToken: { token: 'old0000000', validUntilMs: NOW_MS + 1 } },
      is: undefined,
    },
    {
      name: 'a token replaced for good',
      of: { accessToken: 'old0000000' },
      at: { previousAccessToken: { token: 'old0000000', validUntilMs: NOW_MS } },
      is: UNKNOWN,
    },
  ])('$name: $is', ({ of, at, is }) => {
    expect(decideAtDoor({ ...request, ...of }, { ...view, ...at }, NOW_MS)?.resultCode).toBe(is);
  });
});

describe('limits of the live event types', () => {
  const video = (width: number, height: number, kbps = 3000, declaredFrameRate: number | undefined = 30) => ({
    format: {
      kind: 'h264' as const,
      configurationRecord: new Uint8Array(8),
      codecString: 'avc1.64001f',
      width,
      height,
      frameRate: undefined,
    },
    declaredBitrateBps: kbps * 1000,
    declaredFrameRate,
  });
  const alone = { tracks: 0, totalBps: 0 };
  it.each([
    { name: '4K', track: video(4096, 2160), is: undefined },
    { name: '4K in portrait', track: video(2160, 4096), is: undefined },
    { name: 'wider', track: video(4098, 2160), is: 'MPE_INGEST_VIDEO_RESOLUTION_NOT_SUPPORTED' },
    {
      name: 'larger than is encoded',
      type: 'Standard' as const,
      track: video(1922, 1080),
      is: 'MPE_INGEST_VIDEO_RESOLUTION_NOT_SUPPORTED',
    },
    { name: '60 per second, rounded by milliseconds', track: video(1920, 1080, 3000, 60.06), is: undefined },
    { name: '100 per second', track: video(1920, 1080, 3000, 100), is: 'MPE_INGEST_FRAMERATE_EXCEEDED' },
    { name: 'a layer at its limit', track: video(1920, 1080, 20_000), is: undefined },
    {
      name: 'a layer above it',
      track: video(1920, 1080, 20_001),
      is: 'MPE_INGEST_BITRATE_AGGREGATED_EXCEEDED',
    },
    {
      name: 'the sum above it',
      track: video(1280, 720, 20_000),
      others: { tracks: 3, totalBps: 40_000_001 },
      is: 'MPE_INGEST_BITRATE_AGGREGATED_EXCEEDED',
    },
    {
      name: 'a basic one above its layer',
      type: 'PassthroughBasic' as const,
      track: video(1280, 720, 4001),
      is: 'MPE_INGEST_BITRATE_AGGREGATED_EXCEEDED',
    },
    {
      name: 'a second one to encode',
      type: 'Premium1080p' as const,
      track: video(1280, 720),
      others: { tracks: 1, totalBps: 0 },
      is: 'MPE_INGEST_MEDIA_QUALITIES_EXCEEDED',
    },
  ])('$name: $is', ({ type = 'PassthroughStandard' as const, track, others = alone, is }) => {
    expect(decideVideo(track, others, INGEST_LIMITS[type])).toBe(is);
  });

  it.each([
    { name: 'a burst of what was held up', frames: 900, stepMs: 40, wallMs: 0, is: undefined },
    { name: 'timestamps that stand still', frames: 300, stepMs: 0, wallMs: 40, is: undefined },
    { name: 'twice the pictures', frames: 3000, stepMs: 8, wallMs: 8, is: 'MPE_INGEST_FRAMERATE_EXCEEDED' },
    {
      name: 'too many bytes',
      frames: 300,
      stepMs: 40,
      wallMs: 40,
      bytes: 200_000,
      is: 'MPE_INGEST_BITRATE_AGGREGATED_EXCEEDED',
    },
  ])('measures what is really sent: $name → $is', ({ frames, stepMs, wallMs, bytes = 1000, is }) => {
    const meter = new VideoMeter();
    const results = Array.from({ length: frames }, (_, index) => {
      const dtsTicks = index * stepMs * 10_000;
      const data = new Uint8Array(bytes);
      const sent = meter.add(
        { dtsTicks, compositionOffsetTicks: 0, isRandomAccessPoint: false, data },
        index * wallMs,
      );
      return sent && decideMeasuredVideo(sent, INGEST_LIMITS.None);
    });
    expect(results.find((result) => result !== undefined)).toBe(is);
  });
});

describe('what keeps step', () => {
  const folders = new Set(['high', 'low']);
  it.each([
    { name: 'the same', high: [0, 2, 4, 6, 8], low: [0, 2, 4, 6, 8], is: false },
    { name: 'every other', high: [0, 2, 4, 6, 8], low: [0, 4, 8], is: false },
    { name: 'later by half', high: [0, 2, 4, 6, 8], low: [1, 3, 5, 7, 9], is: true },
    { name: 'another rhythm', high: [0, 2, 4, 6, 8, 10, 12], low: [0, 3, 6, 9, 12], is: true },
    { name: 'one more at a scene change', high: [0, 2, 4, 6, 8], low: [0, 2, 3, 4, 6, 8], is: false },
    { name: 'one that began late', high: [0, 2, 4, 6, 8, 10], low: [6, 8, 10], is: false },
    { name: 'milliseconds of rounding', high: [0, 2, 4, 6], low: [0.001, 2.001, 4.001, 6.001], is: false },
  ])('key frames: $name → $is', ({ high, low, is }) => {
    const alignment = new KeyFrameAlignment();
    for (const seconds of high) alignment.add('high', Math.round(seconds * TICKS_PER_SECOND));
    for (const seconds of low) alignment.add('low', Math.round(seconds * TICKS_PER_SECOND));
    expect(alignment.isMisaligned(folders)).toBe(is);
    expect(alignment.isMisaligned(new Set(['high']))).toBe(false);
  });

  it('sound and picture: told when it lasts, and again every 20 s', () => {
    const watch = new SyncWatch(false);
    const track = (type: 'video' | 'audio', seconds: number) => ({
      type,
      newestTicks: seconds * TICKS_PER_SECOND,
      fragment: { timestampTicks: 0, durationTicks: 4 * TICKS_PER_SECOND },
    });
    const apart = [track('video', 10), track('audio', 7)];
    const looks = [apart, [track('video', 10), track('audio', 9)], apart, apart, apart];
    const seen = looks.map((fed, index) => watch.look(fed, index * 2000));
    expect(seen.map(({ isOutOfSync }) => isOutOfSync)).toEqual([false, false, false, true, true]);
    expect(seen.map(({ tell }) => tell.tracks?.behind.type)).toEqual([
      undefined,
      undefined,
      undefined,
      'audio',
      undefined,
    ]);
    expect(watch.look(apart, 26_000).tell.tracks?.ahead.type).toBe('video');
    const inTurns = new SyncWatch(true);
    expect([0, 1, 2].map((at) => inTurns.look(apart, at * 2000).isOutOfSync)).toEqual([false, false, false]);
  });
});
