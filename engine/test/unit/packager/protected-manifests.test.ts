import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import type { PresentationIndex } from '../../../src/model/presentation.ts';
import type { Protection, ProtectionKey } from '../../../src/model/protection.ts';
import type { Track } from '../../../src/model/track.ts';
import { writeMpd } from '../../../src/packager/dash-packager.ts';
import { isInSmooth, isSmoothComplete, writeSmoothManifest } from '../../../src/packager/smooth-manifest.ts';
import type { StreamingForm } from '../../../src/packager/streaming-path.ts';
import { expectGolden } from '../../support/expect-golden.ts';
import { readMpd } from '../../support/manifest-readers.ts';
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

const require = createRequire(import.meta.url);
// The shape of an untyped library, as far as it is read here.
const { parse } = require('mpd-parser') as {
  parse(
    text: string,
    options: { readonly manifestUri: string },
  ): { readonly playlists: readonly { readonly contentProtection?: Readonly<Record<string, ReadSystem>> }[] };
};
interface ReadSystem {
  readonly attributes: Readonly<Record<string, string>>;
  readonly pssh?: Uint8Array;
}

const high = track('video', { ordinal: 1, bitrateBps: 2_500_000, formats: [high1080] });
const low = track('video', { ordinal: 2, bitrateBps: 400_000, formats: [high180] });
const sound = track('audio', { ordinal: 3, bitrateBps: 128_000, formats: [stereo48] });
const other = { ...sound, ordinal: 4, streamName: 'Audio_2', folder: 'audio_2_128000', language: 'de' };
const captions: Track = {
  type: 'text',
  ordinal: 5,
  streamName: 'captions',
  bitrateBps: 1_000,
  folder: 'captions_1000',
  formats: [
    {
      ...{ kind: 'data', configurationRecord: new Uint8Array(), codecString: '', sampleEntry: 'stpp' },
      ...{ subtype: 'CAPT', manifestOutput: true },
    },
  ],
};
const five = [{ startTicks: START_TICKS, count: 5 }];
const tracks = [high, low, sound, other].map((of) => trackIndex(of, five));
const live = presentation(tracks, { rewindTicks: 3600 * SECOND });
const ended = presentation([...tracks, trackIndex(captions, five)], { state: 'ended' });

const systems = {
  playReady: { licenseUrl: 'https://license.test/pr?a=1&b=2', customAttributes: '<x>1</x>' },
  widevine: { licenseUrl: 'https://license.test/wv' },
  clearKey: { licenseUrl: 'https://license.test/ck' },
};
const keyOf = (digit: string, more: Partial<ProtectionKey>): ProtectionKey => ({
  id: `${digit.repeat(8)}-4455-6677-8899-aabbccddeeff`,
  value: Buffer.alloc(16, digit),
  ...more,
});
const videoKey = keyOf('1', systems);
const hdKey = keyOf('2', systems);
const audioKey = keyOf('3', { clearKey: systems.clearKey });
const ivSalt = Buffer.from('a1b2c3d4e5f60718', 'hex');
const envelope: Protection = {
  scheme: 'aes128',
  ivSalt,
  keyOf: () => keyOf('4', { keyUrl: 'https://keys.test/?kid=4&x=1' }),
};
const oneKey = (scheme: Protection['scheme']): Protection => ({ scheme, ivSalt, keyOf: () => videoKey });
/** The better picture has a key of its own, and so has the sound; the second sound is clear. */
const severalKeys: Protection = {
  scheme: 'cenc',
  ivSalt,
  keyOf: ({ ordinal }) => [hdKey, videoKey, audioKey][ordinal - 1],
};

const form = (more: Partial<StreamingForm>): StreamingForm => ({
  ...{ format: 'mpd-time-csf', encryption: undefined, filters: [], isAudioOnlyListed: false },
  ...{ defaultAudio: undefined, ...more },
});

