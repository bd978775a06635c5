/**
 * Where keys are delivered: an absolute URL without query, in which `{account}` and `{location}` stand for those of the
 * account, such as `https://{account}.keys.example.net` or `http://127.0.0.1:8887/{account}`. Without `{account}` it
 * serves one account.
 */
export type KeyDeliveryTemplate = string;

interface KeyDeliveryPlace {
  readonly template: KeyDeliveryTemplate;
  readonly account: string;
  readonly location: string;
}

/** The addresses of one account (reference §4.2); `keyId` is a GUID. */
export interface KeyDeliveryAddresses {
  /** AES-128 keys: 16 bytes. */
  aes(keyId: string): string;
  clearKey(keyId: string): string;
  /** Its challenge says which key is meant. */
  playReady(): string;
  widevine(keyId: string): string;
  fairPlay(keyId: string): string;
  /** The same in one text, with `{ContentKeyId}` still in it, as templates of streaming policies have it. */
  readonly templates: { readonly widevine: string; readonly fairPlay: string; readonly clearKey: string };
}

const KEY_ID = '{ContentKeyId}';

/** The addresses that manifests name and that `listContentKeys`' readers ask. */
export function keyDeliveryAddresses({
  template,
  account,
  location,
}: KeyDeliveryPlace): KeyDeliveryAddresses {
  const base = template
    .replaceAll('{account}', account.toLowerCase())
    .replaceAll('{location}', location.toLowerCase())
    .replace(/\/+$/, '');
  const at =
    (what: string) =>
    (keyId: string): string =>
      `${base}/${what}?kid=${keyId}`;
  const [clearKey, widevine, fairPlay] = [at('ClearKey/'), at('Widevine/'), at('FairPlay/')];
  return {
    aes: at(''),
    clearKey,
    playReady: () => `${base}/PlayReady/`,
    widevine,
    fairPlay,
    templates: { widevine: widevine(KEY_ID), fairPlay: fairPlay(KEY_ID), clearKey: clearKey(KEY_ID) },
  };
}

/** What a request for a key is for. */
export type KeyDeliveryKind = 'aes' | 'clearKey' | 'playReady' | 'widevine' | 'fairPlay';

const KINDS: ReadonlyMap<string, KeyDeliveryKind> = new Map([
  ['', 'aes'],
  ['clearkey', 'clearKey'],
  ['playready', 'playReady'],
  ['widevine', 'widevine'],
  ['fairplay', 'fairPlay'],
]);
const REMEMBERED_MAX = 1_000;
const REMEMBERED_CHARS_MAX = 500;
const ACCOUNT = /^[a-z0-9]{3,24}$/;

export interface KeyDeliveryRequestPlace {
  readonly kind: KeyDeliveryKind;
  /** Undefined: the engine's own account. */
  readonly account: string | undefined;
}

/**
 * Reads the addresses of requests: the kind is the last part of the path; the account is the part before it, else in the
 * host name where the template has it there. Whatever stands in the template's path before the account may be there or
 * be taken away by a proxy. An account that is named as a kind is not told from it, so it is asked for with both parts.
 */
export function keyDeliveryReader(template: KeyDeliveryTemplate): Reader {
  const ofHost = hostReader(template);
  const before = pathBefore(template);
  return remembered((path, host) => {
    const parts = plainParts(path, before);
    const kind = KINDS.get(parts.at(-1) ?? '');
    if (kind !== undefined && parts.length <= 1) return { kind, account: ofHost(host) };
    const [account = ''] = parts;
    if (!ACCOUNT.test(account)) return undefined;
    if (parts.length === 1) return { kind: 'aes', account };
    return kind !== undefined && parts.length === 2 ? { kind, account } : undefined;
  });
}

type Reader = (path: string, host: string) => KeyDeliveryRequestPlace | undefined;

/** Players ask at the same few addresses. */
function remembered(read: Reader): Reader {
  const known = new Map<string, KeyDeliveryRequestPlace>();
  return (path, host) => {
    const key = `${host} ${path}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const place = read(path, host);
    if (place === undefined || key.length > REMEMBERED_CHARS_MAX) return place;
    if (known.size >= REMEMBERED_MAX) known.clear();
    known.set(key, place);
    return place;
  };
}

/** In lower case, without the slash at the end. */
function plainParts(path: string, before: RegExp): readonly string[] {
  return path
    .toLowerCase()
    .replace(before, '/')
    .split('/')
    .filter((part) => part !== '');
}

function pathBefore(template: KeyDeliveryTemplate): RegExp {
  const [, path = ''] = /^https?:\/\/[^/]*(\/.*)?$/i.exec(template) ?? [];
  const [before = ''] = path.toLowerCase().split('{account}');
  return new RegExp(`^${patternOf(before.replace(/\/+$/, ''))}(?:/|$)`);
}

function hostReader(template: KeyDeliveryTemplate): (host: string) => string | undefined {
  const [, authority = ''] = /^https?:\/\/([^/]*)/i.exec(template) ?? [];
  const [name = ''] = authority.toLowerCase().split(/:\d*$/);
  if (!name.includes('{account}')) return () => undefined;
  const expression = new RegExp(`^${patternOf(name)}(?::\\d+)?$`);
  return (host) => expression.exec(host.toLowerCase())?.[1];
}

/** Matches what a part of the template becomes; the account is its first group. */
function patternOf(template: string): string {
  return template
    .split(/(\{account\}|\{location\})/)
    .map((part) => {
      if (part === '{account}') return '([a-z0-9]{3,24})';
      return part === '{location}' ? '[a-z0-9-]+' : part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
    })
    .join('');
}
