import { describe, expect, it } from '@jest/globals';
import { accessOf, bringsToken, clearKeyOf, fetchAccess, isEnding, isNoAccess } from '../../src/access.ts';
import { type Api, ApiProblem } from '../../src/api.ts';

const KID = '11111111-1111-4111-8111-111111111111';
const ANSWER = {
  program: '/api/v1/channels/arena/programs/final',
  protection: 'clearkey',
  token: 'a.b.c',
  id: 'one',
  expiresAt: '2026-11-21T12:00:00.000Z',
  playback: { hls: 'h', dash: 'd', smooth: null, nativeHls: 'http://api.example/hls?token=a.b.c' },
  keys: [
    { id: KID, scheme: 'aes128', key: `http://keys.example/headend/?kid=${KID}`, clearKey: null },
    { id: KID, scheme: 'cbcs', key: null, clearKey: `http://keys.example/headend/ClearKey/?kid=${KID}` },
  ],
  testPage: null,
};

function apiThat(answer: unknown): { api: Api; posted: unknown[] } {
  const posted: unknown[] = [];
  const never = async () => {
    throw new Error('not asked for here');
  };
  const post = async (path: string, body: object) => {
    posted.push([path, body]);
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return {
    api: { get: never, find: never, put: never, run: never, download: never, remove: never, post },
    posted,
  };
}

const wish = { of: { program: ANSWER.program }, protection: 'clearkey', givenToken: '' };
const problem = (code: string, status = 409) => new ApiProblem({ status, code, message: `The API: ${code}` });

describe('access to a program', () => {
  it('is asked for once for what is protected, and not for what is clear', async () => {
    const { api, posted } = apiThat(ANSWER);
    expect(await fetchAccess(api, wish)).toEqual(accessOf(ANSWER));
    expect(posted).toEqual([['/playback-tokens', { program: ANSWER.program }]]);
    expect(await fetchAccess(api, { ...wish, protection: 'clear' })).toMatchObject({
      token: undefined,
      keys: [],
    });
    expect(posted).toHaveLength(1);
  });

  it('is by the token of the page’s address when there is one', async () => {
    const given = await fetchAccess(apiThat(ANSWER).api, { ...wish, givenToken: 'x.y.z' });
    expect(given).toMatchObject({ token: 'x.y.z', keys: accessOf(ANSWER).keys });
    const { api } = apiThat(problem('playbackTokenExternal'));
    expect(await fetchAccess(api, { ...wish, givenToken: 'x.y.z' })).toMatchObject({
      token: 'x.y.z',
      keys: [],
    });
  });

  it.each([
    {
      name: 'tokens of somebody else',
      error: problem('playbackTokenExternal'),
      isPassing: false,
      says: /issued elsewhere/,
    },
    {
      name: 'keys that are not made',
      error: problem('contentKeysNotReady'),
      isPassing: true,
      says: /are being made/,
    },
    {
      name: 'an API that does not answer',
      error: problem('unreachable', 0),
      isPassing: true,
      says: /^No token/,
    },
    { name: 'a refusal', error: problem('programNotFound', 404), isPassing: false, says: /^No token/ },
  ])('is refused in a sentence for $name', async ({ error, isPassing, says }) => {
    const access = await fetchAccess(apiThat(error).api, wish);
    expect(isNoAccess(access) && access).toEqual({ problem: expect.stringMatching(says), isPassing });
  });

  it('ends before its token does', () => {
    const access = accessOf(ANSWER);
    const endMs = Date.parse(ANSWER.expiresAt);
    expect([endMs - 120_000, endMs - 59_000].map((nowMs) => isEnding(access, nowMs))).toEqual([false, true]);
    expect(isEnding({ ...access, expiresAtMs: undefined }, endMs + 1e9)).toBe(false);
  });
});

describe('a player’s request', () => {
  const access = accessOf(ANSWER);
  it.each([
    { name: 'an AES key', url: `http://keys.example/headend/?kid=${KID}`, brings: true },
    { name: 'another key there', url: 'http://keys.example/headend/?kid=2', brings: true },
    { name: 'a Clear Key licence', url: `http://keys.example/headend/ClearKey/?kid=${KID}`, brings: true },
    {
      name: 'a segment',
      url: 'http://media.example/l/final.ism/QualityLevels(1)/Fragments(video=1)',
      brings: false,
    },
    { name: 'a playlist on the key server', url: 'http://keys.example/headend/x.m3u8', brings: false },
    { name: 'a key elsewhere', url: `http://evil.example/headend/?kid=${KID}`, brings: false },
    { name: 'something relative', url: 'segment.ts', brings: false },
  ])('for $name brings the token: $brings', ({ url, brings }) => {
    expect(bringsToken(access, url)).toBe(brings);
    expect(bringsToken({ ...access, token: undefined }, url)).toBe(false);
  });

  it('for a licence goes where the address’s encryption has one', () => {
    const of = (form: string) =>
      clearKeyOf(access, `http://media.example/l/final.ism/manifest(${form}).m3u8`);
    expect(of('format=m3u8-cmaf,encryption=cbcs-aapl')).toBe(ANSWER.keys[1]?.clearKey);
    expect(
      ['format=m3u8-aapl,encryption=cbc', 'format=mpd-time-cmaf,encryption=cenc', 'format=m3u8-cmaf'].map(of),
    ).toEqual([undefined, undefined, undefined]);
  });
});
