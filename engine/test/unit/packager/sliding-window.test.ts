import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { PresentationIndex, TrackIndex } from '../../../src/model/presentation.ts';
import { writeMpd } from '../../../src/packager/dash-packager.ts';
import { findFragment } from '../../../src/packager/fragment-window.ts';
import { writeMediaPlaylist } from '../../../src/packager/hls-media-playlist.ts';
import { readHls, readMpd } from '../../support/manifest-readers.ts';
import {
  high180,
  main180,
  presentation,
  SECOND,
  START_TICKS,
  stereo48,
  track,
  trackIndex,
} from '../../support/presentations.ts';
import { clearForm } from '../../support/streaming-forms.ts';

const video = track('video', { ordinal: 1, bitrateBps: 400_000, formats: [high180, main180] });
const audio = track('audio', { ordinal: 2, bitrateBps: 128_000, formats: [stereo48] });

/** Stretches with gaps, new sessions and format changes between them, all from the same encoder for both tracks. */
const history = fc
  .array(
    fc.record({
      gapTicks: fc.constantFrom(0, 1, 3 * SECOND, 40 * SECOND),
      durationTicks: fc.integer({ min: 1_000_000, max: 7 * SECOND }),
      count: fc.integer({ min: 1, max: 5 }),
      isNewSession: fc.boolean(),
      formatIndex: fc.constantFrom(0, 1),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((parts) => {
    let startTicks = START_TICKS;
    let discontinuity = 0;
    return parts.map(({ gapTicks, isNewSession, ...part }) => {
      startTicks += gapTicks;
      if (isNewSession) discontinuity += 1;
      const stretch = { ...part, startTicks, discontinuity };
      startTicks += part.count * part.durationTicks;
      return stretch;
    });
  });

describe('manifests of any presentation, at every moment of its window', () => {
  it('agree with the fragments, with each other and with what they said before', () => {
    fc.assert(
      fc.property(history, fc.integer({ min: 0, max: 60 * SECOND }), (stretches, rewindTicks) => {
        const tracks = [
          trackIndex(video, stretches),
          trackIndex(
            audio,
            stretches.map((stretch) => ({ ...stretch, formatIndex: 0 })),
          ),
        ];
        const said = new Map<string, string>();
        for (let known = 1; known <= (tracks[0]?.fragments.length ?? 0); known += 1) {
          const soFar = tracks.map((each) => ({ ...each, fragments: each.fragments.slice(0, known) }));
          expectConsistent(presentation(soFar, { rewindTicks }), said);
        }
        expectConsistent(presentation(tracks, { rewindTicks, state: 'ended' }), said);
      }),
      { numRuns: 12 },
    );
  }, 60_000);
});

function expectConsistent(index: PresentationIndex, said: Map<string, string>): void {
  const listed = index.tracks.flatMap((each) => expectPlaylist(index, each, said));
  const fromMpd = readMpd(writeMpd(index, { nowMs: 0 }), 0).map(({ url }) => url.replace('mpd-time', 'm3u8'));
  expect(fromMpd.toSorted()).toEqual(listed.toSorted());
}

function expectPlaylist(index: PresentationIndex, of: TrackIndex, said: Map<string, string>): string[] {
  const playlist = readHls(
    writeMediaPlaylist(index, of, { form: clearForm('m3u8-cmaf'), isKeyFrames: false }),
  );
  if (playlist.kind !== 'media') throw new Error('not a media playlist');
  const { segments, mediaSequenceNumber, targetDurationSeconds } = playlist;
  segments.forEach(({ uri, durationSeconds, discontinuitySequence, mapUri }, at) => {
    const sequence = mediaSequenceNumber + at;
    const ticks = Number(/=(\d+),/.exec(uri)?.[1]);
    const found = findFragment(of, ticks, index.state);
    if (found.kind !== 'found') throw new Error(`${uri} is listed and ${found.kind}`);
    expect({ sequence, discontinuitySequence }).toEqual({
      sequence: found.entry.sequence,
      discontinuitySequence: found.entry.discontinuity,
    });
    expect(Math.abs(durationSeconds - found.entry.durationTicks / SECOND)).toBeLessThan(1e-6);
    expect(Math.round(durationSeconds)).toBeLessThanOrEqual(targetDurationSeconds);
    const now = `${sequence} ${discontinuitySequence} ${mapUri}`;
    expect(said.get(uri) ?? now).toBe(now);
    said.set(uri, now);
  });
  return segments.map(({ uri }) => `QualityLevels(${of.track.bitrateBps})/${uri}`);
}
