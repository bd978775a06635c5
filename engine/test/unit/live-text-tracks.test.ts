import { describe, expect, it } from '@jest/globals';
import { parseFragment } from '../../src/formats/isobmff/fragment-reader.ts';
import type { PublishedTrack, TextFragment } from '../../src/ingest/publish-session.ts';
import { EventSegmenter } from '../../src/live/event-segmenter.ts';
import type { LiveFragment } from '../../src/live/live-fragment.ts';
import { MergedStream } from '../../src/live/merged-stream.ts';
import { TEXT_FRAGMENT_BYTES_MAX, TEXTS_HELD_MAX } from '../../src/live/text-tracks.ts';
import { TrackMonitor } from '../../src/live/track-monitor.ts';
import { parseIndexLine, writeIndexLine } from '../../src/model/index-line.ts';
import type { DataFormat, Track } from '../../src/model/track.ts';
import { writeIsm, writeIsmc } from '../../src/packager/smooth-packager.ts';
import { TICKS_PER_MILLISECOND, TIMELINE_EPOCH_MS } from '../../src/time/timescale.ts';

const NOW_MS = TIMELINE_EPOCH_MS + 1_000_000;
const NOW_TICKS = 1_000_000 * TICKS_PER_MILLISECOND;
const ms = (count: number) => count * TICKS_PER_MILLISECOND;

const CUES: DataFormat = {
  kind: 'data',
  configurationRecord: new Uint8Array(),
  codecString: '',
  sampleEntry: 'urim',
  subtype: 'DATA',
  scheme: 'urn:scte:scte35:2013:bin',
  parentTrackName: 'Camera <1>',
  manifestOutput: true,
};
const cues = (name: string | undefined): PublishedTrack => ({
  ...{ type: 'text', name, language: undefined, format: CUES },
  ...{ declaredBitrateBps: undefined, declaredFrameRate: undefined },
});
const video: PublishedTrack = {
  ...{ type: 'video', name: undefined, language: undefined, declaredBitrateBps: 800_000 },
  declaredFrameRate: 25,
  format: {
    kind: 'h264',
    configurationRecord: new Uint8Array([1, 100, 0, 31, 255, 0xe1, 0, 1, 0x67, 1, 0, 1, 0x68]),
    codecString: 'avc1.64001f',
    ...{ width: 640, height: 360, frameRate: 25 },
  },
};
const sound: PublishedTrack = {
  ...{ type: 'audio', name: 'cues', language: undefined, declaredBitrateBps: 64_000 },
  declaredFrameRate: undefined,
  format: {
    kind: 'aac',
    configurationRecord: new Uint8Array([0x11, 0x90]),
    codecString: 'mp4a.40.2',
    ...{ sampleRateHz: 48_000, channelCount: 2 },
  },
};

function text(atMs: number, data: Uint8Array = Buffer.from(`at ${atMs}`), lastsMs = 0): TextFragment {
  const dtsTicks = ms(atMs);
  const sample = { dtsTicks, durationTicks: ms(lastsMs), compositionOffsetTicks: 0 };
  return { timestampTicks: dtsTicks, samples: [{ ...sample, isRandomAccessPoint: true, data }] };
}

function liveEvent() {
  const fragments: LiveFragment[] = [];
  const tracks = new Map<string, Track>();
  const started: string[] = [];
  const irregularities: string[] = [];
  const segmenter = new EventSegmenter({
    soFar: [],
    audioTracksMax: 8,
    clock: { now: () => NOW_MS },
    output: {
      trackKnown: (track) => void tracks.set(track.folder, track),
      trackStarted: ({ track }) => started.push(track.folder),
      sampleTaken: () => undefined,
      irregular: ({ folder }, { kind }) => irregularities.push(`${folder} ${kind}`),
      fragment: (fragment) => fragments.push(fragment),
    },
  });
  const main = segmenter.openByteStream('main');
  main.setTrack('video', video);
  const pictures = (fromMs: number, toMs: number) => {
    for (let at = fromMs; at < toMs; at += 40) {
      const data = new Uint8Array([at & 255]);
      const isRandomAccessPoint = at % 2000 === 0;
      main.addSample('video', { dtsTicks: ms(at), compositionOffsetTicks: 0, isRandomAccessPoint, data });
    }
  };
  const stream = segmenter.openByteStream('cues');
  stream.setTrack('text', cues('cues'));
  /** Where each lies after the beginning of the picture, in ms, and what it says. */
  const texts = () =>
    fragments
      .filter(({ track }) => track.type === 'text')
      .map(({ decodeTimeTicks, bytes }) => {
        const [sample] = parseFragment(bytes).samples;
        const at = sample?.offset ?? 0;
        const said = Buffer.from(bytes.subarray(at, at + (sample?.sizeBytes ?? 0))).toString();
        return `${(decodeTimeTicks - NOW_TICKS) / TICKS_PER_MILLISECOND}: ${said}`;
      });
  const media = () => fragments.filter(({ track }) => track.type !== 'text');
  return { segmenter, fragments, tracks, started, irregularities, main, stream, pictures, texts, media };
}

