import { TableClient } from '@azure/data-tables';

interface Row {
  readonly partitionKey: string;
  readonly rowKey: string;
  readonly dueAtMs?: number;
}

/** A property holds 32 Ki characters, an entity 1 MiB. */
const PIECE_CHARS = 30_000;
const PIECES_MAX = 16;
const PIECES = Array.from({ length: PIECES_MAX }, (_, index) => `packed${index}`);

export interface StoredRow {
  readonly rowKey: string;
  readonly value: unknown;
  readonly etag: string;
}

const ROWS_MAX = 1000;

export interface PageOptions {
  readonly after: string | undefined;
  readonly sizeMax: number;
}

export interface FoundPage<T> {
  readonly items: readonly T[];
  readonly after: string | undefined;
}

// What these tables hold was written by the stores of this folder only: the document is the type.
export const as = <T>(row: { value: unknown; etag: string }): { value: T; etag: string } => ({
  value: row.value as T,
  etag: row.etag,
});

/** A page of the documents of a partition, and where the next begins. */
export async function pageOf<T>(
  rows: JsonTable,
  partition: string,
  { after, sizeMax }: PageOptions,
): Promise<FoundPage<T>> {
  const found = await rows.list(partition, { after, sizeMax });
  return {
    items: found.map((row) => as<T>(row).value),
    after: found.length < sizeMax ? undefined : found.at(-1)?.rowKey,
  };
}

export type JsonTable = ReturnType<typeof openJsonTable>;

/** A table of JSON documents with optimistic concurrency; made at the first use. */
export function openJsonTable(connectionString: string, tableName: string) {
  const client = TableClient.fromConnectionString(connectionString, tableName, {
    allowInsecureConnection:
      connectionString.includes('http://') || connectionString.includes('UseDevelopmentStorage'),
  });
  let created: Promise<void> | undefined;
  const ready = (): Promise<void> => {
    created ??= client.createTable().catch((error: unknown) => {
      created = undefined;
      throw error;
    });
    return created;
  };
  const row = (partitionKey: string, rowKey: string, value: unknown): Row => ({
    partitionKey,
    rowKey,
    ...propertiesOf(JSON.stringify(value)),
  });

  return {
    ready,
    async find(partitionKey: string, rowKey: string): Promise<StoredRow | undefined> {
      await ready();
      const found = await unless([404], () => client.getEntity(partitionKey, rowKey));
      return found === undefined ? undefined : { rowKey, value: JSON.parse(jsonOf(found)), etag: found.etag };
    },
    /** Without an etag: creates. Undefined when the stored one is another. */
    async save(key: readonly [string, string], value: unknown, etag?: string): Promise<string | undefined> {
      await ready();
      const entity = row(...key, value);
      const written = await unless([404, 409, 412], () =>
        etag === undefined ? client.createEntity(entity) : client.updateEntity(entity, 'Replace', { etag }),
      );
      return written?.etag;
    },
    async put(key: readonly [string, string], value: unknown, dueAtMs?: number): Promise<void> {
      await ready();
      await client.upsertEntity(
        { ...row(...key, value), ...(dueAtMs === undefined ? {} : { dueAtMs }) },
        'Replace',
      );
    },
    async remove(key: readonly [string, string], etag = '*'): Promise<boolean> {
      await ready();
      const removed = await unless([404, 412], () => client.deleteEntity(key[0], key[1], { etag }));
      return removed !== undefined;
    },
    async list(
      partitionKey: string,
      options: { after?: string | undefined; sizeMax?: number; dueAtMs?: number } = {},
    ): Promise<readonly StoredRow[]> {
      await ready();
      const sizeMax = Math.min(options.sizeMax ?? ROWS_MAX, ROWS_MAX);
      const conditions = [`PartitionKey eq '${partitionKey}'`];
      if (options.after !== undefined) conditions.push(`RowKey gt '${options.after.replaceAll("'", "''")}'`);
      if (options.dueAtMs !== undefined) conditions.push(`dueAtMs le ${options.dueAtMs}.0`);
      const pages = client
        .listEntities({ queryOptions: { filter: conditions.join(' and ') } })
        .byPage({ maxPageSize: sizeMax });
      const rows: StoredRow[] = [];
      for await (const page of pages) {
        for (const entity of page) {
          rows.push({
            rowKey: entity.rowKey ?? '',
            value: JSON.parse(jsonOf(entity)),
            etag: entity.etag ?? '',
          });
        }
        if (rows.length >= sizeMax) break;
      }
      return rows.slice(0, sizeMax);
    },
  };
}

/** What is long is cut, in base64: whatever takes a request apart on its way does not cut characters (Azurite did). */
function propertiesOf(json: string): Readonly<Record<string, string>> {
  const bytes = Buffer.from(json);
  if (bytes.byteLength <= PIECE_CHARS) return { json };
  const text = bytes.toString('base64');
  if (text.length > PIECE_CHARS * PIECES_MAX)
    throw new Error(`a document of ${bytes.byteLength} bytes does not fit into a row`);
  const pieces = PIECES.slice(0, Math.ceil(text.length / PIECE_CHARS));
  return Object.fromEntries(
    pieces.map((name, index) => [name, text.slice(index * PIECE_CHARS, (index + 1) * PIECE_CHARS)]),
  );
}

const jsonOf = (entity: Readonly<Record<string, unknown>>): string =>
  typeof entity['json'] === 'string'
    ? entity['json']
    : Buffer.from(PIECES.map((name) => entity[name] ?? '').join(''), 'base64').toString('utf8');

/** Undefined for the expected statuses; anything else is thrown. */
async function unless<T>(statuses: readonly number[], call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    const status =
      typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : undefined;
    if (typeof status === 'number' && statuses.includes(status)) return undefined;
    throw error;
  }
}
