import { createHmac, createSign, generateKeyPairSync, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { jsonWebTokens } from '../../src/lib/adapters/tokens/json-web-tokens.ts';
import { opensProgram, planToken } from '../../src/lib/domain/playback-token.ts';
import {
  BUILT_IN_PROFILES,
  INSTALLATION_KEY,
  KEY_ID_CLAIM,
  type ProtectionProfile,
  type TokenAccess,
  USE_LIMIT_CLAIM,
} from '../../src/lib/domain/protection.ts';
import { rewritePlaylist } from '../../src/lib/domain/rewrite-playlist.ts';
import { openHttpApp } from '../support/http-app.ts';
import { openMemoryApp } from '../support/memory-app.ts';

const NOW_MS = Date.parse('2026-11-21T12:00:00.500Z');
const NOW = Math.floor(NOW_MS / 1000);
const [AES_ID, CBCS_ID] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'];
const SECRET = randomBytes(32).toString('base64');

const builtIn = (name: string): ProtectionProfile => {
  const found = BUILT_IN_PROFILES.find((profile) => profile.name === name);
  if (found === undefined) throw new Error(`no profile ${name}`);
  return found;
};
const AES = builtIn('aes');
const withKeys = (change: Partial<TokenAccess>): ProtectionProfile => {
  if (AES.keys.access !== 'token') throw new Error('it has no tokens');
  return { ...AES, name: 'own', keys: { ...AES.keys, ...change } };
};
const contentKeys = [{ id: AES_ID, label: 'clearKeyDefault', scheme: 'aes128', source: 'own' } as const];
const twoKeys = [
  ...contentKeys,
  { id: CBCS_ID, label: 'cbcsKeyDefault', scheme: 'cbcs', source: 'own' } as const,
];
const noWish = { lifetimeMs: null, uses: null, claims: {} };
const at = { nowMs: NOW_MS, tokenId: 'token-id' };
const HOUR = 3600;

describe('what a playback token says', () => {
  const base = { iss: 'headend', aud: 'headend', iat: NOW, jti: 'token-id' };
  it.each([
    {
      name: 'four hours and the only key by default',
      profile: AES,
      keys: contentKeys,
      wish: noWish,
      claims: { ...base, exp: NOW + 4 * HOUR, [KEY_ID_CLAIM]: AES_ID },
    },
    {
      name: 'several keys as a list',
      profile: AES,
      keys: twoKeys,
      wish: { ...noWish, lifetimeMs: 60_000 },
      claims: { ...base, exp: NOW + 60, [KEY_ID_CLAIM]: [AES_ID, CBCS_ID] },
    },
    {
      name: 'a limit of uses, and then less than an hour',
      profile: AES,
      keys: contentKeys,
      wish: { ...noWish, uses: 5 },
      claims: { ...base, exp: NOW + 59 * 60, [KEY_ID_CLAIM]: AES_ID, [USE_LIMIT_CLAIM]: 5 },
    },
    {
      name: 'the profile’s limit of uses',
      profile: withKeys({ useLimit: 3 }),
      keys: contentKeys,
      wish: noWish,
      claims: { ...base, exp: NOW + 59 * 60, [KEY_ID_CLAIM]: AES_ID, [USE_LIMIT_CLAIM]: 3 },
    },
    {
      name: 'no key where the profile asks for none, before any is made',
      profile: withKeys({ keyIdClaim: false, issuer: 'https://tv.example', audience: 'tv' }),
      keys: [],
      wish: noWish,
      claims: { ...base, iss: 'https://tv.example', aud: 'tv', exp: NOW + 4 * HOUR },
    },
    {
      name: 'required claims by themselves, and what the caller adds',
      profile: withKeys({
        requiredClaims: [
          { type: 'plan', value: 'gold' },
          { type: 'sub', value: null },
        ],
      }),
      keys: contentKeys,
      wish: { ...noWish, claims: { sub: 'viewer-1', groups: ['a', 'b'] } },
      claims: {
        ...base,
        plan: 'gold',
        sub: 'viewer-1',
        groups: ['a', 'b'],
        exp: NOW + 4 * HOUR,
        [KEY_ID_CLAIM]: AES_ID,
      },
    },
  ])('is $name', ({ profile, keys, wish, claims }) => {
    const plan = planToken({ profile, program: { contentKeys: keys } }, wish, at);
    expect(plan).toMatchObject({ kind: 'token', secret: INSTALLATION_KEY, claims });
    expect(plan.kind === 'token' && Object.keys(plan.claims).sort()).toEqual(Object.keys(claims).sort());
    expect(opensProgram(claims, { keys: profile.keys, program: { contentKeys: keys } })).toBe(true);
  });

  it.each([
    { name: 'a clear program', profile: builtIn('clear'), wish: noWish, plan: { kind: 'notNeeded' } },
    {
      name: 'open keys',
      profile: { ...AES, keys: { access: 'open' as const } },
      wish: noWish,
      plan: { kind: 'notNeeded' },
    },
    {
      name: 'an RSA key, whose other half we have not',
      profile: withKeys({ primaryKey: { type: 'rsa', modulus: 'AQAB', exponent: 'AQAB', hint: 'x' } }),
      wish: noWish,
      plan: { kind: 'external', issuer: 'headend' },
    },
    {
      name: 'OpenID discovery alone',
      profile: withKeys({ primaryKey: null }),
      wish: noWish,
      plan: { kind: 'external' },
    },
    {
      name: 'simple web tokens',
      profile: withKeys({ tokenType: 'swt' }),
      wish: noWish,
      plan: { kind: 'external' },
    },
    {
      name: 'more uses than the profile allows',
      profile: withKeys({ useLimit: 3 }),
      wish: { ...noWish, uses: 4 },
      plan: { kind: 'refused', pointer: '/uses' },
    },
    {
      name: 'a limit of uses for longer than uses are counted',
      profile: AES,
      wish: { ...noWish, uses: 1, lifetimeMs: 3_600_000 },
      plan: { kind: 'refused', pointer: '/lifetime' },
    },
    {
      name: 'another value of a required claim',
      profile: withKeys({ requiredClaims: [{ type: 'plan', value: 'gold' }] }),
      wish: { ...noWish, claims: { plan: 'silver' } },
      plan: { kind: 'refused', pointer: '/claims' },
    },
    {
      name: 'a required claim of any value, of which there is none',
      profile: withKeys({ requiredClaims: [{ type: 'sub', value: null }] }),
      wish: noWish,
      plan: { kind: 'refused', pointer: '/claims' },
    },
  ])('is nothing for $name', ({ profile, wish, plan }) => {
    expect(planToken({ profile, program: { contentKeys } }, wish, at)).toMatchObject(plan);
  });

  it('waits for the keys that it has to name', () => {
    expect(planToken({ profile: AES, program: { contentKeys: [] } }, noWish, at)).toEqual({
      kind: 'keysNotReady',
    });
  });

  it.each([
    { name: 'another program’s key', profile: AES, claims: { [KEY_ID_CLAIM]: CBCS_ID } },
    { name: 'no key', profile: AES, claims: {} },
    { name: 'no limit of uses', profile: withKeys({ useLimit: 2 }), claims: { [KEY_ID_CLAIM]: AES_ID } },
    {
      name: 'no required claim',
      profile: withKeys({ requiredClaims: [{ type: 'plan', value: 'gold' }] }),
      claims: { [KEY_ID_CLAIM]: AES_ID, plan: 'silver' },
    },
  ])('does not open a program when it has $name', ({ profile, claims }) => {
    expect(opensProgram(claims, { keys: profile.keys, program: { contentKeys } })).toBe(false);
  });
});

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
/** Signed by the test itself, by RFC 7515. */
function signed(header: object, payload: object, secret = SECRET): string {
  const text = `${encode(header)}.${encode(payload)}`;
  return `${text}.${createHmac('sha256', Buffer.from(secret, 'base64')).update(text).digest('base64url')}`;
}

describe('the signature of a playback token', () => {
  const rules = {
    keys: [
      { type: 'symmetric', value: randomBytes(32).toString('base64') },
      { type: 'symmetric', value: SECRET },
    ] as const,
    issuer: 'headend',
    audience: 'headend',
    nowMs: NOW_MS,
  };
  const payload = { iss: 'headend', aud: 'headend', exp: NOW + 60 };
  const HS256 = { alg: 'HS256', typ: 'JWT' };

  it('is HS256 over what it says, as RFC 7515 has it', async () => {
    expect(await jsonWebTokens.sign(payload, SECRET)).toBe(signed(HS256, payload));
    expect(await jsonWebTokens.verify(signed(HS256, payload), rules)).toEqual(payload);
  });

  it('may be that of an RSA key of the profile', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const text = `${encode({ alg: 'RS256' })}.${encode(payload)}`;
    const token = `${text}.${createSign('sha256').update(text).sign(privateKey, 'base64url')}`;
    const { n = '', e = '' } = publicKey.export({ format: 'jwk' });
    const [modulus, exponent] = [n, e].map((part) => Buffer.from(part, 'base64url').toString('base64'));
    const keys = [{ type: 'rsa', modulus: modulus ?? '', exponent: exponent ?? '' }] as const;
    expect(await jsonWebTokens.verify(token, { ...rules, keys })).toEqual(payload);
    // The public half as the secret of a symmetric signature: the classic confusion.
    const confused = signed(HS256, payload, modulus);
    expect(await jsonWebTokens.verify(confused, { ...rules, keys })).toBeUndefined();
  });

  it.each([
    { name: 'another key’s', token: signed(HS256, payload, randomBytes(32).toString('base64')) },
    { name: 'none', token: `${encode({ alg: 'none' })}.${encode(payload)}.` },
    { name: 'cut off', token: signed(HS256, payload).slice(0, -3) },
    {
      name: 'for other words',
      token: signed(HS256, payload).replace(/\.[^.]+\./, `.${encode({ ...payload, exp: NOW + 1e6 })}.`),
    },
    { name: 'of another algorithm', token: signed({ alg: 'HS512' }, payload) },
    { name: 'expired', token: signed(HS256, { ...payload, exp: NOW - 61 }) },
    { name: 'without an end', token: signed(HS256, { iss: 'headend', aud: 'headend' }) },
    { name: 'not valid yet', token: signed(HS256, { ...payload, nbf: NOW + 120 }) },
    { name: 'another issuer’s', token: signed(HS256, { ...payload, iss: 'x' }) },
    { name: 'for another audience', token: signed(HS256, { ...payload, aud: ['x'] }) },
    { name: 'longer than any', token: signed(HS256, { ...payload, sub: 'x'.repeat(10_000) }) },
    { name: 'no token', token: 'a.b.c' },
    { name: 'empty', token: '' },
  ])('is refused when it is $name', async ({ token }) => {
    expect(await jsonWebTokens.verify(token, rules)).toBeUndefined();
  });
});

