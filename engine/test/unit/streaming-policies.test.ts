import { describe, expect, it } from '@jest/globals';
import { ArmError } from '../../src/resources/error-catalogue.ts';
import { assignedContentKeys } from '../../src/resources/locator-content-keys.ts';
import {
  clearProtocolsOf,
  type EnabledProtocols,
  encryptedProtocolsOf,
  findPredefinedPolicy,
  newStreamingPolicy,
  PREDEFINED_POLICIES,
} from '../../src/resources/streaming-policy.ts';
import { parseStreamingPolicyBody } from '../../src/resources/streaming-policy-rules.ts';

const API = '2022-08-01';

function refusalOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof ArmError) return `${error.status} ${error.message}`;
    throw error;
  }
  return 'accepted';
}

const enabled = (protocols: EnabledProtocols | undefined): string =>
  Object.entries(protocols ?? {})
    .filter(([, isEnabled]) => isEnabled)
    .map(([name]) => name)
    .join(' ');

const all = { download: false, dash: true, hls: true, smoothStreaming: true };
const hls = { download: false, dash: false, hls: true, smoothStreaming: false };
const streaming = (properties: object) => parseStreamingPolicyBody({ properties }, API);
const envelope = (changes: object = {}) => ({
  enabledProtocols: all,
  contentKeys: { defaultKey: { label: 'aes' } },
  ...changes,
});
const cenc = (changes: object = {}) => ({
  enabledProtocols: all,
  contentKeys: { defaultKey: { label: 'cenc' } },
  drm: { playReady: {}, widevine: {} },
  ...changes,
});
const cbcs = (changes: object = {}) => ({
  enabledProtocols: hls,
  contentKeys: { defaultKey: { label: 'cbcs' } },
  drm: { fairPlay: { allowPersistentLicense: true } },
  ...changes,
});
const fourCc = (value: string) => ({ trackSelections: [{ property: 'FourCC', operation: 'Equal', value }] });
const mapping = (label: string, changes: object = {}) => ({ label, tracks: [fourCc('hev1')], ...changes });

