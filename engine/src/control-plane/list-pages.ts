import { type AccessPath, planAccess } from '../odata/access-path.ts';
import { type Interval, isPoint } from '../odata/intervals.ts';
import type { OrderBy } from '../odata/order-by.ts';
import { matches, type Predicate } from '../odata/predicate.ts';
import { armError } from '../resources/error-catalogue.ts';
import { foldName } from '../resources/names.ts';
import { resourcePrefix } from '../resources/row-keys.ts';
import type { ArmAnswer, ArmRequest } from './arm-http.ts';
import { type Collection, fieldValue, type Index, indexesOf } from './collection.ts';
import type { ControlStore, StoredRow } from './control-store.ts';
import { type ListOptions, nextLink, parseListOptions } from './list-options.ts';

/** Resources on a page, unless `$top` asks for fewer. */
export const PAGE_SIZE = 100;
/**
 * Rows that are read for one page where no index holds just what was asked for. After that many the page is answered as
 * it is, short or empty, with a link to go on.
 */
export const ROWS_PER_PAGE_MAX = 1000;
const ROWS_PER_REQUEST = 250;

interface ListedStore {
  readonly store: Pick<ControlStore, 'list'>;
}

interface ListSource<R> {
  /** Names of the resources that the list is below. */
  readonly parents?: readonly string[];
  readonly toArm: (record: R) => object;
}

/** One page of a collection in the table: `$filter`, `$orderby`, `$top`, `$skiptoken`, `@odata.nextLink`. */
export async function answerList<R>(
  { store }: ListedStore,
  request: ArmRequest,
  collection: Collection<R>,
  { parents = [], toArm }: ListSource<R>,
): Promise<ArmAnswer> {
  const list = resourcePrefix(collection.kind, parents);
  const options = parseListOptions(request.query, collection.fields, list);
  const plan = planAccess(options, collection.fields, {
    primary: 'name',
    fields: Object.keys(collection.fields).filter((field) => collection.fields[field]?.isIndexed),
  });
  const read = { collection, parents, options, plan };
  const page = plan.isSorted ? await readPage(store, read) : await readSorted(store, read);
  return pageAnswer(request, options, { ...page, records: page.records.map(toArm) });
}

/** One page of records that are in memory: collections of a hundred or so. Ordered by name unless asked otherwise. */
export function answerRecords<R>(
  request: ArmRequest,
  collection: Collection<R>,
  records: readonly R[],
  toArm: (record: R) => object,
): ArmAnswer {
  const options = parseListOptions(request.query, collection.fields, resourcePrefix(collection.kind));
  const { predicate, orderBy, position, top } = options;
  const order = orderBy ?? ({ field: 'name', direction: 'asc' } as const);
  const sorted = records
    .filter((record) => isListed(collection, record, predicate))
    .sort(compareBy(collection, order));
  const places = sorted.map((record) => placeOf(collection, record, order.field));
  const sign = order.direction === 'desc' ? -1 : 1;
  const after = position === undefined ? undefined : parsePlace(position);
  const start =
    after === undefined ? 0 : places.filter((place) => comparePlaces(place, after) * sign <= 0).length;
  const end = Math.min(start + Math.min(top ?? PAGE_SIZE, PAGE_SIZE), sorted.length);
  const last = places[end - 1];
  const next = end < sorted.length && last !== undefined ? writePlace(last) : undefined;
  return pageAnswer(request, options, { records: sorted.slice(start, end).map(toArm), next });
}

interface Page<T> {
  readonly records: readonly T[];
  /** Where the next page begins; undefined when there is none. */
  readonly next: string | undefined;
}

function pageAnswer(request: ArmRequest, { top, digest }: ListOptions, page: Page<object>): ArmAnswer {
  const rest = top === undefined ? undefined : top - page.records.length;
  const hasMore = page.next !== undefined && rest !== 0;
  return {
    status: 200,
    body: {
      value: page.records,
      ...(hasMore ? { '@odata.nextLink': nextLink(request, { position: page.next, digest, rest }) } : {}),
    },
  };
}

interface Read<R> {
  readonly collection: Collection<R>;
  readonly parents: readonly string[];
  readonly options: ListOptions;
  readonly plan: AccessPath;
}

function isListed<R>(collection: Collection<R>, record: R, predicate: Predicate | undefined): boolean {
  if (collection.isHidden?.(record) === true) return false;
  return predicate === undefined || matches(predicate, (field) => fieldValue(collection, record, field));
}

/** A record's value of the field that is ordered by, and its name. */
type Place = readonly [value: string, name: string];

const placeOf = <R>(collection: Collection<R>, record: R, field: string): Place => [
  fieldValue(collection, record, field) ?? '',
  foldName(collection.nameOf(record)),
];

function comparePlaces([value, name]: Place, [otherValue, otherName]: Place): number {
  if (value !== otherValue) return value < otherValue ? -1 : 1;
  if (name === otherName) return 0;
  return name < otherName ? -1 : 1;
}

