/** Longer heads are node:http's. */
const HEAD_CHARS_MAX = 16 * 1024;
const FIELDS_MAX = 64;
/**
 * A head of RFC 9112 without anything that needs a second look: origin form, HTTP/1.1, tokens as names, values of visible
 * ASCII, blanks and tabs, no folded lines.
 */
const HEAD = /GET \/[\w!$%&'()*+,./:;=?@~-]* HTTP\/1\.1\r\n(?:[\w!#$%&'*+.^`|~-]+:[\t -~]*\r\n)+\r\n/y;
const METHOD_CHARS = 'GET '.length;
const VERSION_CHARS = ' HTTP/1.1'.length;

/** A request that is nothing but its head. */
export interface PlainGet {
  /** Path and query. */
  readonly url: string;
  readonly host: string;
  readonly authorization: string | undefined;
  readonly origin: string | undefined;
  readonly forwardedFor: string | undefined;
  /** Where in the text the next request begins. */
  readonly end: number;
}

/** They say where a request ends, or ask for more than an answer: those requests are node:http's. */
const NOT_PLAIN: ReadonlySet<string> = new Set([
  ...['content-length', 'transfer-encoding', 'expect', 'upgrade', 'proxy-connection'],
]);

/** Reads the request that begins at `at`; undefined for all but the plainest, and for one that is not all there. */
export function readPlainGet(text: string, at: number): PlainGet | undefined {
  HEAD.lastIndex = at;
  if (!HEAD.test(text)) return undefined;
  const end = HEAD.lastIndex;
  if (end - at > HEAD_CHARS_MAX) return undefined;
  const lineEnd = text.indexOf('\r\n', at);
  const found = readFields(text, lineEnd + 2, end - 2);
  if (found?.host === undefined) return undefined;
  return {
    url: text.slice(at + METHOD_CHARS, lineEnd - VERSION_CHARS),
    host: found.host,
    authorization: found.authorization,
    origin: found.origin,
    forwardedFor: found['x-forwarded-for'],
    end,
  };
}

interface Fields {
  host: string | undefined;
  authorization: string | undefined;
  origin: string | undefined;
  'x-forwarded-for': string | undefined;
}

/** Undefined: there is one among them that makes the request none of ours, or twice what may be there once. */
function readFields(text: string, start: number, end: number): Fields | undefined {
  const found: Fields = {
    host: undefined,
    authorization: undefined,
    origin: undefined,
    'x-forwarded-for': undefined,
  };
  let at = start;
  for (let count = 0; at < end; count += 1) {
    if (count === FIELDS_MAX) return undefined;
    const colon = text.indexOf(':', at);
    const lineEnd = text.indexOf('\r\n', colon);
    const name = text.slice(at, colon).toLowerCase();
    switch (name) {
      case 'host':
      case 'authorization':
      case 'origin':
      case 'x-forwarded-for':
        if (found[name] !== undefined) return undefined;
        found[name] = text.slice(colon + 1, lineEnd).trim();
        break;
      case 'connection':
        if (
          text
            .slice(colon + 1, lineEnd)
            .trim()
            .toLowerCase() !== 'keep-alive'
        )
          return undefined;
        break;
      default:
        if (NOT_PLAIN.has(name)) return undefined;
    }
    at = lineEnd + 2;
  }
  return found;
}
