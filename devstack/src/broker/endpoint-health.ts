/** Whether an endpoint gets events at full speed, one at a time, or none for a while. */
export interface EndpointHealth {
  succeeded(): void;
  failed(status: number | undefined): void;
  /** The time until which nothing is delivered; 0 when that is now. */
  readonly pausedUntilMs: number;
  /** Only one delivery at a time, to see whether it is well again. */
  readonly isOnProbation: boolean;
}

export interface EndpointHealthOptions {
  readonly timeScale: number;
  readonly now: () => number;
}

// learn.microsoft.com, event-grid/delivery-and-retry, "Delayed delivery": after the first ten failures.
const FAILURES_BEFORE_PROBATION = 10;
const PAUSES_SECONDS = [10, 30, 60, 300, 600, 1800];
/** They are about the event or the key, not about the endpoint's health. */
const SAYS_NOTHING_OF_HEALTH = [400, 401, 403, 413];

/**
 * Delayed delivery: an endpoint that only fails is left alone, and asked with one event at growing intervals, `timeScale`
 * times faster than on Azure.
 */
export function openEndpointHealth({ timeScale, now }: EndpointHealthOptions): EndpointHealth {
  let failures = 0;
  let pauses = 0;
  let pausedUntilMs = 0;
  return {
    succeeded() {
      failures = 0;
      pauses = 0;
      pausedUntilMs = 0;
    },
    failed(status) {
      if (status !== undefined && SAYS_NOTHING_OF_HEALTH.includes(status)) return;
      failures += 1;
      // Those that were under way together when the first of them failed are one pause, not many.
      if (failures < FAILURES_BEFORE_PROBATION || pausedUntilMs > now()) return;
      const seconds = PAUSES_SECONDS[Math.min(pauses, PAUSES_SECONDS.length - 1)] ?? 0;
      pauses += 1;
      pausedUntilMs = now() + (seconds * 1000) / timeScale;
    },
    get pausedUntilMs() {
      return pausedUntilMs;
    },
    get isOnProbation() {
      return failures >= FAILURES_BEFORE_PROBATION;
    },
  };
}
