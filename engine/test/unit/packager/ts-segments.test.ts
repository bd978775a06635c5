import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { FragmentEntry, PresentationIndex, TrackIndex } from '../../../src/model/presentation.ts';
import { cutToWindow } from '../../../src/packager/fragment-window.ts';
import { writeMediaPlaylist } from '../../../src/packager/hls-media-playlist.ts';
import { fragmentsOfTsSegment } from '../../../src/packager/ts-packager.ts';
import { fragmentsPerTsSegmentBy, tsSegmentOf } from '../../../src/packager/ts-segments.ts';
import { readHls } from '../../support/manifest-readers.ts';
import {
  high180,
  presentation,
  SECOND,
  START_TICKS,
  stereo48,
  track,
  trackIndex,
} from '../../support/presentations.ts';
import { clearForm } from '../../support/streaming-forms.ts';

const video = track('video', { ordinal: 1, bitrateBps: 400_000, formats: [high180] });
const audio = track('audio', { ordinal: 2, bitrateBps: 128_000, formats: [stereo48] });

describe('how many fragments a segment has', () => {
  it.each([
    [2 * SECOND, 3],
    [3 * SECOND, 3],
    [3.005 * SECOND, 3],
    [4 * SECOND, 2],
    [5 * SECOND, 2],
    [6 * SECOND, 1],
  ])('key frames every %d ticks: %d', (intervalTicks, fragments) => {
    expect(fragmentsPerTsSegmentBy(intervalTicks)).toBe(fragments);
  });
});

describe('a segment too long for its window', () => {
  it('is refused while live', () => {
    const index = presentation([trackIndex(video, [{ startTicks: START_TICKS, count: 20 }])], {
      rewindTicks: 17 * SECOND,
    });
    const write = (of: PresentationIndex) =>
      writeMediaPlaylist(of, lead(of), { form: clearForm('m3u8-aapl'), isKeyFrames: false });
    expect(() => write(index)).toThrow(expect.objectContaining({ code: 'MPE_HLS_SEGMENT_TOO_LARGE' }));
    expect(write({ ...index, rewindTicks: 18 * SECOND })).toContain('#EXTINF:6.000000,');
    expect(write({ ...index, state: 'ended' })).toContain('#EXT-X-ENDLIST');
  });
});

/** Sessions with holes and odd lengths; the sound of one begins late or is cut differently, or is missing. */
const history = fc.array(
  fc.record({
    gapTicks: fc.constantFrom(0, 3 * SECOND, 40 * SECOND),
    count: fc.integer({ min: 1, max: 9 }),
    sessions: fc.constantFrom(0, 1, 1, 1, 2),
    soundCount: fc.constantFrom(-1, 0, 0, 0, 1),
    soundDelayTicks: fc.integer({ min: -400_000, max: 400_000 }),
  }),
  { minLength: 1, maxLength: 6 },
);

describe('segments of a presentation while its window moves', () => {
  it.each(['m3u8-aapl', 'm3u8-aapl-v3'] as const)(
    '%s: never another number, never another content, none left out',
    (format) => {
      fc.assert(
        fc.property(
          history,
          fc.integer({ min: 1, max: 5 }),
          fc.integer({ min: 2, max: 20 }),
          (parts, n, window) => {
            const whole = tracksOf(parts);
            const shown = new Set<FragmentEntry>();
            const moments = momentsOf(whole, window * 2 * SECOND).map((index) => ({
              ...index,
              fragmentsPerTsSegment: n,
            }));
            const known = { format, said: new Map<string, string>(), shown };
            for (const index of moments) {
              for (const each of index.tracks) expectStable(index, each, known);
            }
            expect(shown.size).toBe(whole.reduce((sum, { fragments }) => sum + fragments.length, 0));
          },
        ),
        { numRuns: 15 },
      );
    },
    60_000,
  );
});