describe('MPDs of protected presentations', () => {
  const cases = [
    {
      name: 'cenc-several-keys',
      index: live,
      form: form({ encryption: 'cenc', filters: ['a', 'b'] }),
      protection: severalKeys,
      keys: 'format=mpd-time-csf,encryption=cenc,filter=a;b',
    },
    {
      name: 'cbcs',
      index: ended,
      form: form({ format: 'mpd-time-cmaf', encryption: 'cbcs-aapl', defaultAudio: 'audio_2' }),
      protection: oneKey('cbcs'),
      keys: 'format=mpd-time-cmaf,encryption=cbcs-aapl,audioTrack=audio_2',
    },
    {
      name: 'cbc',
      index: live,
      form: form({ encryption: 'cbc' }),
      protection: envelope,
      keys: 'format=mpd-time-csf,encryption=cbc',
    },
    { name: 'csf', index: live, form: form({}), protection: undefined, keys: 'format=mpd-time-csf' },
  ] as const;

  it.each(cases)('are written as they were reviewed: $name', ({ name, index, keys, ...of }) => {
    const text = writeMpd(index, { ...of, nowMs: Date.UTC(2026, 4, 3, 19, 34) });
    expectGolden(`protected/${name}.mpd`, text);
    const [first] = readMpd(text, Date.UTC(2026, 4, 3, 19, 34));
    expect(first?.url).toBe(`QualityLevels(2500000)/Fragments(video=${START_TICKS},${keys})`);
  });

  it('tell mpd-parser of every key system, with its box', () => {
    const text = writeMpd(ended, {
      form: form({ encryption: 'cenc' }),
      protection: oneKey('cenc'),
      nowMs: 0,
    });
    const [playlist] = parse(text, { manifestUri: 'http://origin.test/show.ism/manifest' }).playlists;
    const found = playlist?.contentProtection ?? {};
    expect(Object.keys(found)).toEqual(['mp4protection', 'com.microsoft.playready', 'com.widevine.alpha']);
    expect(found['mp4protection']?.attributes).toMatchObject({
      value: 'cenc',
      'cenc:default_KID': videoKey.id,
    });
    const pssh = (system: string) => Buffer.from(found[system]?.pssh ?? []);
    expect(pssh('com.widevine.alpha').subarray(12, 28).toString('hex')).toBe(
      'edef8ba979d64acea3c827dcd51d21ed',
    );
    expect(pssh('com.microsoft.playready').toString('utf16le', 42)).toContain(
      '<LA_URL>https://license.test/pr?a=1&amp;b=2</LA_URL><CUSTOMATTRIBUTES xmlns=""><x>1</x></CUSTOMATTRIBUTES>',
    );
  });
});

describe('Smooth manifests', () => {
  it.each([
    { name: 'live', index: live, form: form({ format: 'fmp4' }), protection: undefined },
    {
      name: 'ended-v20',
      index: ended,
      form: form({ format: 'fmp4-v20', filters: ['a'], defaultAudio: 'audio_2' }),
      protection: undefined,
    },
    {
      name: 'cenc',
      index: ended,
      form: form({ format: 'fmp4', encryption: 'piff' }),
      protection: oneKey('cenc'),
    },
    { name: 'cbc', index: ended, form: form({ format: 'fmp4', encryption: 'cbc' }), protection: envelope },
    { name: 'cenc-several-keys', index: live, form: form({ format: 'fmp4' }), protection: severalKeys },
    { name: 'empty', index: presentation([]), form: form({ format: 'fmp4' }), protection: undefined },
  ])('are written as they were reviewed: $name', ({ name, index, ...of }) => {
    expectGolden(`protected/smooth-${name}.xml`, writeSmoothManifest(index, of));
  });

  const served = (index: PresentationIndex, protection: Protection | undefined) =>
    index.tracks.map(({ track: of }) => isInSmooth(index, of, protection));

  it('have what one header can tell of', () => {
    expect(served(ended, undefined)).toEqual([true, true, true, true, true]);
    expect(served(ended, envelope)).toEqual([true, true, true, true, true]);
    expect(served(ended, oneKey('cenc'))).toEqual([true, true, true, true, false]);
    expect(served(ended, oneKey('cbcs'))).toEqual([false, false, false, false, false]);
    // The picture that comes first has the key that counts; what is clear goes with any.
    expect(served(ended, severalKeys)).toEqual([true, false, false, true, true]);
  });

  it.each([
    { name: 'nothing', counts: [], expected: true },
    { name: 'tracks without fragments', counts: [0, 0], expected: false },
    { name: 'not one that tells of two', counts: [2, 2], expected: false },
    { name: 'sound that is not there yet', counts: [4, 2], expected: false },
    { name: 'both', counts: [3, 3], expected: true },
    { name: 'sound that is late', counts: [5, 0], expected: true },
  ])('are complete or not with $name', ({ counts, expected }) => {
    const present = [low, sound].flatMap((of, at) =>
      counts[at] === undefined ? [] : [trackIndex(of, [{ startTicks: START_TICKS, count: counts[at] }])],
    );
    expect(isSmoothComplete(presentation(present))).toBe(expected);
    expect(isSmoothComplete(presentation(present, { state: 'ended' }))).toBe(true);
  });
});
