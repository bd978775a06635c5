import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AuditTrail } from '../../src/keys/audit-trail.ts';
import { readToken } from '../../src/keys/bearer-token.ts';
import { parseClearKeyRequest, writeClearKeyLicense } from '../../src/keys/clear-key-license.ts';
import { clientAddressReader } from '../../src/keys/client-address.ts';
import { guardedRequest } from '../../src/keys/guarded-request.ts';
import { parseJsonWebToken } from '../../src/keys/json-web-token.ts';
import type { AuditRecord } from '../../src/keys/key-ports.ts';
import { LookupCache } from '../../src/keys/lookup-cache.ts';
import { RefusalLog } from '../../src/keys/refusal-log.ts';
import { parseSimpleWebToken } from '../../src/keys/simple-web-token.ts';
import { verificationKeyOf } from '../../src/keys/token-keys.ts';
import { widevineKeyIds } from '../../src/keys/widevine-challenge.ts';
import { keyDeliveryAddresses, keyDeliveryReader } from '../../src/resources/key-delivery-addresses.ts';
import { claims, jwt, rsaKeys, swt, swtPairs } from '../support/playback-tokens.ts';

const KID = '0fa2bd3c-7d5b-4c4e-9a0a-2f1d3c4b5a69';

function fakeClock(nowMs = 1_000_000) {
  const clock = { at: nowMs, nowMs: () => clock.at };
  return clock;
}

function lines() {
  const written: unknown[] = [];
  const write = (event: string, fields?: object) => written.push({ event, ...fields });
  return { written, info: write, warn: write, error: write };
}

describe('addresses of key delivery', () => {
  it.each([
    ['a path', 'http://127.0.0.1:8887/{account}', 'http://127.0.0.1:8887/news'],
    ['a longer path', 'https://keys.example/v1/{location}/{account}/', 'https://keys.example/v1/local/news'],
    ['a host name', 'https://{account}-{location}.keys.example', 'https://news-local.keys.example'],
    ['a host name and a path', 'https://{account}.keys.example/v1', 'https://news.keys.example/v1'],
  ])('with the account in %s are read as they are written', (_name, template, base) => {
    const written = keyDeliveryAddresses({ template, account: 'News', location: 'Local' });
    expect([written.aes(KID), written.playReady(), written.templates.widevine]).toEqual([
      `${base}/?kid=${KID}`,
      `${base}/PlayReady/`,
      `${base}/Widevine/?kid={ContentKeyId}`,
    ]);
    const read = keyDeliveryReader(template);
    const kindOf = (address: string) => {
      const { pathname, host } = new URL(address);
      return [read(pathname, host), read(pathname, host)];
    };
    const twice = (kind: string) => Array(2).fill({ kind, account: 'news' });
    expect(
      [
        written.aes(KID),
        written.clearKey(KID),
        written.playReady(),
        written.widevine(KID),
        written.fairPlay(KID),
      ].map(kindOf),
    ).toEqual(['aes', 'clearKey', 'playReady', 'widevine', 'fairPlay'].map(twice));
  });

  it.each([
    ['/', { kind: 'aes', account: undefined }],
    ['/clearkey', { kind: 'clearKey', account: undefined }],
    ['/widevine/Widevine/', { kind: 'widevine', account: 'widevine' }],
    ['/News/', { kind: 'aes', account: 'news' }],
    ['/news/other/', undefined],
    ['/news/Widevine/more', undefined],
    ['/../etc/passwd', undefined],
    ['/a', undefined],
  ])('read %s as %j', (path, place) => {
    expect(keyDeliveryReader('http://127.0.0.1:8887/{account}')(path, '127.0.0.1:8887')).toEqual(place);
  });
});

