import { comparable, type FieldRule } from '../odata/fields.ts';
import type { Operator } from '../odata/filter-expression.ts';
import {
  digitsDownCode,
  type IndexCode,
  nameCode,
  nameDownCode,
  plainCode,
  textCode,
} from '../resources/index-keys.ts';
import { foldName } from '../resources/names.ts';
import { indexPrefix, namePart, resourcePrefix } from '../resources/row-keys.ts';
import type { RowChange, StoredRow } from './control-store.ts';

/** A field that lists can be filtered or ordered by. */
export interface CollectionField<R> extends FieldRule {
  /** Undefined when the record has no value. Dates and times as ISO 8601. */
  readonly read: (record: R) => string | undefined;
  /**
   * Whether index rows are written: one for each record that has a value, and one more for the other direction when the
   * field can be ordered by. A filter without them reads the whole collection, page by page; an order needs them, but
   * in `answerRecords`.
   */
  readonly isIndexed: boolean;
}

/**
 * A kind of resource that is stored as `r!{kind}!{parents…}!{name}` and listed with `answerList`. Its index rows are
 * `i!{kind}.{field}!{parents…}!{value}!{name}` (`.{field}-` backwards) and carry a copy of the body, so that a page
 * costs one storage request; they are written in the transaction that writes the resource.
 */
export interface Collection<R> {
  /** In keys, lower case: never renamed. */
  readonly kind: string;
  /** Raised when fields or their index change: rows are then written anew at the next start. */
  readonly version: number;
  readonly parse: (body: unknown) => R;
  readonly nameOf: (record: R) => string;
  /** Names of the resources it is below, such as a job's transform. */
  readonly parentsOf?: (record: R) => readonly string[];
  /** By the name that clients use, such as `properties/created`; `name` is what `nameField` makes. */
  readonly fields: Readonly<Record<string, CollectionField<R>>>;
  /** Not to be seen in lists any more. */
  readonly isHidden?: (record: R) => boolean;
}

/** The field `name` of a collection: the resources' own rows are its index. */
export function nameField<R>(
  nameOf: (record: R) => string,
  operators: readonly Operator[],
): CollectionField<R> {
  return {
    type: 'string',
    fold: foldName,
    operators,
    orderable: true,
    isUnique: true,
    isIndexed: true,
    read: nameOf,
  };
}

/** The row key of the resource. */
export function rowKeyOf<R>(collection: Collection<R>, record: R): string {
  const parents = collection.parentsOf?.(record);
  return resourcePrefix(collection.kind, parents) + namePart(collection.nameOf(record));
}

/** An index of a collection: whose field, in which direction, below which prefix. */
export interface Index {
  readonly field: string;
  readonly direction: 'asc' | 'desc';
  readonly code: IndexCode;
  readonly prefix: (parents: readonly string[]) => string;
}

/** Every index that has rows of its own, and that of the resources themselves first. */
export function indexesOf<R>({ kind, fields }: Collection<R>): readonly Index[] {
  const indexes: Index[] = [
    { field: 'name', direction: 'asc', code: nameCode, prefix: (parents) => resourcePrefix(kind, parents) },
  ];
  for (const [field, rule] of Object.entries(fields)) {
    if (!rule.isIndexed) continue;
    const name = field.slice(field.lastIndexOf('/') + 1).toLowerCase();
    const up = rule.type === 'string' ? textCode : plainCode;
    if (field !== 'name') {
      indexes.push({
        field,
        direction: 'asc',
        code: up,
        prefix: (parents) => indexPrefix(kind, name, parents),
      });
    }
    if (!rule.orderable) continue;
    const down = field === 'name' ? nameDownCode : digitsDownCode;
    indexes.push({
      field,
      direction: 'desc',
      code: down,
      prefix: (parents) => indexPrefix(kind, `${name}-`, parents),
    });
  }
  return indexes;
}

/** Keys of all index rows of a record. */
export function indexKeysOf<R>(collection: Collection<R>, record: R): readonly string[] {
  const parents = collection.parentsOf?.(record) ?? [];
  const [, ...indexes] = indexesOf(collection);
  return indexes.flatMap(({ field, code, prefix }) => {
    const value = fieldValue(collection, record, field);
    return value === undefined ? [] : [prefix(parents) + code.rowPart(value, collection.nameOf(record))];
  });
}

/** A field's value as filters compare it. */
export function fieldValue<R>(collection: Collection<R>, record: R, field: string): string | undefined {
  const rule = collection.fields[field];
  const value = rule?.read(record);
  return rule === undefined || value === undefined ? undefined : comparable(rule, value);
}

/** The resource is new: a conflict means that one of its name exists. */
export function createChanges<R>(collection: Collection<R>, record: R, state?: string): RowChange[] {
  return [
    { kind: 'create', rowKey: rowKeyOf(collection, record), body: record, ...stateOf(state) },
    // Unconditional: the resource's own row decides, and no other has keys with its name.
    ...indexKeysOf(collection, record).map((rowKey) => ({ kind: 'upsert', rowKey, body: record }) as const),
  ];
}

/** `row` is the resource's own as it was read; a conflict means that it was changed since. */
export function replaceChanges<R>(
  collection: Collection<R>,
  row: StoredRow,
  next: R,
  state?: string,
): RowChange[] {
  const kept = indexKeysOf(collection, next);
  const gone = indexKeysOf(collection, collection.parse(row.body)).filter((rowKey) => !kept.includes(rowKey));
  return [
    { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body: next, ...stateOf(state) },
    ...kept.map((rowKey) => ({ kind: 'upsert', rowKey, body: next }) as const),
    ...gone.map((rowKey) => ({ kind: 'delete', rowKey }) as const),
  ];
}

/** A conflict means that it is gone, or that its index rows were changed meanwhile: read it again. */
export function deleteChanges<R>(collection: Collection<R>, record: R): RowChange[] {
  return [rowKeyOf(collection, record), ...indexKeysOf(collection, record)].map((rowKey) => ({
    kind: 'delete',
    rowKey,
  }));
}

const stateOf = (state: string | undefined) => (state === undefined ? {} : { state });