const FOLDER = 'http://media.example/l/final.ism/';
const places = {
  playlistUrl: `${FOLDER}manifest(format=m3u8-aapl,encryption=cbc).m3u8`,
  childAddress: (url: string) =>
    `https://api.example/hls?playlist=${encodeURIComponent(url.slice(FOLDER.length))}&token=T.T.T`,
  isKeyAddress: (url: string) => url.startsWith('http://keys.example/'),
  token: 'T.+.T',
};

describe('a playlist for native players', () => {
  it.each([
    {
      name: 'multivariant: children by us, session keys with the token',
      before: [
        '#EXTM3U',
        '#EXT-X-VERSION:5',
        '#EXT-X-SESSION-KEY:METHOD=AES-128,URI="http://keys.example/headend/?kid=1"',
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="audio",URI="QualityLevels(1)/Manifest(audio,format=m3u8-aapl,encryption=cbc)"',
        '#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS="avc1.4d401f,mp4a.40.2"',
        'QualityLevels(1000)/Manifest(video,format=m3u8-aapl,encryption=cbc)',
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=10,URI="QualityLevels(1000)/Manifest(video,type=keyframes)"',
        '',
      ],
      after: [
        '#EXTM3U',
        '#EXT-X-VERSION:5',
        '#EXT-X-SESSION-KEY:METHOD=AES-128,URI="http://keys.example/headend/?kid=1&token=T.%2B.T"',
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="audio",URI="https://api.example/hls?playlist=QualityLevels(1)%2FManifest(audio%2Cformat%3Dm3u8-aapl%2Cencryption%3Dcbc)&token=T.T.T"',
        '#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS="avc1.4d401f,mp4a.40.2"',
        'https://api.example/hls?playlist=QualityLevels(1000)%2FManifest(video%2Cformat%3Dm3u8-aapl%2Cencryption%3Dcbc)&token=T.T.T',
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=10,URI="https://api.example/hls?playlist=QualityLevels(1000)%2FManifest(video%2Ctype%3Dkeyframes)&token=T.T.T"',
        '',
      ],
    },
    {
      name: 'media: keys with the token, segments absolute and without it, line ends as they are',
      before: [
        '#EXTM3U\r',
        '#EXT-X-TARGETDURATION:2\r',
        '#EXT-X-KEY:METHOD=AES-128,URI="http://keys.example/headend",IV=0x00\r',
        '#EXT-X-MAP:URI="Fragments(video=i)"',
        '#EXT-X-PROGRAM-DATE-TIME:2026-11-21T12:00:00.000Z',
        '#EXTINF:2.0,a comma, URI="not one"',
        'Fragments(video=0,format=m3u8-aapl,encryption=cbc)',
        '# a comment URI="x"',
        '#EXT-X-PART:DURATION=0.2,URI="Fragments(video=1)"',
        '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://1",KEYFORMAT="com.apple.streamingkeydelivery"',
        '#EXT-X-KEY:METHOD=AES-128,URI="https://elsewhere.example/key?a=1"',
        '#EXT-X-KEY:METHOD=NONE',
        '#EXTINF:2.0,',
        'http://cdn.example/absolute.ts',
        '#EXT-X-ENDLIST',
      ],
      after: [
        '#EXTM3U\r',
        '#EXT-X-TARGETDURATION:2\r',
        '#EXT-X-KEY:METHOD=AES-128,URI="http://keys.example/headend?token=T.%2B.T",IV=0x00\r',
        `#EXT-X-MAP:URI="${FOLDER}Fragments(video=i)"`,
        '#EXT-X-PROGRAM-DATE-TIME:2026-11-21T12:00:00.000Z',
        '#EXTINF:2.0,a comma, URI="not one"',
        `${FOLDER}Fragments(video=0,format=m3u8-aapl,encryption=cbc)`,
        '# a comment URI="x"',
        `#EXT-X-PART:DURATION=0.2,URI="${FOLDER}Fragments(video=1)"`,
        '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://1",KEYFORMAT="com.apple.streamingkeydelivery"',
        '#EXT-X-KEY:METHOD=AES-128,URI="https://elsewhere.example/key?a=1"',
        '#EXT-X-KEY:METHOD=NONE',
        '#EXTINF:2.0,',
        'http://cdn.example/absolute.ts',
        '#EXT-X-ENDLIST',
      ],
    },
  ])('is $name', ({ before, after }) => {
    expect(rewritePlaylist(before.join('\n'), places).split('\n')).toEqual(after);
  });

  it('has the same segments for every viewer, and the token nowhere but where it belongs', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9(),=._-]{1,30}$/);
    fc.assert(
      fc.property(fc.array(name, { maxLength: 30 }), fc.uuid(), fc.uuid(), (names, one, other) => {
        const key = '#EXT-X-KEY:METHOD=AES-128,URI="http://keys.example/?kid=1"';
        const text = ['#EXTM3U', key, ...names.flatMap((segment) => ['#EXTINF:2,', segment])].join('\n');
        const of = (token: string) => rewritePlaylist(text, { ...places, token }).split('\n');
        const [mine, theirs] = [of(one), of(other)];
        expect(mine.filter((_, index) => index !== 1)).toEqual(theirs.filter((_, index) => index !== 1));
        expect(mine.join('\n').split(one)).toHaveLength(2);
      }),
    );
  });
});

