import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseStreamingPath } from '../../../src/packager/streaming-path.ts';

const ID = '01234567-89ab-cdef-0123-456789abcdef';

describe('parseStreamingPath', () => {
  const form = (format: string) => ({
    format,
    encryption: undefined,
    filters: [],
    isAudioOnlyListed: false,
    defaultAudio: undefined,
  });
  const hls = form('m3u8-cmaf');
  const level = { streamName: 'video', bitrateBps: 2_500_000 };
  it.each([
    ['manifest(format=m3u8-cmaf)', { kind: 'manifest', form: hls }],
    ['Manifest(format=m3u8-cmaf).m3u8', { kind: 'manifest', form: hls }],
    ['manifest%28format%3Dmpd-time-cmaf%29.mpd', { kind: 'manifest', form: form('mpd-time-cmaf') }],
    [
      'QualityLevels(2500000)/Manifest(video,format=m3u8-cmaf)',
      { kind: 'mediaPlaylist', form: hls, ...level, isKeyFrames: false },
    ],
    [
      'QualityLevels(2500000)/Fragments(video=i,format=m3u8-cmaf)',
      { kind: 'initialization', form: hls, ...level, formatIndex: 0 },
    ],
    [
      'QualityLevels(2500000)/Fragments(video=i2,format=mpd-time-cmaf)',
      { kind: 'initialization', form: form('mpd-time-cmaf'), ...level, formatIndex: 2 },
    ],
    [
      'QualityLevels(2500000)/Fragments(video=77,format=m3u8-cmaf)',
      { kind: 'fragment', form: hls, ...level, decodeTimeTicks: 77 },
    ],
  ])('reads %s', (rest, request) => {
    const path = `/${ID.toUpperCase()}/My%20Show.ism/${rest}`;
    expect(parseStreamingPath(path)).toEqual({ locatorId: ID, manifestName: 'My Show', request });
  });

  it.each([
    ['Smooth', 'manifest', 'MPE_OUTPUT_FORMAT_BLOCKED'],
    ['TS', 'manifest(format=m3u8-aapl)', 'MPE_OUTPUT_FORMAT_BLOCKED'],
    [
      'encryption, keys in any order',
      'manifest(encryption=cbc,format=m3u8-cmaf)',
      'MPE_OUTPUT_FORMAT_BLOCKED',
    ],
    ['an unknown format', 'manifest(format=avi)', 'MPE_BAD_URL_SYNTAX'],
    ['an unknown key', 'manifest(format=m3u8-cmaf,x=1)', 'MPE_BAD_URL_SYNTAX'],
    ['a repeated key', 'manifest(format=m3u8-cmaf,format=m3u8-cmaf)', 'MPE_BAD_URL_SYNTAX'],
    ['the wrong extension', 'manifest(format=m3u8-cmaf).mpd', 'MPE_BAD_URL_SYNTAX'],
    ['dot segments', '%2e%2e/x', 'MPE_BAD_URL_SYNTAX'],
    ['broken encoding', 'manifest%', 'MPE_BAD_URL_SYNTAX'],
    [
      'a time past 2^53',
      'QualityLevels(1)/Fragments(video=9999999999999999,format=m3u8-cmaf)',
      'MPE_BAD_URL_SYNTAX',
    ],
    ['a long path', 'x'.repeat(3000), 'MPE_BAD_URL_SYNTAX'],
  ])('refuses %s', (_, rest, code) => {
    expect(() => parseStreamingPath(`/${ID}/show.ism/${rest}`)).toThrow(expect.objectContaining({ code }));
  });

  it('answers or throws one of its two codes for any text', () => {
    fc.assert(
      fc.property(fc.string(), (rest) => {
        try {
          parseStreamingPath(`/${ID}/show.ism/${rest}`);
        } catch (error) {
          expect(['MPE_BAD_URL_SYNTAX', 'MPE_OUTPUT_FORMAT_BLOCKED']).toContain(
            error instanceof Error && 'code' in error ? error.code : error,
          );
        }
      }),
    );
  });
});
