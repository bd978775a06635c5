import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { CloudEvent, GridEvent } from '../../src/broker/event-schema.ts';
import { EventFilter, matchesFilter } from '../../src/broker/filters.ts';

const EVENT: GridEvent = {
  id: '1',
  topic: 't',
  subject: 'liveEvent/Arena',
  eventType: 'Microsoft.Media.LiveEventIngestHeartbeat',
  eventTime: '2026-01-01T00:00:00Z',
  dataVersion: '1',
  metadataVersion: '1',
  data: {
    healthy: false,
    bitrate: 5,
    zero: 0,
    empty: '',
    nothing: null,
    track: { name: 'Video', codecs: ['avc1', 'MP4A'], rates: [1, 5, 9], flags: [true], none: [] },
    mixed: ['a', 7, null],
  },
};

const passes = (filter: object, event: GridEvent | CloudEvent = EVENT) =>
  matchesFilter(event, EventFilter.parse(filter));
const advanced = (operatorType: string, key: string, given: object, onArrays?: boolean) =>
  passes({
    advancedFilters: [{ operatorType, key, ...given }],
    ...(onArrays === undefined ? {} : { enableAdvancedFilteringOnArrays: onArrays }),
  });

describe('event types and subjects', () => {
  it.each([
    { name: 'nothing', filter: {}, expected: true },
    { name: 'null, as templates write it', filter: { includedEventTypes: null }, expected: true },
    {
      name: 'its type in another case',
      filter: { includedEventTypes: ['microsoft.media.liveeventingestheartbeat'] },
      expected: true,
    },
    { name: 'All', filter: { includedEventTypes: ['All'] }, expected: true },
    { name: 'another type', filter: { includedEventTypes: ['x'] }, expected: false },
    {
      name: 'its subject',
      filter: { subjectBeginsWith: 'liveevent/', subjectEndsWith: 'arena' },
      expected: true,
    },
    { name: 'another beginning', filter: { subjectBeginsWith: 'arena' }, expected: false },
    {
      name: 'its subject in another case',
      filter: { subjectEndsWith: 'arena', isSubjectCaseSensitive: true },
      expected: false,
    },
    {
      name: 'its beginning in another case',
      filter: { subjectBeginsWith: 'liveevent', isSubjectCaseSensitive: true },
      expected: false,
    },
  ])('with $name: $expected', ({ filter, expected }) => {
    expect(passes(filter)).toBe(expected);
  });
});

