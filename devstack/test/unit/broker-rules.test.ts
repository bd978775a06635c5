import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decideRetry } from '../../src/broker/retry-schedule.ts';

describe('retries', () => {
  const policy = { maxDeliveryAttempts: 30, eventTimeToLiveMinutes: 1440 };
  const failed = { attempts: 1, status: 500, ageMs: 0, policy, jitter: 0, timeScale: 1 };
  it.each([
    { name: 'the first', change: {}, seconds: 10 },
    { name: 'the second', change: { attempts: 2 }, seconds: 30 },
    { name: 'the ninth', change: { attempts: 9 }, seconds: 21_600 },
    { name: 'the tenth', change: { attempts: 10 }, seconds: 43_200 },
    { name: 'the eleventh', change: { attempts: 11 }, seconds: 43_200 },
    { name: 'no answer', change: { status: undefined }, seconds: 10 },
    { name: '404', change: { status: 404 }, seconds: 300 },
    { name: '408', change: { status: 408 }, seconds: 120 },
    { name: '503', change: { status: 503 }, seconds: 30 },
    { name: 'jitter', change: { jitter: 0.5 }, seconds: 10.5 },
    { name: 'a faster clock', change: { timeScale: 1000 }, seconds: 0.01 },
  ])('wait $seconds s after $name', ({ change, seconds }) => {
    expect(decideRetry({ ...failed, ...change })).toEqual({ kind: 'retry', delayMs: seconds * 1000 });
  });

  it.each([
    { status: 400, reason: 'BadRequest' },
    { status: 401, reason: 'Unauthorized' },
    { status: 403, reason: 'Forbidden' },
    { status: 413, reason: 'PayloadTooLarge' },
  ])('do not happen after $status', ({ status, reason }) => {
    expect(decideRetry({ ...failed, status })).toEqual({ kind: 'deadLetter', reason });
  });

  it('end for every event, within attempts and time to live', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 1440 }),
        fc.constantFrom(404, 408, 500, 503, undefined),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (maxDeliveryAttempts, eventTimeToLiveMinutes, status, jitter) => {
          const own = { maxDeliveryAttempts, eventTimeToLiveMinutes };
          let ageMs = 0;
          for (let attempts = 1; ; attempts += 1) {
            expect(attempts).toBeLessThanOrEqual(maxDeliveryAttempts);
            const decision = decideRetry({ attempts, status, ageMs, policy: own, jitter, timeScale: 1 });
            if (decision.kind === 'deadLetter') return;
            ageMs += decision.delayMs;
            expect(ageMs).toBeLessThanOrEqual(eventTimeToLiveMinutes * 60_000);
          }
        },
      ),
    );
  });
});
