import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import {
  accessTokenKey,
  claimedLocatorIdKey,
  claimedTokenKey,
  claims,
  ENGINE_PARTITION,
  locatorIdKey,
  previewLocatorKey,
} from '../resources/row-keys.ts';
import type { HeadendTable, Row } from './headend-table.ts';

/** What is unique in the engine, whichever account it is in. */
export interface EngineWideId {
  readonly kind: 'accessToken' | 'locatorId';
  readonly id: string;
}

const Claim = z.object({
  kind: z.enum(['accessToken', 'locatorId']),
  id: z.string(),
  account: z.string(),
  atMs: z.number(),
  /** Makes each writing another one. */
  nonce: z.string(),
});
type Claim = z.output<typeof Claim>;

/** Much longer than a request may take: what was claimed longer ago is in its account by now, or never will be. */
export const CLAIM_SETTLED_AFTER_MS = 60_000;
const ATTEMPTS_MAX = 5;
const SWEPT_MAX = 20;

/**
 * Which account has an id (docs/decisions/0006-accounts.md). A claim is written before the account's own transaction
 * and never believed alone: the account's row decides, so that what a crash leaves does no harm.
 */
export class EngineIndex {
  readonly #table: HeadendTable;
  readonly #nowMs: () => number;
  #sweptTo: string | undefined;

  constructor(table: HeadendTable, nowMs: () => number = Date.now) {
    this.#table = table.inPartition(ENGINE_PARTITION);
    this.#nowMs = nowMs;
  }

  /** Undefined when no account has the id. One request, whatever is asked for. */
  async accountOf(wanted: EngineWideId): Promise<string | undefined> {
    const row = await this.#table.find(claimKey(wanted));
    return row === undefined ? undefined : Claim.parse(row.body).account;
  }

  /** For an account that is about to write the row of the id; `taken` when another account has it. */
  async claim(wanted: EngineWideId, account: string): Promise<'claimed' | 'taken'> {
    const rowKey = claimKey(wanted);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const body: Claim = { ...wanted, account, atMs: this.#nowMs(), nonce: randomUUID() };
      if ((await this.#table.commit([{ kind: 'create', rowKey, body }])) === 'committed') return 'claimed';
      const found = await this.#table.find(rowKey);
      if (found === undefined) continue;
      const held = Claim.parse(found.body);
      if (held.account !== account && (await this.#isHeld(held))) return 'taken';
      // Its own is written anew as well: whoever is about to remove it finds it changed.
      const change = { kind: 'replace', rowKey, etag: found.etag, body } as const;
      if ((await this.#table.commit([change])) === 'committed') return 'claimed';
    }
    return 'taken';
  }

  /** After the account's row is gone. A claim that may belong to a request under way stays for the sweep. */
  async release(wanted: EngineWideId, account: string): Promise<void> {
    const found = await this.#table.find(claimKey(wanted));
    if (found !== undefined) await this.#removeUnheld(found, account);
  }

  /** For an account whose rows were written before there were claims. */
  async backfill(wanted: readonly EngineWideId[], account: string): Promise<void> {
    const atMs = this.#nowMs();
    await this.#table.commit(
      wanted.map((one) => ({
        kind: 'upsert',
        rowKey: claimKey(one),
        body: { ...one, account, atMs, nonce: randomUUID() },
      })),
    );
  }

  /** One bounded pass over claims, going on where the last one ended: removes those that no row stands behind. */
  async sweep(): Promise<void> {
    const after = this.#sweptTo === undefined ? {} : { after: this.#sweptTo };
    const rows = await this.#table.list(claims, { limit: SWEPT_MAX, ...after });
    this.#sweptTo = rows.length < SWEPT_MAX ? undefined : rows.at(-1)?.rowKey;
    for (const row of rows) await this.#removeUnheld(row, undefined);
  }

  async #removeUnheld(row: Row, account: string | undefined): Promise<void> {
    const claim = Claim.parse(row.body);
    if (account !== undefined && claim.account !== account) return;
    if (!(await this.#isHeld(claim))) await this.#table.removeUnchanged(row);
  }

  async #isHeld(claim: Claim): Promise<boolean> {
    if (this.#nowMs() - claim.atMs < CLAIM_SETTLED_AFTER_MS) return true;
    const ofAccount = this.#table.inPartition(claim.account);
    const rows = await Promise.all(rowKeysOf(claim).map((rowKey) => ofAccount.find(rowKey)));
    return rows.some((row) => row !== undefined);
  }
}

const claimKey = ({ kind, id }: EngineWideId): string =>
  kind === 'accessToken' ? claimedTokenKey(id) : claimedLocatorIdKey(id);

/** The rows of an account that an id is in. */
const rowKeysOf = ({ kind, id }: EngineWideId): readonly string[] =>
  kind === 'accessToken' ? [accessTokenKey(id)] : [locatorIdKey(id), previewLocatorKey(id)];
