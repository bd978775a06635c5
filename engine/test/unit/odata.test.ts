import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Indexes, planAccess, valuesOf } from '../../src/odata/access-path.ts';
import { comparable } from '../../src/odata/fields.ts';
import {
  type FilterExpression,
  type Literal,
  OPERATORS,
  writeFilter,
} from '../../src/odata/filter-expression.ts';
import {
  FILTER_DEPTH_MAX,
  FILTER_LENGTH_MAX,
  FILTER_TERMS_MAX,
  parseFilter,
} from '../../src/odata/filter-parser.ts';
import {
  above,
  below,
  complement,
  EVERYTHING,
  type IntervalSet,
  intersection,
  point,
  union,
} from '../../src/odata/intervals.ts';
import { MalformedQuery } from '../../src/odata/malformed-query.ts';
import { parseOrderBy } from '../../src/odata/order-by.ts';
import { bindFilter, type FieldRules, matches, type Predicate } from '../../src/odata/predicate.ts';

const RULES: FieldRules = {
  name: {
    type: 'string',
    fold: (text) => text.toLowerCase(),
    operators: OPERATORS,
    orderable: true,
    isUnique: true,
  },
  'properties/created': { type: 'dateTime', operators: ['gt', 'ge', 'lt', 'le', 'eq'], orderable: true },
  'properties/policyId': { type: 'guid', operators: ['eq', 'ne'], orderable: false, isUnique: true },
  'properties/alternateId': { type: 'string', operators: ['eq', 'ne'], orderable: false, isNullable: true },
  'properties/state': {
    type: 'enum',
    enumType: 'Microsoft.Media.JobState',
    values: ['Queued', 'Processing', 'Finished'],
    operators: ['eq', 'ne'],
    orderable: false,
  },
  'properties/size': { type: 'string', operators: [], orderable: false },
};
const GUID = '0a9a3b60-3a55-4b4f-8a86-5b6b2f7d8e10';

function refusal(action: () => unknown): { option: string; message: string } {
  try {
    action();
  } catch (error) {
    if (error instanceof MalformedQuery) return { option: error.option, message: error.message };
    throw error;
  }
  throw new Error('nothing was refused');
}
const refusedFilter = (text: string) => refusal(() => bindFilter(parseFilter(text), RULES)).message;
const compared = (text: string) => bindFilter(parseFilter(text), RULES);

