import { execFile } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  newContentKeyPolicy,
  parseContentKeyPolicyBody,
  parseContentKeyPolicyPatch,
  patchedContentKeyPolicy,
  replacedContentKeyPolicy,
  toContentKeyPolicyProperties,
} from '../../src/resources/content-key-policy.ts';
import { hiddenSecrets } from '../../src/resources/content-key-secrets.ts';
import { ArmError } from '../../src/resources/error-catalogue.ts';

const API = '2022-08-01';
const type = (name: string) => ({ '@odata.type': `#Microsoft.Media.ContentKeyPolicy${name}` });
const KEY = Buffer.alloc(32, 7).toString('base64');
const symmetric = { ...type('SymmetricTokenKey'), keyValue: KEY };
const token = (changes: object = {}) => ({
  ...type('TokenRestriction'),
  issuer: 'urn:issuer',
  audience: 'urn:audience',
  primaryVerificationKey: symmetric,
  restrictionTokenType: 'Jwt',
  ...changes,
});
const open = type('OpenRestriction');
const clearKey = type('ClearKeyConfiguration');
const policy = (...options: readonly object[]) => ({ properties: { options } });
const withRestriction = (restriction: object) => policy({ configuration: clearKey, restriction });
const withConfiguration = (configuration: object) => policy({ configuration, restriction: open });

/** Key material made by OpenSSL, as users bring it. */
interface Material {
  readonly pem: string;
  readonly der: string;
  readonly shortDer: string;
  readonly curveDer: string;
  readonly pfx: string;
  readonly oldPfx: string;
  readonly pfxWithoutKey: string;
}
let material: Material;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-keys-'));
  const run = (args: readonly string[]) => promisify(execFile)('openssl', args, { cwd: folder });
  const certify = async (name: string, newKey: readonly string[]) => {
    const files = ['-keyout', `${name}.key`, '-out', `${name}.pem`];
    await run(['req', '-x509', '-nodes', '-days', '2', '-subj', `/CN=${name}`, ...newKey, ...files]);
    return readFile(join(folder, `${name}.pem`), 'utf8');
  };
  const derOf = (pem: string) => new X509Certificate(pem).raw.toString('base64');
  const pem = await certify('long', ['-newkey', 'rsa:2048']);
  const pack = async (name: string, extra: readonly string[]) => {
    const args = ['pkcs12', '-export', '-in', 'long.pem', '-passout', 'pass:secret', '-out', name, ...extra];
    await run(args);
    return (await readFile(join(folder, name))).toString('base64');
  };
  material = {
    pem,
    der: derOf(pem),
    shortDer: derOf(await certify('short', ['-newkey', 'rsa:1024'])),
    curveDer: derOf(await certify('curve', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'])),
    pfx: await pack('new.pfx', ['-inkey', 'long.key']),
    oldPfx: await pack('old.pfx', ['-inkey', 'long.key', '-legacy']),
    pfxWithoutKey: await pack('nokey.pfx', ['-nokeys']),
  };
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

function refusalOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof ArmError) return `${error.status} ${error.message}`;
    throw error;
  }
  return 'accepted';
}

const parse = (body: unknown) => parseContentKeyPolicyBody(body, API);
const certificate = (rawBody: string) => ({ ...type('X509CertificateTokenKey'), rawBody });
const rsa = (exponent: string, modulus: string) => ({ ...type('RsaTokenKey'), exponent, modulus });

