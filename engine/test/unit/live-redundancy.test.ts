import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseFragment } from '../../src/formats/isobmff/fragment-reader.ts';
import type { PublishedTrack } from '../../src/ingest/publish-session.ts';
import { EventSegmenter } from '../../src/live/event-segmenter.ts';
import type { LiveFragment } from '../../src/live/live-fragment.ts';
import { LOOK_BACK_BYTES_MAX, LookBack } from '../../src/live/look-back.ts';
import { MERGED_LINGER_MS, MergedStream } from '../../src/live/merged-stream.ts';
import {
  RedundantStream,
  type StreamMember,
  TAKEOVER_SILENT_MS,
  type TakeoverNotice,
} from '../../src/live/redundant-stream.ts';
import type { Sample } from '../../src/model/sample.ts';
import type { AudioFormat, VideoFormat } from '../../src/model/track.ts';
import { TICKS_PER_MILLISECOND, TICKS_PER_SECOND, TIMELINE_EPOCH_MS } from '../../src/time/timescale.ts';

const START_MS = TIMELINE_EPOCH_MS + 1_000_000;
const FRAME_MS = 40;
const GOP_FRAMES = 50;
const ms = (count: number) => count * TICKS_PER_MILLISECOND;

const picture: VideoFormat = {
  kind: 'h264',
  configurationRecord: new Uint8Array([1, 100, 0, 31, 255, 225, 0, 0]),
  codecString: 'avc1.64001f',
  width: 640,
  height: 360,
  frameRate: 25,
};
const sound: AudioFormat = {
  kind: 'aac',
  configurationRecord: new Uint8Array([0x11, 0x90]),
  codecString: 'mp4a.40.2',
  sampleRateHz: 48_000,
  channelCount: 2,
};
/** A new object each time, as each connection parses its own. */
const published = (format: VideoFormat | AudioFormat): PublishedTrack => ({
  type: format.kind === 'aac' ? 'audio' : 'video',
  name: undefined,
  language: undefined,
  format: { ...format },
  declaredBitrateBps: format.kind === 'aac' ? 96_000 : 800_000,
  declaredFrameRate: 25,
});

interface Sent {
  readonly key: 'video' | 'audio';
  readonly atMs: number;
  readonly sample: Sample;
}

const sampleOf = (atMs: number, isKey: boolean, mark: number, encoder = 0): Sample => ({
  dtsTicks: ms(atMs),
  compositionOffsetTicks: 0,
  isRandomAccessPoint: isKey,
  data: new Uint8Array([mark & 255, mark >> 8, encoder]),
});

/** What one encoder makes of `seconds`, in the order of time. */
function show(seconds: number, encoder = 0): Sent[] {
  const frames = Array.from({ length: (seconds * 1000) / FRAME_MS }, (_, index): Sent => {
    const atMs = index * FRAME_MS;
    return { key: 'video', atMs, sample: sampleOf(atMs, index % GOP_FRAMES === 0, index, encoder) };
  });
  const sounds = Array.from({ length: Math.floor((seconds * 48_000) / 1024) }, (_, index): Sent => {
    const atMs = Math.round((index * 1024) / 48);
    return { key: 'audio', atMs, sample: sampleOf(atMs, true, index, encoder) };
  });
  return [...frames, ...sounds].sort((a, b) => a.atMs - b.atMs);
}

function stage() {
  let nowMs = START_MS;
  const clock = { now: () => nowMs };
  const fragments: LiveFragment[] = [];
  const notices: TakeoverNotice[] = [];
  const segmenter = new EventSegmenter({
    soFar: [],
    audioTracksMax: 8,
    clock,
    output: {
      trackKnown: () => undefined,
      trackStarted: () => undefined,
      sampleTaken: () => undefined,
      irregular: () => undefined,
      fragment: (fragment) => fragments.push(fragment),
    },
  });
  const stream = new RedundantStream({
    sink: segmenter.openByteStream('main'),
    clock,
    onTakeover: (notice) => notices.push(notice),
  });
  const join = (endpoint: 'primary' | 'backup'): StreamMember => {
    const member = stream.join(endpoint);
    member.setTrack('video', published(picture));
    member.setTrack('audio', published(sound));
    return member;
  };
  return {
    stream,
    join,
    fragments,
    notices,
    at: (atMs: number) => {
      nowMs = START_MS + atMs;
    },
  };
}

