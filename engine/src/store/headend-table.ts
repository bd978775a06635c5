import { RestError, TableClient, type TransactionAction } from '@azure/data-tables';
import { joinBody, splitBody } from './split-body.ts';

const TABLE_NAME = 'headend';
/** Azure: at most 100 entities in an entity-group transaction. */
export const CHANGES_PER_COMMIT_MAX = 100;
const PAGE_SIZE_MAX = 1000;

export interface Row {
  readonly rowKey: string;
  readonly etag: string;
  readonly body: unknown;
}

/** One row of a transaction; `etag` is the condition, without one the write is unconditional. */
export type Change =
  | { readonly kind: 'create'; readonly rowKey: string; readonly body: unknown; readonly state?: string }
  | {
      readonly kind: 'replace';
      readonly rowKey: string;
      readonly body: unknown;
      readonly etag: string;
      readonly state?: string;
    }
  | { readonly kind: 'upsert'; readonly rowKey: string; readonly body: unknown; readonly state?: string }
  /** With an ETag it is a transaction of its own: the client of tables has no conditional delete in a larger one. */
  | { readonly kind: 'delete'; readonly rowKey: string; readonly etag?: string };

/** `conflict`: nothing was written, because a row exists, is gone or has another ETag than a change expects. */
export type CommitResult = 'committed' | 'conflict';

export interface ListOptions {
  /** Only rows after this key. */
  readonly after?: string;
  /** Only rows with this key or a later one. */
  readonly from?: string;
  /** Only rows before this key. */
  readonly before?: string;
  readonly limit: number;
  /** Only rows written with this `state`. */
  readonly state?: string;
}

/** The one table of the engine: PartitionKey is the account, RowKey as in `resources/row-keys.ts`. */
export class HeadendTable {
  readonly #client: TableClient;
  readonly #partitionKey: string;

  constructor(client: TableClient, accountName: string) {
    this.#client = client;
    this.#partitionKey = accountName.toLowerCase();
  }

  /** In lower case. */
  get account(): string {
    return this.#partitionKey;
  }

