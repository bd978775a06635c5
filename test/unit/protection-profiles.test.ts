import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { toArmStreamingPolicy } from '../../src/lib/adapters/media-services/protection.ts';
import { ProtectionProfileBody } from '../../src/lib/contracts/protection-body.ts';
import { playbackAddresses } from '../../src/lib/domain/playback-forms.ts';
import { predefinedPolicyOf } from '../../src/lib/domain/predefined-policies.ts';
import {
  BUILT_IN_PROFILES,
  type Delivery,
  keyLabelsOf,
  keyOptionsOf,
  type ProtectionProfile,
} from '../../src/lib/domain/protection.ts';
import { streamingPolicyOf } from '../../src/lib/workflows/protection-policies.ts';
import { type Json, openHttpApp } from '../support/http-app.ts';
import { openMemoryApp } from '../support/memory-app.ts';

let memory: ReturnType<typeof openMemoryApp>;
let http: ReturnType<typeof openHttpApp>;
beforeEach(() => {
  memory = openMemoryApp();
  http = openHttpApp(memory.app);
});

const PROFILE = '/protection-profiles/rental';
const KEY = randomBytes(40).toString('base64');
const { modulus, exponent } = (() => {
  const { n = '', e = '' } = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
    format: 'jwk',
  });
  return { modulus: n, exponent: e };
})();
const put = (body: Json, headers = {}) => http.call('PUT', PROFILE, { body, headers });
const AES = { delivery: { hls: 'aes128' } };

describe('a profile', () => {
  it('is one however often it is put, has an entity tag, and is gone when it is deleted', async () => {
    const made = await put(AES);
    expect([made.status, made.headers.get('location')]).toEqual([201, `/api/v1${PROFILE}`]);
    const again = await put(AES);
    expect([again.status, again.body]).toEqual([200, made.body]);
    const etag = made.headers.get('etag') ?? '';
    expect(again.headers.get('etag')).toBe(etag);
    const changed = await put({ ...AES, keys: { access: 'open' } }, { 'if-match': etag });
    expect([changed.status, changed.body.keys]).toEqual([200, { access: 'open' }]);
    expect((await put(AES, { 'if-match': etag })).body.code).toBe('etagMismatch');
    expect((await http.call('DELETE', PROFILE, { headers: { 'if-match': etag } })).status).toBe(412);
    expect((await http.call('DELETE', PROFILE)).status).toBe(204);
    expect((await http.call('GET', PROFILE)).body.code).toBe('protectionProfileNotFound');
  });

  it('is listed among the built-in ones, page by page', async () => {
    await put(AES);
    const names = async (path: string) =>
      (await http.call('GET', path)).body.items.map(({ name }: { name: string }) => name);
    expect(await names('/protection-profiles')).toEqual(['aes', 'clear', 'clearkey', 'drm', 'rental']);
    const first = (await http.call('GET', '/protection-profiles?limit=3')).body;
    expect(first.items).toHaveLength(3);
    expect(await names(first.next)).toEqual(['drm', 'rental']);
  });

  it.each(BUILT_IN_PROFILES.map(({ name }) => name))('%s is built in and stays as it is', async (name) => {
    const path = `/protection-profiles/${name}`;
    const found = await http.call('GET', path);
    expect([found.status, found.body.builtIn, found.body.issuesTokens]).toEqual([
      200,
      true,
      name !== 'clear',
    ]);
    expect((await http.call('PUT', path, { body: AES })).body.code).toBe('profileBuiltIn');
    expect((await http.call('DELETE', path)).body.code).toBe('profileBuiltIn');
  });

  it('shows no key, and keeps symmetric ones in the secret store only', async () => {
    const { status, body } = await put({
      ...AES,
      keys: {
        access: 'token',
        primaryKey: { type: 'symmetric', value: KEY },
        alternateKeys: [{ type: 'rsa', modulus, exponent }],
      },
    });
    expect([status, body.keys.primaryKey]).toEqual([
      201,
      { type: 'symmetric', hint: expect.stringMatching(/^[0-9a-f]{8}$/) },
    ]);
    const stored = JSON.stringify([...memory.stores.rows.profileRows.rows.values()]);
    for (const text of [JSON.stringify(body), stored]) expect(text).not.toContain(KEY);
    const secret = /token-key-[0-9a-f-]{36}/.exec(stored)?.[0] ?? '';
    expect(await memory.app.secrets.get(secret)).toBe(KEY);

    const { primaryKey, alternateKeys } = body.keys;
    const next = { access: 'token', primaryKey: { type: 'generated' }, alternateKeys: [primaryKey] };
    const rotated = await put({ ...AES, keys: next });
    expect([rotated.status, rotated.body.keys.alternateKeys]).toEqual([200, [primaryKey]]);
    expect(await memory.app.secrets.get(secret)).toBe(KEY);
    expect(alternateKeys[0].type).toBe('rsa');
    const without = await put({ ...AES, keys: { access: 'token' } });
    expect(without.body.keys.primaryKey).toEqual(rotated.body.keys.primaryKey);
    expect(await memory.app.secrets.get(secret)).toBeUndefined();
    const lost = await put({ ...AES, keys: { ...next, primaryKey } });
    expect([lost.status, lost.body.errors[0].pointer]).toEqual([400, '/keys/primaryKey']);
  });

  it('that a program uses cannot be deleted, and one that there is not cannot be used', async () => {
    const program = '/channels/arena/programs/final';
    await http.call('PUT', '/channels/arena', { body: {} });
    const refused = await http.call('PUT', program, { body: { protection: 'rental' } });
    expect([refused.body.code, refused.body.errors[0].pointer]).toEqual([
      'protectionNotAvailable',
      '/protection',
    ]);
    await put(AES);
    expect((await http.call('PUT', program, { body: { protection: 'rental' } })).status).toBe(201);
    const inUse = await http.call('DELETE', PROFILE);
    expect([inUse.body.code, inUse.body.current]).toEqual([
      'profileInUse',
      { usedBy: [`/api/v1${program}`] },
    ]);
    expect((await http.call('PATCH', program, { body: { protection: 'aes' } })).status).toBe(200);
    expect((await http.call('DELETE', PROFILE)).status).toBe(204);
  });
});

