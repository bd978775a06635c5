import { describe, expect, it } from '@jest/globals';
import type { Protection, ProtectionKey } from '../../../src/model/protection.ts';
import { writeMediaPlaylist } from '../../../src/packager/hls-media-playlist.ts';
import { writeMultivariantPlaylist } from '../../../src/packager/hls-packager.ts';
import type { StreamingForm } from '../../../src/packager/streaming-path.ts';
import { expectGolden } from '../../support/expect-golden.ts';
import { goldenCases } from '../../support/golden-cases.ts';
import { readHls, readHlsWithM3u8Parser } from '../../support/manifest-readers.ts';
import { clearForm } from '../../support/streaming-forms.ts';

const key: ProtectionKey = {
  id: '01234567-89ab-cdef-0123-456789abcdef',
  value: new Uint8Array(16),
  keyUrl: 'https://keys.example/?kid=01234567-89ab-cdef-0123-456789abcdef',
  playReady: { licenseUrl: 'https://keys.example/PlayReady/' },
  widevine: { licenseUrl: 'https://keys.example/Widevine/' },
  fairPlay: { keyUri: 'skd://keys.example/01234567-89ab-cdef-0123-456789abcdef' },
  clearKey: { licenseUrl: 'https://keys.example/ClearKey/' },
};
const protectionOf = (scheme: Protection['scheme']): Protection => ({
  scheme,
  ivSalt: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]),
  keyOf: () => key,
});

const forms: readonly { name: string; of: string; form: StreamingForm; protection?: Protection }[] = [
  { name: 'ts-v4', of: 'live-languages', form: clearForm('m3u8-aapl') },
  { name: 'ts-v3', of: 'live-two-rungs', form: { ...clearForm('m3u8-aapl-v3'), isAudioOnlyListed: true } },
  { name: 'ts-v4-sessions', of: 'live-format-changes', form: clearForm('m3u8-aapl') },
  {
    name: 'ts-v3-aes',
    of: 'ended',
    form: { ...clearForm('m3u8-aapl-v3'), encryption: 'cbc' },
    protection: protectionOf('aes128'),
  },
  {
    name: 'cmaf-aes',
    of: 'ended-format-change',
    form: { ...clearForm('m3u8-cmaf'), encryption: 'cbc' },
    protection: protectionOf('aes128'),
  },
  {
    name: 'cmaf-cbcs',
    of: 'live-languages',
    form: {
      ...clearForm('m3u8-cmaf'),
      encryption: 'cbcs-aapl',
      defaultAudio: 'kommentar',
      isAudioOnlyListed: true,
    },
    protection: protectionOf('cbcs'),
  },
  {
    name: 'cmaf-cbcs-identity',
    of: 'live-audio-only',
    form: { ...clearForm('m3u8-cmaf'), encryption: 'cbcs-aapl', hasIdentityKeys: true },
    protection: protectionOf('cbcs'),
  },
  {
    name: 'cmaf-cenc',
    of: 'live-audio-only',
    form: { ...clearForm('m3u8-cmaf'), encryption: 'cenc' },
    protection: protectionOf('cenc'),
  },
];

describe.each(forms)('HLS form $name', ({ name, of, form, protection }) => {
  const index = goldenCases.find((each) => each.name === of)?.index;
  if (index === undefined) throw new Error(`no case ${of}`);
  const multivariant = writeMultivariantPlaylist(index, { form, protection });
  const playlists = index.tracks.map((each) => ({
    folder: each.track.folder,
    text: writeMediaPlaylist(index, each, { form, protection, isKeyFrames: false }),
    keyFrames: writeMediaPlaylist(index, each, { form, protection, isKeyFrames: true }),
  }));

  it('is written as it was reviewed', () => {
    expectGolden(`hls-${name}/expected.m3u8`, multivariant);
    for (const { folder, text } of playlists) expectGolden(`hls-${name}/expected.${folder}.m3u8`, text);
    const [first] = playlists;
    if (first?.folder.startsWith('video')) {
      expectGolden(`hls-${name}/expected.${first.folder}.keyframes.m3u8`, first.keyFrames);
    }
  });

  it('is read alike by hls-parser and m3u8-parser', () => {
    expect(readHlsWithM3u8Parser(multivariant)).toEqual(readHls(multivariant));
    for (const { text, keyFrames } of playlists) {
      expect(readHlsWithM3u8Parser(text)).toEqual(readHls(text));
      expect(readHlsWithM3u8Parser(keyFrames)).toEqual(readHls(keyFrames));
    }
  });
});
