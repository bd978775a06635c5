import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readCpixAnswer, writeCpixRequest } from '../../src/lib/adapters/key-provider/cpix-document.ts';
import { cpixKeys } from '../../src/lib/adapters/key-provider/cpix-keys.ts';
import { ownKeys } from '../../src/lib/adapters/key-provider/own-keys.ts';
import type { CpixKeyService } from '../../src/lib/domain/key-service.ts';
import type { KeysRequest } from '../../src/lib/workflows/key-provider.ts';
import { type Certificate, makeCertificate } from '../support/certificate.ts';
import { type CpixServer, type Damage, startCpixServer } from '../support/cpix-server.ts';
import { openHttpApp } from '../support/http-app.ts';
import { openMemoryApp } from '../support/memory-app.ts';
import { memorySecrets } from '../support/memory-secrets.ts';

const [KID, OTHER] = ['98ee5596-cd3e-a20d-163a-e382420c6eff', '53abdba2-f210-43cb-bc90-f18f9a890a02'];
const API_KEY = 'canary-of-the-key-service';
const VALUE = Buffer.alloc(16, 7).toString('base64');

let server: CpixServer;
let service: CpixKeyService;
let [ours, others]: readonly Certificate[] = [];
const secrets = memorySecrets();
const provider = () => cpixKeys(service, { secrets });

beforeAll(async () => {
  server = await startCpixServer(API_KEY);
  [ours, others] = await Promise.all([makeCertificate(['rsa:2048']), makeCertificate(['rsa:2048'])]);
});
beforeEach(async () => {
  server.instead = undefined;
  server.damage = {};
  server.requests.length = 0;
  await secrets.put('key-service', API_KEY);
  service = {
    kind: 'cpix',
    url: server.url,
    contentIdPrefix: 'headend-',
    authorization: { header: 'x-api-key', secret: 'key-service', hint: 'k' },
  };
});
afterAll(() => server?.close());

const request: KeysRequest = {
  contentId: 'arena-final',
  keys: [
    { label: 'cencKeyDefault', scheme: 'cenc', kid: KID },
    { label: 'cbcsKeyDefault', scheme: 'cbcs' },
  ],
  systems: ['widevine', 'playReady', 'fairPlay', 'clearKey'],
};

