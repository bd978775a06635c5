import { type Api, ApiProblem } from './api.ts';
import { listAt, textAt } from './json.ts';

/** Where a player asks for keys, and what it brings; made from an answer of `POST /playback-tokens`. */
export interface Access {
  /** Undefined: none is needed. */
  readonly token: string | undefined;
  readonly expiresAtMs: number | undefined;
  readonly nativeHls: string | undefined;
  readonly testPage: string | undefined;
  readonly keys: readonly AccessKey[];
}

export interface AccessKey {
  readonly scheme: string;
  readonly key: string | undefined;
  readonly clearKey: string | undefined;
}

/** What keeps the page from playing, in a sentence for its reader. */
export interface NoAccess {
  readonly problem: string;
  /** It may be otherwise in a moment. */
  readonly isPassing: boolean;
}

const CLEAR = 'clear';
/** A new token is asked for so long before the old one ends. */
const RENEW_BEFORE_MS = 60_000;
const NONE: Access = {
  token: undefined,
  expiresAtMs: undefined,
  nativeHls: undefined,
  testPage: undefined,
  keys: [],
};

/** What is played: its path in the API. */
export type Playable = { readonly program: string } | { readonly video: string };

/**
 * Asks for a token for what has this protection, or takes the one in the page's address. With a given token only
 * the addresses are asked for, which an issuer of its own lets nobody have here: then keys are known by their paths.
 */
export async function fetchAccess(
  api: Api,
  { of, protection, givenToken }: { of: Playable; protection: string; givenToken: string },
): Promise<Access | NoAccess> {
  if (protection === CLEAR || protection === '') return NONE;
  try {
    const access = accessOf(await api.post('/playback-tokens', of));
    return givenToken === '' ? access : { ...access, token: givenToken, expiresAtMs: undefined };
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    if (error.code === 'playbackTokenExternal' && givenToken !== '') return { ...NONE, token: givenToken };
    return {
      problem: sentenceOf(error, protection),
      isPassing: PASSING.has(error.code) || error.status === 0,
    };
  }
}

const PASSING: ReadonlySet<string> = new Set(['contentKeysNotReady', 'busy', 'notReady', 'internal']);

function sentenceOf({ code, message }: ApiProblem, protection: string): string {
  if (code === 'playbackTokenExternal')
    return `This (${protection}) needs a token that is issued elsewhere: add &token=… to this page's address.`;
  if (code === 'contentKeysNotReady') return 'Its keys are being made.';
  return `No token for this: ${message}`;
}

export function accessOf(answer: unknown): Access {
  const expiresAtMs = Date.parse(textAt(answer, 'expiresAt') ?? '');
  return {
    token: textAt(answer, 'token'),
    expiresAtMs: Number.isNaN(expiresAtMs) ? undefined : expiresAtMs,
    nativeHls: textAt(answer, 'playback', 'nativeHls'),
    testPage: textAt(answer, 'testPage'),
    keys: listAt(answer, 'keys').map((key) => ({
      scheme: textAt(key, 'scheme') ?? '',
      key: textAt(key, 'key'),
      clearKey: textAt(key, 'clearKey'),
    })),
  };
}

export const isNoAccess = (access: Access | NoAccess): access is NoAccess => 'problem' in access;

export const isEnding = ({ expiresAtMs }: Access, nowMs: number): boolean =>
  expiresAtMs !== undefined && nowMs > expiresAtMs - RENEW_BEFORE_MS;

const placeOf = (url: string): string => {
  const { origin, pathname } = new URL(url, 'http://nowhere.invalid');
  return `${origin}${pathname}`;
};

/** Whether a request of a player is one for a key, and so may bring the token: nothing else may, or caches are of no use. */
export function bringsToken({ token, keys }: Access, url: string): boolean {
  if (token === undefined) return false;
  // An issuer elsewhere has a server of his own choice: what names a key is asked for one.
  if (keys.length === 0) return /[?&]kid=/i.test(url);
  const place = placeOf(url);
  return keys.some(({ key, clearKey }) =>
    [key, clearKey].some((known) => known !== undefined && placeOf(known) === place),
  );
}

const SCHEMES: Readonly<Record<string, string>> = { cbc: 'aes128', cenc: 'cenc', 'cbcs-aapl': 'cbcs' };

/** The Clear Key licence address of what a playback address delivers; undefined when it is encrypted otherwise. */
export function clearKeyOf({ keys }: Access, playbackUrl: string): string | undefined {
  const encryption = /encryption=([\w-]+)/i.exec(playbackUrl)?.[1] ?? '';
  const scheme = SCHEMES[encryption.toLowerCase()];
  return keys.find((key) => key.scheme === scheme)?.clearKey;
}
