import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ArmRequest } from '../../src/control-plane/arm-http.ts';
import { ASSETS } from '../../src/control-plane/asset-rows.ts';
import { createChanges } from '../../src/control-plane/collection.ts';
import type { ControlStore, RowChange } from '../../src/control-plane/control-store.ts';
import { answerList, PAGE_SIZE, ROWS_PER_PAGE_MAX } from '../../src/control-plane/list-pages.ts';
import type { AssetRecord } from '../../src/resources/asset.ts';
import { openHeadendTable } from '../../src/store/headend-table.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { createRowStore } from '../support/row-store.ts';

/**
 * The smallest library is in a real table. Larger ones are in memory behind the same door: Azurite takes longer to load
 * ten thousand than a test may. `HEADEND_LIST_SIZES=1000,10000,50000` is the long form.
 */
const IN_TABLE = 1000;
const SIZES = (process.env['HEADEND_LIST_SIZES'] ?? '1000,10000').split(',').map(Number);
const CHANGES_MAX = 100;
const LOADERS = 4;
const LOAD_MS_MAX = 240_000;
type Library = Pick<ControlStore, 'list' | 'commit'>;

const nameOf = (index: number) => `asset ${String(index).padStart(6, '0')}`;
const guidOf = (index: number) => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
/** Not in the order of the names. */
const minuteOf = (index: number, size: number) => (index * 7919) % size;
const timeOf = (minute: number) => new Date(Date.UTC(2026, 0, 1) + minute * 60_000).toISOString();

const assetOf = (index: number, size: number): AssetRecord => ({
  name: nameOf(index),
  created: timeOf(minuteOf(index, size)),
  lastModified: timeOf(minuteOf(index, size)),
  createdBy: 'someone',
  lastModifiedBy: 'someone',
  assetId: guidOf(index),
  alternateId: `alternate ${index}`,
  description: 'x'.repeat(200),
  container: `asset-${guidOf(index)}`,
  storageAccountName: 'main',
  deleting: false,
});

const request = (query: Record<string, string>): ArmRequest => ({
  apiVersion: '2022-08-01',
  params: {},
  query: new URLSearchParams(query),
  body: undefined,
  caller: { id: 'someone' },
  header: () => undefined,
  origin: 'https://arm.test',
  pathname: '/assets',
});

interface Cost {
  /** Calls of the table, and entities that they gave. */
  readonly requests: number;
  readonly rows: number;
  readonly size: number;
  readonly hasMore: boolean;
}

/** What the first page of a list costs. */
async function costOf(table: Library, query: Record<string, string>): Promise<Cost & { ms: number }> {
  let requests = 0;
  let rows = 0;
  const list: ControlStore['list'] = async (prefix, options) => {
    const found = await table.list(prefix, options);
    requests += 1;
    rows += found.length;
    return found;
  };
  const startMs = performance.now();
  const { body } = await answerList({ store: { list } }, request(query), ASSETS, {
    toArm: ({ name }) => ({ name }),
  });
  const { value = [], '@odata.nextLink': next }: { value?: object[]; '@odata.nextLink'?: string } =
    Object(body);
  const ms = Math.round(performance.now() - startMs);
  return { requests, rows, size: value.length, hasMore: next !== undefined, ms };
}

const FULL_PAGE = { requests: 1, rows: PAGE_SIZE + 1, size: PAGE_SIZE, hasMore: true };
const ONE = { requests: 1, rows: 1, size: 1, hasMore: false };
const NONE = { requests: 1, rows: 0, size: 0, hasMore: false };
const middle = nameOf(500);
const noon = timeOf(500);

