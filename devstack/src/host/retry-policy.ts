import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { InvocationResponse, RetryContext } from './worker-protocol.ts';

export interface RetryPolicy {
  /** How often it is run again; -1: until it succeeds or the host stops. */
  readonly maxRetryCount: number;
  delayMs(retry: number): number;
}

// The real host's defaults (ExponentialBackoffRetryAttribute.cs leaves none: both must be given).
const INTERVAL_SECONDS_MAX = 24 * 3600;

const Duration = z.object({ seconds: z.number().min(0).max(INTERVAL_SECONDS_MAX) });
const RetryOptions = z.union([
  z.object({
    retryStrategy: z.literal('fixedDelay'),
    maxRetryCount: z.int().min(-1),
    delayInterval: Duration,
  }),
  z.object({
    retryStrategy: z.literal('exponentialBackoff'),
    maxRetryCount: z.int().min(-1),
    minimumInterval: Duration,
    maximumInterval: Duration,
  }),
]);

/** A function's `retry`; undefined when it has none. Throws for one that makes no sense. */
export function parseRetryPolicy(options: object | undefined): RetryPolicy | undefined {
  if (options === undefined) return undefined;
  const parsed = RetryOptions.parse(options);
  const { maxRetryCount } = parsed;
  if (parsed.retryStrategy === 'fixedDelay') {
    return { maxRetryCount, delayMs: () => parsed.delayInterval.seconds * 1000 };
  }
  const [first, last] = [parsed.minimumInterval.seconds, parsed.maximumInterval.seconds];
  return { maxRetryCount, delayMs: (retry) => Math.min(first * 2 ** Math.min(retry - 1, 30), last) * 1000 };
}

/** Runs until it succeeds, the policy is spent or `signal` is aborted; gives the last response. */
export async function runWithRetries(
  run: (context: RetryContext | undefined) => Promise<InvocationResponse>,
  policy: RetryPolicy,
  signal: AbortSignal,
): Promise<InvocationResponse> {
  const { maxRetryCount } = policy;
  let response = await run(undefined);
  for (let retry = 1; response.result.status === 'failure'; retry += 1) {
    if (signal.aborted || (maxRetryCount >= 0 && retry > maxRetryCount)) break;
    await delay(policy.delayMs(retry), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) break;
    const { exception } = response.result;
    response = await run({ retryCount: retry, maxRetryCount, ...(exception ? { exception } : {}) });
  }
  return response;
}
