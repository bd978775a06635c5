import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { GridEvent } from '../../src/broker/event-schema.ts';
import { EventFilter, matchesFilter } from '../../src/broker/filters.ts';
import { decideRetry } from '../../src/broker/retry-schedule.ts';

const EVENT: GridEvent = {
  id: '1',
  topic: 't',
  subject: 'liveEvent/Arena',
  eventType: 'Microsoft.Media.LiveEventIngestHeartbeat',
  eventTime: '2026-01-01T00:00:00Z',
  dataVersion: '1',
  metadataVersion: '1',
  data: { healthy: false, bitrate: 5, track: { name: 'Video' }, nothing: null },
};

describe('filters', () => {
  const advanced = (operatorType: string, key: string, more: object) => ({
    advancedFilters: [{ operatorType, key, ...more }],
  });
  it.each([
    { name: 'nothing', filter: {}, passes: true },
    {
      name: 'its type in another case',
      filter: { includedEventTypes: ['microsoft.media.liveeventingestheartbeat'] },
      passes: true,
    },
    { name: 'All', filter: { includedEventTypes: ['All'] }, passes: true },
    { name: 'another type', filter: { includedEventTypes: ['x'] }, passes: false },
    {
      name: 'its subject',
      filter: { subjectBeginsWith: 'liveevent/', subjectEndsWith: 'arena' },
      passes: true,
    },
    {
      name: 'its subject in another case',
      filter: { subjectEndsWith: 'arena', isSubjectCaseSensitive: true },
      passes: false,
    },
    { name: 'BoolEquals', filter: advanced('BoolEquals', 'data.healthy', { value: false }), passes: true },
    {
      name: 'BoolEquals of the other',
      filter: advanced('BoolEquals', 'data.healthy', { value: true }),
      passes: false,
    },
    {
      name: 'BoolEquals of a missing key',
      filter: advanced('BoolEquals', 'data.none', { value: false }),
      passes: false,
    },
    {
      name: 'a key in another case',
      filter: advanced('StringIn', 'Data.TRACK.name', { values: ['x', 'video'] }),
      passes: true,
    },
    { name: 'NumberIn', filter: advanced('NumberIn', 'data.bitrate', { values: [4, 5] }), passes: true },
    {
      name: 'NumberNotIn of a missing key',
      filter: advanced('NumberNotIn', 'data.none', { values: [1] }),
      passes: true,
    },
    {
      name: 'StringNotIn of a missing key',
      filter: advanced('StringNotIn', 'data.none', { values: ['a'] }),
      passes: true,
    },
    {
      name: 'NumberLessThan its own value',
      filter: advanced('NumberLessThan', 'data.bitrate', { value: 5 }),
      passes: false,
    },
    {
      name: 'NumberGreaterThanOrEquals',
      filter: advanced('NumberGreaterThanOrEquals', 'data.bitrate', { value: 5 }),
      passes: true,
    },
    {
      name: 'StringContains',
      filter: advanced('StringContains', 'subject', { values: ['/AR'] }),
      passes: true,
    },
    { name: 'IsNullOrUndefined', filter: advanced('IsNullOrUndefined', 'data.nothing', {}), passes: true },
    { name: 'IsNotNull', filter: advanced('IsNotNull', 'data.nothing', {}), passes: false },
  ])('with $name: $passes', ({ filter, passes }) => {
    expect(matchesFilter(EVENT, EventFilter.parse(filter))).toBe(passes);
  });

  it('refuse an operator that does not exist', () => {
    expect(EventFilter.safeParse(advanced('Nope', 'subject', { values: ['a'] })).success).toBe(false);
  });
});

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