function marksOf(fragments: readonly LiveFragment[], type: 'video' | 'audio'): number[] {
  return fragments
    .filter(({ track }) => track.type === type)
    .flatMap(({ bytes }) =>
      parseFragment(bytes).samples.map(({ offset }) => (bytes[offset] ?? 0) + 256 * (bytes[offset + 1] ?? 0)),
    );
}

const marksSent = (sent: readonly Sent[], type: 'video' | 'audio') =>
  sent.filter(({ key }) => key === type).map(({ sample: { data } }) => (data[0] ?? 0) + 256 * (data[1] ?? 0));

const holes = (fragments: readonly LiveFragment[], type: 'video' | 'audio', toleratedMs = 1) =>
  fragments
    .filter(({ track }) => track.type === type)
    .flatMap((fragment, index, all) => {
      const before = all[index - 1];
      if (before === undefined) return [];
      const hole = fragment.decodeTimeTicks - before.decodeTimeTicks - before.durationTicks;
      return Math.abs(hole) > ms(toleratedMs) ? [hole / TICKS_PER_MILLISECOND] : [];
    });

const DELAYS = fc.record({
  primaryDelayMs: fc.integer({ min: 0, max: 900 }),
  backupDelayMs: fc.integer({ min: 0, max: 900 }),
  backupJoinsMs: fc.integer({ min: 0, max: 6000 }),
  leavesMs: fc.integer({ min: 9000, max: 14_000 }),
  shiftMs: fc.constantFrom(0, 0, 12_345, -777),
  isClosed: fc.boolean(),
});
type Course = typeof DELAYS extends fc.Arbitrary<infer T> ? T : never;

/** One encoder's output over two connections, of which the first dies: closed, or just silent. */
function playTwice(sent: readonly Sent[], course: Course): ReturnType<typeof stage> {
  const { primaryDelayMs, backupDelayMs, backupJoinsMs, leavesMs, shiftMs, isClosed } = course;
  const played = stage();
  const primary = played.join('primary');
  let backup: StreamMember | undefined;
  const send: Record<'primary' | 'backup', StreamMember['addSample']> = {
    primary: (key, sample) => primary.addSample(key, sample),
    backup: (key, sample) => {
      backup ??= played.join('backup');
      return backup.addSample(key, { ...sample, dtsTicks: sample.dtsTicks + ms(shiftMs) });
    },
  };
  const arriving = (from: 'primary' | 'backup', delayMs: number, fromMs: number, untilMs: number) =>
    sent
      .map(({ key, sample, atMs }) => ({ key, sample, from, arrivesMs: atMs + delayMs }))
      .filter(({ arrivesMs }) => arrivesMs >= fromMs && arrivesMs < untilMs);
  const arrivals = [
    ...arriving('primary', primaryDelayMs, 0, leavesMs),
    ...arriving('backup', backupDelayMs, backupJoinsMs, Number.POSITIVE_INFINITY),
  ].sort((a, b) => a.arrivesMs - b.arrivesMs);
  const death = arrivals.findLastIndex(({ from }) => from === 'primary');
  arrivals.forEach(({ from, key, sample, arrivesMs }, index) => {
    played.at(arrivesMs);
    send[from](key, sample);
    if (isClosed && index === death) primary.leave();
  });
  if (!isClosed) primary.leave();
  backup?.leave();
  return played;
}

