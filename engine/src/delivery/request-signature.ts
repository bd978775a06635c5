import { createHmac, timingSafeEqual } from 'node:crypto';

/** A key that a CDN signs its requests with, Akamai's signature header authentication. */
export interface SignatureKey {
  readonly identifier: string;
  readonly key: Uint8Array;
  /** Unix milliseconds; undefined: good for ever. */
  readonly expiresAtMs: number | undefined;
}

const DATA_HEADER = 'x-akamai-g2o-auth-data';
const SIGN_HEADER = 'x-akamai-g2o-auth-sign';
const HEADER_LENGTH_MAX = 1024;
/** By the version that begins the data. */
const ALGORITHMS: Readonly<Record<string, string>> = { '3': 'md5', '4': 'sha1', '5': 'sha256' };
/** How far the clocks of both sides may be apart. */
const AGE_MS_MAX = 30_000;

/**
 * Whether a request carries a fresh signature by one of the keys: the data is `version, edge address, client address,
 * time, unique id, key identifier`, and what is signed is the data followed by the path and query.
 */
export function isSignedRequest(
  request: { readonly url: string; header(name: string): string | undefined },
  keys: readonly SignatureKey[],
  nowMs: number,
): boolean {
  const data = request.header(DATA_HEADER);
  const sent = request.header(SIGN_HEADER);
  if (data === undefined || sent === undefined || data.length > HEADER_LENGTH_MAX) return false;
  const [version = '', , , seconds = '', , identifier = ''] = data.split(',').map((part) => part.trim());
  const algorithm = Object.hasOwn(ALGORITHMS, version) ? ALGORITHMS[version] : undefined;
  const isFresh = Math.abs(nowMs - Number(seconds) * 1000) <= AGE_MS_MAX;
  if (algorithm === undefined || !isFresh) return false;
  const signature = Buffer.from(sent, 'base64');
  return keys
    .filter((key) => key.identifier === identifier && (key.expiresAtMs ?? nowMs + 1) > nowMs)
    .some(({ key }) => {
      const expected = createHmac(algorithm, key).update(data).update(request.url).digest();
      return expected.length === signature.length && timingSafeEqual(expected, signature);
    });
}
