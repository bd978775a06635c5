import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ArmRequest } from '../../src/control-plane/arm-http.ts';
import {
  type Collection,
  createChanges,
  deleteChanges,
  indexesOf,
  nameField,
  replaceChanges,
  rowKeyOf,
} from '../../src/control-plane/collection.ts';
import {
  answerList,
  answerRecords,
  PAGE_SIZE,
  ROWS_PER_PAGE_MAX,
} from '../../src/control-plane/list-pages.ts';
import { OPERATORS } from '../../src/odata/filter-expression.ts';
import { ArmError } from '../../src/resources/error-catalogue.ts';
import { nameCode, nameDownCode, textCode } from '../../src/resources/index-keys.ts';
import { foldName, NAME_RULES } from '../../src/resources/names.ts';
import { assetKey, namePart } from '../../src/resources/row-keys.ts';
import { createRowStore, type RowStore } from '../support/row-store.ts';

/** A kind of resource with a field of every type. */
interface Thing {
  readonly name: string;
  readonly parent: string;
  readonly created: string;
  readonly description?: string;
  readonly id: string;
  readonly state: 'Queued' | 'Done';
}

function isThing(value: unknown): value is Thing {
  return typeof value === 'object' && value !== null && 'name' in value;
}

const THINGS: Collection<Thing> = {
  kind: 'thing',
  version: 1,
  parse(body) {
    if (!isThing(body)) throw new Error('no thing');
    return body;
  },
  nameOf: ({ name }) => name,
  parentsOf: ({ parent }) => [parent],
  isHidden: ({ name }) => name.startsWith('hidden'),
  fields: {
    name: nameField(({ name }) => name, OPERATORS),
    'properties/created': {
      type: 'dateTime',
      operators: OPERATORS,
      orderable: true,
      isIndexed: true,
      read: ({ created }) => created,
    },
    'properties/description': {
      type: 'string',
      operators: OPERATORS,
      orderable: false,
      isIndexed: true,
      isNullable: true,
      read: ({ description }) => description,
    },
    'properties/id': {
      type: 'guid',
      operators: ['eq', 'ne'],
      orderable: false,
      isIndexed: true,
      isUnique: true,
      read: ({ id }) => id,
    },
    'properties/state': {
      type: 'enum',
      values: ['Queued', 'Done'],
      operators: ['eq', 'ne'],
      orderable: false,
      isIndexed: true,
      read: ({ state }) => state,
    },
  },
};

const request = (query: Record<string, string>, link?: string): ArmRequest => ({
  apiVersion: '2022-08-01',
  params: {},
  query: link === undefined ? new URLSearchParams(query) : new URL(link).searchParams,
  body: undefined,
  caller: { id: 'someone' },
  header: () => undefined,
  origin: 'https://arm.test',
  pathname: '/things',
});

interface Listing {
  readonly names: readonly string[];
  readonly pages: readonly { rows: number; requests: number; size: number }[];
}

const PAGES_MAX = 500;

/** Follows the links to the end. */
async function listAll(store: RowStore, query: Record<string, string>, parents = ['p']): Promise<Listing> {
  const names: string[] = [];
  const pages: { rows: number; requests: number; size: number }[] = [];
  let link: string | undefined;
  store.takeCounts();
  do {
    const answer = await answerList({ store }, request(query, link), THINGS, {
      parents,
      toArm: ({ name }) => ({ name }),
    });
    const { value, next } = readList(answer.body);
    names.push(...value);
    pages.push({ ...store.takeCounts(), size: value.length });
    link = next;
    if (pages.length > PAGES_MAX) throw new Error('the list has no end');
  } while (link !== undefined);
  return { names, pages };
}

function readList(body: unknown): { value: string[]; next: string | undefined } {
  const list: { value?: { name: string }[]; '@odata.nextLink'?: string } = Object(body);
  return { value: (list.value ?? []).map(({ name }) => name), next: list['@odata.nextLink'] };
}

