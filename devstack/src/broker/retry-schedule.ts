export interface RetryPolicy {
  readonly maxDeliveryAttempts: number;
  readonly eventTimeToLiveMinutes: number;
}

export type RetryDecision =
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'deadLetter'; readonly reason: string };

export interface FailedDelivery {
  /** How many attempts were made, this one included. */
  readonly attempts: number;
  /** Undefined when there was no answer. */
  readonly status: number | undefined;
  readonly ageMs: number;
  readonly policy: RetryPolicy;
  /** 0 ≤ jitter < 1. */
  readonly jitter: number;
  readonly timeScale: number;
}

// learn.microsoft.com, event-grid/delivery-and-retry; the last one repeats.
const DELAYS_SECONDS = [10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200];
const FLOOR_SECONDS: Readonly<Record<number, number>> = { 404: 300, 408: 120, 503: 30 };
const FLOOR_SECONDS_OTHERS = 10;
const JITTER_SHARE = 0.1;
const NEVER_RETRIED: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  413: 'PayloadTooLarge',
};

/** What happens to an event after a failed delivery; times pass `timeScale` times faster. */
export function decideRetry(failed: FailedDelivery): RetryDecision {
  const { attempts, status, policy, timeScale } = failed;
  const reason = status === undefined ? undefined : NEVER_RETRIED[status];
  if (reason !== undefined) return { kind: 'deadLetter', reason };
  if (attempts >= policy.maxDeliveryAttempts)
    return { kind: 'deadLetter', reason: 'MaxDeliveryAttemptsExceeded' };
  const scheduled = DELAYS_SECONDS[Math.min(attempts, DELAYS_SECONDS.length) - 1] ?? FLOOR_SECONDS_OTHERS;
  const floor = (status === undefined ? undefined : FLOOR_SECONDS[status]) ?? FLOOR_SECONDS_OTHERS;
  const seconds = Math.max(scheduled, floor) * (1 + JITTER_SHARE * failed.jitter);
  const delayMs = (seconds * 1000) / timeScale;
  const timeToLiveMs = (policy.eventTimeToLiveMinutes * 60_000) / timeScale;
  if (failed.ageMs + delayMs > timeToLiveMs) return { kind: 'deadLetter', reason: 'EventTimeToLiveExpired' };
  return { kind: 'retry', delayMs };
}