describe('playback tokens over HTTP', () => {
  const href = '/api/v1/channels/arena/programs/final';
  const rewriter = '/playback/channels/arena/programs/final/hls';
  let memory: ReturnType<typeof openMemoryApp>;
  let http: ReturnType<typeof openHttpApp>;

  async function program(protection: string, keys: readonly (typeof twoKeys)[number][] = contentKeys) {
    await http.call('PUT', '/channels/arena/programs/final', { body: { protection } });
    const stored = await memory.app.programs.find('arena', 'final');
    if (stored === undefined) throw new Error('no program');
    const value = { ...stored.value, contentKeys: keys };
    await memory.app.programs.save(value, stored.etag);
    return value;
  }
  const ask = (body: object) => http.call('POST', '/playback-tokens', { body });

  beforeEach(async () => {
    memory = openMemoryApp();
    http = openHttpApp(memory.app);
    await memory.app.secrets.put(INSTALLATION_KEY, SECRET);
    await http.call('PUT', '/channels/arena', { body: {} });
  });

  it('come with every address that a player needs, and are told in the timeline without themselves', async () => {
    const { locatorId } = await program('aes');
    const { status, headers, body } = await ask({
      program: href,
      lifetime: 'PT5M',
      claims: { sub: 'viewer' },
    });
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
    const presentation = `http://media.example/${locatorId}/final.ism/manifest`;
    const { token, id, expiresAt } = body;
    expect(body).toEqual({
      program: href,
      video: null,
      protection: 'aes',
      token,
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      expiresAt,
      playback: {
        hls: `${presentation}(format=m3u8-aapl,encryption=cbc).m3u8`,
        dash: `${presentation}(format=mpd-time-csf,encryption=cbc).mpd`,
        smooth: `${presentation}(encryption=cbc)`,
        nativeHls: `http://headend.example/api/v1${rewriter}?token=${token}`,
      },
      keys: [
        {
          id: AES_ID,
          scheme: 'aes128',
          key: `http://keys.example/headend/?kid=${AES_ID}`,
          clearKey: null,
          playReady: null,
          widevine: null,
          fairPlay: null,
        },
      ],
      testPage: `http://page.example/#channel=arena&program=final&token=${token}`,
    });
    const payload = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
    expect(payload).toMatchObject({ sub: 'viewer', jti: id, [KEY_ID_CLAIM]: AES_ID });
    expect(new Date(payload.exp * 1000).toISOString()).toBe(expiresAt);
    expect(payload.exp - payload.iat).toBe(300);
    expect(token).toBe(signed({ alg: 'HS256', typ: 'JWT' }, payload));
    await ask({ program: href });
    const timeline = (await http.call('GET', '/channels/arena/timeline')).body;
    expect(JSON.stringify(timeline)).not.toContain(token.split('.')[2]);
    const told = timeline.items.filter(({ type }: { type: string }) => type === 'playbackToken.issued');
    expect(told.length).toBeGreaterThanOrEqual(1);
    expect(told.length).toBeLessThanOrEqual(2);
    expect(JSON.stringify([...memory.stores.rows.programRows.rows.values()])).not.toContain(token);
  });

  it('name the licence addresses of each key', async () => {
    await program('clearkey', twoKeys);
    const { body } = await ask({ program: href });
    expect(body.keys[1]).toEqual({
      id: CBCS_ID,
      scheme: 'cbcs',
      key: `http://keys.example/headend/?kid=${CBCS_ID}`,
      clearKey: `http://keys.example/headend/ClearKey/?kid=${CBCS_ID}`,
      playReady: null,
      widevine: null,
      fairPlay: null,
    });
    expect(body.playback.nativeHls).toBeNull();
  });

  it('are not needed for a clear program, whose addresses are told all the same', async () => {
    await program('clear', []);
    const { status, body } = await ask({ program: href });
    expect([status, body.token, body.expiresAt, body.playback.nativeHls]).toEqual([
      200,
      null,
      null,
      body.playback.hls,
    ]);
  });

  it.each([
    { name: 'no body', body: {}, code: 'invalidBody', pointers: ['/program'] },
    {
      name: 'another address',
      body: { program: 'https://evil.example/api/v1/channels/a/programs/b' },
      code: 'invalidBody',
      pointers: ['/program'],
    },
    {
      name: 'a program that is none',
      body: { program: '/api/v1/channels/arena/programs/none' },
      code: 'programNotFound',
    },
    {
      name: 'too long a life',
      body: { program: href, lifetime: 'PT25H' },
      code: 'invalidBody',
      pointers: ['/lifetime'],
    },
    { name: 'no use', body: { program: href, uses: 0 }, code: 'invalidBody', pointers: ['/uses'] },
    {
      name: 'a claim that is the token’s own',
      body: { program: href, claims: { exp: 1 } },
      code: 'invalidBody',
      pointers: ['/claims/exp'],
    },
    {
      name: 'a key id of the caller',
      body: { program: href, claims: { [KEY_ID_CLAIM.toUpperCase()]: 'x' } },
      code: 'invalidBody',
      pointers: [`/claims/${KEY_ID_CLAIM.toUpperCase()}`],
    },
    {
      name: 'huge claims',
      body: {
        program: href,
        claims: Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`c${at}`, 'x'.repeat(500)])),
      },
      code: 'invalidBody',
      pointers: ['/claims'],
    },
    { name: 'an unknown field', body: { program: href, ttl: 5 }, code: 'invalidBody', pointers: ['/ttl'] },
  ])('are refused for $name', async ({ body, code, pointers }) => {
    await program('aes');
    const answer = await ask(body);
    expect([
      answer.body.code,
      answer.body.errors?.map(({ pointer }: { pointer: string }) => pointer),
    ]).toEqual([code, pointers]);
  });

  it('wait for the keys of the program, and for the one that they are signed with', async () => {
    await program('aes', []);
    expect((await ask({ program: href })).body).toMatchObject({
      status: 409,
      code: 'contentKeysNotReady',
      retryable: true,
    });
    await program('aes');
    await memory.app.secrets.remove(INSTALLATION_KEY);
    expect((await ask({ program: href })).body).toMatchObject({ status: 409, code: 'contentKeysNotReady' });
  });

  describe('in playlists', () => {
    const multivariant =
      '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nQualityLevels(1)/Manifest(video,format=m3u8-aapl,encryption=cbc)\n';
    const media = `#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="http://keys.example/headend/?kid=${AES_ID}",IV=0x1\n#EXTINF:2,\nFragments(video=1,format=m3u8-aapl,encryption=cbc)\n`;

    it('lead from the first address to segments without them', async () => {
      const { locatorId } = await program('aes');
      const folder = `http://media.example/${locatorId}/final.ism`;
      const child = `${folder}/QualityLevels(1)/Manifest(video,format=m3u8-aapl,encryption=cbc)`;
      memory.playlists.set(`${folder}/manifest(format=m3u8-aapl,encryption=cbc).m3u8`, {
        kind: 'playlist',
        text: multivariant,
        maxAgeSeconds: 3600,
      });
      memory.playlists.set(`${child}?_HLS_msn=7`, { kind: 'playlist', text: media, maxAgeSeconds: 1 });
      const { token, playback } = (await ask({ program: href })).body;
      const first = await http.call('GET', playback.nativeHls);
      expect([first.status, first.headers.get('content-type'), first.headers.get('cache-control')]).toEqual([
        200,
        'application/vnd.apple.mpegurl',
        'private, max-age=30',
      ]);
      const next: string = first.body.split('\n')[2];
      expect(new URL(next).searchParams.get('token')).toBe(token);
      const second = await http.call('GET', `${next}&_HLS_msn=7`);
      expect(second.headers.get('cache-control')).toBe('private, max-age=1');
      expect(second.body.split('\n')).toEqual([
        '#EXTM3U',
        `#EXT-X-KEY:METHOD=AES-128,URI="http://keys.example/headend/?kid=${AES_ID}&token=${token}",IV=0x1`,
        '#EXTINF:2,',
        `${folder}/QualityLevels(1)/Fragments(video=1,format=m3u8-aapl,encryption=cbc)`,
        '',
      ]);
    });

    it.each([
      { name: 'no token', query: () => '', status: 401 },
      {
        name: 'a forged token',
        query: () =>
          `token=${signed({ alg: 'HS256' }, { iss: 'headend', aud: 'headend', exp: 2e9, [KEY_ID_CLAIM]: AES_ID }, 'AAAA')}`,
        status: 401,
      },
      {
        name: 'another program’s token',
        query: () =>
          `token=${signed({ alg: 'HS256' }, { iss: 'headend', aud: 'headend', exp: 4e9, [KEY_ID_CLAIM]: CBCS_ID })}`,
        status: 401,
      },
      {
        name: 'an expired token',
        query: () =>
          `token=${signed({ alg: 'HS256' }, { iss: 'headend', aud: 'headend', exp: 1e9, [KEY_ID_CLAIM]: AES_ID })}`,
        status: 401,
      },
      {
        name: 'another host',
        query: (token: string) =>
          `token=${token}&playlist=${encodeURIComponent('http://evil.example/QualityLevels(1)/Manifest(v)')}`,
        status: 400,
      },
      {
        name: 'another host without scheme',
        query: (token: string) => `token=${token}&playlist=//evil.example/QualityLevels(1)/Manifest(v)`,
        status: 400,
      },
      {
        name: 'a way up',
        query: (token: string) =>
          `token=${token}&playlist=${encodeURIComponent('QualityLevels(1)/Manifest(%2e%2e/../../x)')}`,
        status: 400,
      },
      {
        name: 'a segment',
        query: (token: string) => `token=${token}&playlist=QualityLevels(1)/Fragments(video=1)`,
        status: 400,
      },
      {
        name: 'a playlist that is not there',
        query: (token: string) => `token=${token}&playlist=QualityLevels(9)/Manifest(video)`,
        status: 404,
      },
    ])('are not given for $name', async ({ query, status }) => {
      await program('aes');
      const { token } = (await ask({ program: href })).body;
      const answer = await http.call('GET', `${rewriter}?${query(token)}`);
      expect(answer.status).toBe(status);
      expect(JSON.stringify(answer.body)).not.toContain(token);
    });

    it('are not given for a program that is none, or is not AES-128, any differently', async () => {
      const forged = signed(
        { alg: 'HS256' },
        { iss: 'headend', aud: 'headend', exp: 4e9, [KEY_ID_CLAIM]: AES_ID },
      );
      const none = await http.call('GET', `${rewriter}?token=${forged}`);
      await program('clearkey');
      const other = await http.call('GET', `${rewriter}?token=${forged}`);
      expect([none.status, none.body]).toEqual([401, other.body]);
    });
  });
});
