/** A token with every claim that Entra makes and 200 groups has about 8,000 characters. */
export const TOKEN_CHARS_MAX = 12 * 1024;

const SCHEME = /^bearer[ =]+/i;
const SCHEME_ENCODED = /^bearer(?:%3d|%20|\+)+/i;
/** Visible ASCII: nothing else is in a token. */
const TEXT = /^[\x21-\x7e]+$/;

/** Undefined: there is none. `malformed`: something stands there that is no token. */
export type TokenText = string | 'malformed' | undefined;

/**
 * The token of a request (reference §4.2): `Authorization: Bearer <t>` or `Bearer=<t>`, else `token=` of the query,
 * with or without either prefix. A simple web token may be percent-encoded once more than it is itself.
 */
export function readToken(authorization: string | undefined, query: string | undefined): TokenText {
  if (authorization !== undefined) {
    return SCHEME.test(authorization) ? tokenOf(authorization.replace(SCHEME, '')) : 'malformed';
  }
  if (query === undefined) return undefined;
  return tokenOf(query.replace(SCHEME, '').replace(SCHEME_ENCODED, ''));
}

function tokenOf(text: string): TokenText {
  const token = text.trim();
  if (token.length > TOKEN_CHARS_MAX) return 'malformed';
  if (!TEXT.test(token)) return 'malformed';
  return token.includes('&') || !token.includes('%') ? token : decodedOnce(token);
}

function decodedOnce(token: string): TokenText {
  try {
    const decoded = decodeURIComponent(token);
    return TEXT.test(decoded) ? decoded : 'malformed';
  } catch {
    return 'malformed';
  }
}