describe('own keys', () => {
  it('are random, each its own, with the id that is wanted or a new one', async () => {
    const outcome = await ownKeys.keysFor(request);
    if (outcome.kind !== 'keys') throw new Error(outcome.kind);
    const [first, second] = outcome.keys;
    expect(first).toEqual({ label: 'cencKeyDefault', kid: KID, value: expect.any(String) });
    expect(second?.kid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(outcome.keys.map(({ value }) => Buffer.from(value, 'base64').length)).toEqual([16, 16]);
    expect(first?.value).not.toBe(second?.value);
  });
});

describe('keys of a CPIX service', () => {
  it('come in the order asked, each scheme in a document of its own that the service finds valid', async () => {
    const outcome = await provider().keysFor(request);
    if (outcome.kind !== 'keys') throw new Error(outcome.message);
    const [cenc, cbcs] = outcome.keys;
    expect(cenc).toEqual({
      label: 'cencKeyDefault',
      kid: KID,
      value: server.keyOf('headend-arena-final', KID),
    });
    expect(cbcs?.value).toBe(server.keyOf('headend-arena-final', cbcs?.kid ?? ''));
    const systems = [
      'edef8ba9-79d6-4ace-a3c8-27dcd51d21ed',
      '9a04f079-9840-4286-ab92-e65be0885f95',
      '94ce86fb-07ff-4f43-adb8-93d2fa968ca2',
      'e2719d58-a985-b3c9-781a-b030af78d30e',
    ];
    const asked = { contentId: 'headend-arena-final', tracks: ['ALL'], systems };
    expect(server.requests).toEqual([
      { ...asked, scheme: 'cenc' },
      { ...asked, scheme: 'cbcs' },
    ]);
    expect(
      await provider().keysFor({ ...request, keys: [{ label: 'a', scheme: 'cenc', kid: KID }] }),
    ).toEqual({
      kind: 'keys',
      keys: [{ label: 'a', kid: KID, value: cenc?.value }],
    });
  });

  it('may be one for pictures and one for sound', async () => {
    const keys = [
      { label: 'video', scheme: 'cbcs', kid: KID, track: 'video' },
      { label: 'audio', scheme: 'cbcs', kid: OTHER, track: 'audio' },
    ] as const;
    const outcome = await provider().keysFor({ ...request, contentId: 'a & "b" <c>', keys });
    const value = (kid: string) => server.keyOf('headend-a & "b" <c>', kid);
    expect(server.requests).toMatchObject([{ tracks: ['VIDEO', 'AUDIO'], contentId: 'headend-a & "b" <c>' }]);
    expect(outcome).toEqual({
      kind: 'keys',
      keys: [
        { label: 'video', kid: KID, value: value(KID) },
        { label: 'audio', kid: OTHER, value: value(OTHER) },
      ],
    });
  });

  const key = (kid: string, more: { scheme?: string; secret?: string } = {}) =>
    `<ContentKey kid="${kid}" commonEncryptionScheme="${more.scheme ?? 'cenc'}"><Data><Secret>${more.secret ?? `<PlainValue>${VALUE}</PlainValue>`}</Secret></Data></ContentKey>`;
  const document = (keys: string, before = '') =>
    `${before}<CPIX><ContentKeyList>${keys}</ContentKeyList></CPIX>`;
  const answers = [
    { name: '500', instead: { status: 500, body: 'oops' }, kind: 'later' },
    { name: '503', instead: { status: 503, body: '' }, kind: 'later' },
    { name: '429', instead: { status: 429, body: '' }, kind: 'later' },
    { name: '408', instead: { status: 408, body: '' }, kind: 'later' },
    { name: '401', instead: { status: 401, body: '' }, kind: 'refused' },
    { name: '404', instead: { status: 404, body: '' }, kind: 'refused' },
    {
      name: 'another version',
      instead: { status: 200, body: document(key(KID)), headers: { 'x-speke-version': '1.0' } },
      kind: 'refused',
    },
    {
      name: 'too much',
      instead: { status: 200, body: document(`${' '.repeat(300_000)}${key(KID)}`) },
      kind: 'refused',
    },
    { name: 'no XML', instead: { status: 200, body: '{"key":1}' }, kind: 'refused' },
    {
      name: 'XML that is cut off',
      instead: { status: 200, body: document(key(KID)).slice(0, -10) },
      kind: 'refused',
    },
    {
      name: 'entities',
      instead: {
        status: 200,
        body: document(key(KID), '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'),
      },
      kind: 'refused',
    },
    { name: 'no keys', instead: { status: 200, body: '<CPIX><ContentKeyList/></CPIX>' }, kind: 'refused' },
    { name: 'another key', instead: { status: 200, body: document(key(OTHER)) }, kind: 'refused' },
    { name: 'a key twice', instead: { status: 200, body: document(key(KID) + key(KID)) }, kind: 'refused' },
    {
      name: 'a key of another scheme',
      instead: { status: 200, body: document(key(KID, { scheme: 'cbcs' })) },
      kind: 'refused',
    },
    {
      name: 'a short key',
      instead: { status: 200, body: document(key(KID, { secret: '<PlainValue>AAAA</PlainValue>' })) },
      kind: 'refused',
    },
    {
      name: 'a key that is no base64',
      instead: {
        status: 200,
        body: document(key(KID, { secret: '<PlainValue>not base64 at all!!</PlainValue>' })),
      },
      kind: 'refused',
    },
    {
      name: 'a key without value',
      instead: { status: 200, body: document(`<ContentKey kid="${KID}" commonEncryptionScheme="cenc"/>`) },
      kind: 'refused',
    },
    {
      name: 'encrypted keys',
      instead: {
        status: 200,
        body: document(key(KID, { secret: '<EncryptedValue><CipherData/></EncryptedValue>' })),
      },
      kind: 'refused',
    },
    {
      name: 'a redirection',
      instead: { status: 307, body: '', headers: { location: 'http://127.0.0.1:1/' } },
      kind: 'later',
    },
    {
      name: 'a hundred thousand levels',
      instead: { status: 200, body: '<a>'.repeat(50_000) },
      kind: 'refused',
    },
  ];
  it.each(answers)('are not there when it answers $name', async ({ instead, kind }) => {
    server.instead = instead;
    const outcome = await provider().keysFor({ ...request, keys: request.keys.slice(0, 1) });
    expect(outcome).toMatchObject({ kind });
    expect(JSON.stringify(outcome)).not.toMatch(new RegExp(`${API_KEY}|${VALUE}`));
  });

  it.each([
    {
      name: 'it refuses the secret, which it shows',
      secret: 'canary-wrong',
      expected: {
        kind: 'refused',
        code: 'keyServiceRefused',
        message: 'The key service answered 403: no access with ***',
      },
    },
    {
      name: 'the secret is gone',
      secret: undefined,
      expected: { kind: 'later', code: 'keyServiceUnavailable' },
    },
  ])('are not there when $name', async ({ secret, expected }) => {
    if (secret === undefined) await secrets.remove('key-service');
    else await secrets.put('key-service', secret);
    expect(await provider().keysFor(request)).toMatchObject(expected);
  });

  it('are not there when nobody listens, or the service finds a fault, which it says', async () => {
    expect(await provider().keysFor({ ...request, contentId: 'x'.repeat(300) })).toEqual({
      kind: 'refused',
      code: 'keyServiceRefused',
      message: 'The key service answered 422: Missing CPIX@contentId',
    });
    service = { ...service, url: 'http://127.0.0.1:1/' };
    expect(await provider().keysFor(request)).toMatchObject({ kind: 'later' });
  });

  it('are not asked for AES-128', async () => {
    const keys = [{ label: 'clearKeyDefault', scheme: 'aes128' }] as const;
    expect(await provider().keysFor({ ...request, keys })).toMatchObject({ kind: 'refused' });
    expect(server.requests).toEqual([]);
  });
});

describe('encrypted keys of a CPIX service', () => {
  const der = (certificate: Certificate | undefined) => new X509Certificate(certificate?.cert ?? '');

  beforeEach(async () => {
    await secrets.put('recipient', ours?.key ?? '');
    const certificate = der(ours).raw.toString('base64');
    service = { ...service, encryption: { certificate, secret: 'recipient', hint: 'r' } };
  });

  it('are asked for with our certificate, and read with its private key', async () => {
    const outcome = await provider().keysFor(request);
    if (outcome.kind !== 'keys') throw new Error(outcome.message);
    expect(outcome.keys.map(({ value }) => value)).toEqual(
      outcome.keys.map(({ kid }) => server.keyOf('headend-arena-final', kid)),
    );
    expect(outcome.keys[0]?.kid).toBe(KID);
    expect(server.requests.map(({ scheme }) => scheme)).toEqual(['cenc', 'cbcs']);
  });

  const flip = (at: number) => (bytes: Buffer) => {
    bytes[bytes.length + at] = (bytes.at(at) ?? 0) ^ 1;
    return bytes;
  };
  const why = (fault: string) => `The key service’s answer cannot be used: ${fault}.`;
  const cases: readonly { name: string; damage: () => Damage; fault: string }[] = [
    { name: 'a wrong signature', damage: () => ({ mac: flip(-1) }), fault: 'a key’s signature is wrong' },
    {
      name: 'half a signature',
      damage: () => ({ mac: (mac) => mac.subarray(0, 32) }),
      fault: 'a key’s signature is wrong',
    },
    {
      name: 'a changed key',
      damage: () => ({ value: (value) => flip(-20)(Buffer.from(value)) }),
      fault: 'a key’s signature is wrong',
    },
    {
      name: 'another’s document key',
      damage: () => ({ certificate: der(others) }),
      fault: 'it is not encrypted for our certificate',
    },
    { name: 'a key in the clear', damage: () => ({ plain: true }), fault: 'a key is not encrypted' },
  ];
  it.each(cases)('are refused with $name', async ({ damage, fault }) => {
    server.damage = damage();
    expect(await provider().keysFor(request)).toEqual({
      kind: 'refused',
      code: 'keyServiceRefused',
      message: why(fault),
    });
  });

  it('are refused where nobody has asked for them, or for another; later where our private key is away', async () => {
    await secrets.put('recipient', others?.key ?? '');
    expect(await provider().keysFor(request)).toMatchObject({
      kind: 'refused',
      message: why('it is not encrypted for our certificate'),
    });
    for (const lose of [() => secrets.put('recipient', 'no key'), () => secrets.remove('recipient')]) {
      await lose();
      expect(await provider().keysFor(request)).toMatchObject({ kind: 'later' });
    }
    const { encryption: _, ...plain } = service;
    service = plain;
    expect(await provider().keysFor(request)).toMatchObject({ kind: 'keys' });
  });
});

describe('a profile with a key service', () => {
  const base = { keys: { access: 'open' }, delivery: { hls: 'cbcs', dash: 'cenc', drm: { clearKey: {} } } };
  const of = (change: object = {}) => ({
    ...base,
    keyProvider: {
      type: 'cpix',
      url: server.url,
      contentIdPrefix: 'tv-',
      authorization: { header: 'x-api-key', value: API_KEY },
      ...change,
    },
  });
  const PROFILE = '/protection-profiles/vendor';

  it('has its programs’ keys from there, asked for once, and shows its secret to nobody', async () => {
    const memory = openMemoryApp();
    const http = openHttpApp(memory.app);
    const { status, body } = await http.call('PUT', PROFILE, { body: of() });
    const { hint } = body.keyProvider.authorization;
    expect([status, body.keyProvider]).toEqual([
      201,
      {
        type: 'cpix',
        url: server.url,
        contentIdPrefix: 'tv-',
        authorization: { header: 'x-api-key', hint },
        encryption: null,
      },
    ]);
    await http.call('PUT', '/channels/arena', { body: {} });
    await http.call('PUT', '/channels/arena/programs/final', { body: { protection: 'vendor' } });
    await http.call('POST', '/channels/arena/start');
    for (let round = 0; round < 5; round += 1) await memory.app.reconcile('arena');
    const program = (await memory.app.programs.find('arena', 'final'))?.value;
    expect(program?.contentKeys.map(({ scheme, source }) => [scheme, source])).toEqual([
      ['cenc', 'cpix'],
      ['cbcs', 'cpix'],
    ]);
    const contentId = `tv-${program?.id}`;
    for (const { id } of program?.contentKeys ?? [])
      expect(await memory.app.secrets.get(`content-key-${id}`)).toBe(server.keyOf(contentId, id));
    expect(server.requests.map((asked) => [asked.contentId, asked.scheme, asked.systems.length])).toEqual([
      [contentId, 'cenc', 1],
      [contentId, 'cbcs', 1],
    ]);
    const shown = JSON.stringify([
      body,
      (await http.call('GET', PROFILE)).body,
      ...memory.stores.rows.programRows.rows.values(),
    ]);
    expect(shown).not.toContain(API_KEY);
  });

  it('is the same profile with the same secret again or with its hint, which is not good for another server', async () => {
    const memory = openMemoryApp();
    const http = openHttpApp(memory.app);
    const first = await http.call('PUT', PROFILE, { body: of() });
    const { hint } = first.body.keyProvider.authorization;
    const again = await http.call('PUT', PROFILE, { body: of() });
    const byHint = await http.call('PUT', PROFILE, {
      body: of({ authorization: { header: 'x-api-key', hint } }),
    });
    expect([again, byHint].map((answer) => [answer.status, answer.headers.get('etag')])).toEqual([
      [200, first.headers.get('etag')],
      [200, first.headers.get('etag')],
    ]);
    const moved = of({ url: 'https://evil.example/', authorization: { header: 'x-api-key', hint } });
    expect((await http.call('PUT', PROFILE, { body: moved })).body).toMatchObject({
      code: 'invalidBody',
      errors: [{ pointer: '/keyProvider/authorization' }],
    });
    await http.call('PUT', PROFILE, {
      body: of({ authorization: { header: 'x-api-key', value: 'another' } }),
    });
    const kept = (await memory.app.profiles.find('vendor'))?.value.keyProvider;
    if (kept?.kind !== 'cpix' || kept.authorization === null) throw new Error('no key service');
    expect(await memory.app.secrets.get(kept.authorization.secret)).toBe('another');
    expect(kept.authorization.hint).not.toBe(hint);
    await http.call('DELETE', PROFILE);
    await memory.app.reconcileProfile('vendor');
    expect(await memory.app.secrets.get(kept.authorization.secret)).toBeUndefined();
  });

  it('keeps the private key that answers are read with to itself, by the hint of its certificate', async () => {
    const memory = openMemoryApp();
    const http = openHttpApp(memory.app);
    const { cert = '', key = '' } = ours ?? {};
    const pair = of({ encryption: { certificate: cert, privateKey: key } });
    const first = await http.call('PUT', PROFILE, { body: pair });
    const { hint } = first.body.keyProvider.encryption;
    expect([first.status, hint]).toEqual([
      201,
      new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase(),
    ]);
    const again = await http.call('PUT', PROFILE, { body: pair });
    const byHint = await http.call('PUT', PROFILE, { body: of({ encryption: { hint } }) });
    expect([again, byHint].map((answer) => [answer.status, answer.headers.get('etag')])).toEqual([
      [200, first.headers.get('etag')],
      [200, first.headers.get('etag')],
    ]);
    await http.call('PUT', '/channels/arena', { body: {} });
    await http.call('PUT', '/channels/arena/programs/final', { body: { protection: 'vendor' } });
    await http.call('POST', '/channels/arena/start');
    for (let round = 0; round < 5; round += 1) await memory.app.reconcile('arena');
    const program = (await memory.app.programs.find('arena', 'final'))?.value;
    expect(program?.contentKeys).toHaveLength(2);
    for (const { id } of program?.contentKeys ?? [])
      expect(await memory.app.secrets.get(`content-key-${id}`)).toBe(server.keyOf(`tv-${program?.id}`, id));
    const shown = JSON.stringify([
      again.body,
      (await http.call('GET', PROFILE)).body,
      ...memory.stores.rows.programRows.rows.values(),
    ]);
    expect(shown).not.toMatch(/PRIVATE KEY/);
    const kept = (await memory.app.profiles.find('vendor'))?.value.keyProvider;
    if (kept?.kind !== 'cpix' || kept.encryption === undefined) throw new Error('no recipient');
    expect(await memory.app.secrets.get(kept.encryption.secret)).toContain('PRIVATE KEY');
    await http.call('PUT', PROFILE, { body: of() });
    await memory.app.reconcileProfile('vendor');
    expect(await memory.app.secrets.get(kept.encryption.secret)).toBeUndefined();
  });

  it('says why its programs have no keys', async () => {
    const memory = openMemoryApp();
    const http = openHttpApp(memory.app);
    await http.call('PUT', PROFILE, {
      body: of({ authorization: { header: 'x-api-key', value: 'wrong-one' } }),
    });
    await http.call('PUT', '/channels/arena', { body: {} });
    await http.call('PUT', '/channels/arena/programs/final', { body: { protection: 'vendor' } });
    await http.call('POST', '/channels/arena/start');
    for (let round = 0; round < 5; round += 1) await memory.app.reconcile('arena');
    const { body } = await http.call('GET', '/channels/arena/programs/final');
    expect(body.failure).toMatchObject({
      code: 'keyServiceRefused',
      message: 'The key service answered 403: no access with ***',
    });
  });

  it.each([
    {
      name: 'http to elsewhere',
      change: () => of({ url: 'http://keys.example/' }),
      pointer: '/keyProvider/url',
    },
    {
      name: 'a user in the address',
      change: () => of({ url: 'https://me:secret@keys.example/' }),
      pointer: '/keyProvider/url',
    },
    {
      name: 'a header of ours',
      change: () => of({ authorization: { header: 'Content-Type', value: 'x' } }),
      pointer: '/keyProvider/authorization/header',
    },
    {
      name: 'a value that is more than one line',
      change: () => of({ authorization: { value: 'a\r\nb: c' } }),
      pointer: '/keyProvider/authorization/value',
    },
    {
      name: 'another’s private key',
      change: () => of({ encryption: { certificate: ours?.cert, privateKey: others?.key } }),
      pointer: '/keyProvider/encryption/privateKey',
    },
    {
      name: 'a certificate that is none',
      change: () => of({ encryption: { certificate: 'x', privateKey: ours?.key } }),
      pointer: '/keyProvider/encryption/certificate',
    },
    {
      name: 'a hint that nobody was given',
      change: () => of({ encryption: { hint: 'x' } }),
      pointer: '/keyProvider/encryption',
    },
    {
      name: 'AES-128 segments',
      change: () => ({ ...of(), delivery: { hls: 'aes128' } }),
      pointer: '/keyProvider',
    },
  ])('is refused with $name', async ({ change, pointer }) => {
    const { body } = await openHttpApp(openMemoryApp().app).call('PUT', PROFILE, { body: change() });
    expect(body.code).toBe('invalidBody');
    expect(JSON.stringify(body.errors)).toContain(pointer.split('/')[1]);
    expect(JSON.stringify(body)).not.toMatch(/canary|secret@|PRIVATE KEY/);
  });
});

describe('a CPIX document', () => {
  it('is the same text for the same request', () => {
    expect(
      writeCpixRequest({
        contentId: 'a&b',
        scheme: 'cbcs',
        keys: [{ kid: KID, track: 'ALL' }],
        systems: ['fairPlay', 'widevine', 'aes128'],
      }),
    ).toBe(
      [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<cpix:CPIX contentId="a&amp;b" version="2.3" xmlns:cpix="urn:dashif:org:cpix" xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc">',
        `<cpix:ContentKeyList><cpix:ContentKey kid="${KID}" commonEncryptionScheme="cbcs"/></cpix:ContentKeyList>`,
        `<cpix:DRMSystemList><cpix:DRMSystem kid="${KID}" systemId="94ce86fb-07ff-4f43-adb8-93d2fa968ca2">`,
        '<cpix:HLSSignalingData playlist="media"/><cpix:HLSSignalingData playlist="master"/></cpix:DRMSystem>',
        `<cpix:DRMSystem kid="${KID}" systemId="edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"><cpix:PSSH/></cpix:DRMSystem></cpix:DRMSystemList>`,
        `<cpix:ContentKeyUsageRuleList><cpix:ContentKeyUsageRule kid="${KID}" intendedTrackType="ALL"><cpix:VideoFilter/><cpix:AudioFilter/></cpix:ContentKeyUsageRule></cpix:ContentKeyUsageRuleList>`,
        '</cpix:CPIX>',
      ].join(''),
    );
  });

  it('is read or found wrong, whatever it is', () => {
    const pieces = fc.constantFrom(
      '<CPIX>',
      '</CPIX>',
      '<ContentKeyList>',
      '</ContentKeyList>',
      `<ContentKey kid="${KID}">`,
      '</ContentKey>',
      '<Data>',
      '&a;',
      ']]>',
      '<![CDATA[',
      '<__proto__>',
      '=',
      '"',
      '\u0000',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(pieces).map((all) => all.join('')),
        ),
        (text) => {
          expect(['keys', 'wrong']).toContain(readCpixAnswer(text, 'cenc').kind);
        },
      ),
    );
  });
});
