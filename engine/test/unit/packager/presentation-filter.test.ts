import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { FragmentEntry, PresentationIndex, TrackIndex } from '../../../src/model/presentation.ts';
import type { Track } from '../../../src/model/track.ts';
import { endTicksOf, shownFragments } from '../../../src/packager/fragment-window.ts';
import { applyFilters, type MediaFilter } from '../../../src/packager/presentation-filter.ts';
import { isSelected, type TrackCondition } from '../../../src/packager/track-selection.ts';
import {
  high180,
  high1080,
  presentation,
  SECOND,
  START_TICKS,
  stereo48,
  track,
  trackIndex,
} from '../../support/presentations.ts';

const filter = (extra: Partial<MediaFilter>): MediaFilter => ({
  name: 'f',
  version: '1',
  timeRange: {},
  firstQualityBps: undefined,
  selections: [],
  ...extra,
});
const range = (timeRange: MediaFilter['timeRange']): MediaFilter => filter({ timeRange });
const at = (seconds: number): number => START_TICKS + Math.round(seconds * SECOND);

const LOW = track('video', { ordinal: 1, bitrateBps: 500_000, formats: [high180] });
const HIGH = track('video', { ordinal: 2, bitrateBps: 2_427_000, formats: [high1080] });
const ENGLISH = {
  ...track('audio', { ordinal: 3, bitrateBps: 128_000, formats: [stereo48] }),
  language: 'en',
};
const GERMAN = { ...ENGLISH, ordinal: 4, streamName: 'audio_de', folder: 'audio_de_128000', language: 'de' };
const CUES: Track = {
  ...{ type: 'text', ordinal: 5, streamName: 'cues', folder: 'cues_1000', bitrateBps: 1000 },
  formats: [
    {
      ...{ kind: 'data', configurationRecord: new Uint8Array(), codecString: '', sampleEntry: 'urim' },
      ...{ subtype: 'DATA', manifestOutput: true },
    },
  ],
};
/** Pictures in GOPs of 2 s, sound in fragments of 1.92 s that straddle them. */
const show = (seconds: number, extra: Partial<PresentationIndex> = {}): PresentationIndex =>
  presentation(
    [
      trackIndex(LOW, [{ startTicks: START_TICKS, count: Math.floor(seconds / 2) }]),
      trackIndex(HIGH, [{ startTicks: START_TICKS, count: Math.floor(seconds / 2) }]),
      ...[ENGLISH, GERMAN].map((one) =>
        trackIndex(one, [
          { startTicks: START_TICKS, count: Math.floor(seconds / 1.92), durationTicks: 1.92 * SECOND },
        ]),
      ),
    ],
    extra,
  );
const ended = (seconds: number): PresentationIndex => show(seconds, { state: 'ended' });
const spansOf = ({ tracks }: PresentationIndex): readonly string[] =>
  tracks.map(({ track: { folder }, fragments }) => {
    const [first, last] = [fragments[0], fragments.at(-1)];
    if (first === undefined || last === undefined) return `${folder} nothing`;
    const seconds = (ticks: number) => Number(((ticks - START_TICKS) / SECOND).toFixed(2));
    return `${folder} ${seconds(first.decodeTimeTicks)}-${seconds(endTicksOf(last))}`;
  });
const foldersOf = ({ tracks }: PresentationIndex): readonly string[] =>
  tracks.map(({ track: { folder } }) => folder);