const DRM = { playReady: {}, widevine: {}, fairPlay: {} };
const token = (keys: Json) => ({ ...AES, keys: { access: 'token', ...keys } });

describe('a body', () => {
  it.each<[string, Json, string]>([
    ['without a delivery', {}, '/delivery'],
    ['that delivers nothing', { delivery: {} }, '/delivery'],
    ['with a mode that there is not', { delivery: { hls: 'rot13' } }, '/delivery/hls'],
    ['with cbcs for Smooth Streaming', { delivery: { smooth: 'cbcs', drm: DRM } }, '/delivery/smooth'],
    [
      'with downloads of what is encrypted',
      { delivery: { hls: 'aes128', download: true } },
      '/delivery/download',
    ],
    ['with cenc for nobody', { delivery: { dash: 'cenc' } }, '/delivery/drm'],
    [
      'with cenc for FairPlay',
      { delivery: { dash: 'cenc', drm: { fairPlay: {} } } },
      '/delivery/drm/fairPlay',
    ],
    ['with key systems for AES-128', { delivery: { hls: 'aes128', drm: DRM } }, '/delivery/drm/fairPlay'],
    [
      'with a key address for no AES-128',
      { delivery: { hls: 'clear', keyUrl: 'https://k' } },
      '/delivery/keyUrl',
    ],
    [
      'with an address that is none',
      { delivery: { dash: 'cenc', drm: { widevine: { licenceUrl: 'w' } } } },
      '/delivery/drm/widevine/licenceUrl',
    ],
    [
      'with a key id in a Clear Key address',
      { delivery: { dash: 'cenc', drm: { clearKey: { licenceUrl: 'https://k/{ContentKeyId}' } } } },
      '/delivery/drm/clearKey/licenceUrl',
    ],
    ['with a field that there is not', { ...AES, key: 1 }, '/key'],
    [
      'with a key that is too short',
      token({ primaryKey: { type: 'symmetric', value: 'c2VjcmV0' } }),
      '/keys/primaryKey/value',
    ],
    [
      'with a small modulus',
      token({ primaryKey: { type: 'rsa', modulus: 'AQAB', exponent } }),
      '/keys/primaryKey/modulus',
    ],
    [
      'with an even exponent',
      token({ primaryKey: { type: 'rsa', modulus, exponent: 'AQAC' } }),
      '/keys/primaryKey/exponent',
    ],
    [
      'with a certificate that is none',
      token({ primaryKey: { type: 'x509', certificate: 'AAAA' } }),
      '/keys/primaryKey/certificate',
    ],
    ['without any key', token({ primaryKey: null }), '/keys/primaryKey'],
    [
      'with an RSA key for simple web tokens',
      token({ tokenType: 'swt', primaryKey: { type: 'rsa', modulus, exponent } }),
      '/keys/primaryKey',
    ],
    ['with no uses', token({ useLimit: 0 }), '/keys/useLimit'],
    [
      'with an unknown hint',
      token({ alternateKeys: [{ type: 'generated', hint: 'x' }] }),
      '/keys/alternateKeys/0',
    ],
  ])('%s is refused', async (_name, body, pointer) => {
    const answer = await put(body);
    expect([answer.status, answer.body.code]).toEqual([400, 'invalidBody']);
    expect(answer.body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer);
    expect(JSON.stringify(answer.body)).not.toContain('c2VjcmV0');
  });
});

const deliveryOf = (delivery: Json): Delivery => ProtectionProfileBody.parse({ delivery }).delivery;

