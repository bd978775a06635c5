import { describe, expect, it } from '@jest/globals';
import type { FragmentEntry, PresentationIndex, TrackIndex } from '../../../src/model/presentation.ts';
import type { Track } from '../../../src/model/track.ts';
import { mpdPhaseOf, writeMpd } from '../../../src/packager/dash-packager.ts';
import { cutToWindow, findFragment } from '../../../src/packager/fragment-window.ts';
import { writeMediaPlaylist } from '../../../src/packager/hls-media-playlist.ts';
import { writeMultivariantPlaylist } from '../../../src/packager/hls-packager.ts';
import { clearForm } from '../../support/streaming-forms.ts';

const SECOND = 10_000_000;
const T0 = 2_000_000_000_000_000;

const video: Track = {
  type: 'video',
  ordinal: 1,
  streamName: 'video',
  bitrateBps: 2_500_000,
  folder: 'video_2500000',
  formats: [0, 1].map((index) => ({
    kind: 'h264',
    configurationRecord: new Uint8Array(),
    codecString: 'avc1.64001f',
    width: 1280 - index * 320,
    height: 720,
    frameRate: undefined,
  })),
};

function entries(count: number, change?: Partial<FragmentEntry> & { from: number }): FragmentEntry[] {
  return Array.from({ length: count }, (_, sequence) => ({
    sequence,
    decodeTimeTicks: T0 + sequence * 2 * SECOND,
    durationTicks: 2 * SECOND,
    sizeBytes: 500_000,
    sampleCount: 50,
    firstSample: sequence * 50,
    discontinuity: 0,
    formatIndex: 0,
    committedAtMs: 0,
    ...(change !== undefined && sequence >= change.from
      ? { discontinuity: change.discontinuity ?? 0, formatIndex: change.formatIndex ?? 0 }
      : {}),
  }));
}

function presentation(fragments: readonly FragmentEntry[], extra: Partial<PresentationIndex> = {}) {
  const trackIndex: TrackIndex = { track: video, fragments };
  const index: PresentationIndex = { state: 'live', tracks: [trackIndex], rewindTicks: undefined, ...extra };
  return { index, trackIndex };
}

describe('window and lookup', () => {
  it('keeps what reaches into the window, at least the last fragment', () => {
    const all = entries(10);
    expect(cutToWindow(all, undefined)).toHaveLength(10);
    expect(cutToWindow(all, 6 * SECOND).map(({ sequence }) => sequence)).toEqual([7, 8, 9]);
    expect(cutToWindow(all, 5 * SECOND).map(({ sequence }) => sequence)).toEqual([7, 8, 9]);
    expect(cutToWindow(all, 0).map(({ sequence }) => sequence)).toEqual([9]);
    expect(cutToWindow([], 0)).toEqual([]);
  });

  it.each([
    ['the first', T0, 'live', 'found'],
    ['one in between', T0 + 1, 'live', 'gone'],
    ['one before the window', T0 - 1, 'live', 'gone'],
    ['one ahead of the live edge', T0 + 6 * SECOND, 'live', 'notReady'],
    ['one after the end', T0 + 6 * SECOND, 'ended', 'gone'],
  ] as const)('finds %s', (_, time, state, kind) => {
    expect(findFragment(presentation(entries(3)).trackIndex, time, state)).toMatchObject({ kind });
  });
});