describe('$filter', () => {
  // Those of the specifications' examples, and of clients.
  it.each([
    ["name eq 'a'", { field: 'name', operator: 'eq', value: 'a' }],
    ["Name ge 'O''Brien (1)'", { field: 'name', operator: 'ge', value: "o'brien (1)" }],
    ["name eq ''", { field: 'name', operator: 'eq', value: '' }],
    [
      'properties/created gt 2012-06-01',
      { field: 'properties/created', operator: 'gt', value: '201206010000000000000' },
    ],
    [
      'properties/created lt 2018-05-11T17:39:08.387Z',
      { field: 'properties/created', operator: 'lt', value: '201805111739083870000' },
    ],
    [
      "properties/created le '2021-06-01T00:00:10.1234567+02:00'",
      { field: 'properties/created', operator: 'le', value: '202105312200101234567' },
    ],
    [
      "properties/created eq datetime'2021-06-01T00:00:10'",
      { field: 'properties/created', operator: 'eq', value: '202106010000100000000' },
    ],
    [
      'properties/created lt 9999-12-31T23:59:59.9999999Z',
      { field: 'properties/created', operator: 'lt', value: '999912312359599999999' },
    ],
    [
      `properties/policyid ne ${GUID.toUpperCase()}`,
      { field: 'properties/policyId', operator: 'ne', value: GUID },
    ],
    [`properties/policyId eq '${GUID}'`, { field: 'properties/policyId', operator: 'eq', value: GUID }],
    [`properties/policyId eq guid'${GUID}'`, { field: 'properties/policyId', operator: 'eq', value: GUID }],
    [
      "properties/state ne Microsoft.Media.JobState'processing'",
      { field: 'properties/state', operator: 'ne', value: 'processing' },
    ],
    ["properties/state eq 'Queued'", { field: 'properties/state', operator: 'eq', value: 'queued' }],
  ])('reads %s', (text, expected) => expect(compared(text)).toEqual({ kind: 'comparison', ...expected }));

  it('lets and bind before or, and brackets before both', () => {
    const [a, b, c] = ["name eq 'a'", "name eq 'b'", "name eq 'c'"].map(compared);
    expect(compared("name eq 'a' or name eq 'b' and name eq 'c'")).toEqual({
      kind: 'or',
      operands: [a, { kind: 'and', operands: [b, c] }],
    });
    expect(compared("(name eq 'a' or (name eq 'b')) and name eq 'c'")).toEqual({
      kind: 'and',
      operands: [{ kind: 'or', operands: [a, b] }, c],
    });
  });

  it.each([
    ['', 'the name of a field is expected, not nothing (at character 1)'],
    ["name eq 'a", 'a quoted value does not end (at character 9)'],
    ["name eq 'a'b", 'a quoted value does not end (at character 9)'],
    ['name eq', 'a value is expected, not nothing (at character 8)'],
    ['name eq abc', "'name': a value in single quotes is expected (at character 1)"],
    ["name eq 'a' and", 'the name of a field is expected, not nothing (at character 16)'],
    ["name eq 'a' name eq 'b'", "'and', 'or' or the end is expected, not 'name' (at character 13)"],
    ["(name eq 'a'", "')' is expected, not nothing (at character 13)"],
    ["name eq 'a')", "'and', 'or' or the end is expected, not ')' (at character 12)"],
    ["'a' eq name", "the name of a field is expected, not 'a' (at character 1)"],
    ["name EQ 'a'", "one of eq, ne, gt, ge, lt, le is expected, not 'EQ' (at character 6)"],
    ["name like 'a'", "one of eq, ne, gt, ge, lt, le is expected, not 'like' (at character 6)"],
    ["not (name eq 'a')", "'not' is not supported (at character 1)"],
    ["startswith(name, 'a')", "functions such as 'startswith' are not supported (at character 1)"],
    ["name eq 'a', 'b'", "'and', 'or' or the end is expected, not ',' (at character 12)"],
    ["color eq 'red'", "the field 'color' is not supported here (at character 1)"],
    ["properties/size eq 'x'", "the field 'properties/size' is not supported here (at character 1)"],
    ["constructor eq 'x'", "the field 'constructor' is not supported here (at character 1)"],
    [
      "name eq 'a' or properties/alternateId gt 'b'",
      "'properties/alternateId' supports eq, ne, not 'gt' (at character 16)",
    ],
    [
      'properties/created gt yesterday',
      "'properties/created': a date and time such as 2018-05-11T17:39:08.387Z is expected (at character 1)",
    ],
    [
      'properties/created gt 2021-02-30',
      "'properties/created': a date and time such as 2018-05-11T17:39:08.387Z is expected (at character 1)",
    ],
    ["properties/policyId eq 'x'", "'properties/policyId': a GUID is expected (at character 1)"],
    [
      "properties/state eq Microsoft.Media.JobState'Asleep'",
      "'properties/state': one of the values of its type is expected (at character 1)",
    ],
    [
      "properties/state eq Microsoft.Media.AssetState'Queued'",
      "'properties/state': a value of the type 'Microsoft.Media.AssetState' cannot be compared with it (at character 1)",
    ],
  ])('refuses %s', (text, message) => expect(refusedFilter(text)).toBe(message));

  it('refuses what is longer, deeper or of more terms than it takes, and takes what is not', () => {
    const terms = (count: number) => Array(count).fill("name eq 'a'").join(' or ');
    const deep = (count: number) => `${'('.repeat(count)}name eq 'a'${')'.repeat(count)}`;
    expect(compared(terms(FILTER_TERMS_MAX))).toMatchObject({ kind: 'or' });
    expect(refusedFilter(terms(FILTER_TERMS_MAX + 1))).toMatch(`more than ${FILTER_TERMS_MAX} comparisons`);
    expect(compared(deep(FILTER_DEPTH_MAX))).toMatchObject({ kind: 'comparison' });
    expect(refusedFilter(deep(FILTER_DEPTH_MAX + 1))).toMatch(`brackets deeper than ${FILTER_DEPTH_MAX}`);
    expect(refusedFilter(deep(10 * FILTER_LENGTH_MAX))).toMatch(`exceed ${FILTER_LENGTH_MAX}`);
    expect(refusedFilter('('.repeat(FILTER_LENGTH_MAX))).toMatch('brackets deeper');
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(expressions(), (expression) => {
        const withoutPlaces = (value: unknown) =>
          JSON.parse(JSON.stringify(value, (key, part) => (key === 'position' ? 0 : part)));
        expect(withoutPlaces(parseFilter(writeFilter(expression)))).toEqual(withoutPlaces(expression));
      }),
    );
  });

  it('answers any text with an expression or with its own refusal', () => {
    const words = fc.constantFrom(
      'name',
      'eq',
      'and',
      'or',
      '(',
      ')',
      "'",
      "''",
      "x'",
      ' ',
      'not',
      '1',
      '\u{1F600}',
    );
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(words).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          compared(text);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedQuery);
        }
      }),
    );
  });
});