describe('advanced filters', () => {
  it.each([
    ['BoolEquals', 'data.healthy', { value: false }, true],
    ['BoolEquals', 'data.healthy', { value: true }, false],
    ['BoolEquals', 'data.zero', { value: false }, false],
    ['NumberIn', 'data.bitrate', { values: [4, 5] }, true],
    ['NumberIn', 'data.bitrate', { values: [4] }, false],
    ['NumberNotIn', 'data.bitrate', { values: [4] }, true],
    ['NumberNotIn', 'data.bitrate', { values: [4, 5] }, false],
    ['NumberLessThan', 'data.bitrate', { value: 5 }, false],
    ['NumberLessThan', 'data.bitrate', { value: 5.1 }, true],
    ['NumberLessThanOrEquals', 'data.bitrate', { value: 5 }, true],
    ['NumberGreaterThan', 'data.bitrate', { value: 5 }, false],
    ['NumberGreaterThan', 'data.zero', { value: -1 }, true],
    ['NumberGreaterThanOrEquals', 'data.bitrate', { value: 5 }, true],
    [
      'NumberInRange',
      'data.bitrate',
      {
        values: [
          [0, 1],
          [5, 6],
        ],
      },
      true,
    ],
    [
      'NumberInRange',
      'data.bitrate',
      {
        values: [
          [0, 4.9],
          [5.1, 6],
        ],
      },
      false,
    ],
    [
      'NumberNotInRange',
      'data.bitrate',
      {
        values: [
          [0, 4.9],
          [5.1, 6],
        ],
      },
      true,
    ],
    ['NumberNotInRange', 'data.bitrate', { values: [[0, 5]] }, false],
    ['StringIn', 'data.track.name', { values: ['x', 'video'] }, true],
    ['StringIn', 'data.track.name', { values: ['vide'] }, false],
    ['StringNotIn', 'data.track.name', { values: ['VIDEO'] }, false],
    ['StringNotIn', 'data.track.name', { values: ['audio'] }, true],
    ['StringBeginsWith', 'subject', { values: ['x', 'LIVE'] }, true],
    ['StringBeginsWith', 'subject', { values: ['event'] }, false],
    ['StringNotBeginsWith', 'subject', { values: ['event'] }, true],
    ['StringNotBeginsWith', 'subject', { values: ['event', 'live'] }, false],
    ['StringEndsWith', 'subject', { values: ['ARENA'] }, true],
    ['StringEndsWith', 'subject', { values: ['aren'] }, false],
    ['StringNotEndsWith', 'subject', { values: ['aren'] }, true],
    ['StringNotEndsWith', 'subject', { values: ['arena'] }, false],
    ['StringContains', 'subject', { values: ['/AR'] }, true],
    ['StringContains', 'data.empty', { values: ['x'] }, false],
    ['StringNotContains', 'subject', { values: ['x', 'y'] }, true],
    ['StringNotContains', 'subject', { values: ['x', 'event'] }, false],
    ['IsNullOrUndefined', 'data.nothing', {}, true],
    ['IsNullOrUndefined', 'data.none', {}, true],
    ['IsNullOrUndefined', 'data.zero', {}, false],
    ['IsNotNull', 'data.nothing', {}, false],
    ['IsNotNull', 'data.empty', {}, true],
    ['IsNotNull', 'data.track.codecs', {}, true],
    // Keys compare case-insensitively, and reach what the event has at its top.
    ['StringIn', 'Data.TRACK.nAme', { values: ['video'] }, true],
    ['StringIn', 'EventType', { values: ['Microsoft.Media.LiveEventIngestHeartbeat'] }, true],
    ['StringIn', 'DataVersion', { values: ['1'] }, true],
    // A value of another type is as if it were not there.
    ['NumberIn', 'data.track.name', { values: [1] }, false],
    ['NumberNotIn', 'data.track.name', { values: [1] }, true],
    ['StringNotContains', 'data.bitrate', { values: ['x'] }, false],
  ] as const)('%s of %s with %j: %s', (operator, key, given, expected) => {
    expect(advanced(operator, key, given)).toBe(expected);
  });

  it.each([
    ['StringIn', 'data.track.codecs', { values: ['mp4a'] }, true],
    ['StringIn', 'data.track.codecs', { values: ['hvc1'] }, false],
    ['StringNotIn', 'data.track.codecs', { values: ['hvc1'] }, true],
    ['StringNotIn', 'data.track.codecs', { values: ['hvc1', 'avc1'] }, false],
    ['StringNotContains', 'data.track.codecs', { values: ['av'] }, false],
    ['StringNotBeginsWith', 'data.track.codecs', { values: ['x'] }, true],
    ['NumberGreaterThan', 'data.track.rates', { value: 8 }, true],
    ['NumberGreaterThan', 'data.track.rates', { value: 9 }, false],
    ['NumberInRange', 'data.track.rates', { values: [[4, 6]] }, true],
    ['NumberNotInRange', 'data.track.rates', { values: [[4, 6]] }, false],
    ['NumberNotIn', 'data.track.rates', { values: [2] }, true],
    ['BoolEquals', 'data.track.flags', { value: true }, true],
    ['BoolEquals', 'data.track.flags', { value: false }, false],
    ['StringContains', 'data.track.none', { values: ['a'] }, false],
    ['StringNotContains', 'data.track.none', { values: ['a'] }, true],
    // Elements of another type are ignored.
    ['StringIn', 'data.mixed', { values: ['A'] }, true],
    ['NumberNotIn', 'data.mixed', { values: [7] }, false],
  ] as const)('%s of the array %s with %j: %s', (operator, key, given, expected) => {
    expect(advanced(operator, key, given, true)).toBe(expected);
    expect(advanced(operator, key, given, false)).toBe(false);
    expect(advanced(operator, key, given)).toBe(false);
  });

  const some = { value: 1, values: [1] };
  const text = { value: 1, values: ['a'] };
  const range = { values: [[0, 2]] };
  it.each([
    ['NumberNotIn', some, true],
    ['NumberNotInRange', range, true],
    ['StringNotIn', text, true],
    ['StringNotContains', text, false],
    ['StringNotBeginsWith', text, false],
    ['StringNotEndsWith', text, false],
    ['StringIn', text, false],
    ['StringContains', text, false],
    ['StringBeginsWith', text, false],
    ['StringEndsWith', text, false],
    ['NumberIn', some, false],
    ['NumberInRange', range, false],
    ['NumberLessThan', some, false],
    ['NumberLessThanOrEquals', some, false],
    ['NumberGreaterThan', some, false],
    ['NumberGreaterThanOrEquals', some, false],
    ['BoolEquals', { value: false }, false],
  ] as const)('%s of a key that is missing or null: %3$s', (operator, given, expected) => {
    expect(advanced(operator, 'data.missing.deeper', given)).toBe(expected);
    expect(advanced(operator, 'data.nothing', given)).toBe(expected);
  });

  it('all have to hold', () => {
    const good = { operatorType: 'NumberIn', key: 'data.bitrate', values: [5] };
    const bad = { operatorType: 'NumberIn', key: 'data.bitrate', values: [6] };
    expect(passes({ advancedFilters: [good, good] })).toBe(true);
    expect(passes({ advancedFilters: [good, bad] })).toBe(false);
  });

  it('read a CloudEvent by its own names, extension attributes included', () => {
    const event: CloudEvent = {
      specversion: '1.0',
      id: '1',
      source: '/arena',
      type: 'Started',
      myextension: 'Blue',
      data: { n: 1 },
    };
    const filters = [
      { operatorType: 'StringIn', key: 'source', values: ['/ARENA'] },
      { operatorType: 'StringIn', key: 'myextension', values: ['blue'] },
      { operatorType: 'NumberIn', key: 'data.n', values: [1] },
    ];
    expect(passes({ includedEventTypes: ['started'], advancedFilters: filters }, event)).toBe(true);
    expect(passes({ subjectBeginsWith: 'a' }, event)).toBe(false);
  });

  const one = { operatorType: 'NumberIn', key: 'data.n', values: [1] };
  it.each([
    { name: 'an operator that does not exist', filters: [{ ...one, operatorType: 'Nope' }] },
    { name: '26 filters', filters: Array.from({ length: 26 }, () => one) },
    { name: '26 values in one', filters: [{ ...one, values: Array.from({ length: 26 }, (_, n) => n) }] },
    {
      name: '26 values over all',
      filters: [{ ...one, values: Array.from({ length: 25 }, (_, n) => n) }, one],
    },
    { name: 'no value', filters: [{ ...one, values: [] }] },
    { name: 'a value of another type', filters: [{ ...one, values: ['1'] }] },
    { name: 'half a range', filters: [{ ...one, operatorType: 'NumberInRange', values: [[1]] }] },
    {
      name: 'a string of 513 characters',
      filters: [{ operatorType: 'StringIn', key: 'subject', values: ['x'.repeat(513)] }],
    },
    { name: 'no key', filters: [{ ...one, key: '' }] },
  ])('refuse $name', ({ filters }) => {
    expect(EventFilter.safeParse({ advancedFilters: filters }).success).toBe(false);
  });

  it('take 25 ranges, each of which is one value', () => {
    const values = Array.from({ length: 25 }, (_, n) => [n, n + 0.5]);
    const filters = [{ operatorType: 'NumberInRange', key: 'data.n', values }];
    expect(EventFilter.safeParse({ advancedFilters: filters }).success).toBe(true);
  });
});