  /** The same table, another account. */
  inPartition(accountName: string): HeadendTable {
    return new HeadendTable(this.#client, accountName);
  }

  async find(rowKey: string): Promise<Row | undefined> {
    try {
      return toRow(await this.#client.getEntity<Entity>(this.#partitionKey, rowKey));
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  /** Rows in key order whose key begins with `prefix` (which ends in `!`), at most `limit` of them. */
  async list(prefix: string, options: ListOptions): Promise<readonly Row[]> {
    const from =
      options.after === undefined
        ? `RowKey ge '${odata(options.from ?? prefix)}'`
        : `RowKey gt '${odata(options.after)}'`;
    // `"` follows `!` in code-point order, so this is the first key that cannot begin with the prefix.
    const before = options.before ?? `${prefix.slice(0, -1)}"`;
    const state = options.state === undefined ? '' : ` and state eq '${odata(options.state)}'`;
    const filter = `PartitionKey eq '${odata(this.#partitionKey)}' and ${from} and RowKey lt '${odata(before)}'${state}`;
    const rows: Row[] = [];
    const pages = this.#client
      .listEntities<Entity>({ queryOptions: { filter } })
      .byPage({ maxPageSize: Math.min(options.limit, PAGE_SIZE_MAX) });
    for await (const page of pages) {
      for (const entity of page) {
        if (rows.length === options.limit) return rows;
        rows.push(toRow(entity));
      }
      if (rows.length >= options.limit) break;
    }
    return rows;
  }

  /** Whatever rows there are. */
  async listAny(limit: number): Promise<readonly Row[]> {
    const filter = `PartitionKey eq '${odata(this.#partitionKey)}'`;
    const pages = this.#client
      .listEntities<Entity>({ queryOptions: { filter } })
      .byPage({ maxPageSize: Math.min(limit, PAGE_SIZE_MAX) });
    for await (const page of pages) {
      if (page.length > 0) return page.slice(0, limit).map(toRow);
    }
    return [];
  }

  /** How many rows have a key that begins with `prefix`; at most `limit`. */
  async count(prefix: string, limit: number): Promise<number> {
    const filter = `PartitionKey eq '${odata(this.#partitionKey)}' and RowKey ge '${odata(prefix)}' and RowKey lt '${odata(prefix.slice(0, -1))}"'`;
    const pages = this.#client
      .listEntities<Entity>({ queryOptions: { filter, select: ['RowKey'] } })
      .byPage({ maxPageSize: PAGE_SIZE_MAX });
    let count = 0;
    for await (const page of pages) {
      count += page.length;
      if (count >= limit) return limit;
    }
    return count;
  }

  /** All of the changes or none of them. */
  async commit(changes: readonly Change[]): Promise<CommitResult> {
    if (changes.length === 0) return 'committed';
    if (changes.length > CHANGES_PER_COMMIT_MAX) {
      throw new RangeError(`${changes.length} changes exceed ${CHANGES_PER_COMMIT_MAX} in one transaction`);
    }
    try {
      await this.#submit(changes);
      return 'committed';
    } catch (error) {
      const status = statusOf(error);
      if (status === 409 || status === 412 || status === 404) return 'conflict';
      throw error;
    }
  }

  /** Removes the row if it is still the one that was read; false when it is not. */
  async removeUnchanged({ rowKey, etag }: Pick<Row, 'rowKey' | 'etag'>): Promise<boolean> {
    try {
      await this.#client.deleteEntity(this.#partitionKey, rowKey, { etag });
      return true;
    } catch (error) {
      const status = statusOf(error);
      if (status === 412 || status === 404) return false;
      throw error;
    }
  }

  async #submit(changes: readonly Change[]): Promise<void> {
    const conditional = changes.find((change) => change.kind === 'delete' && change.etag !== undefined);
    if (conditional === undefined) {
      await this.#client.submitTransaction(changes.map((change) => this.#toAction(change)));
      return;
    }
    if (changes.length > 1 || conditional.kind !== 'delete') {
      throw new RangeError('a delete with an ETag is a transaction of its own');
    }
    const { rowKey, etag = '*' } = conditional;
    await this.#client.deleteEntity(this.#partitionKey, rowKey, { etag });
  }

  #toAction(change: Change): TransactionAction {
    const keys = { partitionKey: this.#partitionKey, rowKey: change.rowKey };
    switch (change.kind) {
      case 'create':
        return ['create', { ...keys, ...contents(change) }];
      case 'upsert':
        return ['upsert', { ...keys, ...contents(change) }, 'Replace'];
      case 'replace':
        return ['update', { ...keys, ...contents(change) }, 'Replace', { etag: change.etag }];
      case 'delete':
        return ['delete', keys];
    }
  }
}

/** Opens the table, creating it on first use. Plain HTTP is allowed only because the emulator on a laptop speaks it. */
export async function openHeadendTable(connectionString: string, accountName: string): Promise<HeadendTable> {
  const client = TableClient.fromConnectionString(connectionString, TABLE_NAME, {
    allowInsecureConnection: true,
  });
  await client.createTable();
  return new HeadendTable(client, accountName);
}

const contents = (change: { readonly body: unknown; readonly state?: string }) => ({
  ...splitBody(JSON.stringify(change.body)),
  ...(change.state === undefined ? {} : { state: change.state }),
});

type Entity = Record<string, unknown>;

function toRow(entity: Entity & { etag?: string; rowKey?: string }): Row {
  return { rowKey: entity.rowKey ?? '', etag: entity.etag ?? '', body: parseJson(joinBody(entity)) };
}

function parseJson(text: string): unknown {
  return JSON.parse(text);
}

const odata = (text: string): string => text.replaceAll("'", "''");

function statusOf(error: unknown): number | undefined {
  return error instanceof RestError ? error.statusCode : undefined;
}
