import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { contentProtectionOf } from '../../../src/drm/content-protection.ts';
import { keyIdBytes, littleEndianGuid } from '../../../src/drm/key-id.ts';
import { writePlayReadyObject } from '../../../src/drm/play-ready-object.ts';
import { psshBoxesOf } from '../../../src/drm/pssh-boxes.ts';
import { envelopeIv } from '../../../src/drm/segment-encryption.ts';
import { writeWidevineData } from '../../../src/drm/widevine-data.ts';
import { contentProtectionLines } from '../../../src/manifests/content-protection.ts';
import type { ProtectionKey } from '../../../src/model/protection.ts';

const base64 = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('base64');

const KEY = {
  id: '00112233-4455-6677-8899-aabbccddeeff',
  value: Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex'),
};
/** What shaka-packager 3.4.2 writes for this key with `--protection_systems Widevine,PlayReady,Common`. */
const SHAKA_PACKAGER = {
  widevine: {
    cenc: 'AAAAOHBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAABgSEAARIjNEVWZ3iJmqu8zd7v9I49yVmwY=',
    cbcs: 'AAAAOHBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAABgSEAARIjNEVWZ3iJmqu8zd7v9I88aJmwY=',
  },
  common: 'AAAANHBzc2gBAAAAEHfv7MCyTQKs4zweUuL7SwAAAAEAESIzRFVmd4iZqrvM3e7/AAAAAA==',
  playReadyHeader: {
    cenc: '<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="4.0.0.0"><DATA><PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>AESCTR</ALGID></PROTECTINFO><KID>MyIRAFVEd2aImaq7zN3u/w==</KID><CHECKSUM>KpOvXRLUXfs=</CHECKSUM></DATA></WRMHEADER>',
    cbcs: '<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="4.3.0.0"><DATA><PROTECTINFO><KIDS><KID ALGID="AESCBC" VALUE="MyIRAFVEd2aImaq7zN3u/w=="></KID></KIDS></PROTECTINFO></DATA></WRMHEADER>',
  },
  playReadyHead: {
    cenc: 'AAACJnBzc2gAAAAAmgTweZhAQoarkuZb4IhflQAAAgYGAgAAAQABAPwB',
    cbcs: 'AAAB3nBzc2gAAAAAmgTweZhAQoarkuZb4IhflQAAAb6+AQAAAQABALQB',
  },
} as const;

/** Of the Web Platform Tests, encrypted-media/content/content-metadata.js: keys and the PlayReady headers made for them. */
const WEB_PLATFORM_TESTS = [
  {
    id: 'ad13f9ea-2be6-98b8-75f5-04a8e3ccea64',
    value: 'be7df8a3667a6a8fd564d0ed81339a95',
    keyIdText: '6vkTreYruJh19QSo48zqZA==',
    checksum: 'jYFNf0yf4is=',
  },
  {
    id: '558ee541-b90a-b2f3-950d-00ade3760d45',
    value: '91039263016da635770d57db92f98bd0',
    keyIdText: 'QeWOVQq587KVDQCt43YNRQ==',
    checksum: 'YiO/16Ls96E=',
  },
  {
    id: '13a75306-d118-917b-47a6-c1836442516f',
    value: '8aaad8c4dbdeaccdad2676a1ed38952e',
    keyIdText: 'BlOnExjRe5FHpsGDZEJRbw==',
    checksum: 'IDRtPgUI/bI=',
  },
  {
    id: 'ee73564e-c8a8-90f0-78ef-6871fa4be18b',
    value: 'e44fe1457c5ebcd83eaddcd62caf5518',
    keyIdText: 'TlZz7qjI8JB472hx+kvhiw==',
    checksum: 'xDKAY0vZhUU=',
  },
] as const;

/** The header of an object, by the letter of the specification. */
function readHeader(object: Uint8Array): string {
  const bytes = Buffer.from(object);
  expect(bytes.readUInt32LE(0)).toBe(bytes.length);
  expect(bytes.readUInt16LE(4)).toBe(1);
  expect(bytes.readUInt16LE(6)).toBe(1);
  expect(bytes.readUInt16LE(8)).toBe(bytes.length - 10);
  return bytes.subarray(10).toString('utf16le');
}