describe('token restrictions', () => {
  const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
  const base64 = (text: string | undefined) => Buffer.from(text ?? '', 'base64url').toString('base64');

  it.each<[string, () => object]>([
    ['a symmetric key', () => token()],
    ['an RSA key', () => token({ primaryVerificationKey: rsa(base64(jwk.e), base64(jwk.n)) })],
    ['the RSA key of the specification', () => token({ primaryVerificationKey: rsa('AQAB', 'AQAD') })],
    ['a certificate', () => token({ primaryVerificationKey: certificate(material.der) })],
    ['simple web tokens', () => token({ restrictionTokenType: 'Swt' })],
    [
      'discovery instead of a key',
      () => token({ primaryVerificationKey: null, openIdConnectDiscoveryDocument: 'https://id.example/x' }),
    ],
    [
      'a claim without a value, and thirty of them',
      () => token({ requiredClaims: Array.from({ length: 30 }, (_, index) => ({ claimType: `c${index}` })) }),
    ],
    ['other keys beside', () => token({ alternateVerificationKeys: [symmetric, rsa('AQAB', 'AQAD')] })],
  ])('take %s', (_name, restriction) => {
    expect(refusalOf(() => parse(withRestriction(restriction())))).toBe('accepted');
  });

  it.each<[string, () => object, RegExp]>([
    [
      'no key at all',
      () => token({ primaryVerificationKey: null }),
      /primaryVerificationKey' is invalid: it is required without/,
    ],
    ['an empty issuer', () => token({ issuer: '' }), /\.issuer' is invalid: it is empty/],
    ['an empty audience', () => token({ audience: '' }), /\.audience' is invalid: it is empty/],
    ['a type for answers only', () => token({ restrictionTokenType: 'Unknown' }), /restrictionTokenType/],
    [
      'an empty key',
      () => token({ primaryVerificationKey: { ...symmetric, keyValue: '' } }),
      /keyValue' is invalid: it has 0 bytes/,
    ],
    [
      'a hidden key, as answers show it',
      () => token({ primaryVerificationKey: { ...symmetric, keyValue: null } }),
      /keyValue' is invalid: it is required/,
    ],
    [
      'a key that is no base64',
      () => token({ primaryVerificationKey: { ...symmetric, keyValue: '!' } }),
      /keyValue' is invalid: base64/,
    ],
    [
      'an even exponent',
      () => token({ primaryVerificationKey: rsa('AQAA', 'AQAD') }),
      /exponent' is invalid: an odd number/,
    ],
    ['an exponent of one', () => token({ primaryVerificationKey: rsa('AQ==', 'AQAD') }), /exponent/],
    ['an even modulus', () => token({ primaryVerificationKey: rsa('AQAB', 'AQAE') }), /modulus/],
    ['a modulus below the exponent', () => token({ primaryVerificationKey: rsa('AQAB', 'AQE=') }), /modulus/],
    [
      'an RSA key for simple web tokens',
      () => token({ restrictionTokenType: 'Swt', primaryVerificationKey: rsa('AQAB', 'AQAD') }),
      /signed with a symmetric key/,
    ],
    [
      'a certificate for simple web tokens',
      () => token({ restrictionTokenType: 'Swt', alternateVerificationKeys: [certificate(material.der)] }),
      /alternateVerificationKeys\[0\]' is invalid/,
    ],
    [
      'what is no certificate',
      () => token({ primaryVerificationKey: certificate(KEY) }),
      /rawBody' is invalid: an X\.509 certificate/,
    ],
    [
      'a certificate with a short key',
      () => token({ primaryVerificationKey: certificate(material.shortDer) }),
      /has 1024 bits, at least 2048/,
    ],
    [
      'a certificate of an elliptic curve',
      () => token({ primaryVerificationKey: certificate(material.curveDer) }),
      /of type 'ec'/,
    ],
    [
      'discovery by a path',
      () => token({ openIdConnectDiscoveryDocument: '/well-known' }),
      /absolute http or https URL/,
    ],
    [
      'discovery from a file',
      () => token({ openIdConnectDiscoveryDocument: 'file:///etc/passwd' }),
      /absolute http or https URL/,
    ],
    [
      'discovery for simple web tokens',
      () => token({ restrictionTokenType: 'Swt', openIdConnectDiscoveryDocument: 'https://id.example' }),
      /simple web tokens have none/,
    ],
    [
      'a claim without a type',
      () => token({ requiredClaims: [{ claimValue: 'x' }] }),
      /requiredClaims\[0\]\.claimType/,
    ],
    [
      'too many other keys',
      () => token({ alternateVerificationKeys: Array(21).fill(symmetric) }),
      /21 items, at most 20/,
    ],
  ])('refuse %s', (_name, restriction, message) => {
    const refused = refusalOf(() => parse(withRestriction(restriction())));
    expect(refused).toMatch(/^400 The field 'properties\.options\[0\]\.restriction/);
    expect(refused).toMatch(message);
  });

  it('keep a certificate as DER, whatever it came as', () => {
    const pem = Buffer.from(material.pem).toString('base64');
    const restrictions = parse(withRestriction(token({ primaryVerificationKey: certificate(pem) }))).options;
    expect(restrictions[0]?.restriction).toMatchObject({
      primaryVerificationKey: { rawBody: material.der },
    });
  });

  it('require thirty claims together at most', () => {
    const half = token({ requiredClaims: Array.from({ length: 16 }, () => ({ claimType: 'c' })) });
    const option = { configuration: clearKey, restriction: half };
    expect(refusalOf(() => parse(policy(option, option)))).toMatch(/32 claims, at most 30/);
  });
});

describe('PlayReady licenses', () => {
  const playRight = (changes: object = {}) => ({
    digitalVideoOnlyContentRestriction: false,
    imageConstraintForAnalogComponentVideoRestriction: true,
    imageConstraintForAnalogComputerMonitorRestriction: false,
    allowPassingVideoContentToUnknownOutput: 'NotAllowed',
    ...changes,
  });
  const license = (changes: object = {}) => ({
    allowTestDevices: true,
    licenseType: 'Persistent',
    contentKeyLocation: type('PlayReadyContentEncryptionKeyFromHeader'),
    contentType: 'Unspecified',
    playRight: playRight(),
    ...changes,
  });
  const configuration = (...licenses: readonly object[]) =>
    withConfiguration({ ...type('PlayReadyConfiguration'), licenses });

  it.each<[string, object]>([
    ['the simplest', license()],
    [
      'everything at once',
      license({
        securityLevel: 'SL3000',
        beginDate: '2026-01-01T00:00:00Z',
        expirationDate: '2026-02-01T00:00:00Z',
        gracePeriod: 'PT1H',
        contentKeyLocation: {
          ...type('PlayReadyContentEncryptionKeyFromKeyIdentifier'),
          keyId: '11111111-2222-3333-4444-555555555555',
        },
        playRight: playRight({
          firstPlayExpiration: 'P1D',
          scmsRestriction: 3,
          agcAndColorStripeRestriction: 0,
          explicitAnalogTelevisionOutputRestriction: { bestEffort: true, configurationData: 3 },
          uncompressedDigitalVideoOpl: 270,
          compressedDigitalVideoOpl: 500,
          analogVideoOpl: 150,
          compressedDigitalAudioOpl: 300,
          uncompressedDigitalAudioOpl: 100,
        }),
      }),
    ],
    ['relative times', license({ relativeBeginDate: 'PT1H', relativeExpirationDate: 'P1D' })],
    [
      'a time for what is not kept',
      license({ licenseType: 'NonPersistent', relativeExpirationDate: 'PT1H' }),
    ],
    ['digital video only', license({ playRight: playRight({ digitalVideoOnlyContentRestriction: true }) })],
  ])('may have %s', (_name, one) => {
    expect(refusalOf(() => parse(configuration(one)))).toBe('accepted');
  });

  it.each<[string, object, RegExp]>([
    ['no right to play', license({ playRight: null }), /playRight/],
    ['a type for answers only', license({ licenseType: 'Unknown' }), /licenseType/],
    ['a content type for answers only', license({ contentType: 'Unknown' }), /contentType/],
    ['a security level for answers only', license({ securityLevel: 'Unknown' }), /securityLevel/],
    [
      'an option for answers only',
      license({ playRight: playRight({ allowPassingVideoContentToUnknownOutput: 'Unknown' }) }),
      /allowPassing/,
    ],
    [
      'two begins',
      license({ beginDate: '2026-01-01T00:00:00Z', relativeBeginDate: 'PT1H' }),
      /relativeBeginDate/,
    ],
    [
      'two ends',
      license({ expirationDate: '2026-01-01T00:00:00Z', relativeExpirationDate: 'PT1H' }),
      /relativeExpirationDate/,
    ],
    [
      'an end before the begin',
      license({ beginDate: '2026-02-01T00:00:00Z', expirationDate: '2026-01-01T00:00:00Z' }),
      /after beginDate/,
    ],
    [
      'a relative end before the begin',
      license({ relativeBeginDate: 'P1D', relativeExpirationDate: 'PT24H' }),
      /longer than relativeBeginDate/,
    ],
    [
      'a begin when it is not kept',
      license({ licenseType: 'NonPersistent', beginDate: '2026-01-01T00:00:00Z' }),
      /beginDate' is invalid: it cannot be set/,
    ],
    [
      'an end when it is not kept',
      license({ licenseType: 'NonPersistent', expirationDate: '2026-01-01T00:00:00Z' }),
      /NonPersistent/,
    ],
    [
      'a grace period when it is not kept',
      license({ licenseType: 'NonPersistent', gracePeriod: 'PT1H' }),
      /gracePeriod/,
    ],
    [
      'a first play when it is not kept',
      license({ licenseType: 'NonPersistent', playRight: playRight({ firstPlayExpiration: 'PT1H' }) }),
      /firstPlayExpiration/,
    ],
    [
      'four copies',
      license({ playRight: playRight({ scmsRestriction: 4 }) }),
      /scmsRestriction' is invalid: it is 4, 0 to 3/,
    ],
    [
      'colour stripes below nothing',
      license({ playRight: playRight({ agcAndColorStripeRestriction: -1 }) }),
      /agcAndColorStripe/,
    ],
    [
      'television bits',
      license({
        playRight: playRight({
          explicitAnalogTelevisionOutputRestriction: { bestEffort: false, configurationData: 4 },
        }),
      }),
      /configurationData/,
    ],
    [
      'a level that there is not',
      license({ playRight: playRight({ compressedDigitalVideoOpl: 450 }) }),
      /one of 400, 500/,
    ],
    [
      'an analog level that there is not',
      license({ playRight: playRight({ analogVideoOpl: 250 }) }),
      /one of 100, 150, 200/,
    ],
  ])('may not have %s', (_name, one, message) => {
    expect(refusalOf(() => parse(configuration(one)))).toMatch(message);
  });

  it.each(['Allowed', 'AllowedWithVideoConstriction'])(
    'word a forbidden output as the original: %s',
    (passing) => {
      const right = playRight({
        digitalVideoOnlyContentRestriction: true,
        allowPassingVideoContentToUnknownOutput: passing,
      });
      expect(refusalOf(() => parse(configuration(license({ playRight: right }))))).toBe(
        '400 PlayReady does not allow passing to unknown outputs if the DigitalVideoOnlyContentRestriction is enabled.',
      );
    },
  );

  it('are one to ten', () => {
    expect(refusalOf(() => parse(configuration()))).toMatch(/licenses' is invalid: it has 0 items/);
    expect(refusalOf(() => parse(configuration(...Array(11).fill(license()))))).toMatch(/11 items/);
  });
});

describe('Widevine templates', () => {
  const configuration = (widevineTemplate: string) =>
    withConfiguration({ ...type('WidevineConfiguration'), widevineTemplate });

  it.each([
    ['defaults', '{}'],
    [
      'the example of the specification',
      '{"allowed_track_types":"SD_HD","content_key_specs":[{"track_type":"SD","security_level":1,"required_output_protection":{"hdcp":"HDCP_V2"}}],"policy_overrides":{"can_play":true,"can_persist":true,"can_renew":false}}',
    ],
    ['fields that only the license server knows', '{"session_init":{"override_provider_client_token":true}}'],
  ])('may be %s', (_name, template) => {
    expect(refusalOf(() => parse(configuration(template)))).toBe('accepted');
  });

  it.each([
    ['empty', '', /widevineTemplate' is invalid: a JSON object/],
    ['no JSON', '{"a":', /a JSON object/],
    ['no object', '[]', /an object is expected, not an array/],
    ['of unknown tracks', '{"allowed_track_types":"ALL"}', /widevineTemplate\.allowed_track_types/],
    [
      'of a sixth level',
      '{"content_key_specs":[{"security_level":6}]}',
      /content_key_specs\[0\]\.security_level/,
    ],
    ['of another protection', '{"content_key_specs":[{"required_output_protection":{"hdcp":"X"}}]}', /hdcp/],
    ['of a text for a switch', '{"policy_overrides":{"can_play":"yes"}}', /policy_overrides\.can_play/],
    [
      'of a negative time',
      '{"policy_overrides":{"license_duration_seconds":-1}}',
      /license_duration_seconds/,
    ],
  ])('may not be %s', (_name, template, message) => {
    expect(refusalOf(() => parse(configuration(template)))).toMatch(message);
  });
});

describe('content keys in a Widevine template', () => {
  const key = 'AAECAwQFBgcICQoLDA0ODw==';
  const specs = { content_key_specs: [{ track_type: 'SD', key, key_id: key }], provider: 'one' };
  const hidden = { content_key_specs: [{ track_type: 'SD', key: null, key_id: key }], provider: 'one' };

  it.each([
    ['are not shown', JSON.stringify(specs, null, 2), JSON.stringify(hidden)],
    ['leave others as they are written', '{ "provider": "one" }', '{ "provider": "one" }'],
  ])('%s', (_name, widevineTemplate, shown) => {
    const option = { configuration: { '@odata.type': 'x', widevineTemplate }, name: 'key' };
    expect(hiddenSecrets(option)).toEqual({
      ...{ configuration: { '@odata.type': 'x', widevineTemplate: shown }, name: 'key' },
    });
  });

  it('are not accepted as they are shown, so that nobody loses them by writing back what was read', () => {
    const configuration = { ...type('WidevineConfiguration'), widevineTemplate: JSON.stringify(hidden) };
    expect(refusalOf(() => parse(withConfiguration(configuration)))).toMatch(/content_key_specs\[0\]\.key/);
  });
});

describe('FairPlay', () => {
  const fairPlay = (changes: object = {}) =>
    withConfiguration({
      ...type('FairPlayConfiguration'),
      ask: Buffer.alloc(16, 1).toString('base64'),
      fairPlayPfx: material.pfx,
      fairPlayPfxPassword: 'secret',
      rentalAndLeaseKeyType: 'PersistentUnlimited',
      rentalDuration: 2249,
      ...changes,
    });
  const offline = { playbackDurationSeconds: 3600, storageDurationSeconds: 7200 };

  it.each<[string, () => object]>([
    ['a certificate with its key', () => fairPlay()],
    ['a certificate as older tools write it', () => fairPlay({ fairPlayPfx: material.oldPfx })],
    [
      'offline rental',
      () => fairPlay({ rentalAndLeaseKeyType: 'DualExpiry', offlineRentalConfiguration: offline }),
    ],
    ['no rental', () => fairPlay({ rentalAndLeaseKeyType: 'Undefined', rentalDuration: 0 })],
  ])('takes %s', (_name, body) => {
    expect(refusalOf(() => parse(body()))).toBe('accepted');
  });

  it.each<[string, () => object, RegExp]>([
    ['a short ask', () => fairPlay({ ask: 'AAAA' }), /ask' is invalid: it has 3 bytes, 16/],
    [
      'another password',
      () => fairPlay({ fairPlayPfxPassword: 'wrong' }),
      /fairPlayPfxPassword' is invalid: it does not open/,
    ],
    [
      'another password of older tools',
      () => fairPlay({ fairPlayPfx: material.oldPfx, fairPlayPfxPassword: '' }),
      /does not open/,
    ],
    [
      'no password',
      () => fairPlay({ fairPlayPfxPassword: null }),
      /fairPlayPfxPassword' is invalid: it is required/,
    ],
    ['what is no container', () => fairPlay({ fairPlayPfx: KEY }), /PKCS 12/],
    ['what is no base64', () => fairPlay({ fairPlayPfx: 'no pfx' }), /fairPlayPfx' is invalid: base64/],
    [
      'a certificate without its key',
      () => fairPlay({ fairPlayPfx: material.pfxWithoutKey }),
      /with its private key/,
    ],
    [
      'a type for answers only',
      () => fairPlay({ rentalAndLeaseKeyType: 'Unknown' }),
      /rentalAndLeaseKeyType/,
    ],
    ['a negative rental', () => fairPlay({ rentalDuration: -1 }), /rentalDuration' is invalid: it is -1/],
    [
      'a limit of nothing',
      () => fairPlay({ rentalAndLeaseKeyType: 'PersistentLimited', rentalDuration: 0 }),
      /rentalDuration/,
    ],
    [
      'two expiries without durations',
      () => fairPlay({ rentalAndLeaseKeyType: 'DualExpiry' }),
      /offlineRentalConfiguration' is invalid: it is required/,
    ],
    [
      'durations without two expiries',
      () => fairPlay({ offlineRentalConfiguration: offline }),
      /only keys with DualExpiry/,
    ],
    [
      'a negative duration',
      () =>
        fairPlay({
          rentalAndLeaseKeyType: 'DualExpiry',
          offlineRentalConfiguration: { ...offline, storageDurationSeconds: -1 },
        }),
      /storageDurationSeconds/,
    ],
  ])('refuses %s', (_name, body, message) => {
    expect(refusalOf(() => parse(body()))).toMatch(message);
  });
});

describe('a content key policy', () => {
  const ids = () => {
    let last = 0;
    return () => {
      last += 1;
      return `id${last}`;
    };
  };
  const at = (nowIso: string, newId = ids()) => ({ caller: { id: 'someone' }, nowIso, newId });
  const body = parse({
    properties: {
      description: 'first',
      options: [
        {
          name: 'one',
          configuration: clearKey,
          restriction: token({ openIdConnectDiscoveryDocument: null }),
        },
        { configuration: clearKey, restriction: open },
      ],
    },
  });

  it.each([
    ['no properties', {}, /properties' is invalid: it is required/],
    ['no option', policy(), /0 items, 1 to 30/],
    [
      'too many options',
      policy(...Array(31).fill({ configuration: clearKey, restriction: open })),
      /31 items/,
    ],
    [
      'a configuration for answers only',
      withConfiguration(type('UnknownConfiguration')),
      /configuration' is invalid/,
    ],
    [
      'a restriction for answers only',
      withRestriction(type('UnknownRestriction')),
      /restriction' is invalid/,
    ],
    ['a configuration that there is not', withConfiguration(type('OpenConfiguration')), /configuration/],
    ['no configuration', policy({ restriction: open }), /options\[0\]\.configuration/],
    [
      'an unknown field',
      policy({ configuration: clearKey, restriction: open, colour: 1 }),
      /options\[0\]\.colour/,
    ],
    [
      'options that are too long',
      policy(
        ...Array(30).fill({
          configuration: { ...type('PlayReadyConfiguration'), licenses: [] },
          restriction: open,
        }),
      ),
      /licenses/,
    ],
  ])('is refused with %s', (_name, sent, message) => {
    expect(refusalOf(() => parse(sent))).toMatch(message);
  });

  it('shows null for its secrets, fills in lists and leaves out what is null', () => {
    const { record, secretOptions } = newContentKeyPolicy(body, { ...at('t1'), name: 'P' });
    const restriction = (keyValue: string | null) => ({
      ...type('TokenRestriction'),
      issuer: 'urn:issuer',
      audience: 'urn:audience',
      primaryVerificationKey: { ...type('SymmetricTokenKey'), keyValue },
      alternateVerificationKeys: [],
      requiredClaims: [],
      restrictionTokenType: 'Jwt',
    });
    const options = (keyValue: string | null) => [
      { policyOptionId: 'id1', name: 'one', configuration: clearKey, restriction: restriction(keyValue) },
      { policyOptionId: 'id2', configuration: clearKey, restriction: open },
    ];
    const shown = { policyId: 'id3', created: 't1', lastModified: 't1', description: 'first' };
    expect(toContentKeyPolicyProperties(record, record.options)).toEqual({
      ...shown,
      options: options(null),
    });
    expect(toContentKeyPolicyProperties(record, secretOptions)).toEqual({ ...shown, options: options(KEY) });
    expect(JSON.stringify(record)).not.toContain(KEY);
  });

  it('keeps its id and creation when it is replaced, and nothing else', () => {
    const before = newContentKeyPolicy(body, { ...at('t1'), name: 'P' }).record;
    const { record } = replacedContentKeyPolicy(before, parse(withRestriction(open)), {
      ...at('t2'),
      caller: { id: 'another' },
    });
    expect(record).toEqual({
      name: 'P',
      policyId: before.policyId,
      created: 't1',
      createdBy: 'someone',
      lastModified: 't2',
      lastModifiedBy: 'another',
      options: [{ policyOptionId: 'id1', configuration: clearKey, restriction: open }],
    });
  });

  it('gets new option ids by every PATCH, and keeps its secrets when no options are sent', () => {
    const newId = ids();
    const before = newContentKeyPolicy(body, { ...at('t1', newId), name: 'P' });
    const patched = (sent: unknown) =>
      patchedContentKeyPolicy(before, parseContentKeyPolicyPatch(sent, API), at('t2', newId));
    const described = patched({ properties: { description: 'second' } });
    expect(described.record).toMatchObject({ policyId: before.record.policyId, description: 'second' });
    expect(described.record.options.map(({ policyOptionId }) => policyOptionId)).toEqual(['id4', 'id5']);
    expect(described.secretOptions[0]).toEqual({ ...before.secretOptions[0], policyOptionId: 'id4' });
    expect(patched({ properties: { description: null } }).record.description).toBeUndefined();
    expect(patched(withRestriction(open))).toMatchObject({
      record: { description: 'first', options: [{ restriction: open }] },
      secretOptions: [{ restriction: open }],
    });
  });
});
