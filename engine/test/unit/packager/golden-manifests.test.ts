import { describe, expect, it } from '@jest/globals';
import type { PresentationIndex } from '../../../src/model/presentation.ts';
import { writeMpd } from '../../../src/packager/dash-packager.ts';
import { writeMediaPlaylist } from '../../../src/packager/hls-media-playlist.ts';
import { writeMultivariantPlaylist } from '../../../src/packager/hls-packager.ts';
import { writeIsm, writeIsmc } from '../../../src/packager/smooth-packager.ts';
import { expectGolden } from '../../support/expect-golden.ts';
import { GOLDEN_NOW_MS, goldenCases } from '../../support/golden-cases.ts';
import { readHls, readHlsWithM3u8Parser, readMpd } from '../../support/manifest-readers.ts';
import { clearForm } from '../../support/streaming-forms.ts';

describe.each(goldenCases)('$name', ({ name, index, knowsEnd = false }) => {
  const multivariant = writeMultivariantPlaylist(index, { form: clearForm('m3u8-cmaf') });
  const playlists = index.tracks.map((each) => ({
    each,
    text: writeMediaPlaylist(index, each, { form: clearForm('m3u8-cmaf'), isKeyFrames: false }),
  }));
  const mpd = writeMpd(index, {
    nowMs: GOLDEN_NOW_MS,
    utcTimingUrl: 'http://127.0.0.1:8888/time',
    knowsEnd,
    closedUrl: 'manifest(format=mpd-time-cmaf)?a=1&closing',
  });

  it('is written as it was reviewed', () => {
    expectGolden(`${name}/expected.m3u8`, multivariant);
    for (const { each, text } of playlists) expectGolden(`${name}/expected.${each.track.folder}.m3u8`, text);
    expectGolden(`${name}/expected.mpd`, mpd);
    expectGolden(`${name}/expected.ism`, writeIsm(index, 'show'));
    expectGolden(`${name}/expected.ismc`, writeIsmc(index));
  });

  it('is read alike by hls-parser and m3u8-parser', () => {
    expect(readHlsWithM3u8Parser(multivariant)).toEqual(readHls(multivariant));
    for (const { text } of playlists) expect(readHlsWithM3u8Parser(text)).toEqual(readHls(text));
  });

  it('lists the same fragments in HLS and, read by mpd-parser, in DASH', () => {
    const fromHls = playlists.flatMap(({ each, text }) => {
      const found = readHls(text);
      const { segments } = found.kind === 'media' ? found : { segments: [] };
      return segments.map(({ uri, durationSeconds }) => ({
        url: `QualityLevels(${each.track.bitrateBps})/${uri}`.replace('m3u8-cmaf', 'mpd-time-cmaf'),
        durationSeconds,
      }));
    });
    expect(byUrl(readMpd(mpd, GOLDEN_NOW_MS))).toEqual(byUrl(fromHls));
    expect(fromHls).toHaveLength(shownCount(index));
  });
});

function byUrl<T extends { readonly url: string }>(list: readonly T[]): T[] {
  return list.toSorted((a, b) => (a.url < b.url ? -1 : 1));
}

/** By hand, not by the code under test. */
function shownCount(index: PresentationIndex): number {
  return index.tracks.reduce((sum, { fragments }) => {
    const last = fragments.at(-1);
    if (last === undefined) return sum;
    const window = index.state === 'live' ? (index.rewindTicks ?? Number.POSITIVE_INFINITY) : Infinity;
    const startTicks = last.decodeTimeTicks + last.durationTicks - window;
    return sum + fragments.filter((entry) => entry.decodeTimeTicks + entry.durationTicks > startTicks).length;
  }, 0);
}
