import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** Whether the request carries the key itself: only that administers subscriptions. */
export function isAdministrator(headers: IncomingHttpHeaders, key: string): boolean {
  const given = headers['aeg-sas-key'];
  return typeof given === 'string' && equalSecrets(key, given);
}

/** Whether the request carries the key, or a signature made with it for this path that has not expired. */
export function isPublisher(headers: IncomingHttpHeaders, key: string, path: string, now: Date): boolean {
  if (headers['aeg-sas-key'] !== undefined) return isAdministrator(headers, key);
  const authorization = headers.authorization ?? '';
  const token = headers['aeg-sas-token'] ?? /^SharedAccessSignature\s+(.+)$/i.exec(authorization)?.[1];
  return typeof token === 'string' && isSignedWith(token, { key, path, now });
}

/** `r=<encoded url>&e=<encoded date>&s=<encoded HMAC-SHA256 of what stands before it>`. */
function isSignedWith(
  token: string,
  { key, path, now }: { readonly key: string; readonly path: string; readonly now: Date },
): boolean {
  const found = /^(r=([^&]+)&e=([^&]+))&s=([^&]+)$/.exec(token);
  if (found === null) return false;
  const [, unsigned = '', resource = '', expires = '', signature = ''] = found;
  // Of the resource only the path counts: behind a proxy or another name the host differs.
  const url = decode(resource);
  if (!URL.canParse(url) || !path.startsWith(new URL(url).pathname)) return false;
  // The SDK writes a UTC time without a zone: "1/2/2026 3:04:05 PM".
  const text = decode(expires);
  const expiresAt = Date.parse(/(Z|UTC|GMT|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text} UTC`);
  if (Number.isNaN(expiresAt) || expiresAt < now.getTime()) return false;
  const digest = createHmac('sha256', Buffer.from(key, 'base64')).update(unsigned).digest('base64');
  return equalSecrets(digest, decode(signature));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', '%20'));
  } catch {
    return '';
  }
}

function equalSecrets(expected: string, given: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(expected), digest(given));
}