describe('key ids', () => {
  it('keeps the bytes of a GUID in two orders', () => {
    expect(Buffer.from(keyIdBytes(KEY.id)).toString('hex')).toBe('00112233445566778899aabbccddeeff');
    expect(Buffer.from(littleEndianGuid(KEY.id)).toString('hex')).toBe('33221100554477668899aabbccddeeff');
  });

  it.each(['', '00112233445566778899aabbccddeeff', 'x0112233-4455-6677-8899-aabbccddeeff'])(
    'takes no %j',
    (text) => expect(() => keyIdBytes(text)).toThrow(RangeError),
  );
});

describe('PSSH boxes', () => {
  const key: ProtectionKey = {
    ...KEY,
    playReady: { licenseUrl: '' },
    widevine: { licenseUrl: 'https://license.test/wv' },
    clearKey: { licenseUrl: 'https://license.test/ck' },
    fairPlay: { keyUri: 'skd://key' },
  };

  it.each(['cenc', 'cbcs'] as const)('are those of shaka-packager for %s', (scheme) => {
    const [playReady = new Uint8Array(), widevine, common, ...others] = psshBoxesOf(key, scheme);
    expect(base64(widevine)).toBe(SHAKA_PACKAGER.widevine[scheme]);
    expect(base64(common)).toBe(SHAKA_PACKAGER.common);
    expect(others).toEqual([]);
    expect(base64(playReady.subarray(0, 42))).toBe(SHAKA_PACKAGER.playReadyHead[scheme]);
    expect(readHeader(playReady.subarray(32))).toBe(SHAKA_PACKAGER.playReadyHeader[scheme]);
  });

  it('are those of the key systems that are to be signalled, and none for whole segments', () => {
    expect(psshBoxesOf(KEY, 'cenc')).toEqual([]);
    expect(psshBoxesOf({ ...KEY, widevine: { licenseUrl: '' } }, 'cbcs')).toHaveLength(1);
    expect(psshBoxesOf(key, 'aes128')).toEqual([]);
  });

  it('tells Widevine of several keys', () => {
    const data = Buffer.from(writeWidevineData([Buffer.alloc(16, 1), Buffer.alloc(16, 2)], 'cenc'));
    expect(data.toString('hex')).toBe(`1210${'01'.repeat(16)}1210${'02'.repeat(16)}48e3dc959b06`);
  });
});