async function refusal(query: Record<string, string>): Promise<string> {
  try {
    await answerList({ store: createRowStore() }, request(query), THINGS, { toArm: (thing) => thing });
  } catch (error) {
    if (error instanceof ArmError && error.status === 400) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

async function storeOf(things: readonly Thing[]): Promise<RowStore> {
  const store = createRowStore();
  for (const thing of things) expect(await store.commit(createChanges(THINGS, thing))).toBe('committed');
  return store;
}

const guidOf = (number: number) => `00000000-0000-0000-0000-${String(number).padStart(12, '0')}`;
const timeOf = (number: number) => new Date(Date.UTC(2020, 0, 1) + number * 1000).toISOString();

function manyThings(count: number): Thing[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `Thing ${String(index).padStart(6, '0')}`,
    parent: 'p',
    // Another order than that of the names.
    created: timeOf((index * 7919) % count),
    description: `d${index % 10}`,
    id: guidOf(index),
    state: index % 2 === 0 ? 'Queued' : 'Done',
  }));
}

describe('lists', () => {
  const NAMES = [
    'a',
    'A b',
    'ab',
    'aB!',
    'a-b',
    'b',
    'é',
    'ab~',
    'a=b',
    'z'.repeat(259),
    `${'z'.repeat(258)}!`,
    'hidden',
    '\u{1F600}',
    '\ufb01',
    'İa',
  ];
  const TEXTS = [
    '',
    'x',
    'X',
    'x y',
    "x'y",
    `${'y'.repeat(45)}1`,
    `${'y'.repeat(45)}2`,
    'y'.repeat(39),
    'y'.repeat(40),
    '\u{10ffff}/\\#?\u0000',
  ];
  const TIMES = [
    '2020-01-01T00:00:00.000Z',
    '2020-01-01T00:00:00.001Z',
    '2021-06-01T12:00:00.0000001Z',
    '9999-12-31T23:59:59.9999999Z',
  ];
  const things = fc
    .uniqueArray(
      fc.record({
        name: fc.constantFrom(...NAMES),
        created: fc.constantFrom(...TIMES),
        description: fc.option(fc.constantFrom(...TEXTS), { nil: undefined }),
        state: fc.constantFrom('Queued' as const, 'Done' as const),
      }),
      { selector: ({ name }) => foldName(name), maxLength: NAMES.length },
    )
    .map((parts) =>
      parts.map(
        ({ description, ...part }, index): Thing => ({
          ...part,
          ...(description === undefined ? {} : { description }),
          parent: 'p',
          id: guidOf(index),
        }),
      ),
    );
  const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
  const ranged = fc.constantFrom(...OPERATORS);
  const exact = fc.constantFrom('eq', 'ne');
  const terms = fc.oneof(
    fc
      .tuple(ranged, fc.constantFrom(...NAMES, 'a/b', '', 'zz'))
      .map(([op, name]) => `name ${op} ${quoted(name)}`),
    fc.tuple(ranged, fc.constantFrom(...TIMES)).map(([op, time]) => `properties/created ${op} ${time}`),
    fc
      .tuple(ranged, fc.constantFrom(...TEXTS))
      .map(([op, text]) => `properties/description ${op} ${quoted(text)}`),
    fc.tuple(exact, fc.nat({ max: 5 })).map(([op, id]) => `properties/id ${op} ${guidOf(id)}`),
    exact.map((op) => `properties/state ${op} 'Queued'`),
  );
  const filters = fc.letrec<{ any: string; chain: string }>((tie) => ({
    chain: fc
      .tuple(tie('any'), fc.constantFrom('and', 'or'), tie('any'))
      .map(([left, word, right]) => `(${left}) ${word} (${right})`),
    any: fc.oneof({ maxDepth: 2, withCrossShrink: true }, terms, tie('chain')),
  })).any;
  const orders = fc.constantFrom('', 'name', 'name desc', 'properties/created', 'properties/created desc');

  it('show page by page what a look at every entity shows, in the order that was asked for', async () => {
    await fc.assert(
      fc.asyncProperty(
        things,
        fc.option(filters, { nil: '' }),
        orders,
        fc.integer({ min: 1, max: 4 }),
        async (all, filter, order, top) => {
          const store = await storeOf(all);
          const query = {
            ...(filter === '' ? {} : { $filter: filter }),
            ...(order === '' ? {} : { $orderby: order }),
          };
          const { names } = await listAll(store, query);
          // The same rules over records in memory: no index, no keys, no pages.
          const expected = readList(
            answerRecords(request(query), THINGS, all, ({ name }) => ({ name })).body,
          ).value;
          if (order === '') expect([...names].sort()).toEqual([...expected].sort());
          else
            expect(names.map((name) => valueOfOrder(all, name, order))).toEqual(
              expected.map((name) => valueOfOrder(all, name, order)),
            );
          expect(new Set(names)).toEqual(new Set(expected));
          expect(names).toHaveLength(expected.length);
          expect((await listAll(store, { ...query, $top: String(top) })).names).toEqual(names.slice(0, top));
        },
      ),
      { numRuns: 300 },
    );
  });

  const valueOfOrder = (all: readonly Thing[], name: string, order: string): string => {
    const thing = all.find((other) => other.name === name);
    return order.startsWith('name') ? name : (thing?.created ?? '');
  };

  it('write index rows with a resource and take them away with it, whatever changed in between', async () => {
    await fc.assert(
      fc.asyncProperty(things, things, async (before, after) => {
        const store = await storeOf(before);
        for (const thing of before) {
          const row = await store.find(rowKeyOf(THINGS, thing));
          const next = after.find(({ name }) => foldName(name) === foldName(thing.name)) ?? thing;
          if (row === undefined) throw new Error('the row is there');
          expect(await store.commit(replaceChanges(THINGS, row, { ...next, name: thing.name }))).toBe(
            'committed',
          );
          // A second writer that read the row before it was replaced.
          expect(await store.commit(replaceChanges(THINGS, row, thing))).toBe('conflict');
        }
        for (const thing of before) {
          const row = await store.find(rowKeyOf(THINGS, thing));
          expect(await store.commit(deleteChanges(THINGS, THINGS.parse(row?.body)))).toBe('committed');
        }
        expect(store.keys()).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  it('keep the lists of different parents apart', async () => {
    const store = await storeOf([
      { ...manyThings(1)[0], name: 'x', parent: 'p' } as Thing,
      { ...manyThings(1)[0], name: 'x', parent: 'p!q' } as Thing,
      { ...manyThings(1)[0], name: 'y', parent: 'P2' } as Thing,
    ]);
    for (const order of ['name', 'name desc', 'properties/created desc']) {
      expect((await listAll(store, { $orderby: order }, ['P'])).names).toEqual(['x']);
      expect((await listAll(store, { $orderby: order }, ['p2'])).names).toEqual(['y']);
    }
  });

  it('read a page and one more where an index holds what was asked for, and no more than is named elsewhere', async () => {
    const store = await storeOf(manyThings(3000));
    const [first] = (await listAll(store, { $orderby: 'properties/created desc' })).pages;
    expect(first).toEqual({ rows: PAGE_SIZE + 1, requests: 1, size: PAGE_SIZE });
    const one = await listAll(store, { $filter: `properties/id eq ${guidOf(77)}`, $orderby: 'name desc' });
    expect(one).toEqual({ names: ['Thing 000077'], pages: [{ rows: 1, requests: 1, size: 1 }] });
    // Nothing matches: the library is read through, in pages that are empty.
    const none = await listAll(store, { $filter: "properties/description eq 'none'", $orderby: 'name' });
    expect(none.names).toEqual([]);
    expect(none.pages.length).toBeGreaterThanOrEqual(3);
    for (const { rows } of none.pages) expect(rows).toBeLessThanOrEqual(ROWS_PER_PAGE_MAX);
  });

  it('a token is good for its query only', async () => {
    const store = await storeOf(manyThings(5));
    const answer = await answerList({ store }, request({ $top: '2', $orderby: 'name' }), THINGS, {
      parents: ['p'],
      toArm: (thing) => thing,
    });
    // $top is the sum of all pages: two of two leave nothing.
    expect(readList(answer.body).next).toBeUndefined();
    const many = await storeOf(manyThings(PAGE_SIZE + 1));
    const page = await answerList({ store: many }, request({ $orderby: 'name' }), THINGS, {
      parents: ['p'],
      toArm: (thing) => thing,
    });
    const { next = '' } = readList(page.body);
    const $skiptoken = new URL(next).searchParams.get('$skiptoken') ?? '';
    expect(next.startsWith('https://arm.test/things?')).toBe(true);
    expect(await refusal({ $orderby: 'name desc', $skiptoken })).toMatch('it belongs to another query');
    expect(await refusal({ $orderby: 'name', $skiptoken: 'Thing 2' })).toMatch(
      'it is not one that this service made',
    );
    expect(await refusal({ $orderby: 'name', $skiptoken: `${$skiptoken.slice(0, 17)}%` })).toMatch('not one');
    expect(await refusal({ $skiptoken: 'x'.repeat(5000) })).toMatch('not one');
  });

  it.each([
    [
      { $filter: 'name eq' },
      "The query option '$filter' is invalid: a value is expected, not nothing (at character 8).",
    ],
    [
      { $orderby: 'properties/id' },
      "The query option '$orderby' is invalid: 'properties/id' cannot be ordered by here.",
    ],
    [{ $top: '0' }, "The query option '$top' is invalid: a whole number from 1 to 1000000 is expected."],
    [{ $top: '1.5' }, "The query option '$top' is invalid: a whole number from 1 to 1000000 is expected."],
    [{ $skip: '3' }, "The query option '$skip' is not supported here."],
    [{ $select: 'name' }, "The query option '$select' is not supported here."],
  ])('refuse %j', async (query, message) => expect(await refusal(query)).toBe(message));

  it('of records in memory go on after a record that was removed meanwhile', () => {
    const all = manyThings(PAGE_SIZE * 2 + 5);
    const toArm = ({ name }: Thing) => ({ name });
    const query = { $orderby: 'properties/created desc' };
    const first = readList(answerRecords(request(query), THINGS, all, toArm).body);
    const rest = all.filter(({ name }) => name !== first.value.at(-1));
    const second = readList(answerRecords(request(query, first.next), THINGS, rest, toArm).body);
    const third = readList(answerRecords(request(query, second.next), THINGS, rest, toArm).body);
    expect(new Set([...first.value, ...second.value, ...third.value]).size).toBe(all.length);
    expect(third).toMatchObject({ value: { length: 5 }, next: undefined });
  });
});

describe('keys of names and values', () => {
  const names = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 260 })
    .filter((name) => name.length <= 260 && NAME_RULES.asset.pattern.test(name));
  const short = fc.string({
    unit: fc.constantFrom('a', 'b', '!', ' ', '~', 'é', '-'),
    minLength: 1,
    maxLength: 4,
  });
  const compare = (left: string, right: string) => (left === right ? 0 : left < right ? -1 : 1);

  it('sort as names do, or the other way round, and fit into a RowKey', () => {
    fc.assert(
      fc.property(fc.oneof(names, short), fc.oneof(names, short), (left, right) => {
        const [a, b] = [foldName(left), foldName(right)];
        expect(compare(namePart(left), namePart(right))).toBe(compare(a, b));
        const [up, down] = [nameCode.rowPart(a, left), nameDownCode.rowPart(a, left)];
        expect(up).toBe(namePart(left));
        const whole = [a, b].every((name) => name.length < 100);
        if (whole) expect(compare(down, nameDownCode.rowPart(b, right))).toBe(-compare(a, b) + 0);
        for (const key of [assetKey(left), `i!streaminglocator.name-!${down}`]) {
          expect(key.length).toBeLessThanOrEqual(512);
          expect(key).not.toMatch(/[/\\#?\p{Cc}]/u);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('of any text lie where the text is looked for', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 60 }),
        fc.string({ unit: 'binary', maxLength: 60 }),
        (left, right) => {
          const key = textCode.rowPart(left, 'name');
          const own = textCode.range(left);
          expect(key >= own.from && key < own.before).toBe(true);
          const other = textCode.range(right);
          if (left < right) expect(key < other.before).toBe(true);
          if (left > right) expect(key >= other.from).toBe(true);
        },
      ),
    );
  });

  it('are made by every index of a collection under a prefix of its own', () => {
    const prefixes = indexesOf(THINGS).map(({ prefix }) => prefix(['p']));
    expect(prefixes).toEqual([
      'r!thing!p!',
      'i!thing.name-!p!',
      'i!thing.created!p!',
      'i!thing.created-!p!',
      'i!thing.description!p!',
      'i!thing.id!p!',
      'i!thing.state!p!',
    ]);
  });
});
