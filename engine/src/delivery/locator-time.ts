import type { LocatorView } from './delivery-directory.ts';
import { OriginError } from './origin-errors.ts';

/** For how many seconds it is still valid; undefined: for ever. Throws `MPE_UNAUTHORIZED`. */
export function checkTime(locator: LocatorView, nowMs: number): number | undefined {
  if (locator.kind === 'preview') return undefined;
  const { startTimeMs, endTimeMs } = locator;
  if (startTimeMs !== undefined && nowMs < startTimeMs) {
    throw new OriginError('MPE_UNAUTHORIZED', 'the streaming locator is not valid yet');
  }
  if (endTimeMs === undefined) return undefined;
  if (nowMs >= endTimeMs) throw new OriginError('MPE_UNAUTHORIZED', 'the streaming locator has expired');
  return (endTimeMs - nowMs) / 1000;
}
