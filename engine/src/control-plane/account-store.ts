import { armError } from '../resources/error-catalogue.ts';
import { prefixes } from '../resources/row-keys.ts';
import type { ControlStore, RowChange } from './control-store.ts';

/** What is unique in the engine, whichever account it is in. */
interface EngineWideId {
  readonly kind: 'accessToken' | 'locatorId';
  readonly id: string;
}

/** Which account has an id; implemented over the table store. */
export interface IdClaims {
  claim(wanted: EngineWideId, account: string): Promise<'claimed' | 'taken'>;
  release(wanted: EngineWideId, account: string): Promise<void>;
}

export interface AccountStoreDeps {
  /** The account's own partition. */
  readonly rows: ControlStore;
  readonly account: string;
  readonly claims: IdClaims;
  /** False: nobody takes the account's events, so none are stored. */
  readonly hasTopic: () => boolean;
  readonly log: { warn(event: string, fields?: object): void };
}

/** By the prefix of the account's index row: what it claims, and what a caller chose it by. */
const CLAIMING = [
  { prefix: prefixes.accessTokens, kind: 'accessToken', field: 'properties.input.accessToken' },
  { prefix: prefixes.previewLocators, kind: 'locatorId', field: 'properties.preview.previewLocator' },
  { prefix: prefixes.locatorIds, kind: 'locatorId', field: 'properties.streamingLocatorId' },
] as const;

/**
 * The rows of one account. What must be unique in the engine is claimed for the account before the transaction that
 * makes it true, and let go after the one that removes it; throws `IdInUse`.
 */
export function createAccountStore(deps: AccountStoreDeps): ControlStore {
  const { rows, account, claims, hasTopic, log } = deps;
  return {
    find: (rowKey) => rows.find(rowKey),
    list: (prefix, options) => rows.list(prefix, options),
    async commit(changes) {
      for (const { wanted, field } of idsOf(changes, 'written')) {
        if ((await claims.claim(wanted, account)) === 'taken') throw armError('IdInUse', { field });
      }
      const kept = hasTopic()
        ? changes
        : changes.filter((change) => change.kind !== 'create' || !change.rowKey.startsWith(prefixes.outbox));
      const result = await rows.commit(kept);
      // What a conflict leaves claimed is nobody's, as after a crash: the sweep finds it.
      const freed = result === 'committed' ? idsOf(changes, 'deleted') : [];
      for (const { wanted } of freed) {
        await claims.release(wanted, account).catch((error: unknown) => {
          log.warn('account.idNotReleased', { account, kind: wanted.kind, error });
        });
      }
      return result;
    },
  };
}

function idsOf(changes: readonly RowChange[], which: 'written' | 'deleted') {
  return changes.flatMap(({ kind, rowKey }) => {
    const isWanted = which === 'deleted' ? kind === 'delete' : kind === 'create' || kind === 'upsert';
    const found = isWanted ? engineWideIdOf(rowKey) : undefined;
    return found === undefined ? [] : [found];
  });
}

/** What the row of an account stands for in the whole engine, if anything. */
export function engineWideIdOf(
  rowKey: string,
): { readonly wanted: EngineWideId; readonly field: string } | undefined {
  const entry = CLAIMING.find(({ prefix }) => rowKey.startsWith(prefix));
  if (entry === undefined) return undefined;
  return { wanted: { kind: entry.kind, id: rowKey.slice(entry.prefix.length) }, field: entry.field };
}
