import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { armError } from '../resources/error-catalogue.ts';
import { type AssignedContentKey, isSameKey } from '../resources/locator-content-keys.ts';
import { contentKeyKey } from '../resources/row-keys.ts';
import type { ControlContext } from './control-context.ts';
import type { RowChange } from './control-store.ts';

/** AES-128. */
const KEY_BYTES = 16;
/** Locators that may share one content key; their names have to fit into its row. */
const LOCATORS_PER_KEY_MAX = 1000;

/** A content key: its value, sealed, and the names of the locators that use it. Without any it is as good as gone. */
const ContentKeyRow = z.object({ sealed: z.string(), locators: z.array(z.string()) });

type Rows = Pick<ControlContext, 'store' | 'sealer'>;

async function findContentKey({ store }: Rows, id: string) {
  const row = await store.find(contentKeyKey(id));
  return row === undefined ? undefined : { row, key: ContentKeyRow.parse(row.body) };
}

/**
 * The rows that give a locator its keys. One id is one key: who brings a key with the id of another is refused with
 * `ContentKeyExists`, who brings the same shares it, and who brings an id alone gets the key that has it, or a new one.
 */
export async function keyChanges(
  rows: Rows,
  locator: string,
  assigned: readonly AssignedContentKey[],
): Promise<readonly RowChange[]> {
  const ids = new Set(assigned.map(({ key }) => key.id));
  return Promise.all(
    [...ids].map((id) => {
      const values = assigned.filter(({ key }) => key.id === id).map(({ value }) => value);
      return keyChange(rows, locator, { id, values: values.filter((value) => value !== undefined) });
    }),
  );
}

async function keyChange(
  rows: Rows,
  locator: string,
  wanted: { readonly id: string; readonly values: readonly string[] },
): Promise<RowChange> {
  const { sealer } = rows;
  const { id, values } = wanted;
  const rowKey = contentKeyKey(id);
  const found = await findContentKey(rows, id);
  const isUsed = found !== undefined && found.key.locators.length > 0;
  const [first = randomBytes(KEY_BYTES).toString('base64')] = values;
  const value = isUsed ? sealer.open(found.key.sealed, rowKey) : first;
  if (values.some((one) => !isSameKey(one, value))) throw armError('ContentKeyExists', { name: id });
  if (!isUsed) {
    const body = { sealed: sealer.seal(value, rowKey), locators: [locator] };
    return found === undefined
      ? { kind: 'create', rowKey, body }
      : { kind: 'replace', rowKey, etag: found.row.etag, body };
  }
  const { sealed, locators } = found.key;
  if (locators.length >= LOCATORS_PER_KEY_MAX) {
    throw armError('QuotaExceeded', {
      type: 'streaming locators of a content key',
      reason: String(LOCATORS_PER_KEY_MAX),
    });
  }
  return {
    kind: 'replace',
    rowKey,
    etag: found.row.etag,
    body: { sealed, locators: [...locators, locator] },
  };
}

/** The rows that take a locator's keys from it; those that nobody uses then go by `forgetUnusedKeys`. */
export async function releasedKeyChanges(
  rows: Rows,
  locator: string,
  ids: readonly string[],
): Promise<readonly RowChange[]> {
  const found = await Promise.all([...new Set(ids)].map((id) => findContentKey(rows, id)));
  return found
    .filter((one) => one !== undefined)
    .map(({ row, key }) => ({
      kind: 'replace',
      rowKey: row.rowKey,
      etag: row.etag,
      body: { ...key, locators: key.locators.filter((name) => name !== locator) },
    }));
}

/** Another locator may take such a key at the same moment: then it stays. */
export async function forgetUnusedKeys(rows: Rows, ids: readonly string[]): Promise<void> {
  for (const id of new Set(ids)) {
    const found = await findContentKey(rows, id);
    if (found === undefined || found.key.locators.length > 0) continue;
    await rows.store.commit([{ kind: 'delete', rowKey: found.row.rowKey, etag: found.row.etag }]);
  }
}

/** Values in base64 by id; an id whose key is gone is missing. */
export async function openContentKeys(
  rows: Rows,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const entries = await Promise.all(
    [...new Set(ids)].map(async (id) => {
      const found = await findContentKey(rows, id);
      return found === undefined
        ? []
        : [[id, rows.sealer.open(found.key.sealed, contentKeyKey(id))] as const];
    }),
  );
  return new Map(entries.flat());
}