describe('playlists', () => {
  it('writes a live window with a discontinuity and a new map', () => {
    const { index, trackIndex } = presentation(entries(4, { from: 3, discontinuity: 1, formatIndex: 1 }), {
      rewindTicks: 4 * SECOND,
    });
    expect(writeMediaPlaylist(index, trackIndex, { form: clearForm('m3u8-cmaf'), isKeyFrames: false })).toBe(
      [
        '#EXTM3U',
        '#EXT-X-VERSION:7',
        '#EXT-X-TARGETDURATION:2',
        '#EXT-X-MEDIA-SEQUENCE:2',
        '#EXT-X-DISCONTINUITY-SEQUENCE:0',
        '#EXT-X-MAP:URI="Fragments(video=i,format=m3u8-cmaf)"',
        '#EXT-X-PROGRAM-DATE-TIME:2026-05-03T19:33:24.000Z',
        '#EXTINF:2.000000,',
        'Fragments(video=2000000040000000,format=m3u8-cmaf)',
        '#EXT-X-DISCONTINUITY',
        '#EXT-X-MAP:URI="Fragments(video=i1,format=m3u8-cmaf)"',
        '#EXT-X-PROGRAM-DATE-TIME:2026-05-03T19:33:26.000Z',
        '#EXTINF:2.000000,',
        'Fragments(video=2000000060000000,format=m3u8-cmaf)',
        '',
      ].join('\n'),
    );
  });

  it('calls an ended recording VOD only when nothing of it was removed', () => {
    const whole = presentation(entries(2), { state: 'ended', rewindTicks: SECOND });
    const text = writeMediaPlaylist(whole.index, whole.trackIndex, {
      form: clearForm('m3u8-cmaf'),
      isKeyFrames: false,
    });
    expect(text).toContain('#EXT-X-PLAYLIST-TYPE:VOD');
    expect(text.match(/#EXTINF/g)).toHaveLength(2);
    expect(text.endsWith('#EXT-X-ENDLIST\n')).toBe(true);
    const cut = presentation(entries(3).slice(1), { state: 'ended' });
    expect(
      writeMediaPlaylist(cut.index, cut.trackIndex, { form: clearForm('m3u8-cmaf'), isKeyFrames: false }),
    ).not.toContain('PLAYLIST-TYPE');
  });

  it('is valid before the first fragment', () => {
    const { index, trackIndex } = presentation([]);
    expect(writeMultivariantPlaylist(index, { form: clearForm('m3u8-cmaf') })).toContain(
      'BANDWIDTH=2500000,CODECS="avc1.64001f",RESOLUTION=960x720\n',
    );
    expect(
      writeMediaPlaylist(index, trackIndex, { form: clearForm('m3u8-cmaf'), isKeyFrames: false }),
    ).not.toContain('#EXTINF');
    expect(writeMpd(index, { nowMs: 0 })).toContain('<Period id="p0" start="PT0S">\n  </Period>');
  });

  it('measures bandwidth and frame rate', () => {
    const { index } = presentation(entries(2));
    expect(writeMultivariantPlaylist(index, { form: clearForm('m3u8-cmaf') })).toContain(
      'BANDWIDTH=2000000,AVERAGE-BANDWIDTH=2000000',
    );
    expect(writeMultivariantPlaylist(index, { form: clearForm('m3u8-cmaf') })).toContain('FRAME-RATE=25.000');
  });
});

describe('writeMpd', () => {
  it('keeps a gap in one Period and starts an ended recording at 0', () => {
    const fragments = entries(5).filter(({ sequence }) => sequence !== 2);
    const text = writeMpd(presentation(fragments, { state: 'ended' }).index, { nowMs: 0 });
    expect(text).toContain('type="static" mediaPresentationDuration="PT10S"');
    expect(text).toContain('<Period id="p0" start="PT0S">');
    expect(text).toContain('presentationTimeOffset="2000000000000000"');
    expect(text).toContain('<S t="2000000000000000" d="20000000" r="1"/>');
    expect(text).toContain('<S t="2000000060000000" d="20000000" r="1"/>');
  });

  it.each([
    ['live', 'live', undefined, 0, false, 'live'],
    ['ended, nobody knows when', 'ended', undefined, 0, false, 'onDemand'],
    ['just ended', 'ended', 1_000, 1_000, false, 'closing'],
    ['by a clock ahead of ours', 'ended', 5_000, 1_000, false, 'closing'],
    ['for who has seen the end', 'ended', 1_000, 1_000, true, 'closed'],
    ['after 20 s', 'ended', 1_000, 21_000, false, 'closed'],
    ['after a minute', 'ended', 1_000, 61_000, false, 'onDemand'],
    ['after a minute, whoever asks', 'ended', 1_000, 61_000, true, 'onDemand'],
  ] as const)('%s', (_name, state, endedAtMs, nowMs, knowsEnd, phase) => {
    const { index } = presentation(entries(2), { state, endedAtMs });
    expect(mpdPhaseOf(index, nowMs, knowsEnd)).toBe(phase);
  });

  it('keeps the live window and the live timeline for those who watched it live', () => {
    const { index } = presentation(entries(10), {
      state: 'ended',
      endedAtMs: 0,
      rewindTicks: 4 * SECOND,
    });
    const timelines = [false, true].map(
      (knowsEnd) => /<S [^>]*>/.exec(writeMpd(index, { nowMs: 1, knowsEnd }))?.[0],
    );
    const last2 = `<S t="${T0 + 16 * SECOND}" d="${2 * SECOND}" r="1"/>`;
    expect(timelines).toEqual([last2, last2]);
  });

  it('begins a new Period where the format changes, aligned with the timeline', () => {
    const text = writeMpd(presentation(entries(4, { from: 2, formatIndex: 1 })).index, { nowMs: 0 });
    expect(text.match(/<Period [^>]*>/g)).toEqual([
      '<Period id="p0" start="PT0S">',
      '<Period id="p2000000040000000" start="PT200000004S">',
    ]);
    expect(text).toContain('availabilityStartTime="2020-01-01T00:00:00.000Z"');
    expect(text).toContain('Fragments(video=i1,format=mpd-time-cmaf)');
    expect(text).toContain('presentationTimeOffset="2000000040000000"');
  });
});
