import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { HostKeys } from './host-settings.ts';

export type AuthLevel = 'anonymous' | 'function' | 'admin' | 'eventGrid';

/** Whether the request carries a key of the level; the header wins over `?code=` (AuthenticationLevelHandler.cs). */
export function isAuthorized(
  level: AuthLevel,
  request: Pick<IncomingMessage, 'headers'>,
  query: URLSearchParams,
  keys: HostKeys,
): boolean {
  if (level === 'anonymous') return true;
  const header = request.headers['x-functions-key'];
  const given = typeof header === 'string' && header !== '' ? header : (query.get('code') ?? '');
  if (given === '') return false;
  const accepted = [keys.master];
  if (level === 'function') accepted.push(keys.function);
  if (level === 'eventGrid') accepted.push(keys.eventGrid);
  // All are compared, so that the time tells nothing of which matched.
  return accepted.map((key) => equalSecrets(key, given)).includes(true);
}

export function equalSecrets(expected: string, given: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(expected), digest(given));
}
