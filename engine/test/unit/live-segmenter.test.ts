import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseFragment } from '../../src/formats/isobmff/fragment-reader.ts';
import type { PublishedTrack } from '../../src/ingest/publish-session.ts';
import { EventSegmenter } from '../../src/live/event-segmenter.ts';
import type { LiveFragment, RecordedSoFar } from '../../src/live/live-fragment.ts';
import type { Sample } from '../../src/model/sample.ts';
import type { AudioFormat, Track, VideoFormat } from '../../src/model/track.ts';
import { TICKS_PER_MILLISECOND, TIMELINE_EPOCH_MS } from '../../src/time/timescale.ts';

const NOW_MS = TIMELINE_EPOCH_MS + 1_000_000;
const NOW_TICKS = 1_000_000 * TICKS_PER_MILLISECOND;
const ms = (count: number) => count * TICKS_PER_MILLISECOND;

const video = (mark: number): VideoFormat => ({
  kind: 'h264',
  configurationRecord: new Uint8Array([1, 100, 0, 31, 255, 225, 0, mark]),
  codecString: 'avc1.64001f',
  width: 640,
  height: 360,
  frameRate: 25,
});
/** AAC-LC, 48 kHz, stereo: 1024 samples last 21.333 ms. */
const audio: AudioFormat = {
  kind: 'aac',
  configurationRecord: new Uint8Array([0x11, 0x90]),
  codecString: 'mp4a.40.2',
  sampleRateHz: 48_000,
  channelCount: 2,
};

const frame = (atMs: number, isRandomAccessPoint: boolean, mark = 0): Sample => ({
  dtsTicks: ms(atMs),
  compositionOffsetTicks: 0,
  isRandomAccessPoint,
  data: new Uint8Array([mark & 255, mark >> 8]),
});

interface Segmented {
  readonly segmenter: EventSegmenter;
  readonly fragments: LiveFragment[];
  readonly tracks: Track[];
  readonly irregularities: string[];
}

function segmented(
  soFar: readonly RecordedSoFar[] = [],
  nowMs = () => NOW_MS,
  audioTracksMax = 8,
): Segmented {
  const fragments: LiveFragment[] = [];
  const tracks: Track[] = [];
  const irregularities: string[] = [];
  const segmenter = new EventSegmenter({
    soFar,
    audioTracksMax,
    clock: { now: nowMs },
    output: {
      trackKnown: (track) => tracks.push(track),
      trackStarted: () => undefined,
      sampleTaken: () => undefined,
      irregular: (_, { kind }) => irregularities.push(kind),
      fragment: (fragment) => fragments.push(fragment),
    },
  });
  return { segmenter, fragments, tracks, irregularities };
}

const published = (format: VideoFormat | AudioFormat, kbps: number | undefined): PublishedTrack => ({
  type: format.kind === 'aac' ? 'audio' : 'video',
  name: undefined,
  language: undefined,
  format,
  declaredBitrateBps: kbps === undefined ? undefined : kbps * 1000,
  declaredFrameRate: 25,
});

const times = (fragments: readonly LiveFragment[]) =>
  fragments.map(({ track, decodeTimeTicks, durationTicks }) => [
    track.folder,
    (decodeTimeTicks - NOW_TICKS) / TICKS_PER_MILLISECOND,
    durationTicks / TICKS_PER_MILLISECOND,
  ]);

