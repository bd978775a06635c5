import { GRAINS, timePart } from './metric-rows.ts';

const ROWS_PER_PAGE = 1_000;
const ROWS_PER_COMMIT = 100;
/** Of one sweep; what is left is removed by the next. */
const RESOURCES_MAX = 20_000;
const ROWS_MAX = 100_000;

export interface SweptStore {
  list(
    prefix: string,
    options: { readonly after?: string; readonly before?: string; readonly limit: number },
  ): Promise<readonly { readonly rowKey: string }[]>;
  commit(changes: readonly { readonly kind: 'delete'; readonly rowKey: string }[]): Promise<unknown>;
}

/** Removes measurements that are older than they are kept, of resources that are gone too. How many rows that were. */
export async function sweepMetrics(store: SweptStore, allPrefix: string, nowMs: number): Promise<number> {
  let removed = 0;
  let after: string | undefined;
  for (let resources = 0; resources < RESOURCES_MAX && removed < ROWS_MAX; resources += 1) {
    const [first] = await store.list(allPrefix, { ...(after === undefined ? {} : { after }), limit: 1 });
    if (first === undefined) break;
    // `…!{grain}!{time}!{writer}`
    const parts = first.rowKey.split('!').slice(0, -2);
    const prefix = `${parts.join('!')}!`;
    const grain = Object.values(GRAINS).find(({ name }) => name === parts.at(-1));
    if (grain !== undefined) {
      removed += await removeBefore(store, prefix, `${prefix}${timePart(nowMs - grain.keptMs)}`);
    }
    // `"` follows `!`: past everything that begins with the prefix.
    after = `${prefix.slice(0, -1)}"`;
  }
  return removed;
}

async function removeBefore(store: SweptStore, prefix: string, before: string): Promise<number> {
  let removed = 0;
  while (removed < ROWS_MAX) {
    const rows = await store.list(prefix, { before, limit: ROWS_PER_PAGE });
    for (let at = 0; at < rows.length; at += ROWS_PER_COMMIT) {
      const batch = rows.slice(at, at + ROWS_PER_COMMIT);
      await store.commit(batch.map(({ rowKey }) => ({ kind: 'delete' as const, rowKey })));
    }
    removed += rows.length;
    if (rows.length < ROWS_PER_PAGE) break;
  }
  return removed;
}