describe('tokens', () => {
  const key = randomBytes(32);
  const token = jwt(claims(), key);

  it.each<[string, string | undefined, string | undefined, string | undefined]>([
    ['a header before a parameter', `Bearer ${token}`, 'other', token],
    ['Basic', `Basic ${token}`, undefined, 'malformed'],
    ['Bearer alone', 'Bearer ', undefined, 'malformed'],
    ['an empty parameter', undefined, '', 'malformed'],
    ['control characters', undefined, 'a\u0000b', 'malformed'],
    ['nothing', undefined, undefined, undefined],
    ['a wrong escape', undefined, 'Issuer%3Dx%2', 'malformed'],
  ])('are found in %s', (_name, header, query, found) => {
    expect(readToken(header, query)).toBe(found);
  });

  it('are never thrown over, whatever they are', () => {
    const parts = fc.array(fc.oneof(fc.base64String(), fc.string(), fc.constant('eyJhbGciOiJIUzI1NiJ9')), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(parts, fc.string(), (pieces, text) => {
        for (const one of [pieces.join('.'), pieces.join('&'), text]) {
          parseJsonWebToken(one);
          parseSimpleWebToken(one);
        }
      }),
    );
    const nested = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;
    expect(parseJsonWebToken(jwt(nested, key))).toBeUndefined();
  });

  it('have one spelling of their signature', () => {
    const last = 'AEIMQUYcgkosw048'.indexOf(token.slice(-1));
    expect(last).toBeGreaterThanOrEqual(0);
    const other = `${token.slice(0, -1)}${String.fromCharCode(token.charCodeAt(token.length - 1) + 1)}`;
    expect([parseJsonWebToken(token)?.algorithm, parseJsonWebToken(other)]).toEqual(['HS256', undefined]);
    expect(parseSimpleWebToken(swt(swtPairs(), key))?.algorithm).toBe('HS256');
  });

  it('have no claims that every object has', () => {
    const parsed = parseJsonWebToken(jwt(claims(), key));
    expect(['toString', '__proto__', 'constructor'].map((type) => parsed?.claims.values(type))).toEqual([
      [],
      [],
      [],
    ]);
  });

  it.each<[string, unknown, unknown]>([
    ['a short secret', symmetric(randomBytes(15)), 'tooShort'],
    ['a secret', symmetric(key), { algorithm: 'HS256' }],
    ['an RSA key of 1024 bits', rsa(rsaKeys(1024)), 'tooShort'],
    ['an RSA key', rsa(rsaKeys()), { algorithm: 'RS256' }],
    [
      'a certificate that is none',
      { '@odata.type': '#Microsoft.Media.ContentKeyPolicyX509CertificateTokenKey', rawBody: 'AAAA' },
      'malformed',
    ],
    ['something else', { '@odata.type': 'x' }, 'unknownKind'],
  ])('are checked with %s as they may be', (_name, stored, outcome) => {
    const found = verificationKeyOf(stored);
    expect(typeof found === 'string' ? found : { algorithm: found.algorithm }).toEqual(outcome);
  });
});

function symmetric(bytes: Uint8Array) {
  const keyValue = Buffer.from(bytes).toString('base64');
  return { '@odata.type': '#Microsoft.Media.ContentKeyPolicySymmetricTokenKey', keyValue };
}

function rsa({ exponent, modulus }: { readonly exponent: Buffer; readonly modulus: Buffer }) {
  return {
    '@odata.type': '#Microsoft.Media.ContentKeyPolicyRsaTokenKey',
    exponent: exponent.toString('base64'),
    modulus: modulus.toString('base64'),
  };
}