/** Expressions of any shape; fields need not exist. */
function expressions(): fc.Arbitrary<FilterExpression> {
  const literal = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 20 }).map((text): Literal => ({ kind: 'string', text })),
    fc
      .record({ type: fc.constantFrom('guid', 'Microsoft.Media.JobState'), text: fc.string() })
      .map((typed): Literal => ({ kind: 'typed', ...typed })),
    fc
      .constantFrom('2018-05-11T17:39:08.387Z', GUID, '17', 'null', '-1.5e3')
      .map((text): Literal => ({ kind: 'bare', text })),
  );
  const comparison = fc.record({
    kind: fc.constant('comparison' as const),
    field: fc.constantFrom('name', 'properties/created', 'a/b/c'),
    operator: fc.constantFrom(...OPERATORS),
    literal,
    position: fc.constant(0),
  });
  return fc.letrec<{ any: FilterExpression; chain: FilterExpression }>((tie) => ({
    chain: fc.record({
      kind: fc.constantFrom('and' as const, 'or' as const),
      operands: fc.array(tie('any'), { minLength: 2, maxLength: 3 }),
    }),
    any: fc.oneof({ maxDepth: 3, withCrossShrink: true }, comparison, tie('chain')),
  })).any;
}

describe('$orderby', () => {
  it.each([
    ['name', { field: 'name', direction: 'asc' }],
    ['NAME desc', { field: 'name', direction: 'desc' }],
    [' properties/created  asc ', { field: 'properties/created', direction: 'asc' }],
  ])('reads %s', (text, expected) => expect(parseOrderBy(text, RULES)).toEqual(expected));

  it.each([
    ['name,properties/created', "one field, and 'asc' or 'desc' after it, are expected"],
    ['name down', "one field, and 'asc' or 'desc' after it, are expected"],
    ['x'.repeat(300), "one field, and 'asc' or 'desc' after it, are expected"],
    ['properties/state', "'properties/state' cannot be ordered by here"],
    ['toString', "'toString' cannot be ordered by here"],
  ])('refuses %s', (text, message) => {
    expect(refusal(() => parseOrderBy(text, RULES))).toEqual({ option: '$orderby', message });
  });
});

describe('sets of intervals', () => {
  const VALUES = ['', 'a', 'aa', 'b', 'ba', 'c', 'd'];
  interface Described {
    readonly set: IntervalSet;
    readonly has: (value: string) => boolean;
  }
  const values = fc.constantFrom('a', 'b', 'c');
  const leaf: fc.Arbitrary<Described> = fc.oneof(
    values.map((value) => ({ set: point(value), has: (other: string) => other === value })),
    fc.record({ value: values, isIncluded: fc.boolean() }).map(({ value, isIncluded }) => ({
      set: above(value, isIncluded),
      has: (other: string) => other > value || (isIncluded && other === value),
    })),
    fc.record({ value: values, isIncluded: fc.boolean() }).map(({ value, isIncluded }) => ({
      set: below(value, isIncluded),
      has: (other: string) => other < value || (isIncluded && other === value),
    })),
    fc.constant({ set: EVERYTHING, has: () => true }),
  );
  const described = fc.letrec<{ any: Described; both: Described; either: Described; not: Described }>(
    (tie) => ({
      both: fc.tuple(tie('any'), tie('any')).map(([a, b]) => ({
        set: intersection(a.set, b.set),
        has: (value) => a.has(value) && b.has(value),
      })),
      either: fc.tuple(tie('any'), tie('any')).map(([a, b]) => ({
        set: union(a.set, b.set),
        has: (value) => a.has(value) || b.has(value),
      })),
      not: tie('any').map((a) => ({ set: complement(a.set), has: (value) => !a.has(value) })),
      any: fc.oneof({ maxDepth: 4, withCrossShrink: true }, leaf, tie('both'), tie('either'), tie('not')),
    }),
  ).any;

  it('hold what their description says, in order and apart from each other', () => {
    fc.assert(
      fc.property(described, ({ set, has }) => {
        for (const value of VALUES) expect(isIn(set, value)).toBe(has(value));
        // Sets that are equal are written alike: nothing in them can be joined.
        expect(union(set, set)).toEqual(set);
        expect(complement(complement(set))).toEqual(set);
      }),
      { numRuns: 500 },
    );
  });
});

const isIn = (set: IntervalSet, value: string): boolean =>
  set.some(
    ({ from, to }) =>
      (from === undefined || value > from.value || (from.isIncluded && value === from.value)) &&
      (to === undefined || value < to.value || (to.isIncluded && value === to.value)),
  );

