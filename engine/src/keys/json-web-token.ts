import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { claimTexts, type TokenClaims } from './token-claims.ts';

/** Base64url without padding (RFC 7515 §2). */
const FORM = /^([\w-]{2,})\.([\w-]{2,})\.([\w-]{2,})$/;
const KEY_NAME_CHARS_MAX = 256;
const HEADERS_MAX = 200;
const HEADER_CHARS_MAX = 1_024;
/** Seconds since 1970 until the year 9999: beyond it is no time. */
const SECONDS_MAX = 253_402_300_799;

/** A token whose signature has not been looked at. */
export interface UncheckedToken {
  readonly algorithm: string;
  /** `kid` of the header. */
  readonly keyName: string | undefined;
  readonly claims: TokenClaims;
  /** What is signed, as it was sent. */
  readonly signed: string;
  readonly signature: Uint8Array;
  /** The identity of the token: its signature's SHA-256 in hexadecimal. */
  signatureHash(): string;
}

/** Parses the compact form (RFC 7515 §7.1); undefined when it is none. */
export function parseJsonWebToken(text: string): UncheckedToken | undefined {
  const [, headerText, payloadText, signatureText] = FORM.exec(text) ?? [];
  if (headerText === undefined || payloadText === undefined || signatureText === undefined) return undefined;
  const header = parseHeader(headerText);
  const payload = parseObject(payloadText);
  const signature = Buffer.from(signatureText, 'base64url');
  if (!isCanonical(signatureText)) return undefined;
  const algorithm = header && own(header, 'alg');
  // RFC 7515 §4.1.11: an extension that has to be understood is not.
  if (header === undefined || payload === undefined || typeof algorithm !== 'string' || 'crit' in header) {
    return undefined;
  }
  const times = timesOf(payload);
  if (times === undefined) return undefined;
  const keyName = own(header, 'kid');
  return {
    algorithm,
    keyName:
      typeof keyName === 'string' && keyName.length <= KEY_NAME_CHARS_MAX && keyName !== ''
        ? keyName
        : undefined,
    // One by one: a spread makes an object of a new kind each time.
    claims: {
      expires: times.expires,
      notBefore: times.notBefore,
      issuer: claimTexts(own(payload, 'iss')),
      audiences: claimTexts(own(payload, 'aud')),
      values: (type) => claimTexts(own(payload, type)),
    },
    signed: text.slice(0, headerText.length + 1 + payloadText.length),
    signature,
    signatureHash: () => hash('sha256', signature, 'hex'),
  };
}

/**
 * Only one text stands for a signature: others with the same bytes would be other tokens with the same identity. The
 * bits of the last character that are no byte's have to be zero.
 */
function isCanonical(base64url: string): boolean {
  const last = base64url.slice(-1);
  switch (base64url.length % 4) {
    case 0:
      return true;
    case 2:
      return 'AQgw'.includes(last);
    case 3:
      return 'AEIMQUYcgkosw048'.includes(last);
    default:
      return false;
  }
}

type Payload = Readonly<Record<string, unknown>>;

/** RFC 7519 §4.1.4, §4.1.5; undefined when one of them is no time. */
function timesOf(payload: Payload): Pick<TokenClaims, 'expires' | 'notBefore'> | undefined {
  const expires = own(payload, 'exp');
  const notBefore = own(payload, 'nbf');
  if (!isTime(expires) || !isTime(notBefore)) return undefined;
  return { expires, notBefore };
}

const isTime = (value: unknown): value is number | undefined =>
  value === undefined ||
  (typeof value === 'number' && Number.isFinite(value) && value >= 0 && value <= SECONDS_MAX);

/** Not what every object has. */
const own = (payload: Payload, name: string): unknown =>
  Object.hasOwn(payload, name) ? payload[name] : undefined;

/** An issuer's tokens have one and the same header for as long as its key is the same. */
const headers = new LRUCache<string, Payload>({ max: HEADERS_MAX });

function parseHeader(encoded: string): Payload | undefined {
  const known = headers.get(encoded);
  if (known !== undefined) return known;
  const header = parseObject(encoded);
  if (header !== undefined && encoded.length <= HEADER_CHARS_MAX) headers.set(encoded, header);
  return header;
}

function parseObject(encoded: string): Payload | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8'));
    return isPayload(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const isPayload = (value: unknown): value is Payload =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