describe('licenses', () => {
  it('name keys as EME does', () => {
    const value = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
    const license: unknown = JSON.parse(writeClearKeyLicense([{ id: KID, value }]));
    expect(license).toEqual({
      keys: [{ kty: 'oct', k: 'ABEiM0RVZneImaq7zN3u_w', kid: 'D6K9PH1bTE6aCi8dPEtaaQ' }],
      type: 'temporary',
    });
    const request = Buffer.from(
      '{"kids":["D6K9PH1bTE6aCi8dPEtaaQ","D6K9PH1bTE6aCi8dPEtaaQ"],"type":"temporary"}',
    );
    expect(parseClearKeyRequest(request)).toEqual([KID]);
  });

  it('of Widevine are for the keys that the challenge names', () => {
    const field = (number: number, bytes: Uint8Array): Buffer =>
      Buffer.concat([Buffer.from([number * 8 + 2, ...varint(bytes.byteLength)]), bytes]);
    const [one, two] = [randomUUID(), randomUUID()];
    const keyId = (guid: string) => field(2, Buffer.from(guid.replaceAll('-', ''), 'hex'));
    const data = Buffer.concat([Buffer.from([8, 1]), keyId(one), keyId(two)]);
    const box = Buffer.concat([
      Buffer.from([0, 0, 0, 32 + data.byteLength]),
      Buffer.from('pssh\0\0\0\0', 'latin1'),
      Buffer.from('edef8ba979d64acea3c827dcd51d21ed', 'hex'),
      Buffer.from([0, 0, 0, data.byteLength]),
      data,
    ]);
    const challenge = (contentId: Uint8Array) =>
      Buffer.concat([
        Buffer.from([8, 1]),
        field(2, Buffer.concat([field(1, Buffer.from('client')), field(2, contentId), Buffer.from([24, 1])])),
        field(3, Buffer.from('signature')),
      ]);
    expect(widevineKeyIds(challenge(field(1, field(1, data))))).toEqual([one, two]);
    expect(widevineKeyIds(challenge(field(4, Buffer.concat([Buffer.from([8, 1]), field(2, box)]))))).toEqual([
      one,
      two,
    ]);
    expect(widevineKeyIds(Buffer.from([8, 4]))).toEqual([]);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => widevineKeyIds(bytes).length <= 64));
  });
});

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) + 128, ...varint(value >> 7)];

describe('requests to addresses of others', () => {
  it.each([
    ['plain HTTP', 'http://example.net/'],
    ['this machine', 'https://127.0.0.1/'],
    ['this machine in other words', 'https://2130706433/'],
    ['this machine in IPv6', 'https://[::1]/'],
    ['this machine, mapped', 'https://[::ffff:127.0.0.1]/'],
    ['this machine by name', 'https://localhost/'],
    ['the metadata of the cloud', 'https://169.254.169.254/'],
    ['a private network', 'https://10.1.2.3/'],
    ['credentials', 'https://user:secret@example.net/'],
    ['a file', 'file:///etc/passwd'],
  ])('are refused for %s', async (_name, address) => {
    const request = guardedRequest({
      ...{ url: new URL(address), method: 'GET', headers: {}, timeoutMs: 2_000 },
      ...{ responseBytesMax: 1_000, isPrivateAllowed: false },
    });
    await expect(request).rejects.toMatchObject({ code: 'Refused' });
  });
});