describe('the way to the entities', () => {
  const INDEXES: Indexes = {
    primary: 'name',
    fields: ['properties/created', 'properties/policyId', 'properties/alternateId', 'properties/state'],
  };
  const path = (filter: string | undefined, order?: string) =>
    planAccess(
      {
        predicate: filter === undefined ? undefined : compared(filter),
        orderBy: order === undefined ? undefined : parseOrderBy(order, RULES),
      },
      RULES,
      INDEXES,
    );

  it.each([
    ['nothing asked', undefined, undefined, 'name asc all exact'],
    ['an order', undefined, 'properties/created desc', 'properties/created desc all exact'],
    ['a name', "name eq 'a'", undefined, 'name asc part exact'],
    [
      'a name beats an order',
      "name eq 'a' and properties/created gt 2020-01-01",
      'properties/created',
      'name asc part read',
    ],
    ['an id beats an order', `properties/policyId eq ${GUID}`, 'name', 'properties/policyId asc part exact'],
    ['an order beats a range', 'properties/created gt 2020-01-01', 'name', 'name asc all read'],
    [
      'a range in its order',
      'properties/created gt 2020-01-01',
      'properties/created desc',
      'properties/created desc part exact',
    ],
    [
      'equality beats a range',
      "properties/state eq 'Queued' and properties/created gt 2020-01-01",
      undefined,
      'properties/state asc part read',
    ],
    [
      'two bounds beat one',
      "name gt 'a' and properties/created gt 2020-01-01 and properties/created lt 2021-01-01",
      undefined,
      'properties/created asc part read',
    ],
    ['either of two fields', `name eq 'a' or properties/policyId eq ${GUID}`, undefined, 'name asc all read'],
    ['no index of what may be absent', "properties/alternateId ne 'a'", undefined, 'name asc all read'],
    [
      'an index of what must be there',
      "properties/alternateId eq 'a'",
      undefined,
      'properties/alternateId asc part exact',
    ],
  ])('%s', (_name, filter, order, expected) => {
    const { field, direction, intervals, isExact } = path(filter, order);
    const isAll = JSON.stringify(intervals) === JSON.stringify(EVERYTHING);
    expect(`${field} ${direction} ${isAll ? 'all' : 'part'} ${isExact ? 'exact' : 'read'}`).toBe(expected);
  });

  it('puts several entities found by name into another order afterwards', () => {
    expect(path("name eq 'a' or name eq 'b'", 'properties/created').isSorted).toBe(false);
    expect(path("name eq 'a' or name eq 'b'", 'name').isSorted).toBe(true);
    expect(path("name eq 'a' and name eq 'b'", 'name desc').intervals).toEqual([]);
  });

  it('never leaves out a value that an entity which matches has', () => {
    const VALUES = ['a', 'b', 'c'];
    const comparison = fc.record({
      kind: fc.constant('comparison' as const),
      field: fc.constantFrom('x', 'y'),
      operator: fc.constantFrom(...OPERATORS),
      value: fc.constantFrom(...VALUES),
    });
    const predicates = fc.letrec<{ any: Predicate; chain: Predicate }>((tie) => ({
      chain: fc.record({
        kind: fc.constantFrom('and' as const, 'or' as const),
        operands: fc.array(tie('any'), { minLength: 2, maxLength: 4 }),
      }),
      any: fc.oneof({ maxDepth: 3, withCrossShrink: true }, comparison, tie('chain')),
    })).any;
    const value = fc.option(fc.constantFrom(...VALUES), { nil: undefined });
    fc.assert(
      fc.property(predicates, value, value, (predicate, x, y) => {
        const isMatch = matches(predicate, (field) => (field === 'x' ? x : y));
        const { intervals, hasAbsent } = valuesOf(predicate, 'x');
        if (isMatch) expect(x === undefined ? hasAbsent : isIn(intervals, x)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('values of fields', () => {
  it('dates and times sort as they happen, to the 100 ns', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date(0), noInvalidDate: true, max: new Date('9998-01-01') }),
        fc.integer({ min: -840, max: 840 }),
        (date, offset) => {
          const sign = offset < 0 ? '-' : '+';
          const [hours, minutes] = [Math.trunc(Math.abs(offset) / 60), Math.abs(offset) % 60];
          const zone = `${sign}${String(hours).padStart(2, '0')}:${String(minutes).padStart(2, '0')}`;
          const local = new Date(date.getTime() + offset * 60_000).toISOString().replace('Z', zone);
          const rule = { type: 'dateTime' } as const;
          expect(comparable(rule, local)).toBe(comparable(rule, date.toISOString()));
          expect(comparable(rule, date.toISOString())).toBe(
            `${date.toISOString().replaceAll(/\D/g, '')}0000`,
          );
        },
      ),
    );
  });
});