describe('sparse tracks of a live event', () => {
  it('change nothing of the picture beside which they come', () => {
    const without = liveEvent();
    without.pictures(0, 9000);
    without.main.close();
    const live = liveEvent();
    live.pictures(0, 3000);
    live.stream.addTextFragment('text', text(2990, Buffer.from('in 20 s'), 400_000));
    live.main.setTrack('own', cues('own'));
    live.main.addTextFragment('own', text(3000));
    live.pictures(3000, 9000);
    live.stream.addTextFragment('text', text(8000));
    live.main.close();
    expect(live.media()).toEqual(without.media());
    expect(live.texts()).toEqual(['2990: in 20 s', '3000: at 3000', '8000: at 8000']);
    expect(live.started).toEqual(['video_800000', 'cues_0', 'own_0']);
    expect(live.irregularities).toEqual([]);
    expect(live.segmenter.liveTracks().map(({ type }) => type)).not.toContain('text');
  });

  it('wait for the first picture, as many as there is room for', () => {
    const { stream, texts, pictures } = liveEvent();
    for (let at = 0; at < TEXTS_HELD_MAX + 4; at += 1) stream.addTextFragment('text', text(at * 100));
    expect(texts()).toEqual([]);
    pictures(0, 2080);
    const held = Array.from({ length: TEXTS_HELD_MAX }, (_, at) => (at + 4) * 100);
    expect(texts()).toEqual(held.map((at) => `${at}: at ${at}`));
  });

  it.each([
    { name: 'the same once more', next: text(4000), told: [] },
    { name: 'one before it', next: text(3900), told: ['cues_0 overlap'] },
    { name: 'one by another clock', next: text(900_000_000), told: ['cues_0 overlap'] },
    { name: 'one of long ago', next: text(-61_000), told: ['cues_0 overlap'] },
    {
      name: 'one that is too large',
      next: text(4500, new Uint8Array(TEXT_FRAGMENT_BYTES_MAX + 1)),
      told: [],
    },
  ])('are not said twice or out of place: $name', ({ next, told }) => {
    const { stream, texts, pictures, irregularities } = liveEvent();
    pictures(0, 4000);
    stream.addTextFragment('text', text(4000));
    stream.addTextFragment('text', next);
    stream.addTextFragment('text', text(5000));
    expect(texts()).toEqual(['4000: at 4000', '5000: at 5000']);
    expect(irregularities).toEqual(told);
  });

  it('go on as the same track with another connection, and keep off the names of others', () => {
    const { segmenter, stream, main, pictures, fragments } = liveEvent();
    const folders = () => [...new Set(fragments.map(({ track }) => track.folder))];
    pictures(0, 2080);
    stream.addTextFragment('text', text(2000));
    stream.close();
    const again = segmenter.openByteStream('cues');
    for (const [at, name] of ['CUES', 'video', undefined, 'ids'].entries()) {
      again.setTrack(`${at}`, cues(name));
      again.addTextFragment(`${at}`, text(3000));
    }
    main.setTrack('sound', sound);
    for (let at = 2000; at < 4100; at += 20) {
      const data = new Uint8Array([1]);
      const sample = { dtsTicks: ms(at), compositionOffsetTicks: 0, isRandomAccessPoint: true, data };
      main.addSample('sound', sample);
    }
    pictures(2080, 4080);
    main.close();
    expect(folders().toSorted()).toEqual(
      ['cues_0', 'cues_64000', 'ids_0', 'text_0', 'text_video_0', 'video_800000'].toSorted(),
    );
  });

  it('leave room for picture and sound', () => {
    const { stream, main, pictures, texts, tracks } = liveEvent();
    pictures(0, 2080);
    for (let at = 0; at < 40; at += 1) {
      stream.setTrack(`${at}`, cues(`cues ${at}`));
      stream.addTextFragment(`${at}`, text(2000));
    }
    expect(texts()).toHaveLength(8);
    main.setTrack('low', { ...video, declaredBitrateBps: 100_000 });
    const data = new Uint8Array([1]);
    main.addSample('low', {
      ...{ dtsTicks: ms(2000), compositionOffsetTicks: 0, isRandomAccessPoint: true, data },
    });
    expect(tracks.has('video_100000')).toBe(true);
  });

  it('are each taken once from any number of connections, also while the one before still lasts', () => {
    const { stream: sink, pictures, texts, irregularities } = liveEvent();
    const merged = new MergedStream({
      sink,
      clock: { now: () => NOW_MS },
      onDropped: () => undefined,
    });
    pictures(0, 2080);
    for (const times of [[1000], [1000, 1500], [1000, 1501, 2000], [1200]]) {
      const member = merged.join('primary');
      member.setTrack('text', cues('cues'));
      for (const at of times) {
        const fragment = { timestampTicks: ms(at), durationTicks: ms(30_000) };
        if (member.beginFragment('text', fragment)) member.addTextFragment('text', text(at));
      }
      member.leave();
    }
    expect(texts()).toEqual(['1000: at 1000', '1500: at 1500', '2000: at 2000']);
    expect(irregularities).toEqual(['cues_0 overlap']);
  });

  it('are healthy in their heartbeats when they say nothing for long, or much at once', () => {
    const facts = { trackType: 'text', trackName: 'cues', bitrateBps: 1000 } as const;
    const monitor = new TrackMonitor({ ...facts, nowMs: NOW_MS });
    const healths = [0, 1_000_000].map((sizeBytes, at) => {
      if (sizeBytes > 0) monitor.addSample(NOW_TICKS, sizeBytes);
      const { healthy, unexpectedBitrate } = monitor.takeHeartbeat(NOW_MS + (at + 1) * 20_000, 'Running');
      return { healthy, unexpectedBitrate };
    });
    expect(healths).toEqual(Array(2).fill({ healthy: true, unexpectedBitrate: false }));
  });

  it('stand in the index of a recording and in its manifests', () => {
    const { stream, pictures, fragments, tracks } = liveEvent();
    pictures(0, 4080);
    stream.addTextFragment('text', text(3000, Buffer.from('<&>'), 30_000));
    const track = tracks.get('cues_0');
    const picture = tracks.get('video_800000');
    if (track === undefined || picture === undefined) throw new Error('no track');
    const line = { kind: 'track', track } as const;
    expect(parseIndexLine(writeIndexLine(line))).toEqual(line);
    const entriesOf = (folder: string) =>
      fragments
        .filter((fragment) => fragment.track.folder === folder)
        .map(({ bytes, track: _, ...fragment }, sequence) => ({
          ...{ ...fragment, sequence, sizeBytes: bytes.length, firstSample: 0, committedAtMs: NOW_MS },
        }));
    const index = {
      state: 'ended',
      rewindTicks: undefined,
      tracks: [picture, track].map((each) => ({ track: each, fragments: entriesOf(each.folder) })),
    } as const;
    expect(writeIsm(index, 'main')).toContain(
      [
        '      <textstream src="cues_0" systemBitrate="0" systemLanguage="und">',
        '        <param name="systemBitrate" value="0" valuetype="data"/>',
        '        <param name="trackID" value="2" valuetype="data"/>',
        '        <param name="trackName" value="cues" valuetype="data"/>',
        '        <param name="Subtype" value="DATA" valuetype="data"/>',
        '        <param name="Scheme" value="urn:scte:scte35:2013:bin" valuetype="data"/>',
        '        <param name="parentTrackName" value="video" valuetype="data"/>',
        '        <param name="manifestOutput" value="true" valuetype="data"/>',
        '      </textstream>',
      ].join('\n'),
    );
    const ismc = writeIsmc(index);
    expect(ismc).toContain('Duration="40000000"');
    expect(ismc).toContain(
      [
        '  <StreamIndex Type="text" Subtype="DATA" Name="cues" Language="und" QualityLevels="1" Chunks="1" ParentStreamIndex="video" Scheme="urn:scte:scte35:2013:bin" Url="QualityLevels({bitrate})/Fragments(cues={start time})">',
        '    <QualityLevel Index="0" Bitrate="0" FourCC="DATA" CodecPrivateData=""/>',
        `    <c t="${NOW_TICKS + ms(3000)}" d="${ms(30_000)}"/>`,
        '  </StreamIndex>',
      ].join('\n'),
    );
  });
});