describe('advanced filters, as properties', () => {
  const PAIRS = [
    ['StringIn', 'StringNotIn'],
    ['StringContains', 'StringNotContains'],
    ['StringBeginsWith', 'StringNotBeginsWith'],
    ['StringEndsWith', 'StringNotEndsWith'],
  ] as const;
  const words = fc.array(fc.string({ maxLength: 6 }), { minLength: 1, maxLength: 5 });
  const withData = (data: unknown): GridEvent => ({ ...EVENT, data });
  const run = (operatorType: string, values: unknown, data: unknown) =>
    passes(
      { advancedFilters: [{ operatorType, key: 'data.v', values }], enableAdvancedFilteringOnArrays: true },
      withData(data),
    );

  it('a negated operator is the opposite of the other for any string or array of strings', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PAIRS),
        words,
        fc.oneof(fc.string({ maxLength: 12 }), words),
        ([positive, negated], values, v) => {
          expect(run(negated, values, { v })).toBe(!run(positive, values, { v }));
        },
      ),
    );
  });

  it('more values let more through, and for a negated operator less', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PAIRS),
        words,
        words,
        fc.string({ maxLength: 12 }),
        ([positive, negated], some, more, v) => {
          const all = [...some, ...more];
          if (run(positive, some, { v })) expect(run(positive, all, { v })).toBe(true);
          if (run(negated, all, { v })) expect(run(negated, some, { v })).toBe(true);
        },
      ),
    );
  });

  it('a range is "at least" and "at most" together', () => {
    const number = fc.double({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(number, number, number, (low, high, v) => {
        const both = { advancedFilters: [] as object[] };
        both.advancedFilters.push(
          { operatorType: 'NumberGreaterThanOrEquals', key: 'data.v', value: low },
          { operatorType: 'NumberLessThanOrEquals', key: 'data.v', value: high },
        );
        expect(run('NumberInRange', [[low, high]], { v })).toBe(passes(both, withData({ v })));
      }),
    );
  });

  it('never throw, whatever the event carries', () => {
    fc.assert(
      fc.property(fc.constantFrom(...PAIRS.flat()), words, fc.jsonValue(), (operator, values, data) => {
        expect(typeof run(operator, values, data)).toBe('boolean');
      }),
    );
  });
});