describe('EventSegmenter', () => {
  it('closes a video fragment at each key frame, at the wall clock', () => {
    const { segmenter, fragments, tracks } = segmented();
    const stream = segmenter.openByteStream('main');
    stream.setTrack('video', published(video(0), 800));
    for (let at = 0; at <= 4000; at += 40) stream.addSample('video', frame(at, at % 2000 === 0));
    stream.close();
    expect(tracks.map(({ folder, ordinal }) => [folder, ordinal])).toEqual([['video_800000', 1]]);
    expect(times(fragments)).toEqual([
      ['video_800000', 0, 2000],
      ['video_800000', 2000, 2000],
      ['video_800000', 4000, 40],
    ]);
  });

  it('aligns the rungs of two byte streams, the later one from its first key frame', () => {
    let nowMs = NOW_MS;
    const { segmenter, fragments } = segmented([], () => nowMs);
    const high = segmenter.openByteStream('high');
    const low = segmenter.openByteStream('low');
    high.setTrack('video', published(video(1), 800));
    low.setTrack('video', published(video(2), 300));
    for (let at = 0; at < 6000; at += 40) {
      nowMs = NOW_MS + (at === 0 ? 0 : at + 16); // the second connection is never placed by its own wall clock
      high.addSample('video', frame(at, at % 2000 === 0));
      if (at >= 1000) low.addSample('video', frame(at, at % 2000 === 0));
    }
    high.close();
    low.close();
    expect(times(fragments.filter(({ track }) => track.folder === 'video_300000'))).toEqual([
      ['video_300000', 2000, 2000],
      ['video_300000', 4000, 2000],
    ]);
    expect(new Set(fragments.map(({ discontinuity }) => discontinuity))).toEqual(new Set([0]));
  });

  it('gives rungs of one declared bitrate different quality levels, and the same ones after a reconnect', () => {
    const { segmenter, tracks } = segmented();
    const connect = (mark: number) => {
      const stream = segmenter.openByteStream(`rung${mark}`);
      stream.setTrack('video', published(video(mark), 500));
      stream.addSample('video', frame(0, true));
      return stream;
    };
    const first = [connect(1), connect(2)];
    for (const stream of first) stream.close();
    const again = [connect(2), connect(1)];
    expect(again.map((stream) => stream.tracks()[0]?.folder)).toEqual(['video_500001', 'video_500000']);
    expect(new Set(tracks.map(({ folder }) => folder)).size).toBe(2);
  });

  it('begins a discontinuity after everything before it when the encoder reconnects or its clock jumps', () => {
    const { segmenter, fragments, irregularities } = segmented();
    const first = segmenter.openByteStream('main');
    first.setTrack('video', published(video(1), 800));
    for (let at = 0; at < 2000; at += 40) first.addSample('video', frame(at, at === 0));
    first.close();
    const second = segmenter.openByteStream('main');
    second.setTrack('video', published(video(9), 800));
    for (let at = 0; at < 1000; at += 40) second.addSample('video', frame(at, at === 0));
    for (let at = 0; at < 1000; at += 40) second.addSample('video', frame(90_000 + at, at === 0));
    second.close();
    expect(times(fragments)).toEqual([
      ['video_800000', 0, 2000],
      ['video_800000', 2000, 1000],
      ['video_800000', 3000, 1000],
    ]);
    expect(fragments.map(({ discontinuity, formatIndex }) => [discontinuity, formatIndex])).toEqual([
      [0, 0],
      [1, 1],
      [2, 1],
    ]);
    expect(irregularities).toEqual(['discontinuity']);
  });

  it('goes on after what a recording already holds when it takes over', () => {
    const [track] = segmentedTracks();
    const { segmenter, fragments, tracks } = segmented([
      { tracks: track === undefined ? [] : [track], discontinuity: 4, endTicks: NOW_TICKS + ms(60_000) },
    ]);
    const stream = segmenter.openByteStream('main');
    stream.setTrack('video', published(video(0), 800));
    stream.addSample('video', frame(0, true));
    stream.close();
    expect(tracks).toEqual([track]);
    expect(times(fragments)).toEqual([['video_800000', 60_000, 40]]);
    expect(fragments[0]?.discontinuity).toBe(5);
  });

  it('uses the audio of one byte stream and takes the other when that one dies', () => {
    const { segmenter, fragments } = segmented();
    const streams = ['a', 'b'].map((name) => segmenter.openByteStream(name));
    for (const stream of streams) {
      stream.setTrack('video', published(video(0), 800));
      stream.setTrack('audio', published(audio, 96));
    }
    const [first, second] = streams;
    const feed = (from: number, to: number) => {
      for (let index = from; index < to; index += 1) {
        const sample = frame(Math.round((index * 1024) / 48), true, index);
        for (const stream of streams) stream.addSample('audio', sample);
      }
    };
    feed(0, 100);
    first?.close();
    feed(100, 200);
    second?.close();
    expect(fragments.every(({ track }) => track.folder === 'audio_96000')).toBe(true);
    expect(fragments.reduce((total, { sampleCount }) => total + sampleCount, 0)).toBe(200);
    expectContiguousWithin(fragments, ms(25));
  });

  it('takes over the audio of a connection that lags without saying anything twice', () => {
    const { segmenter, fragments, irregularities } = segmented();
    const [first, second] = ['a', 'b'].map((name) => segmenter.openByteStream(name));
    for (const stream of [first, second]) {
      stream?.setTrack('video', published(video(0), 800));
      stream?.setTrack('audio', published(audio, 96));
    }
    const sample = (index: number) => frame(Math.round((index * 1024) / 48), true, index);
    first?.addSample('video', frame(0, true));
    second?.addSample('video', frame(0, true));
    for (let index = 0; index < 100; index += 1) {
      first?.addSample('audio', sample(index));
      if (index >= 30) second?.addSample('audio', sample(index - 30));
    }
    first?.close();
    for (let index = 70; index < 200; index += 1) second?.addSample('audio', sample(index));
    second?.close();
    const sounds = fragments.filter(({ track }) => track.type === 'audio');
    expect(sounds.flatMap((fragment) => marksOf(fragment))).toEqual(
      Array.from({ length: 200 }, (_, index) => index),
    );
    expect(irregularities).toEqual([]);
  });

  it.each([
    {
      name: 'names',
      tracks: [
        { name: 'Program', language: 'eng' },
        { name: 'Audio Description "AD"', language: 'eng' },
      ],
      are: [
        ['program_96000', 'Program', 'eng'],
        ['audio-description-ad_96000', 'Audio Description  AD', 'eng'],
      ],
    },
    {
      name: 'languages',
      tracks: [{ language: 'de' }, { language: 'fr' }],
      are: [
        ['audio_96000', undefined, 'de'],
        ['audio_fr_96000', undefined, 'fr'],
      ],
    },
    {
      name: 'nothing said',
      tracks: [{}, {}, { language: 'und' }],
      are: [
        ['audio_96000', undefined, undefined],
        ['audio_2_96000', undefined, undefined],
        ['audio_3_96000', undefined, undefined],
      ],
    },
    {
      name: 'two bitrates of one name',
      tracks: [{ name: 'audio' }, { name: 'audio', kbps: 48 }],
      are: [
        ['audio_96000', 'audio', undefined],
        ['audio_48000', 'audio', undefined],
      ],
    },
    {
      name: 'hostile names',
      tracks: [{ name: '../../video' }, { name: 'Video' }, { name: '\u{1F3A4}' }],
      are: [
        ['audio_video_96000', '../../video', undefined],
        ['audio_video_96001', 'Video', undefined],
        ['audio_3_96000', '\u{1F3A4}', undefined],
      ],
    },
  ])('tells several audio tracks of a connection apart by $name', ({ tracks: described, are }) => {
    const { segmenter, tracks, fragments } = segmented();
    const stream = segmenter.openByteStream('main');
    described.forEach((track: { name?: string; language?: string; kbps?: number }, index) => {
      const { name, language, kbps = 96 } = track;
      stream.setTrack(`audio${index}`, { ...published(audio, kbps), name, language });
    });
    for (let index = 0; index < 200; index += 1) {
      const at = Math.round((index * 1024) / 48);
      described.forEach((_, track) => void stream.addSample(`audio${track}`, frame(at, true, index)));
    }
    stream.close();
    expect(tracks.map(({ folder, label, language }) => [folder, label, language])).toEqual(are);
    for (const { folder } of tracks) {
      const own = fragments.filter(({ track }) => track.folder === folder);
      expect(own.flatMap((fragment) => marksOf(fragment))).toHaveLength(200);
    }
    expect(new Set(tracks.map(({ ordinal }) => ordinal)).size).toBe(tracks.length);
  });

  it('makes a track of a connection of sound only, beside one with a picture, and finds it again', () => {
    const { segmenter, fragments, tracks } = segmented();
    const main = segmenter.openByteStream('main');
    main.setTrack('video', published(video(0), 800));
    main.setTrack('audio', published(audio, 96));
    let commentary = segmenter.openByteStream('Kommentar');
    commentary.setTrack('audio', published(audio, 64));
    for (let at = 0; at < 20_000; at += 20) {
      if (at % 40 === 0) main.addSample('video', frame(at, at % 2000 === 0));
      main.addSample('audio', frame(at, true));
      if (at === 12_000) {
        commentary.close();
        commentary = segmenter.openByteStream('Kommentar');
        commentary.setTrack('audio', published(audio, 64));
      }
      commentary.addSample('audio', frame(at, true, 7));
    }
    main.close();
    commentary.close();
    expect(tracks.map(({ folder, label }) => [folder, label])).toEqual([
      ['video_800000', undefined],
      ['audio_96000', undefined],
      ['kommentar_64000', 'Kommentar'],
      ['kommentar_64000', 'Kommentar'],
    ]);
    const spoken = fragments.filter(({ track }) => track.streamName === 'kommentar');
    // Held back for 5 s, until it is clear that there is no picture; nothing is lost, nor when it comes back.
    const seconds = spoken.reduce((total, { durationTicks }) => total + durationTicks, 0) / ms(1000);
    expect(seconds).toBeGreaterThan(19.5);
    expect(seconds).toBeLessThan(20.5);
    expect(spoken.every(({ bytes }) => parseFragment(bytes).samples.length > 0)).toBe(true);
  });

  it('takes no more audio tracks than the live event has', () => {
    const { segmenter, tracks } = segmented([], () => NOW_MS, 1);
    const stream = segmenter.openByteStream('main');
    for (const key of ['a', 'b']) stream.setTrack(key, published(audio, 96));
    expect(['a', 'b'].map((key) => stream.addSample(key, frame(0, true)))).toEqual(['taken', 'ignored']);
    expect(tracks.map(({ folder }) => folder)).toEqual(['audio_96000']);
  });

  it.each([
    {
      name: 'picture stops for 3 s',
      at: (index: number) => (index < 50 ? index * 40 : index * 40 + 3000),
      is: ['discontinuity'],
    },
    {
      name: 'picture steps back',
      at: (index: number) => (index === 60 ? 59 * 40 : index * 40),
      is: ['nonIncreasing'],
    },
    { name: 'all is well', at: (index: number) => index * 40, is: [] },
  ])('notes what is irregular: $name', ({ at, is }) => {
    const { segmenter, irregularities } = segmented();
    const stream = segmenter.openByteStream('main');
    stream.setTrack('video', published(video(0), 800));
    for (let index = 0; index < 150; index += 1)
      stream.addSample('video', frame(at(index), index % 50 === 0));
    stream.close();
    expect(irregularities).toEqual(is);
  });

  it('drops sound that steps back, and keeps the rest', () => {
    const { segmenter, fragments, irregularities } = segmented();
    const stream = segmenter.openByteStream('main');
    stream.setTrack('audio', published(audio, 96));
    const at = (index: number) => Math.round((index * 1024) / 48);
    for (let index = 0; index < 100; index += 1) stream.addSample('audio', frame(at(index), true, index));
    // The last half second once more.
    for (let index = 80; index < 160; index += 1) stream.addSample('audio', frame(at(index), true, index));
    stream.close();
    const marks = fragments.flatMap((fragment) => marksOf(fragment));
    expect(irregularities.length).toBeGreaterThan(10);
    expect(new Set(irregularities)).toEqual(new Set(['nonIncreasing']));
    expect(marks.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, index) => index));
    expect(marks.slice(-58)).toEqual(Array.from({ length: 58 }, (_, index) => 102 + index));
  });

  it('refuses a stretch without key frames once it is longer than any fragment may be', () => {
    const { segmenter } = segmented();
    const stream = segmenter.openByteStream('main');
    stream.setTrack('video', published(video(0), 800));
    const results = Array.from({ length: 600 }, (_, index) =>
      stream.addSample('video', frame(index * 40, index === 0)),
    );
    expect(results.indexOf('fragmentTooLong')).toBe(501);
  });

  it('keeps every sample once, in order, in contiguous fragments that start at key frames', () => {
    const pattern = fc.record({
      gops: fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 12 }),
      frameMs: fc.constantFrom(16, 20, 33, 40),
      audioLeadMs: fc.integer({ min: -300, max: 300 }),
    });
    fc.assert(
      fc.property(pattern, ({ gops, frameMs, audioLeadMs }) => {
        const { segmenter, fragments } = segmented();
        const stream = segmenter.openByteStream('main');
        stream.setTrack('video', published(video(0), 800));
        stream.setTrack('audio', published(audio, 96));
        const frames = gops.flatMap((length) => Array.from({ length }, (_, index) => index === 0));
        const showMs = frames.length * frameMs;
        const samples = [
          ...frames.map((isKey, index) => ({ at: index * frameMs, key: 'video' as const, isKey, index })),
          ...Array.from({ length: Math.floor((showMs * 48) / 1024) }, (_, index) => ({
            at: Math.round((index * 1024) / 48),
            key: 'audio' as const,
            isKey: true,
            index,
          })),
        ].sort((a, b) => arrival(a, audioLeadMs) - arrival(b, audioLeadMs));
        for (const { at, key, isKey, index } of samples)
          stream.addSample(key, frame(1000 + at, isKey, index));
        stream.close();
        for (const type of ['video', 'audio'] as const) {
          const ofType = fragments.filter(({ track }) => track.type === type);
          const kept = ofType.flatMap((fragment) => marksOf(fragment));
          expect(kept).toEqual(samples.filter(({ key }) => key === type).map(({ index }) => index));
          expectContiguousWithin(ofType, 0);
        }
        for (const fragment of fragments) {
          expect(parseFragment(fragment.bytes).samples[0]?.isRandomAccessPoint).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });
});

function arrival(sample: { at: number; key: string }, audioLeadMs: number): number {
  return sample.at - (sample.key === 'audio' ? audioLeadMs : 0);
}

function segmentedTracks(): Track[] {
  const { segmenter, tracks } = segmented();
  const stream = segmenter.openByteStream('main');
  stream.setTrack('video', published(video(0), 800));
  stream.addSample('video', frame(0, true));
  return tracks;
}

function marksOf(fragment: LiveFragment): number[] {
  const { samples } = parseFragment(fragment.bytes);
  return samples.map(
    ({ offset }) => (fragment.bytes[offset] ?? -1) + 256 * (fragment.bytes[offset + 1] ?? 0),
  );
}

function expectContiguousWithin(fragments: readonly LiveFragment[], ticks: number): void {
  fragments.slice(1).forEach((fragment, index) => {
    const before = fragments[index];
    const gap = fragment.decodeTimeTicks - (before?.decodeTimeTicks ?? 0) - (before?.durationTicks ?? 0);
    expect(Math.abs(gap)).toBeLessThanOrEqual(ticks);
  });
}
