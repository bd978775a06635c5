import { createHash } from 'node:crypto';
import { parseFilter } from '../odata/filter-parser.ts';
import { MalformedQuery } from '../odata/malformed-query.ts';
import { type OrderBy, parseOrderBy } from '../odata/order-by.ts';
import { bindFilter, type FieldRules, type Predicate } from '../odata/predicate.ts';
import { armError } from '../resources/error-catalogue.ts';
import type { ArmRequest } from './arm-http.ts';

const TOP_MAX = 1_000_000;
const TOKEN_LENGTH_MAX = 4096;
const TOKEN = /^([0-9a-f]{16})\.([\w-]*)$/;
const DIGEST_LENGTH = 16;
const OPTIONS = ['$filter', '$orderby', '$top', '$skiptoken'];

/** What a client asks of a list. */
export interface ListOptions {
  readonly predicate: Predicate | undefined;
  readonly orderBy: OrderBy | undefined;
  readonly top: number | undefined;
  /** Where the page before this one ended. */
  readonly position: string | undefined;
  /** Ties positions to the list, its filter and its order. */
  readonly digest: string;
}

/** Throws `InvalidQuery` or `UnsupportedQuery`. `list` names the list that `$skiptoken` belongs to. */
export function parseListOptions(query: URLSearchParams, rules: FieldRules, list: string): ListOptions {
  checkOptions(query);
  const filter = query.get('$filter') ?? '';
  const order = query.get('$orderby') ?? '';
  const names = Object.values(rules);
  if (filter !== '' && !names.some(({ operators }) => operators.length > 0)) {
    throw armError('UnsupportedQuery', { field: '$filter' });
  }
  if (order !== '' && !names.some(({ orderable }) => orderable)) {
    throw armError('UnsupportedQuery', { field: '$orderby' });
  }
  const digest = createHash('sha256')
    .update(JSON.stringify([list, filter, order]))
    .digest('hex')
    .slice(0, DIGEST_LENGTH);
  try {
    return {
      predicate: filter === '' ? undefined : bindFilter(parseFilter(filter), rules),
      orderBy: order === '' ? undefined : parseOrderBy(order, rules),
      top: parseTop(query.get('$top')),
      position: parsePosition(query.get('$skiptoken'), digest),
      digest,
    };
  } catch (error) {
    if (error instanceof MalformedQuery) throw invalid(error.option, error.message);
    throw error;
  }
}

function checkOptions(query: URLSearchParams): void {
  for (const name of query.keys()) {
    if (!name.startsWith('$')) continue;
    if (!OPTIONS.includes(name)) throw armError('UnsupportedQuery', { field: name.slice(0, 80) });
    if (query.getAll(name).length > 1) throw invalid(name, 'it is there more than once');
  }
}

const invalid = (field: string, reason: string) => armError('InvalidQuery', { field, reason });

function parseTop(text: string | null): number | undefined {
  if (text === null) return undefined;
  const top = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (top >= 1 && top <= TOP_MAX) return top;
  throw invalid('$top', `a whole number from 1 to ${TOP_MAX} is expected`);
}

function parsePosition(token: string | null, digest: string): string | undefined {
  if (token === null) return undefined;
  const [, tokenDigest, position = ''] = TOKEN.exec(token.slice(0, TOKEN_LENGTH_MAX)) ?? [];
  if (tokenDigest === undefined || token.length > TOKEN_LENGTH_MAX) {
    throw invalid('$skiptoken', 'it is not one that this service made');
  }
  if (tokenDigest !== digest) throw invalid('$skiptoken', 'it belongs to another query');
  const text = Buffer.from(position, 'base64url').toString('utf8');
  if (Buffer.from(text).toString('base64url') !== position || /\p{Cc}/u.test(text)) {
    throw invalid('$skiptoken', 'it is not one that this service made');
  }
  return text;
}

/** The absolute address of the next page; `rest` is what `$top` still allows. */
export function nextLink(
  request: ArmRequest,
  next: { readonly position: string; readonly digest: string; readonly rest: number | undefined },
): string {
  const query = new URLSearchParams(request.query);
  query.set('$skiptoken', `${next.digest}.${Buffer.from(next.position).toString('base64url')}`);
  if (next.rest !== undefined) query.set('$top', String(next.rest));
  return `${request.origin}${request.pathname}?${query}`;
}
