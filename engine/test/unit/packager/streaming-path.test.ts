import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseStreamingPath, type StreamingForm, writeForm } from '../../../src/packager/streaming-path.ts';

const ID = '01234567-89ab-cdef-0123-456789abcdef';
const SMOOTH: StreamingForm = {
  format: 'fmp4',
  encryption: undefined,
  filters: [],
  isAudioOnlyListed: false,
  defaultAudio: undefined,
};
const form = (format: StreamingForm['format'], rest: Partial<StreamingForm> = {}): StreamingForm => ({
  ...SMOOTH,
  format,
  ...rest,
});

/** What the original's documentation, its samples and its recorded manifests ask for. */
const MANIFESTS: readonly (readonly [string, StreamingForm])[] = [
  ['manifest', SMOOTH],
  ['Manifest', SMOOTH],
  ['manifest(encryption=cbc)', form('fmp4', { encryption: 'cbc' })],
  ['manifest(encryption=cenc)', form('fmp4', { encryption: 'cenc' })],
  ['manifest(encryption=piff)', form('fmp4', { encryption: 'piff' })],
  ['manifest(format=fmp4-v20)', form('fmp4-v20')],
  ['manifest(format=m3u8-aapl)', form('m3u8-aapl')],
  ['manifest(format=m3u8-aapl).m3u8', form('m3u8-aapl')],
  ['manifest(format=m3u8-aapl-v4)', form('m3u8-aapl')],
  ['manifest(format=m3u8-aapl-v3)', form('m3u8-aapl-v3')],
  ['manifest(format=m3u8-cmaf)', form('m3u8-cmaf')],
  ['manifest(format=mpd-time-csf)', form('mpd-time-csf')],
  ['manifest(format=mpd-time-csf).mpd', form('mpd-time-csf')],
  ['manifest%28format%3Dmpd-time-cmaf%29', form('mpd-time-cmaf')],
  ['Manifest(Format=M3U8-AAPL-v3,Audio-Only=FALSE)', form('m3u8-aapl-v3')],
  ['manifest(format=m3u8-aapl-v3,audio-only=false).m3u8', form('m3u8-aapl-v3')],
  ['manifest(format=m3u8-aapl,audio-only=true)', form('m3u8-aapl', { isAudioOnlyListed: true })],
  ['manifest(format=m3u8-aapl-v3,audioTrack=Audio_1)', form('m3u8-aapl-v3', { defaultAudio: 'audio_1' })],
  ['manifest(format = m3u8-aapl, encryption = cbc)', form('m3u8-aapl', { encryption: 'cbc' })],
  ['manifest(encryption=cenc,format=mpd-time-csf)', form('mpd-time-csf', { encryption: 'cenc' })],
  ['manifest(format=m3u8-cmaf,encryption=cbcs-aapl)', form('m3u8-cmaf', { encryption: 'cbcs-aapl' })],
  [
    'manifest(format=m3u8-cmaf,encryption=cbcs-aapl,keyFormat=Identity)',
    form('m3u8-cmaf', { encryption: 'cbcs-aapl', hasIdentityKeys: true }),
  ],
  ['manifest(format=mpd-time-csf,filter=MyFilter)', form('mpd-time-csf', { filters: ['myfilter'] })],
  ['manifest(filter=myFilter)', form('fmp4', { filters: ['myfilter'] })],
  ['manifest(filter=a;b;C,format=m3u8-cmaf)', form('m3u8-cmaf', { filters: ['a', 'b', 'c'] })],
  ['manifest(filter=summer%20caf%C3%A9;A;a)', form('fmp4', { filters: ['summer café', 'a'] })],
];

