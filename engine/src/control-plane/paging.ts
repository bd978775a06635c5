import { armError } from '../resources/error-catalogue.ts';
import type { ArmAnswer, ArmRequest } from './arm-http.ts';
import type { ControlStore, StoredRow } from './control-store.ts';

const PAGE_SIZE = 100;
const TOP_MAX = 1_000_000;

/** One page by name; `@odata.nextLink` only when there is more. `$skiptoken` is the last key, behind the prefix. */
export async function answerPage(
  request: ArmRequest,
  store: ControlStore,
  source: { readonly prefix: string; readonly toArm: (row: StoredRow) => object },
): Promise<ArmAnswer> {
  for (const option of ['$filter', '$orderby']) {
    if (request.query.get(option)) throw armError('UnsupportedQuery', { field: option });
  }
  const top = parseTop(request.query.get('$top'));
  const token = request.query.get('$skiptoken');
  const limit = Math.min(top ?? PAGE_SIZE, PAGE_SIZE);
  const rows = await store.list(source.prefix, {
    limit: limit + 1,
    ...(token === null ? {} : { after: source.prefix + token }),
  });
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const rest = top === undefined ? undefined : top - page.length;
  const hasMore = rows.length > limit && last !== undefined && rest !== 0;
  const next = new URLSearchParams(request.query);
  if (hasMore) next.set('$skiptoken', last.rowKey.slice(source.prefix.length));
  if (rest !== undefined) next.set('$top', String(rest));
  return {
    status: 200,
    body: {
      value: page.map(source.toArm),
      ...(hasMore ? { '@odata.nextLink': `${request.origin}${request.pathname}?${next}` } : {}),
    },
  };
}

function parseTop(text: string | null): number | undefined {
  if (text === null) return undefined;
  const top = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (top >= 1 && top <= TOP_MAX) return top;
  throw armError('InvalidQuery', {
    field: '$top',
    reason: `a whole number from 1 to ${TOP_MAX} is expected`,
  });
}