function compareBy<R>(collection: Collection<R>, { field, direction }: OrderBy) {
  const sign = direction === 'desc' ? -1 : 1;
  return (left: R, right: R): number =>
    sign * comparePlaces(placeOf(collection, left, field), placeOf(collection, right, field));
}

const writePlace = (place: Place): string => JSON.stringify(place);

function parsePlace(position: string): Place {
  const [, value, name] = PLACE.exec(position) ?? [];
  if (value === undefined || name === undefined) {
    throw armError('InvalidQuery', { field: '$skiptoken', reason: 'it is not one that this service made' });
  }
  return [parseText(value), parseText(name)];
}

const PLACE = /^\[("(?:[^"\\]|\\["\\])*"),("(?:[^"\\]|\\["\\])*")\]$/;
const parseText = (json: string): string => String(JSON.parse(json));

/** The few records that a filter on unique values finds, put into order; all of them fit on a page. */
async function readSorted<R>(store: ListedStore['store'], read: Read<R>): Promise<Page<R>> {
  const { collection, options } = read;
  const { records } = await readPage(store, { ...read, options: { ...options, top: undefined } });
  const { orderBy = { field: 'name', direction: 'asc' }, top = PAGE_SIZE } = options;
  return { records: [...records].sort(compareBy(collection, orderBy)).slice(0, top), next: undefined };
}

async function readPage<R>(store: ListedStore['store'], read: Read<R>): Promise<Page<R>> {
  const { collection, options, plan } = read;
  const limit = Math.min(options.top ?? PAGE_SIZE, PAGE_SIZE);
  const index = indexOf(read);
  const prefix = index.prefix(read.parents);
  const records: R[] = [];
  let last = options.position === undefined ? undefined : prefix + options.position;
  let { isExact } = plan;
  let rowsLeft = ROWS_PER_PAGE_MAX;
  const page = () => ({ records, next: last?.slice(prefix.length) });
  const rowsPerRequest = () => {
    const wanted = limit - records.length + 1;
    return Math.min(isExact ? wanted : Math.max(wanted, ROWS_PER_REQUEST), rowsLeft);
  };
  const ranges = rangesOf({ index, ...read });
  for await (const row of rowsOf(store, { prefix, ranges, after: last, rowsPerRequest })) {
    const record = collection.parse(row.body);
    const isWanted = isListed(collection, record, options.predicate);
    if (isWanted && records.length === limit) return page();
    if (isWanted) records.push(record);
    isExact &&= isWanted;
    last = row.rowKey;
    rowsLeft -= 1;
    if (rowsLeft === 0) return page();
  }
  return { records, next: undefined };
}

interface RowSource {
  readonly prefix: string;
  readonly ranges: readonly KeySpan[];
  /** Where the page before ended. */
  readonly after: string | undefined;
  /** Asked before each request: what was read so far may say that more are to be looked at. */
  readonly rowsPerRequest: () => number;
}

async function* rowsOf(store: ListedStore['store'], source: RowSource): AsyncGenerator<StoredRow> {
  let last = source.after;
  for (const { from, before } of source.ranges) {
    let isOver = last !== undefined && last >= before;
    while (!isOver) {
      const limit = source.rowsPerRequest();
      const start = last !== undefined && last >= from ? { after: last } : { from };
      const rows = await store.list(source.prefix, { ...start, before, limit });
      yield* rows;
      last = rows.at(-1)?.rowKey ?? last;
      isOver = rows.length < limit;
    }
  }
}

interface KeySpan {
  readonly from: string;
  readonly before: string;
}

interface IndexRead<R> extends Read<R> {
  readonly index: Index;
}

function indexOf<R>({ collection, plan }: Read<R>): Index {
  const index = indexesOf(collection).find(
    ({ field, direction }) => field === plan.field && direction === plan.direction,
  );
  if (index === undefined)
    throw new Error(`${collection.kind} has no index of ${plan.field} ${plan.direction}`);
  return index;
}

/** The parts of the index that are read, in its own order. */
function rangesOf<R>({ index, parents, plan }: IndexRead<R>): KeySpan[] {
  const prefix = index.prefix(parents);
  const end = `${prefix.slice(0, -1)}"`;
  const isUp = index.direction === 'asc';
  const key = (bound: Interval['from'], side: 'from' | 'before'): string | undefined => {
    if (bound === undefined) return undefined;
    const range = index.code.range(bound.value);
    const isInside = bound.isIncluded || !range.isExact;
    const other = side === 'from' ? 'before' : 'from';
    return prefix + (isInside ? range[side] : range[other]);
  };
  const intervals = isUp ? plan.intervals : [...plan.intervals].reverse();
  return intervals
    .filter((interval) => !isPoint(interval) || index.code.range(interval.from?.value ?? '').isPossible)
    .map(({ from, to }) => ({
      from: key(isUp ? from : to, 'from') ?? prefix,
      before: key(isUp ? to : from, 'before') ?? end,
    }));
}
