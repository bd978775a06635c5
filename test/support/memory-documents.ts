/** Rows in memory with the etags of real tables. */
export function documents<T>() {
  const rows = new Map<string, { value: T; etag: string }>();
  let version = 0;
  return {
    rows,
    find: (key: string) => rows.get(key),
    save(key: string, value: T, etag: string | undefined): string | undefined {
      if (rows.get(key)?.etag !== etag) return undefined;
      version += 1;
      rows.set(key, { value: structuredClone(value), etag: `${version}` });
      return `${version}`;
    },
    remove(key: string, etag: string): boolean {
      return rows.get(key)?.etag === etag && rows.delete(key);
    },
  };
}

/** As tables do: sorted by key, from after a key on, a page with as many as asked for may have one after it. */
export function pageOf<T>(
  rows: readonly T[],
  keyOf: (row: T) => string,
  { after, sizeMax }: { after: string | undefined; sizeMax: number },
) {
  const sorted = rows.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const rest = sorted.filter((row) => after === undefined || keyOf(row) > after);
  const items = rest.slice(0, sizeMax);
  const last = items.at(-1);
  return { items, after: items.length < sizeMax || last === undefined ? undefined : keyOf(last) };
}