describe('lookups', () => {
  it('are shared, remembered, looked at again, and go on for a while when they fail', async () => {
    const clock = fakeClock();
    let looks = 0;
    let outcome: () => Promise<object | undefined> = async () => ({ look: looks });
    const cache = new LookupCache<object>({
      ...{ clock, entriesMax: 10 },
      look: () => {
        looks += 1;
        return outcome();
      },
    });
    expect(cache.peek('a')).toBeUndefined();
    expect(await Promise.all([cache.find('a'), cache.find('a')])).toEqual([{ look: 1 }, { look: 1 }]);
    clock.at += 1_600;
    expect(cache.peek('a')).toEqual({ look: 1 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(await cache.find('a')).toEqual({ look: 2 });
    outcome = async () => {
      throw new Error('away');
    };
    clock.at += 60_000;
    expect([cache.peek('a'), await cache.find('a')]).toEqual([undefined, { look: 2 }]);
    clock.at += 5 * 60_000;
    await expect(cache.find('a')).rejects.toMatchObject({ code: 'DirectoryUnavailable' });
    outcome = async () => undefined;
    expect(await cache.find('a')).toBeUndefined();
  });
});

describe('the audit trail', () => {
  const record = (changes: Partial<AuditRecord> = {}): AuditRecord => ({
    ...{ atMs: Date.UTC(2026, 0, 2), account: 'news', kid: KID, kind: 'aes', client: '::1' },
    ...{ outcome: 'delivered', status: 200, policy: 'with "quotes"', ...changes },
  });

  it('writes each record once, by account and day, in order, over an outage as well', async () => {
    const log = lines();
    const written: string[] = [];
    let isAway = true;
    const sink = {
      append: async ({ account, day }: { account: string; day: string }, bytes: Uint8Array) => {
        if (isAway) throw new Error('away');
        written.push(`${account} ${day} ${Buffer.from(bytes)}`);
      },
    };
    const trail = new AuditTrail(sink, { clock: { nowMs: Date.now }, log });
    trail.add(record());
    trail.add(record({ account: 'sport' }));
    await new Promise((resolve) => setTimeout(resolve, 900));
    trail.add(record({ status: 401, outcome: 'refused', reason: 'expired', policy: undefined }));
    isAway = false;
    await new Promise((resolve) => setTimeout(resolve, 900));
    await trail.close();
    const first = `{"at":"2026-01-02T00:00:00.000Z","account":"news","kid":"${KID}`;
    expect(written.map((text) => text.slice(0, 16))).toEqual([
      'news 2026-01-02 ',
      'sport 2026-01-02',
      'news 2026-01-02 ',
    ]);
    expect(written[0]).toBe(
      `news 2026-01-02 ${first}","kind":"aes","client":"::1","outcome":"delivered","status":200,"policy":"with \\"quotes\\""}\n`,
    );
    expect(log.written.map((line) => Reflect.get(Object(line), 'event'))).toEqual([
      'keys.auditWaits',
      'keys.auditGoesOn',
    ]);
  });

  it('writes a few times a second, however long a write takes and whatever comes meanwhile', async () => {
    let written = 0;
    let appends = 0;
    const append = async (_place: object, bytes: Uint8Array) => {
      appends += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
      written += Buffer.from(bytes).toString().split('\n').length - 1;
    };
    const trail = new AuditTrail({ append }, { clock: { nowMs: Date.now }, log: lines() });
    let added = 0;
    const adding = setInterval(() => {
      trail.add(record());
      added += 1;
    }, 1);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    clearInterval(adding);
    expect(appends).toBeLessThanOrEqual(3);
    await trail.close();
    expect(written).toBe(added);
  });

  it('says what it has lost when it is closed while storage is away', async () => {
    const log = lines();
    const sink = { append: () => Promise.reject(new Error('away')) };
    const trail = new AuditTrail(sink, { clock: { nowMs: Date.now }, log });
    for (let n = 0; n < 3; n += 1) trail.add(record());
    await trail.close();
    expect(log.written.at(-1)).toEqual({ event: 'keys.auditLost', records: 3 });
  });
});

describe('the log of refusals', () => {
  it('has twenty lines in a second, and says how many it left out', () => {
    const clock = fakeClock();
    const log = lines();
    const refusals = new RefusalLog(log, clock);
    for (let n = 0; n < 50; n += 1) refusals.refused({ n });
    clock.at += 1_000;
    refusals.failed({ n: 50 });
    expect(log.written).toHaveLength(22);
    expect(log.written.slice(-2)).toEqual([
      { event: 'keys.linesNotShown', count: 30 },
      { event: 'keys.requestFailed', n: 50 },
    ]);
  });
});

describe('who asks', () => {
  it.each<[readonly string[], string, string | undefined, string]>([
    [[], '127.0.0.1', '203.0.113.1', '127.0.0.1'],
    [['127.0.0.1'], '127.0.0.1', '203.0.113.1', '203.0.113.1'],
    [['127.0.0.1'], '::ffff:127.0.0.1', '198.51.100.1, 203.0.113.1', '203.0.113.1'],
    [['127.0.0.0/8', '10.0.0.0/8'], '127.0.0.1', '203.0.113.1, 10.0.0.2', '203.0.113.1'],
    [['127.0.0.1'], '127.0.0.1', 'nonsense', '127.0.0.1'],
    [['127.0.0.1'], '192.0.2.1', '203.0.113.1', '192.0.2.1'],
  ])('with proxies %j, from %s for %s, is %s', (proxies, peer, forwardedFor, client) => {
    expect(clientAddressReader(proxies)(peer, forwardedFor)).toBe(client);
  });
});