describe('the time range of a filter', () => {
  it('begins and ends where GOPs do, and keeps what straddles them', () => {
    const part = applyFilters(ended(60), [range({ startTicks: at(11), endTicks: at(20.5) })]);
    expect(spansOf(part)).toEqual([
      'video_500000 10-22',
      'video_2427000 10-22',
      'audio_128000 9.6-23.04',
      'audio_de_128000 9.6-23.04',
    ]);
    // On the borders themselves nothing is added.
    const exact = applyFilters(ended(60), [range({ startTicks: at(10), endTicks: at(20) })]);
    expect(spansOf(exact).slice(0, 3)).toEqual([
      'video_500000 10-20',
      'video_2427000 10-20',
      'audio_128000 9.6-21.12',
    ]);
  });

  it('leaves the numbers of fragments, of discontinuities and the target duration as they are', () => {
    const long = trackIndex(LOW, [
      { startTicks: at(0), count: 1, durationTicks: 6 * SECOND },
      { startTicks: at(6), count: 10, discontinuity: 3 },
    ]);
    const part = applyFilters(presentation([long], { state: 'ended' }), [range({ startTicks: at(10) })]);
    const [cut] = part.tracks;
    expect(cut?.fragments.map(({ sequence }) => sequence)).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
    expect(cut?.removed).toEqual({ longestTicks: 6 * SECOND, formatSinceTicks: undefined });
    expect(cut?.fragments[0]?.discontinuity).toBe(3);
  });

  it('has no end while live, unless that is forced', () => {
    const open = range({ startTicks: at(10), endTicks: at(20) });
    expect(spansOf(applyFilters(show(60), [open]))[0]).toBe('video_500000 10-60');
    expect(spansOf(applyFilters(ended(60), [open]))[0]).toBe('video_500000 10-20');
    const forced = range({ startTicks: at(10), endTicks: at(20), isEndForced: true });
    const clip = applyFilters(show(60, { rewindTicks: 60 * SECOND }), [forced]);
    expect(clip).toMatchObject({ state: 'ended', rewindTicks: undefined });
    expect(spansOf(clip)[0]).toBe('video_500000 10-20');
  });

  it.each([
    ['the end is still to come', { endTicks: at(62) }, {}],
    ['the start has left the window', { startTicks: at(29), endTicks: at(40) }, { rewindTicks: 30 * SECOND }],
  ])('is 410 when it is forced and %s', (_, timeRange, extra) => {
    expect(() => applyFilters(show(60, extra), [range({ ...timeRange, isEndForced: true })])).toThrow(
      expect.objectContaining({ code: 'MPE_FILTER_FORCE_END_LEFT_EDGE_CROSSED_DVR_WINDOW' }),
    );
  });

  it('can begin in the future of what is live, and has nothing until then', () => {
    const part = applyFilters(show(60), [range({ startTicks: at(100) })]);
    expect(spansOf(part)[0]).toBe('video_500000 nothing');
    expect(() => applyFilters(ended(60), [range({ startTicks: at(100) })])).toThrow(
      expect.objectContaining({ code: 'MPE_FILTER_REMOVED_ALL_STREAMS' }),
    );
  });

  it('keeps text that reaches into it, and drops a track with nothing in it', () => {
    const text = trackIndex(CUES, [{ startTicks: at(4), count: 3, durationTicks: 8 * SECOND }]);
    const index = { ...ended(60), tracks: [...ended(60).tracks, text] };
    expect(spansOf(applyFilters(index, [range({ startTicks: at(11), endTicks: at(13) })])).slice(-1)).toEqual(
      ['cues_1000 4-20'],
    );
    expect(foldersOf(applyFilters(index, [range({ startTicks: at(40) })]))).not.toContain('cues_1000');
  });

  it('shows a window behind the live edge, and forgets what is long out of it', () => {
    const index = show(1000, { rewindTicks: 600 * SECOND });
    const part = applyFilters(index, [range({ windowTicks: 60 * SECOND, backoffTicks: 15 * SECOND })]);
    expect(part).toMatchObject({ rewindTicks: 60 * SECOND, liveBackoffTicks: 15 * SECOND });
    // Up to 985 s, and 60 s back from there; a minute more can be fetched.
    expect(spansOf(part)[0]).toBe('video_500000 864-984');
    expect(shownFragments(part, part.tracks[0] ?? trackIndex(LOW, []))[0]?.decodeTimeTicks).toBe(at(924));
    const ofEnded = applyFilters({ ...index, state: 'ended' }, [
      range({ windowTicks: 60 * SECOND, backoffTicks: 15 * SECOND }),
    ]);
    expect(spansOf(ofEnded)[0]).toBe('video_500000 0-1000');
  });

  it.each([
    ['MPE_FILTER_LIVE_BACKOFF_OVER_PRESENTATION_WINDOW', { windowTicks: 60 * SECOND }, undefined],
    ['MPE_FILTER_LIVE_BACKOFF_OVER_DVRWINDOW', {}, 60 * SECOND],
  ])('refuses %s', (code, timeRange, rewindTicks) => {
    const backoff = range({ ...timeRange, backoffTicks: 60 * SECOND });
    expect(() => applyFilters(show(1000, { rewindTicks }), [backoff])).toThrow(
      expect.objectContaining({ code }),
    );
  });
});

