import type { KeyDeliveryKind, KeyDeliveryRequestPlace } from '../resources/key-delivery-addresses.ts';
import { readToken, type TokenText } from './bearer-token.ts';
import { KeyDeliveryError } from './key-delivery-error.ts';

const URL_CHARS_MAX = 40 * 1024;
const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export interface KeyRequest {
  readonly kind: KeyDeliveryKind;
  /** Undefined: the engine's own. */
  readonly account: string | undefined;
  /** GUID in lower case, when the query names one. */
  readonly keyId: string | undefined;
  readonly token: TokenText;
}

/** What of an HTTP request counts. */
export interface KeyRequestHead {
  /** Path and query. */
  readonly url: string;
  readonly host: string;
  readonly authorization: string | undefined;
}

/** Reads where and for what a request asks; throws `KeyDeliveryError`. */
export function readKeyRequest(
  { url, host, authorization }: KeyRequestHead,
  placeOf: (path: string, host: string) => KeyDeliveryRequestPlace | undefined,
): KeyRequest {
  if (url.length > URL_CHARS_MAX) throw new KeyDeliveryError('MalformedRequest', 'the URL is too long');
  const at = url.indexOf('?');
  const path = at < 0 ? url : url.slice(0, at);
  const place = placeOf(path, host);
  if (place === undefined) throw new KeyDeliveryError('ResourceNotFound', 'no such address');
  const { kid, token } = readQuery(at < 0 ? '' : url.slice(at + 1));
  return {
    // One by one: a spread takes longer than all the rest.
    kind: place.kind,
    account: place.account,
    keyId: kid === undefined ? undefined : parseKeyId(kid),
    token: readToken(authorization, token),
  };
}

/** A GUID in lower case; throws `MalformedRequest`. */
export function parseKeyId(text: string): string {
  const lower = text.toLowerCase();
  if (GUID.test(lower)) return lower;
  throw new KeyDeliveryError('MalformedRequest', 'kid is no GUID');
}

/** Both of them once at most; whatever else a player adds is left alone. */
function readQuery(query: string): { kid: string | undefined; token: string | undefined } {
  let kid: string | undefined;
  let token: string | undefined;
  for (const part of query.split('&')) {
    const equals = part.indexOf('=');
    const name = (equals < 0 ? part : part.slice(0, equals)).toLowerCase();
    if (name !== 'kid' && name !== 'token') continue;
    const value = equals < 0 ? '' : decoded(part.slice(equals + 1));
    if (name === 'kid') kid = once(kid, value);
    else token = once(token, value);
  }
  return { kid, token };
}

function once(before: string | undefined, value: string): string {
  if (before === undefined) return value;
  throw new KeyDeliveryError('MalformedRequest', 'a parameter is there twice');
}

function decoded(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    throw new KeyDeliveryError('MalformedRequest', 'the query is not percent-encoded UTF-8');
  }
}