describe('a streaming policy', () => {
  it.each<[string, object]>([
    ['everything in the clear', { noEncryption: { enabledProtocols: { ...all, download: true } } }],
    [
      'all schemes at once',
      {
        envelopeEncryption: envelope(),
        commonEncryptionCenc: cenc(),
        commonEncryptionCbcs: cbcs(),
        noEncryption: { enabledProtocols: hls },
      },
    ],
    ['one key without a label', { envelopeEncryption: envelope({ contentKeys: { defaultKey: {} } }) }],
    [
      'keys for tracks',
      {
        commonEncryptionCenc: cenc({
          contentKeys: {
            defaultKey: { label: 'a' },
            keyToTrackMappings: [mapping('b'), mapping('c', { policyName: 'p' })],
          },
          clearTracks: [fourCc('ec-3')],
        }),
      },
    ],
    [
      'templates',
      {
        envelopeEncryption: envelope({
          customKeyAcquisitionUrlTemplate: 'https://keys.example/{AlternativeMediaId}/{ContentKeyId}',
        }),
      },
    ],
    [
      'a template of the specification',
      {
        commonEncryptionCenc: cenc({
          drm: {
            widevine: {
              customLicenseAcquisitionUrlTemplate:
                'https://contoso.com/{AssetAlternativeId}/widevine/{ContentKeyId',
            },
          },
        }),
      },
    ],
    [
      'an address of an app for FairPlay',
      {
        commonEncryptionCbcs: cbcs({
          drm: {
            fairPlay: {
              allowPersistentLicense: false,
              customLicenseAcquisitionUrlTemplate: 'skd://keys.example/{ContentKeyId}',
            },
          },
        }),
      },
    ],
    [
      'clear key systems',
      {
        commonEncryptionCbcs: cbcs({
          drm: null,
          clearKeyEncryptionConfiguration: {
            customKeysAcquisitionUrlTemplate: 'https://contoso.com/{AlternativeMediaId}/clearkey/',
          },
        }),
      },
    ],
    [
      'PlayReady and Widevine with cbcs, as the newer service',
      { commonEncryptionCbcs: cbcs({ drm: { playReady: {}, widevine: {} } }) },
    ],
  ])('may have %s', (_name, properties) => {
    expect(refusalOf(() => streaming(properties))).toBe('accepted');
  });

  it.each<[string, object, RegExp]>([
    ['nothing', {}, /at least one of noEncryption, envelopeEncryption/],
    ['no protocols', { noEncryption: {} }, /noEncryption\.enabledProtocols' is invalid: it is required/],
    [
      'three of four protocols',
      { noEncryption: { enabledProtocols: { dash: true, hls: true, download: true } } },
      /smoothStreaming/,
    ],
    [
      'no protocols to encrypt',
      { envelopeEncryption: envelope({ enabledProtocols: null }) },
      /envelopeEncryption\.enabledProtocols/,
    ],
    [
      'encrypted downloads',
      { envelopeEncryption: envelope({ enabledProtocols: { ...all, download: true } }) },
      /envelopeEncryption\.enabledProtocols\.download/,
    ],
    [
      'encrypted downloads by cenc',
      { commonEncryptionCenc: cenc({ enabledProtocols: { ...all, download: true } }) },
      /download/,
    ],
    [
      'Smooth Streaming with cbcs',
      { commonEncryptionCbcs: cbcs({ enabledProtocols: all }) },
      /smoothStreaming/,
    ],
    [
      'no key',
      { envelopeEncryption: envelope({ contentKeys: null }) },
      /contentKeys' is invalid: a defaultKey/,
    ],
    [
      'no key in its keys',
      { envelopeEncryption: envelope({ contentKeys: { keyToTrackMappings: [] } }) },
      /a defaultKey/,
    ],
    [
      'too many keys',
      {
        envelopeEncryption: envelope({
          contentKeys: { keyToTrackMappings: Array.from({ length: 17 }, (_, index) => mapping(`k${index}`)) },
        }),
      },
      /17 content keys, at most 16/,
    ],
    [
      'a label twice',
      {
        envelopeEncryption: envelope({
          contentKeys: { defaultKey: { label: 'a' }, keyToTrackMappings: [mapping('a')] },
        }),
      },
      /label 'a' is there more than once/,
    ],
    [
      'a label twice in two schemes',
      {
        envelopeEncryption: envelope(),
        commonEncryptionCenc: cenc({ contentKeys: { defaultKey: { label: 'aes' } } }),
      },
      /commonEncryptionCenc\.contentKeys' is invalid: the label 'aes'/,
    ],
    [
      'two keys and one label',
      { envelopeEncryption: envelope({ contentKeys: { defaultKey: {} } }), commonEncryptionCenc: cenc() },
      /each has a label/,
    ],
    [
      'a mapping without a label',
      { envelopeEncryption: envelope({ contentKeys: { keyToTrackMappings: [mapping('')] } }) },
      /keyToTrackMappings\[0\]\.label/,
    ],
    [
      'a mapping without tracks',
      {
        envelopeEncryption: envelope({ contentKeys: { keyToTrackMappings: [mapping('a', { tracks: [] })] } }),
      },
      /tracks/,
    ],
    [
      'a selection of nothing',
      { envelopeEncryption: envelope({ clearTracks: [{ trackSelections: [] }] }) },
      /at least one condition/,
    ],
    [
      'a track property for answers only',
      {
        envelopeEncryption: envelope({
          clearTracks: [{ trackSelections: [{ property: 'Unknown', operation: 'Equal', value: 'hev1' }] }],
        }),
      },
      /property/,
    ],
    [
      'an operation for answers only',
      {
        envelopeEncryption: envelope({
          clearTracks: [{ trackSelections: [{ property: 'FourCC', operation: 'Unknown', value: 'hev1' }] }],
        }),
      },
      /operation/,
    ],
    [
      'three characters of four',
      { envelopeEncryption: envelope({ clearTracks: [fourCc('ac3')] }) },
      /four characters/,
    ],
    [
      'no key system',
      { commonEncryptionCenc: cenc({ drm: null }) },
      /commonEncryptionCenc\.drm' is invalid: a key system/,
    ],
    ['no key system in its drm', { commonEncryptionCbcs: cbcs({ drm: {} }) }, /a key system/],
    [
      'FairPlay with cenc',
      { commonEncryptionCenc: cenc({ drm: { fairPlay: { allowPersistentLicense: true } } }) },
      /drm\.fairPlay/,
    ],
    [
      'FairPlay that does not say what it keeps',
      { commonEncryptionCbcs: cbcs({ drm: { fairPlay: {} } }) },
      /allowPersistentLicense/,
    ],
    [
      'a template that is no address',
      { envelopeEncryption: envelope({ customKeyAcquisitionUrlTemplate: 'keys.example/{ContentKeyId}' }) },
      /customKeyAcquisitionUrlTemplate/,
    ],
    [
      'a template that runs',
      { envelopeEncryption: envelope({ customKeyAcquisitionUrlTemplate: 'javascript:alert(1)' }) },
      /schemes http, https/,
    ],
    [
      'a template of FairPlay elsewhere',
      {
        commonEncryptionCenc: cenc({
          drm: { playReady: { customLicenseAcquisitionUrlTemplate: 'skd://x' } },
        }),
      },
      /drm\.playReady/,
    ],
    [
      'a template that is too long',
      { envelopeEncryption: envelope({ customKeyAcquisitionUrlTemplate: `https://x/${'y'.repeat(2048)}` }) },
      /at most 2048/,
    ],
    [
      'a token that clear keys have not',
      {
        commonEncryptionCenc: cenc({
          clearKeyEncryptionConfiguration: { customKeysAcquisitionUrlTemplate: 'https://x/{ContentKeyId}' },
        }),
      },
      /only \{AlternativeMediaId\}/,
    ],
  ])('may not have %s', (_name, properties, message) => {
    const refused = refusalOf(() => streaming(properties));
    expect(refused).toMatch(message);
    expect(refused).toMatch(/^400 /);
  });

  it('answers with its lists filled in and without what is null', () => {
    const rules = streaming({
      defaultContentKeyPolicyName: 'p',
      envelopeEncryption: envelope({ customKeyAcquisitionUrlTemplate: null }),
      noEncryption: null,
    });
    const { record } = { record: newStreamingPolicy(rules, { name: 'S', caller: { id: 'c' }, nowIso: 't' }) };
    expect(record.rules).toEqual({
      defaultContentKeyPolicyName: 'p',
      envelopeEncryption: {
        enabledProtocols: all,
        clearTracks: [],
        contentKeys: { defaultKey: { label: 'aes' }, keyToTrackMappings: [] },
      },
    });
  });

  it('says what goes out in the clear, and what only encrypted', () => {
    const answers = PREDEFINED_POLICIES.map(({ name, rules }) => {
      return [name, enabled(clearProtocolsOf(rules)), enabled(encryptedProtocolsOf(rules))];
    });
    expect(answers).toEqual([
      ['Predefined_ClearKey', '', 'dash hls smoothStreaming'],
      ['Predefined_ClearStreamingOnly', 'dash hls smoothStreaming', ''],
      ['Predefined_DownloadAndClearStreaming', 'download dash hls smoothStreaming', ''],
      ['Predefined_DownloadOnly', 'download', ''],
      ['Predefined_MultiDrmCencStreaming', '', 'dash smoothStreaming'],
      ['Predefined_MultiDrmStreaming', '', 'dash hls smoothStreaming'],
    ]);
  });
});

describe('content keys of a locator', () => {
  const id = (digit: number) => `${digit}0000000-0000-0000-0000-000000000000`;
  const value = Buffer.alloc(16, 3).toString('base64');
  const assign = (rules: object, supplied: readonly object[] = [], defaultContentKeyPolicyName?: string) => {
    let last = 0;
    return assignedContentKeys({
      rules: streaming(rules),
      supplied: supplied.map((key) => ({ id: id(9), ...key })),
      defaultContentKeyPolicyName,
      newId: () => {
        last += 1;
        return id(last);
      },
    });
  };
  const schemes = {
    envelopeEncryption: envelope(),
    commonEncryptionCenc: cenc(),
    commonEncryptionCbcs: cbcs(),
  };

  it('are one for each key of the policy, new or brought', () => {
    const keys = assign(schemes, [{ labelReferenceInStreamingPolicy: 'cenc', value }]);
    expect(keys.map(({ key, value: given }) => [key.type, key.label, key.id, given])).toEqual([
      ['EnvelopeEncryption', 'aes', id(1), undefined],
      ['CommonEncryptionCenc', 'cenc', id(9), value],
      ['CommonEncryptionCbcs', 'cbcs', id(2), undefined],
    ]);
    expect(assign({ noEncryption: { enabledProtocols: all } })).toEqual([]);
  });

  it('need no label where there is one', () => {
    expect(assign({ envelopeEncryption: envelope() }, [{ value }])[0]?.key.id).toBe(id(9));
    const unnamed = { envelopeEncryption: envelope({ contentKeys: { defaultKey: {} } }) };
    expect(assign(unnamed, [{ value }])[0]?.key).toEqual({
      id: id(9),
      type: 'EnvelopeEncryption',
      tracks: [],
    });
  });

  it('are delivered by the policy named nearest to them', () => {
    const rules = {
      defaultContentKeyPolicyName: 'all',
      commonEncryptionCenc: cenc({
        contentKeys: {
          defaultKey: { label: 'a' },
          keyToTrackMappings: [mapping('b', { policyName: 'own' })],
        },
      }),
    };
    const names = (locatorDefault?: string) =>
      assign(rules, [], locatorDefault).map(({ key }) => key.policyName);
    expect([names(), names('locator')]).toEqual([
      ['all', 'own'],
      ['locator', 'own'],
    ]);
    expect(assign(rules)[1]?.key.tracks).toEqual([fourCc('hev1')]);
  });

  it.each<[string, object, readonly object[], RegExp]>([
    [
      'a label that there is not',
      schemes,
      [{ labelReferenceInStreamingPolicy: 'x', value }],
      /contentKeys\[0\]\.labelReferenceInStreamingPolicy' is invalid: one of 'aes', 'cenc', 'cbcs'/,
    ],
    ['no label where there are several', schemes, [{ value }], /one of 'aes'/],
    [
      'a label twice',
      schemes,
      [
        { labelReferenceInStreamingPolicy: 'aes', value },
        { labelReferenceInStreamingPolicy: 'aes', value },
      ],
      /contentKeys\[1\]/,
    ],
    [
      'a key for what is not encrypted',
      { noEncryption: { enabledProtocols: all } },
      [{ labelReferenceInStreamingPolicy: 'aes', value }],
      /has no content keys/,
    ],
    [
      'a short key',
      schemes,
      [{ labelReferenceInStreamingPolicy: 'aes', value: 'AAAA' }],
      /contentKeys\[0\]\.value' is invalid: a key of 16 bytes/,
    ],
    [
      'a key that is no base64',
      schemes,
      [{ labelReferenceInStreamingPolicy: 'aes', value: '{not base64 at all!!}==' }],
      /16 bytes in base64/,
    ],
  ])('are refused: %s', (_name, rules, supplied, message) => {
    expect(refusalOf(() => assign(rules, supplied))).toMatch(message);
  });

  it('know the predefined policies by any letter case', () => {
    expect(findPredefinedPolicy('predefined_CLEARKEY')?.name).toBe('Predefined_ClearKey');
  });
});