describe('the tracks of a filter', () => {
  const is = (property: TrackCondition['property'], value: string): TrackCondition => ({
    property,
    value,
    isEqual: true,
  });
  const not = (property: TrackCondition['property'], value: string): TrackCondition => ({
    ...is(property, value),
    isEqual: false,
  });
  const unknown = { ...ENGLISH, language: undefined };
  const hevc: Track = { ...HIGH, formats: [{ ...high1080, kind: 'hevc', codecString: 'hvc1.1.6.L93.90' }] };

  it.each([
    ['no condition', LOW, [], true],
    ['type', LOW, [is('type', 'VIDEO')], true],
    ['another type', LOW, [is('type', 'Audio')], false],
    ['not another type', LOW, [not('type', 'Audio')], true],
    ['text', CUES, [is('type', 'Text')], true],
    ['name', GERMAN, [is('name', 'Audio_DE')], true],
    ["the encoder's name", { ...GERMAN, label: 'Deutsch' }, [is('name', 'deutsch')], true],
    ['language', GERMAN, [is('language', 'DE')], true],
    ['part of a language', GERMAN, [is('language', 'd')], false],
    ['no language', { ...unknown, language: 'und' }, [is('language', 'und')], true],
    ['not that language', GERMAN, [not('language', 'de')], false],
    ['FourCC', LOW, [is('fourCc', 'AVC1')], true],
    ['FourCC of sound', ENGLISH, [is('fourCc', 'mp4a')], true],
    ['FourCC that is not there', ENGLISH, [not('fourCc', 'EC-3')], true],
    ['FourCC of HEVC by its other name', hevc, [is('fourCc', 'hev1')], true],
    ['FourCC of text', CUES, [is('fourCc', 'urim')], true],
    ['bitrate', LOW, [is('bitrate', '500000')], true],
    ['range of bitrates', HIGH, [is('bitrate', '0-2427000')], true],
    ['outside of it', HIGH, [is('bitrate', '0-2426999')], false],
    ['not in it', HIGH, [not('bitrate', '0-2426999')], true],
    ['all of two', LOW, [is('type', 'Video'), is('bitrate', '0-1000000')], true],
    ['one of two', HIGH, [is('type', 'Video'), is('bitrate', '0-1000000')], false],
  ])('by %s', (_, of, conditions, expected) => {
    expect(isSelected(of, [conditions])).toBe(expected);
  });

  it('are those of any selection, and of every filter', () => {
    const video = filter({ selections: [[is('type', 'Video')], [is('language', 'en')]] });
    expect(foldersOf(applyFilters(show(10), [video]))).toEqual([
      'video_500000',
      'video_2427000',
      'audio_128000',
    ]);
    const small = filter({ name: 'g', selections: [[is('bitrate', '0-500000')]] });
    expect(foldersOf(applyFilters(show(10), [video, small]))).toEqual(['video_500000', 'audio_128000']);
    expect(() =>
      applyFilters(show(10), [video, filter({ name: 'h', selections: [[is('language', 'de')]] })]),
    ).toThrow(expect.objectContaining({ code: 'MPE_FILTER_REMOVED_ALL_STREAMS' }));
  });

  it.each([
    [2_500_000, 'video_2427000'],
    [2_000_000, 'video_500000'],
    [1, 'video_500000'],
  ])('begin with the quality for %d bit/s', (firstQualityBps, first) => {
    const index = applyFilters(show(10), [filter({ firstQualityBps })]);
    expect(foldersOf(index)[0]).toBe(first);
    expect(foldersOf(index).toSorted()).toEqual(foldersOf(show(10)).toSorted());
  });

  it('do not begin with two qualities', () => {
    const two = [filter({ firstQualityBps: 1 }), filter({ name: 'g', firstQualityBps: 2 })];
    expect(() => applyFilters(show(10), two)).toThrow(
      expect.objectContaining({ code: 'MPE_FILTER_COMPOSITION_MULTIPLE_FIRST_QUALITY_OPERATOR_NOT_ALLOWED' }),
    );
  });
});

