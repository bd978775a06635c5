import { indexStateKey } from '../resources/row-keys.ts';
import { type Collection, indexKeysOf, rowKeyOf } from './collection.ts';
import type { ControlStore, RowChange, StoredRow } from './control-store.ts';

/** Resources that are read at once, and how far the rebuild has come is stored after each such batch. */
const RESOURCES_PER_BATCH = 200;
/** Rows of a transaction. */
const CHANGES_MAX = 100;
/** How often a resource is read again that was changed meanwhile. */
const ATTEMPTS_MAX = 5;

interface RebuildDeps {
  readonly store: ControlStore;
  readonly log: { info(event: string, fields?: object): void };
}

/** What there is to know about a collection here, whatever its resources are. */
export interface IndexedCollection {
  readonly kind: string;
  readonly version: number;
  /** The resource's own key and those of its index rows, as they are to be. */
  readonly keysOf: (body: unknown) => { readonly rowKey: string; readonly indexKeys: readonly string[] };
}

export const indexed = <R>(collection: Collection<R>): IndexedCollection => ({
  kind: collection.kind,
  version: collection.version,
  keysOf(body) {
    const record = collection.parse(body);
    return { rowKey: rowKeyOf(collection, record), indexKeys: indexKeysOf(collection, record) };
  },
});

/**
 * Writes the index rows of resources that were stored before there were such, once for each version of a collection.
 * A crash resumes after the last batch; several processes may do it at the same time.
 */
export async function rebuildIndexes(
  { store, log }: RebuildDeps,
  collections: readonly IndexedCollection[],
): Promise<void> {
  for (const collection of collections) {
    const resources = await rebuildIndex(store, collection);
    if (resources > 0) log.info('control.indexRebuilt', { kind: collection.kind, resources });
  }
}

async function rebuildIndex(store: ControlStore, collection: IndexedCollection): Promise<number> {
  const { kind, version } = collection;
  const prefix = `r!${kind}!`;
  const stateKey = indexStateKey(kind);
  let state = parseState((await store.find(stateKey))?.body, version);
  let resources = 0;
  while (!state.isDone) {
    const rows = await store.list(prefix, {
      limit: RESOURCES_PER_BATCH,
      ...(state.after === undefined ? {} : { after: state.after }),
    });
    await rebuildBatch(store, collection, rows);
    resources += rows.length;
    const last = rows.at(-1)?.rowKey ?? state.after;
    state = { version, isDone: rows.length < RESOURCES_PER_BATCH, after: last };
    await store.commit([{ kind: 'upsert', rowKey: stateKey, body: state }]);
  }
  return resources;
}

interface RebuildState {
  readonly version: number;
  readonly isDone: boolean;
  /** The last key that is done. */
  readonly after: string | undefined;
}

function parseState(body: unknown, version: number): RebuildState {
  const { version: stored, isDone, after }: Record<string, unknown> = Object(body);
  if (stored !== version) return { version, isDone: false, after: undefined };
  return { version, isDone: isDone === true, after: typeof after === 'string' ? after : undefined };
}

async function rebuildBatch(
  store: ControlStore,
  collection: IndexedCollection,
  rows: readonly StoredRow[],
): Promise<void> {
  let pending: { rows: StoredRow[]; changes: RowChange[] } = { rows: [], changes: [] };
  const flush = async () => {
    const { rows: flushed, changes } = pending;
    pending = { rows: [], changes: [] };
    if ((await store.commit(changes)) === 'committed') return;
    for (const row of flushed) await rebuildOne(store, collection, row.rowKey);
  };
  for (const row of rows) {
    const changes = changesOf(collection, row);
    if (pending.changes.length + changes.length > CHANGES_MAX) await flush();
    pending.rows.push(row);
    pending.changes.push(...changes);
  }
  if (pending.changes.length > 0) await flush();
}

/** One that somebody changed, or removed, while its batch was written. */
async function rebuildOne(store: ControlStore, collection: IndexedCollection, rowKey: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const row = await store.find(rowKey);
    if (row === undefined || (await store.commit(changesOf(collection, row))) === 'committed') return;
  }
  throw new Error(`the index rows of ${rowKey} could not be written in ${ATTEMPTS_MAX} attempts`);
}

/** The resource stays as it is, but its ETag moves: whoever changes it at the same time writes index rows after these. */
function changesOf(collection: IndexedCollection, { rowKey, etag, body }: StoredRow): RowChange[] {
  const wanted = collection.keysOf(body);
  const own: RowChange[] =
    wanted.rowKey === rowKey
      ? [{ kind: 'replace', rowKey, etag, body }]
      : [
          // Keys of names were made in another way before.
          { kind: 'create', rowKey: wanted.rowKey, body },
          { kind: 'delete', rowKey },
        ];
  return [
    ...own,
    ...wanted.indexKeys.map((indexKey) => ({ kind: 'upsert', rowKey: indexKey, body }) as const),
  ];
}