/** Every filter and order of assets (reference §1.4), and what their first page costs, whatever the library's size. */
const CASES: readonly (readonly [name: string, query: Record<string, string>, cost: Cost])[] = [
  ['everything', {}, FULL_PAGE],
  ['$top', { $top: '5' }, { requests: 1, rows: 6, size: 5, hasMore: false }],
  ['name', { $orderby: 'name' }, FULL_PAGE],
  ['name desc', { $orderby: 'name desc' }, FULL_PAGE],
  ['created', { $orderby: 'properties/created' }, FULL_PAGE],
  ['created desc', { $orderby: 'properties/created desc' }, FULL_PAGE],
  ['name eq', { $filter: `name eq '${middle}'` }, ONE],
  ['name eq, none', { $filter: "name eq 'none'" }, NONE],
  ['name gt', { $filter: `name gt '${middle}'` }, FULL_PAGE],
  ['name ge', { $filter: `name ge '${middle}'` }, FULL_PAGE],
  ['name lt', { $filter: `name lt '${middle}'` }, FULL_PAGE],
  ['name le', { $filter: `name le '${middle}'` }, FULL_PAGE],
  ['name lt, desc', { $filter: `name lt '${middle}'`, $orderby: 'name desc' }, FULL_PAGE],
  [
    'name ge and lt',
    { $filter: `name ge '${nameOf(100)}' and name lt '${nameOf(150)}'` },
    { requests: 1, rows: 50, size: 50, hasMore: false },
  ],
  [
    'name eq or eq, by created',
    { $filter: `name eq '${nameOf(7)}' or name eq '${nameOf(9)}'`, $orderby: 'properties/created desc' },
    { requests: 2, rows: 2, size: 2, hasMore: false },
  ],
  ['alternateId eq', { $filter: "properties/alternateId eq 'alternate 77'" }, ONE],
  ['assetId eq', { $filter: `properties/assetId eq ${guidOf(77)}` }, ONE],
  ['assetId eq, by name', { $filter: `properties/assetId eq ${guidOf(77)}`, $orderby: 'name desc' }, ONE],
  ['created eq', { $filter: `properties/created eq ${noon}` }, ONE],
  ['created gt', { $filter: `properties/created gt ${timeOf(10)}` }, FULL_PAGE],
  ['created lt', { $filter: `properties/created lt ${noon}` }, FULL_PAGE],
  [
    'created gt, newest first',
    { $filter: `properties/created gt ${timeOf(10)}`, $orderby: 'properties/created desc' },
    FULL_PAGE,
  ],
  [
    'created gt and lt',
    { $filter: `properties/created gt ${timeOf(100)} and properties/created lt ${timeOf(151)}` },
    { requests: 1, rows: 50, size: 50, hasMore: false },
  ],
];

/** No one index holds what is asked for: a bounded part of the library is read for a page. */
const SCANS: readonly (readonly [name: string, query: Record<string, string>])[] = [
  ['created lt, by name', { $filter: `properties/created lt ${timeOf(50)}`, $orderby: 'name' }],
  [
    'alternateId eq, newest first',
    { $filter: "properties/alternateId eq 'alternate 77'", $orderby: 'properties/created desc' },
  ],
  ['name gt or created lt', { $filter: `name gt '${nameOf(999)}' or properties/created lt ${timeOf(50)}` }],
];

async function load(table: Library, size: number): Promise<void> {
  let next = 0;
  const loader = async () => {
    let changes: RowChange[] = [];
    while (next < size) {
      const more = createChanges(ASSETS, assetOf(next, size));
      next += 1;
      if (changes.length + more.length > CHANGES_MAX) {
        expect(await table.commit(changes)).toBe('committed');
        changes = [];
      }
      changes.push(...more);
    }
    expect(await table.commit(changes)).toBe('committed');
  };
  await Promise.all(Array.from({ length: LOADERS }, loader));
}

describe.each(SIZES)('a library of %d assets', (size) => {
  let azurite: Azurite | undefined;
  let library: Library;

  beforeAll(async () => {
    if (size > IN_TABLE) library = createRowStore();
    else {
      azurite = await startAzurite();
      library = await openHeadendTable(azurite.connectionString, 'library');
    }
    await load(library, size);
  }, LOAD_MS_MAX);

  afterAll(() => azurite?.close());

  const figures: string[] = [];
  const note = (name: string, cost: Cost & { ms: number }) => {
    const { requests, rows, size: shown, ms } = cost;
    const time = size > IN_TABLE ? '' : `, ${ms} ms`;
    figures.push(`${name}: ${requests} requests, ${rows} entities for ${shown}${time}`);
  };

  afterAll(() => {
    process.stderr.write(`${size} assets\n  ${figures.join('\n  ')}\n`);
  });

  it.each(CASES)(
    'costs a page: %s',
    async (name, query, expected) => {
      const { ms, ...cost } = await costOf(library, query);
      note(name, { ...cost, ms });
      expect(cost).toEqual(expected);
    },
    60_000,
  );

  it.each(SCANS)(
    'costs a bounded scan: %s',
    async (name, query) => {
      const cost = await costOf(library, query);
      note(name, cost);
      expect(cost.rows).toBeLessThanOrEqual(ROWS_PER_PAGE_MAX);
      expect(cost.requests).toBeLessThanOrEqual(ROWS_PER_PAGE_MAX / PAGE_SIZE);
      // Nothing is left out: either the page is all there is, or it says where to go on.
      expect(cost.hasMore || cost.rows <= size).toBe(true);
    },
    60_000,
  );

  it('is read to its end in pages, by name', async () => {
    let link: string | undefined;
    let shown = 0;
    let pages = 0;
    do {
      const query = link === undefined ? {} : Object.fromEntries(new URL(link).searchParams);
      const { body } = await answerList({ store: library }, request(query), ASSETS, {
        toArm: ({ name }) => ({ name }),
      });
      const { value = [], '@odata.nextLink': next }: { value?: object[]; '@odata.nextLink'?: string } =
        Object(body);
      shown += value.length;
      pages += 1;
      link = next;
      // A few pages tell as much of a large library.
    } while (link !== undefined && pages < 10);
    expect(shown).toBe(Math.min(size, 10 * PAGE_SIZE));
  }, 60_000);
});