describe('RedundantStream', () => {
  it('loses and repeats nothing when one encoder feeds both, however they lag, wherever one dies', () => {
    fc.assert(
      fc.property(DELAYS, (course) => {
        const { fragments, notices, stream } = playTwice(show(20), course);
        const sent = show(20);
        expect(notices).toEqual([
          { endpoint: 'backup', kind: 'seamless', reason: course.isClosed ? 'closed' : 'silent' },
        ]);
        for (const type of ['video', 'audio'] as const) {
          expect(marksOf(fragments, type)).toEqual(marksSent(sent, type));
          expect(holes(fragments, type)).toEqual([]);
        }
        expect(new Set(fragments.map(({ discontinuity }) => discontinuity))).toEqual(new Set([0]));
        expect(new Set(fragments.map(({ formatIndex }) => formatIndex))).toEqual(new Set([0]));
        expect(stream.endpoint).toBeUndefined();
      }),
      { numRuns: 100 },
    );
  });

  it('begins a discontinuity at a key frame, and leaves no hole, when another encoder takes over', () => {
    const { join, fragments, notices, at } = stage();
    const primary = join('primary');
    const backup = join('backup');
    const [ours, theirs] = [show(20, 1), show(20, 2)];
    ours.forEach(({ key, atMs, sample }, index) => {
      at(atMs);
      if (atMs < 9000) primary.addSample(key, sample);
      const other = theirs[index];
      // Its key frames come 700 ms later, by a clock that began long ago.
      if (other !== undefined && atMs >= 700) {
        const then = theirs.find((one) => one.key === other.key && one.atMs >= other.atMs - 700) ?? other;
        backup.addSample(then.key, { ...then.sample, dtsTicks: then.sample.dtsTicks + ms(500_000) });
      }
    });
    primary.leave();
    backup.leave();
    expect(notices).toEqual([{ endpoint: 'backup', kind: 'discontinuity', reason: 'silent' }]);
    const videos = fragments.filter(({ track }) => track.type === 'video');
    const [before, after] = [0, 1].map((session) =>
      videos.filter(({ discontinuity }) => discontinuity === session),
    );
    expect(before?.flatMap((fragment) => marksOf([fragment], 'video'))).toEqual(
      Array.from({ length: 9000 / FRAME_MS }, (_, index) => index),
    );
    // The other's newest key frame before the silence, 8700 ms into the show of the first.
    expect(marksOf(after ?? [], 'video')[0]).toBe(200);
    // Sound and picture of a session do not end together: less than a frame.
    expect(holes(fragments, 'video', FRAME_MS)).toEqual([]);
    for (const { bytes } of videos) expect(parseFragment(bytes).samples[0]?.isRandomAccessPoint).toBe(true);
  });

  it('keeps the encoder that took over when the first one comes back, and goes back to it without a seam', () => {
    const { join, fragments, notices, at, stream } = stage();
    const sent = show(40);
    let primary = join('primary');
    let backup: StreamMember | undefined = join('backup');
    const used: (string | undefined)[] = [];
    let step = 0;
    const steps: readonly [number, () => void][] = [
      [10_000, () => primary.leave()],
      [
        15_000,
        () => {
          primary = join('primary');
        },
      ],
      [
        25_000,
        () => {
          used.push(stream.endpoint);
          backup?.leave();
          backup = undefined;
        },
      ],
    ];
    for (const { key, atMs, sample } of sent) {
      at(atMs);
      const [dueMs, act] = steps[step] ?? [Number.POSITIVE_INFINITY];
      if (atMs >= dueMs && act !== undefined) {
        act();
        step += 1;
      }
      if (atMs < 10_000 || atMs >= 15_000) primary.addSample(key, sample);
      backup?.addSample(key, sample);
    }
    primary.leave();
    expect(used).toEqual(['backup']);
    expect(notices.map(({ endpoint, kind }) => `${endpoint} ${kind}`)).toEqual([
      'backup seamless',
      'primary seamless',
    ]);
    expect(marksOf(fragments, 'video')).toEqual(marksSent(sent, 'video'));
    expect(marksOf(fragments, 'audio')).toEqual(marksSent(sent, 'audio'));
  });

  it('shows nothing of an encoder that hung long before the other one left', () => {
    const { join, fragments, at } = stage();
    const sent = show(20);
    const primary = join('primary');
    const backup = join('backup');
    for (const { key, atMs, sample } of sent) {
      at(atMs);
      if (atMs < 8000) primary.addSample(key, sample);
      backup.addSample(key, sample);
    }
    backup.leave();
    primary.leave();
    expect(marksOf(fragments, 'video')).toEqual(marksSent(sent, 'video'));
    expect(marksOf(fragments, 'audio')).toEqual(marksSent(sent, 'audio'));
  });

  it('does not give up an encoder that waits for room with its standby', async () => {
    const { join, at, notices } = stage();
    const primary = join('primary');
    const backup = join('backup');
    let free: () => void = () => undefined;
    const sample = (atMs: number) => sampleOf(atMs, true, atMs);
    primary.addSample('video', sample(0));
    backup.addSample('video', sample(0));
    primary.waitsFor(
      new Promise((resolve) => {
        free = resolve;
      }),
    );
    at(TAKEOVER_SILENT_MS * 10);
    backup.addSample('video', sample(40));
    expect(notices).toEqual([]);
    free();
    await new Promise((resolve) => setImmediate(resolve));
    backup.addSample('video', sample(80));
    expect(notices).toEqual([]);
    at(TAKEOVER_SILENT_MS * 12);
    backup.addSample('video', sample(120));
    expect(notices).toHaveLength(1);
  });
});