describe('any filters', () => {
  const seconds = fc.integer({ min: -20, max: 400 }).map((tenths) => at(tenths / 2));
  const timeRange = fc.record(
    {
      startTicks: seconds,
      endTicks: seconds,
      windowTicks: fc.integer({ min: 60, max: 120 }).map((one) => one * SECOND),
      backoffTicks: fc.integer({ min: 0, max: 50 }).map((one) => one * SECOND),
    },
    { requiredKeys: [] },
  );
  const condition = fc.record({
    property: fc.constantFrom<TrackCondition['property']>('type', 'language', 'bitrate'),
    value: fc.constantFrom('video', 'audio', 'en', '0-500000'),
    isEqual: fc.boolean(),
  });
  const filters = fc.array(
    fc.record({ timeRange, selections: fc.array(fc.array(condition, { maxLength: 2 }), { maxLength: 2 }) }),
    { minLength: 1, maxLength: 3 },
  );
  const toFilters = (parts: readonly Pick<MediaFilter, 'timeRange' | 'selections'>[]) =>
    parts.map((part, position) => filter({ name: `f${position}`, ...part }));
  /** Undefined: refused. */
  const applied = (index: PresentationIndex, of: readonly MediaFilter[]): PresentationIndex | undefined => {
    try {
      return applyFilters(index, of);
    } catch (error) {
      expect(error).toMatchObject({ name: 'RefusedFilter' });
      return undefined;
    }
  };
  const entriesOf = (index: PresentationIndex, { track: { folder } }: TrackIndex) =>
    index.tracks.find(({ track: other }) => other.folder === folder)?.fragments ?? [];

  it('leave a part of what there was, without holes', () => {
    fc.assert(
      fc.property(filters, fc.boolean(), (parts, isLive) => {
        const index = isLive ? show(180) : ended(180);
        for (const one of applied(index, toFilters(parts))?.tracks ?? []) {
          const all = entriesOf(index, one);
          const from = all.indexOf(one.fragments[0] ?? all[0] ?? throwMissing());
          expect(one.fragments).toEqual(all.slice(from, from + one.fragments.length));
        }
      }),
    );
  });

  it('leave the same when they are asked for twice', () => {
    fc.assert(
      fc.property(filters, fc.boolean(), (parts, isLive) => {
        const index = isLive ? show(180) : ended(180);
        const once = toFilters(parts);
        expect(applied(index, [...once, ...once])).toEqual(applied(index, once));
        if (once.some(({ timeRange: { backoffTicks = 0 } }) => backoffTicks > 0) && isLive) return;
        const result = applied(index, once);
        expect(result && applied(result, once)).toEqual(result);
      }),
    );
  });

  it('move on with what is live, and never back', () => {
    const edges = (fragments: readonly FragmentEntry[]) =>
      [fragments[0], fragments.at(-1)].map((entry) => entry?.sequence ?? -1);
    fc.assert(
      fc.property(filters, fc.integer({ min: 10, max: 200 }), (parts, length) => {
        const [before, after] = [length, length + 4].map((one) =>
          applied(show(one, { rewindTicks: 100 * SECOND }), toFilters(parts)),
        );
        for (const one of before?.tracks ?? []) {
          const next = after?.tracks.find(({ track: { folder } }) => folder === one.track.folder);
          if (before === undefined || after === undefined || next === undefined) throw new Error('gone');
          const [first = -1, last = -1] = edges(shownFragments(before, one));
          const [nextFirst = -1, nextLast = -1] = edges(shownFragments(after, next));
          expect(nextFirst).toBeGreaterThanOrEqual(first);
          expect(nextLast).toBeGreaterThanOrEqual(last);
        }
      }),
    );
  });
});

function throwMissing(): never {
  throw new Error('the presentation has no fragments');
}