/** After every fragment, within a window of all tracks, and at the end. */
function momentsOf(whole: readonly TrackIndex[], windowTicks: number): PresentationIndex[] {
  const live = (whole[0]?.fragments ?? []).map((_, at) =>
    presentation(
      whole.map((each) => ({
        ...each,
        fragments: cutToWindow(each.fragments.slice(0, at + 1), windowTicks),
      })),
    ),
  );
  return [...live, presentation(whole, { state: 'ended' })];
}

function expectStable(
  index: PresentationIndex,
  of: TrackIndex,
  known: {
    readonly format: 'm3u8-aapl' | 'm3u8-aapl-v3';
    readonly said: Map<string, string>;
    readonly shown: Set<FragmentEntry>;
  },
): void {
  const form = clearForm(known.format);
  const text = writeMediaPlaylist(index, of, { form, isKeyFrames: false });
  const playlist = readHls(text);
  if (playlist.kind !== 'media') throw new Error('not a media playlist');
  const marks = marksOf(text);
  playlist.segments.forEach(({ uri, durationSeconds }, at) => {
    const { isGap, discontinuities } = marks[at] ?? { isGap: true, discontinuities: 0 };
    if (isGap) return;
    const ticks = Number(/=(\d+),/.exec(uri)?.[1]);
    const found = tsSegmentOf(index, of, { decodeTimeTicks: ticks, form });
    if (found.kind !== 'found') throw new Error(`${uri} is listed and ${found.kind}`);
    const { number, entries } = found.segment;
    expect(number).toBe(playlist.mediaSequenceNumber + at);
    const [first] = entries;
    expect(entries.every(({ discontinuity }) => discontinuity === first.discontinuity)).toBe(true);
    expect(playlist.discontinuitySequenceNumber + discontinuities).toBe(first.discontinuity);
    expect(durationSeconds).toBeCloseTo(
      entries.reduce((sum, entry) => sum + entry.durationTicks, 0) / SECOND,
      5,
    );
    expect(Math.round(durationSeconds)).toBeLessThanOrEqual(playlist.targetDurationSeconds);
    for (const entry of entries) known.shown.add(entry);
    const content = fragmentsOfTsSegment(found.segment).map(
      ({ track: { streamName }, entry }) => `${streamName}=${entry.decodeTimeTicks}`,
    );
    const now = `${number} ${content.join()}`;
    const address = `${of.track.streamName}/${uri}`;
    expect(known.said.get(address) ?? now).toBe(now);
    known.said.set(address, now);
  });
}

/** Of every segment: whether it is a gap, and how many discontinuities come before it (readers count tags in a row once). */
function marksOf(text: string): { readonly isGap: boolean; readonly discontinuities: number }[] {
  const marks: { isGap: boolean; discontinuities: number }[] = [];
  let discontinuities = 0;
  let isGap = false;
  for (const line of text.split('\n')) {
    if (line === '#EXT-X-DISCONTINUITY') discontinuities += 1;
    if (line === '#EXT-X-GAP') isGap = true;
    if (!line.startsWith('#EXTINF')) continue;
    marks.push({ isGap, discontinuities });
    isGap = false;
  }
  return marks;
}

function tracksOf(
  parts: readonly {
    readonly gapTicks: number;
    readonly count: number;
    readonly sessions: number;
    readonly soundCount: number;
    readonly soundDelayTicks: number;
  }[],
): TrackIndex[] {
  let startTicks = START_TICKS;
  let discontinuity = 0;
  const stretches = parts.map(({ gapTicks, count, sessions, soundCount, soundDelayTicks }) => {
    discontinuity += sessions;
    startTicks += gapTicks + SECOND;
    const stretch = { startTicks, count, discontinuity };
    const sound = { startTicks: startTicks + soundDelayTicks, count: count + soundCount, discontinuity };
    startTicks += (count + 1) * 2 * SECOND;
    return { stretch, sound };
  });
  return [
    trackIndex(
      video,
      stretches.map(({ stretch }) => stretch),
    ),
    trackIndex(
      audio,
      stretches.map(({ sound }) => sound),
    ),
  ];
}

function lead({ tracks }: PresentationIndex): TrackIndex {
  const [first] = tracks;
  if (first === undefined) throw new Error('no track');
  return first;
}