describe('PlayReady objects', () => {
  it.each(WEB_PLATFORM_TESTS)('are those of the Web Platform Tests for $id', (known) => {
    const licenseUrl =
      'http://playready.directtaps.net/pr/svc/rightsmanager.asmx?PlayRight=1&UseSimpleNonPersistentLicense=1';
    const object = writePlayReadyObject(
      [{ id: known.id, value: Buffer.from(known.value, 'hex'), playReady: { licenseUrl } }],
      'cenc',
    );
    expect(readHeader(object)).toBe(
      `<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="4.0.0.0"><DATA><PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>AESCTR</ALGID></PROTECTINFO><KID>${known.keyIdText}</KID><CHECKSUM>${known.checksum}</CHECKSUM><LA_URL>${licenseUrl.replace('&', '&amp;')}</LA_URL></DATA></WRMHEADER>`,
    );
  });

  it('are of version 4.2 for several keys, each with its checksum', () => {
    const [first, second] = WEB_PLATFORM_TESTS.map(({ id, value }) => ({
      id,
      value: Buffer.from(value, 'hex'),
    }));
    if (first === undefined || second === undefined) throw new Error('two keys');
    expect(readHeader(writePlayReadyObject([first, second], 'cenc'))).toBe(
      '<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="4.2.0.0"><DATA><PROTECTINFO><KIDS><KID ALGID="AESCTR" CHECKSUM="jYFNf0yf4is=" VALUE="6vkTreYruJh19QSo48zqZA=="></KID><KID ALGID="AESCTR" CHECKSUM="YiO/16Ls96E=" VALUE="QeWOVQq587KVDQCt43YNRQ=="></KID></KIDS></PROTECTINFO></DATA></WRMHEADER>',
    );
  });

  it.each([
    { name: 'XML', text: '<a:b xmlns:a="urn:a">1</a:b>', expected: '<a:b xmlns:a="urn:a">1</a:b>' },
    { name: 'text', text: 'plain & simple', expected: 'plain &amp; simple' },
    {
      name: 'what would end the element',
      text: '</CUSTOMATTRIBUTES><LA_URL>http://evil.test</LA_URL><CUSTOMATTRIBUTES>',
      expected:
        '&lt;/CUSTOMATTRIBUTES&gt;&lt;LA_URL&gt;http://evil.test&lt;/LA_URL&gt;&lt;CUSTOMATTRIBUTES&gt;',
    },
  ])('takes custom attributes: $name', ({ text, expected }) => {
    const playReady = { licenseUrl: '', customAttributes: text };
    expect(readHeader(writePlayReadyObject([{ ...KEY, playReady }], 'cbcs'))).toContain(
      `<CUSTOMATTRIBUTES xmlns="">${expected}</CUSTOMATTRIBUTES></DATA>`,
    );
  });

  it('leaves out custom attributes that would make it larger than 15 KiB', () => {
    const playReady = { licenseUrl: 'https://license.test/', customAttributes: 'x'.repeat(8_000) };
    const header = readHeader(writePlayReadyObject([{ ...KEY, playReady }], 'cenc'));
    expect(header).not.toContain('CUSTOMATTRIBUTES');
    expect(header).toContain('<LA_URL>https://license.test/</LA_URL>');
  });

  it('is well-formed whatever the custom attributes are', () => {
    const pieces = fc.constantFrom(
      '<',
      '>',
      '&',
      '"',
      '</CUSTOMATTRIBUTES>',
      'a',
      ' ',
      '<a>',
      '</a>',
      ']]>',
      '<!--',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const playReady = { licenseUrl: 'https://license.test/?a&b', customAttributes: parts.join('') };
        const header = readHeader(writePlayReadyObject([{ ...KEY, playReady }], 'cbcs'));
        expect(header.match(/<LA_URL>/g)).toHaveLength(1);
        expect(header.endsWith('</DATA></WRMHEADER>')).toBe(true);
        expect((header.match(/<CUSTOMATTRIBUTES /g) ?? []).length).toBeLessThanOrEqual(1);
        expect((header.match(/<\/CUSTOMATTRIBUTES>/g) ?? []).length).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('whole segments', () => {
  const ivSalt = Buffer.from('a1b2c3d4e5f60718', 'hex');

  it('are told as the original told them', () => {
    const key = { ...KEY, keyUrl: 'https://keys.test/?kid=1&x=$Number$' };
    const [descriptor, ...others] = contentProtectionOf(key, { scheme: 'aes128', ivSalt });
    if (descriptor === undefined) throw new Error('no descriptor');
    expect(others).toEqual([]);
    expect(contentProtectionLines(descriptor, '')).toEqual([
      '<ContentProtection schemeIdUri="urn:mpeg:dash:sea:2012">',
      '  <sea:SegmentEncryption schemeIdUri="urn:mpeg:dash:sea:aes128-cbc:2013"/>',
      '  <sea:KeySystem keySystemUri="urn:mpeg:dash:sea:keysys:http:2013"/>',
      '  <sea:CryptoPeriod IV="0xA1B2C3D4E5F607180000000000000000" keyUriTemplate="https://keys.test/?kid=1&amp;x=%24Number%24"/>',
      '</ContentProtection>',
    ]);
  });

  it('have vectors of their own in each recording', () => {
    expect(envelopeIv(ivSalt)).not.toEqual(envelopeIv(Buffer.from('a1b2c3d4e5f60719', 'hex')));
  });
});
