import type { ControlStore, RowChange, StoredRow } from '../../src/control-plane/control-store.ts';

/** Rows in memory, in the order of their keys, with what was asked of them counted. */
export interface RowStore extends ControlStore {
  readonly keys: () => readonly string[];
  /** Since the last time it was asked. */
  readonly takeCounts: () => { requests: number; rows: number };
}

export function createRowStore(): RowStore {
  const rows = new Map<string, StoredRow>();
  let keys: string[] | undefined;
  let counts = { requests: 0, rows: 0 };
  let writes = 0;
  const sorted = () => {
    keys ??= [...rows.keys()].sort((left, right) => (left < right ? -1 : 1));
    return keys;
  };
  const fails = (change: RowChange): boolean => {
    const row = rows.get(change.rowKey);
    if (change.kind === 'create') return row !== undefined;
    if (change.kind === 'replace') return row?.etag !== change.etag;
    return change.kind === 'delete' && row === undefined;
  };
  return {
    keys: sorted,
    takeCounts() {
      const taken = counts;
      counts = { requests: 0, rows: 0 };
      return taken;
    },
    find: async (rowKey) => rows.get(rowKey),
    async list(prefix, { after, from = prefix, before = `${prefix.slice(0, -1)}"`, limit }) {
      const found = sorted()
        .filter((key) => key >= from && key < before && (after === undefined || key > after))
        .slice(0, limit)
        .flatMap((key) => rows.get(key) ?? []);
      counts = { requests: counts.requests + 1, rows: counts.rows + found.length };
      return found;
    },
    async commit(changes) {
      if (new Set(changes.map(({ rowKey }) => rowKey)).size < changes.length) throw new Error('a row twice');
      if (changes.some(fails)) return 'conflict';
      for (const change of changes) {
        writes += 1;
        if (change.kind === 'delete') rows.delete(change.rowKey);
        else {
          const body: unknown = JSON.parse(JSON.stringify(change.body));
          rows.set(change.rowKey, { rowKey: change.rowKey, etag: String(writes), body });
        }
      }
      keys = undefined;
      return 'committed';
    },
  };
}