describe('the mapping', () => {
  it.each<[string, Json, string | undefined]>([
    ['clear', { hls: 'clear', dash: 'clear', smooth: 'clear' }, 'Predefined_ClearStreamingOnly'],
    [
      'clear with downloads',
      { hls: 'clear', dash: 'clear', smooth: 'clear', download: true },
      'Predefined_DownloadAndClearStreaming',
    ],
    ['downloads', { download: true }, 'Predefined_DownloadOnly'],
    ['aes', { hls: 'aes128', dash: 'aes128', smooth: 'aes128' }, 'Predefined_ClearKey'],
    ['aes for HLS only', { hls: 'aes128' }, undefined],
    [
      'aes with keys elsewhere',
      { hls: 'aes128', dash: 'aes128', smooth: 'aes128', keyUrl: 'https://k' },
      undefined,
    ],
    ['drm', { hls: 'cbcs', dash: 'cenc', smooth: 'cenc', drm: DRM }, 'Predefined_MultiDrmStreaming'],
    [
      'drm without FairPlay',
      { dash: 'cenc', smooth: 'cenc', drm: { playReady: {}, widevine: {} } },
      'Predefined_MultiDrmCencStreaming',
    ],
    [
      'drm with licences elsewhere',
      { hls: 'cbcs', dash: 'cenc', smooth: 'cenc', drm: { ...DRM, widevine: { licenceUrl: 'https://w' } } },
      undefined,
    ],
    [
      'drm with offline FairPlay',
      { hls: 'cbcs', dash: 'cenc', smooth: 'cenc', drm: { ...DRM, fairPlay: { persistent: true } } },
      undefined,
    ],
  ])('of %s', (_name, delivery, policy) => {
    expect(predefinedPolicyOf(deliveryOf(delivery))).toBe(policy);
  });

  it('names a policy by what it holds, whoever writes it', () => {
    const [profile] = BUILT_IN_PROFILES;
    if (profile === undefined) throw new Error('none');
    const named = (delivery: Json) =>
      streamingPolicyOf({
        ...profile,
        name: 'rental',
        delivery: deliveryOf(delivery),
      } satisfies ProtectionProfile);
    const one = named({ hls: 'aes128', dash: 'clear' });
    expect(one).toEqual({ name: expect.stringMatching(/^headend-rental-[0-9a-f]{16}$/), predefined: false });
    expect(named({ dash: 'clear', hls: 'aes128' })).toEqual(one);
    expect(named({ hls: 'aes128', dash: 'off' })).not.toEqual(one);
  });

  it('has a part for each way of delivery, a key for each scheme, and options for what is ours', () => {
    const delivery = deliveryOf({
      hls: 'cbcs',
      dash: 'cenc',
      smooth: 'clear',
      drm: {
        playReady: { licenceUrl: 'https://p/{ContentKeyId}', customAttributes: '<A/>' },
        widevine: {},
        fairPlay: { licenceUrl: 'skd://f/{AlternativeMediaId}', persistent: true },
        clearKey: {},
      },
    });
    const protocols = (on: string) =>
      Object.fromEntries(['download', 'dash', 'hls', 'smoothStreaming'].map((name) => [name, name === on]));
    const systems = {
      playReady: {
        customLicenseAcquisitionUrlTemplate: 'https://p/{ContentKeyId}',
        playReadyCustomAttributes: '<A/>',
      },
      widevine: {},
    };
    expect(toArmStreamingPolicy(delivery)).toEqual({
      noEncryption: { enabledProtocols: protocols('smoothStreaming') },
      commonEncryptionCenc: {
        enabledProtocols: protocols('dash'),
        contentKeys: { defaultKey: { label: 'cencKeyDefault' } },
        drm: systems,
        clearKeyEncryptionConfiguration: {},
      },
      commonEncryptionCbcs: {
        enabledProtocols: protocols('hls'),
        contentKeys: { defaultKey: { label: 'cbcsKeyDefault' } },
        drm: {
          ...systems,
          fairPlay: {
            customLicenseAcquisitionUrlTemplate: 'skd://f/{AlternativeMediaId}',
            allowPersistentLicense: true,
          },
        },
        clearKeyEncryptionConfiguration: {},
      },
    });
    expect(keyLabelsOf(delivery)).toEqual([
      { scheme: 'cenc', label: 'cencKeyDefault' },
      { scheme: 'cbcs', label: 'cbcsKeyDefault' },
    ]);
    expect(keyOptionsOf(delivery)).toEqual(['clearKey', 'widevine']);
    expect(playbackAddresses('m', delivery)).toEqual({
      hls: 'm(format=m3u8-cmaf,encryption=cbcs-aapl).m3u8',
      dash: 'm(format=mpd-time-cmaf,encryption=cenc).mpd',
      smooth: 'm',
    });
    const aes = deliveryOf({ hls: 'aes128', keyUrl: 'https://k/{ContentKeyId}' });
    expect(keyOptionsOf(aes)).toEqual([]);
    expect(toArmStreamingPolicy(aes)).toEqual({
      envelopeEncryption: {
        enabledProtocols: protocols('hls'),
        contentKeys: { defaultKey: { label: 'clearKeyDefault' } },
        customKeyAcquisitionUrlTemplate: 'https://k/{ContentKeyId}',
      },
    });
    expect(playbackAddresses('m', aes)).toEqual({
      hls: 'm(format=m3u8-aapl,encryption=cbc).m3u8',
      dash: null,
      smooth: null,
    });
  });
});
