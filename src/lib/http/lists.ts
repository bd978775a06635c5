import { z } from 'zod';
import type { Page } from '../workflows/stores.ts';
import { type Call, json, queryParameter } from './handle.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 200;
/** A filtered list looks at no more than this many entries for one answer; `next` goes on where it ended. */
const SCANNED_MAX = 1000;

export interface Filters {
  readonly limit: number;
  readonly after: string | undefined;
  readonly state: string | undefined;
  readonly label: readonly [string, string] | undefined;
}

export function readFilters(call: Call): Filters {
  const label = queryParameter(
    call,
    'label',
    z
      .string()
      .max(320)
      .regex(/^[^:]+:/, 'key:value')
      .optional(),
  );
  const cut = label?.indexOf(':') ?? 0;
  return {
    limit: queryParameter(
      call,
      'limit',
      z.coerce.number().int().min(1).max(LIMIT_MAX).default(LIMIT_DEFAULT),
    ),
    after: queryParameter(call, 'after', z.string().max(200).optional()),
    state: queryParameter(call, 'state', z.string().max(32).optional()),
    label: label === undefined ? undefined : [label.slice(0, cut), label.slice(cut + 1)],
  };
}

interface Viewed {
  readonly id?: string;
  readonly name?: string;
  readonly state?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** One page of a list, `next` being the full link to what follows. */
export async function answerList<T, V extends Viewed>(
  call: Call,
  read: (options: { after: string | undefined; sizeMax: number }) => Promise<Page<T>>,
  { view, keyOf }: { view: (item: T) => V; keyOf: (item: T) => string },
) {
  const { limit, state, label, ...filters } = readFilters(call);
  let { after } = filters;
  const items: V[] = [];
  for (let scanned = 0; scanned < SCANNED_MAX && items.length < limit; ) {
    const page = await read({ after, sizeMax: limit });
    scanned += page.items.length;
    for (const item of page.items) {
      if (items.length === limit) break;
      after = keyOf(item);
      const viewed = view(item);
      if (matches(viewed, { state, label })) items.push(viewed);
    }
    const last = page.items.at(-1);
    const isLast = page.after === undefined && last !== undefined && keyOf(last) === after;
    if (page.items.length === 0 || isLast) {
      after = undefined;
      break;
    }
  }
  return json(200, { items, ...(after === undefined ? {} : { next: nextLink(call, after) }) });
}

function matches(viewed: Viewed, { state, label }: Pick<Filters, 'state' | 'label'>): boolean {
  if (state !== undefined && viewed.state !== state) return false;
  return label === undefined || viewed.labels?.[label[0]] === label[1];
}

function nextLink(call: Call, after: string): string {
  const url = new URL(call.request.url);
  url.searchParams.delete('code');
  url.searchParams.set('after', after);
  return url.href;
}