describe('parseStreamingPath', () => {
  const hls = form('m3u8-cmaf');
  const level = { streamName: 'video', bitrateBps: 2_500_000 };

  it.each(MANIFESTS)('reads %s', (rest, expected) => {
    expect(parseStreamingPath(`/${ID.toUpperCase()}/My%20Show.ism/${rest}`)).toEqual({
      kind: 'presentation',
      locatorId: ID,
      manifestName: 'My Show',
      request: { kind: 'manifest', form: expected },
    });
  });

  it.each([
    [
      'QualityLevels(2500000)/Manifest(video,format=m3u8-cmaf)',
      { kind: 'mediaPlaylist', form: hls, ...level, isKeyFrames: false },
    ],
    [
      'QualityLevels(2500000)/Manifest(video,format=m3u8-aapl,type=keyframes)',
      { kind: 'mediaPlaylist', form: form('m3u8-aapl'), ...level, isKeyFrames: true },
    ],
    [
      'QualityLevels(3257373)/Manifest(video,format=m3u8-aapl-v3,audiotrack=aac_UND_1_56,filter=hls)',
      {
        kind: 'mediaPlaylist',
        form: form('m3u8-aapl-v3', { defaultAudio: 'aac_und_1_56', filters: ['hls'] }),
        streamName: 'video',
        bitrateBps: 3_257_373,
        isKeyFrames: false,
      },
    ],
    [
      'QualityLevels(128041)/Manifest(aac_eng_2_128041_2_1,format=m3u8-aapl).m3u8',
      {
        kind: 'mediaPlaylist',
        form: form('m3u8-aapl'),
        streamName: 'aac_eng_2_128041_2_1',
        bitrateBps: 128_041,
        isKeyFrames: false,
      },
    ],
    [
      'QualityLevels(2500000)/Fragments(video=0,format=m3u8-aapl)',
      { kind: 'fragment', form: form('m3u8-aapl'), ...level, decodeTimeTicks: 0 },
    ],
    [
      'QualityLevels(2500000)/Fragments(video=0,format=m3u8-aapl,type=keyframes)',
      { kind: 'fragment', form: form('m3u8-aapl'), ...level, decodeTimeTicks: 0, isKeyFrame: true },
    ],
    [
      'QualityLevels(2500000)/Fragments(video=i,format=mpd-time-csf)',
      { kind: 'initialization', form: form('mpd-time-csf'), ...level, formatIndex: 0 },
    ],
    [
      'qualitylevels(2500000)/fragments(video=I2,encryption=cenc,format=mpd-time-cmaf)',
      {
        kind: 'initialization',
        form: form('mpd-time-cmaf', { encryption: 'cenc' }),
        ...level,
        formatIndex: 2,
      },
    ],
    [
      'QualityLevels(2500000)/Fragments(video=20000000)',
      { kind: 'fragment', form: SMOOTH, ...level, decodeTimeTicks: 20_000_000 },
    ],
    [
      'QualityLevels(1000)/Fragments(scte35=2134567890123456)',
      {
        kind: 'fragment',
        form: SMOOTH,
        streamName: 'scte35',
        bitrateBps: 1000,
        decodeTimeTicks: 2_134_567_890_123_456,
      },
    ],
    [
      'QualityLevels(2500000)/Fragments(video=77,encryption=piff)',
      { kind: 'fragment', form: form('fmp4', { encryption: 'piff' }), ...level, decodeTimeTicks: 77 },
    ],
  ])('reads %s', (rest, request) => {
    expect(parseStreamingPath(`/${ID}/show.ism/${rest}`)).toEqual({
      kind: 'presentation',
      locatorId: ID,
      manifestName: 'show',
      request,
    });
  });

  it.each([
    ['ignite_1280x720_2500.mp4', 'ignite_1280x720_2500.mp4'],
    ['My%20film%20(1).mp4', 'My film (1).mp4'],
    ['show.ism', 'show.ism'],
  ])('reads a file, %s', (file, fileName) => {
    expect(parseStreamingPath(`/${ID}/${file}`)).toEqual({ kind: 'download', locatorId: ID, fileName });
  });

  it.each([
    ['an unknown format', 'manifest(format=avi)'],
    ['a format of Object', 'manifest(format=constructor)'],
    ['Smooth Streaming by a name it does not have', 'manifest(format=fmp4)'],
    ['an unknown encryption', 'manifest(encryption=rot13)'],
    ['an unknown key', 'manifest(format=m3u8-cmaf,x=1)'],
    ['a key without a value', 'manifest(format)'],
    ['a repeated key', 'manifest(format=m3u8-cmaf,FORMAT=m3u8-cmaf)'],
    ['the wrong extension', 'manifest(format=m3u8-cmaf).mpd'],
    ['an extension on Smooth Streaming', 'manifest.m3u8'],
    ['an extension on a fragment', 'QualityLevels(1)/Fragments(video=0,format=m3u8-cmaf).m3u8'],
    ['four filters', 'manifest(filter=a;b;c;d)'],
    ['no filter', 'manifest(filter=)'],
    ['an empty filter', 'manifest(filter=a;;b)'],
    ['a filter that is a path', 'manifest(filter=../b)'],
    ['a filter that is none', 'manifest(filter=a*)'],
    ['audio-only as a number', 'manifest(format=m3u8-aapl,audio-only=1)'],
    ['sound that is no name', 'manifest(format=m3u8-aapl,audioTrack=a b)'],
    ['another key format', 'manifest(format=m3u8-cmaf,encryption=cbcs-aapl,keyformat=widevine)'],
    ['a type on a manifest', 'manifest(format=m3u8-aapl,type=keyframes)'],
    [
      'a type on a fragment of DASH',
      'QualityLevels(1)/Fragments(video=0,format=mpd-time-csf,type=keyframes)',
    ],
    ['another type', 'QualityLevels(1)/Manifest(video,format=m3u8-aapl,type=live)'],
    ['a media playlist of DASH', 'QualityLevels(1)/Manifest(video,format=mpd-time-csf)'],
    ['a media playlist of Smooth Streaming', 'QualityLevels(1)/Manifest(video)'],
    ['a fragment without time', 'QualityLevels(1)/Fragments(video)'],
    ['a time below zero', 'QualityLevels(1)/Fragments(video=-1)'],
    ['no stream name', 'QualityLevels(1)/Fragments(=1)'],
    ['nested brackets', 'manifest((format=m3u8-cmaf))'],
    ['dot segments', '%2e%2e/x'],
    ['a backslash', 'manifest%5C'],
    ['broken encoding', 'manifest%'],
    ['a time past 2^53', 'QualityLevels(1)/Fragments(video=9999999999999999,format=m3u8-cmaf)'],
    ['a long path', 'x'.repeat(3000)],
    ['a file below the manifest', 'header'],
  ])('refuses %s', (_, rest) => {
    expect(() => parseStreamingPath(`/${ID}/show.ism/${rest}`)).toThrow(
      expect.objectContaining({ code: 'MPE_BAD_URL_SYNTAX' }),
    );
  });

  it.each([
    ['no locator', '/show.ism/manifest'],
    ['no file', `/${ID}/`],
    ['a file in a folder', `/${ID}/show.headend/video/000001`],
    ['a slash that is encoded', `/${ID}/show.headend%2Fvideo`],
    ['the way up', `/${ID}/..`],
    ['the way up, encoded', `/${ID}/%2e%2e`],
    ['what ends early', `/${ID}/show.mp4%00.vtt`],
  ])('refuses %s', (_, path) => {
    expect(() => parseStreamingPath(path)).toThrow(expect.objectContaining({ code: 'MPE_BAD_URL_SYNTAX' }));
  });

  it('answers or throws its one code for any text', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ...'()=,;%./ ',
        'manifest',
        'QualityLevels(1)/',
        'Fragments(',
        'video',
        'filter',
        '%C3',
      ),
      fc.string({ unit: 'binary', maxLength: 4 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        try {
          parseStreamingPath(`/${ID}/show.ism/${pieces.join('')}`);
        } catch (error) {
          expect(error).toMatchObject({ code: 'MPE_BAD_URL_SYNTAX' });
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('writeForm', () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .map((text) => text.replace(/[<>%&:\\?/*+.'#(),;\p{Cc}\p{Cs}]/gu, '_').trim())
    .filter((text) => text !== '');
  const written = fc.record({
    format: fc.constantFrom<StreamingForm['format']>(
      ...(['m3u8-cmaf', 'm3u8-aapl', 'm3u8-aapl-v3', 'mpd-time-cmaf', 'mpd-time-csf'] as const),
      ...(['fmp4', 'fmp4-v20'] as const),
    ),
    encryption: fc.constantFrom<StreamingForm['encryption']>(undefined, 'cbc', 'cenc', 'cbcs-aapl', 'piff'),
    filters: fc.uniqueArray(name, {
      maxLength: 3,
      selector: (text) => text.replace(/[^\u0130]+/g, (part) => part.toLowerCase()),
    }),
    isAudioOnlyListed: fc.boolean(),
    defaultAudio: fc.option(fc.stringMatching(/^[a-z0-9_-]{1,32}$/), { nil: undefined }),
  });
  const forms = fc
    .tuple(written, fc.constantFrom({}, { hasIdentityKeys: true as const }))
    .map(([form, keyFormat]): StreamingForm => ({ ...form, ...keyFormat }));
  const read = (keys: string): StreamingForm => {
    const path = parseStreamingPath(`/${ID}/show.ism/manifest${keys === '' ? '' : `(${keys})`}`);
    if (path.kind !== 'presentation') throw new Error(path.kind);
    return path.request.form;
  };

  it('writes what is read again, safe in any manifest', () => {
    fc.assert(
      fc.property(forms, (wanted) => {
        const keys = writeForm(wanted);
        expect(keys).toMatch(/^[A-Za-z0-9_.!~%=;,-]*$/);
        // Names are folded when they are first read.
        const known = read(keys);
        expect({ ...known, filters: [] }).toEqual({ ...wanted, filters: [] });
        expect(known.filters).toHaveLength(wanted.filters.length);
        expect(read(writeForm(known))).toEqual(known);
      }),
    );
  });

  it.each(MANIFESTS)('says the same as %s', (_, expected) => {
    expect(read(writeForm(expected))).toEqual(expected);
  });
});
