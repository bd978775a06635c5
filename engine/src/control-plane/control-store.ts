/** What the control plane needs of the table. */
export interface ControlStore {
  find(rowKey: string): Promise<StoredRow | undefined>;
  list(
    prefix: string,
    options: {
      readonly after?: string;
      /** Keys from this one on, and only those before the other. */
      readonly from?: string;
      readonly before?: string;
      readonly limit: number;
      readonly state?: string;
    },
  ): Promise<readonly StoredRow[]>;
  commit(changes: readonly RowChange[]): Promise<'committed' | 'conflict'>;
}

export interface StoredRow {
  readonly rowKey: string;
  readonly etag: string;
  readonly body: unknown;
}

export type RowChange =
  | { readonly kind: 'create'; readonly rowKey: string; readonly body: unknown; readonly state?: string }
  | {
      readonly kind: 'replace';
      readonly rowKey: string;
      readonly body: unknown;
      readonly etag: string;
      readonly state?: string;
    }
  | { readonly kind: 'upsert'; readonly rowKey: string; readonly body: unknown; readonly state?: string }
  /** With an ETag it is a transaction of its own. */
  | { readonly kind: 'delete'; readonly rowKey: string; readonly etag?: string };

/** An event of the control plane; id, versions and (never) topic are added when it is sent. */
export interface ControlEvent {
  readonly type: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Events are rows of the transaction that makes them true, sent right after it. */
export interface ControlEvents {
  change(newEvent: ControlEvent): RowChange;
  wake(): void;
}
