import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readCpixAnswer, writeCpixRequest } from '../../src/lib/adapters/key-provider/cpix-document.ts';
import { cpixKeys } from '../../src/lib/adapters/key-provider/cpix-keys.ts';
import { ownKeys } from '../../src/lib/adapters/key-provider/own-keys.ts';
import type { CpixKeyService } from '../../src/lib/domain/key-service.ts';
import type { KeysRequest } from '../../src/lib/workflows/key-provider.ts';
import { type CpixServer, startCpixServer } from '../support/cpix-server.ts';
import { memorySecrets } from '../support/memory-secrets.ts';

const [KID, OTHER] = ['98ee5596-cd3e-a20d-163a-e382420c6eff', '53abdba2-f210-43cb-bc90-f18f9a890a02'];
const API_KEY = 'canary-of-the-key-service';
const VALUE = Buffer.alloc(16, 7).toString('base64');

let server: CpixServer;
let service: CpixKeyService;
const secrets = memorySecrets();
const provider = () => cpixKeys(service, { secrets });

beforeAll(async () => {
  server = await startCpixServer(API_KEY);
});
beforeEach(async () => {
  server.instead = undefined;
  server.requests.length = 0;
  await secrets.put('key-service', API_KEY);
  service = {
    kind: 'cpix',
    url: server.url,
    contentIdPrefix: 'headend-',
    authorization: { header: 'x-api-key', secret: 'key-service' },
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