describe('LookBack', () => {
  it('begins at a key frame and is bounded in time and bytes, whatever comes', () => {
    const arrival = fc.record({
      isVideo: fc.boolean(),
      isKey: fc.boolean(),
      stepMs: fc.integer({ min: -500, max: 2000 }),
      sizeBytes: fc.constantFrom(100, 10_000, 4_000_000),
    });
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 200 }), (arrivals) => {
        const lookBack = new LookBack();
        const [video, audio] = [published(picture), published(sound)];
        let atMs = 0;
        for (const { isVideo, isKey, stepMs, sizeBytes } of arrivals) {
          atMs += stepMs;
          const sample = { ...sampleOf(atMs, isKey || !isVideo, 0), data: new Uint8Array(sizeBytes) };
          lookBack.add({
            key: isVideo ? 'video' : 'audio',
            track: isVideo ? video : audio,
            sample,
            arrivedAtMs: atMs,
          });
          const [first] = lookBack.samples;
          expect(first === undefined || first.sample.isRandomAccessPoint).toBe(true);
          expect(lookBack.sizeBytes).toBe(
            lookBack.samples.reduce((total, held) => total + held.sample.data.byteLength, 0),
          );
          expect(lookBack.sizeBytes).toBeLessThanOrEqual(LOOK_BACK_BYTES_MAX);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('MergedStream', () => {
  function merged() {
    let nowMs = START_MS;
    const taken: string[] = [];
    const dropped: string[] = [];
    let closes = 0;
    const stream = new MergedStream({
      sink: {
        tracks: () => [],
        setTrack: () => undefined,
        addSample: (key, { dtsTicks }) => {
          taken.push(`${key} ${dtsTicks / TICKS_PER_SECOND}`);
          return 'taken';
        },
        addTextFragment: (key, { timestampTicks }) => {
          taken.push(`${key} ${timestampTicks / TICKS_PER_SECOND}`);
        },
        breakOff: () => undefined,
        close: () => {
          closes += 1;
        },
      },
      clock: { now: () => nowMs },
      onDropped: (key, timestampTicks, why) =>
        void dropped.push(`${key} ${timestampTicks / TICKS_PER_SECOND} ${why}`),
    });
    const connect = () => {
      const member = stream.join('primary');
      member.setTrack('video', published(picture));
      return (seconds: number, durationSeconds = 2): boolean => {
        const timestampTicks = seconds * TICKS_PER_SECOND;
        const durationTicks = durationSeconds * TICKS_PER_SECOND;
        const isWanted = member.beginFragment('video', { timestampTicks, durationTicks });
        if (isWanted) member.addSample('video', { ...sampleOf(0, true, 0), dtsTicks: timestampTicks });
        return isWanted;
      };
    };
    return {
      stream,
      connect,
      taken,
      dropped,
      closes: () => closes,
      wait: (forMs: number) => {
        nowMs += forMs;
        return nowMs;
      },
    };
  }

  it('takes each fragment of two encoders once, from the one that brings it first', () => {
    const { connect, taken, dropped } = merged();
    const [a, b] = [connect(), connect()];
    expect([a(0), b(0), b(2), a(2), b(4), b(6), a(4), a(6), a(8), b(8)]).toEqual([
      true,
      false,
      true,
      false,
      true,
      true,
      false,
      false,
      true,
      false,
    ]);
    expect(taken).toEqual(['video 0', 'video 2', 'video 4', 'video 6', 'video 8']);
    expect(dropped).toEqual([]);
  });

  it('says why a fragment that nobody brought before is not taken', () => {
    const { connect, dropped } = merged();
    const send = connect();
    expect([send(10), send(11), send(4), send(12)]).toEqual([true, false, false, true]);
    expect(dropped).toEqual(['video 11 overlap', 'video 4 nonIncreasing']);
  });

  it('follows another clock only when nobody sends by the one it had', () => {
    const { connect, wait } = merged();
    const [a, b] = [connect(), connect()];
    expect([a(1000), b(0), a(1002)]).toEqual([true, false, true]);
    wait(4000);
    expect([b(0), b(2)]).toEqual([true, true]);
  });

  it('takes a repetition after a reconnect for one, and a beginning further back for a clock that began anew', () => {
    const { stream, connect, taken, dropped } = merged();
    const first = stream.join('primary');
    first.setTrack('video', published(picture));
    for (const second of [0, 2, 4, 6, 8, 10]) {
      const times = { timestampTicks: second * TICKS_PER_SECOND, durationTicks: 2 * TICKS_PER_SECOND };
      expect(first.beginFragment('video', times)).toBe(true);
    }
    first.leave();
    const resumed = connect();
    // The last two again, and on.
    expect([resumed(8), resumed(10), resumed(12)]).toEqual([false, false, true]);
    const restarted = connect();
    // Not while another encoder still counts by the clock that it has.
    expect([restarted(0), resumed(14)]).toEqual([false, true]);
    expect([taken, dropped]).toEqual([['video 12', 'video 14'], []]);
  });

  it('follows an encoder that is alone and whose clock began anew at once', () => {
    const { stream, connect, dropped } = merged();
    const first = stream.join('primary');
    first.setTrack('video', published(picture));
    for (const second of [0, 2, 4, 6, 8, 10]) {
      const times = { timestampTicks: second * TICKS_PER_SECOND, durationTicks: 2 * TICKS_PER_SECOND };
      first.beginFragment('video', times);
    }
    first.leave();
    const restarted = connect();
    expect([restarted(0), restarted(2), restarted(4)]).toEqual([true, true, true]);
    expect(dropped).toEqual([]);
  });

  it('outlives a connection for as long as encoders need for the next', () => {
    const { stream, connect, wait, closes, taken } = merged();
    const member = stream.join('primary');
    member.leave();
    expect(stream.closeWhenIdle(wait(MERGED_LINGER_MS - 1))).toBe(false);
    connect()(0);
    expect(stream.closeWhenIdle(wait(MERGED_LINGER_MS * 2))).toBe(false);
    expect(taken).toEqual(['video 0']);
    expect(closes()).toBe(0);
  });
});
