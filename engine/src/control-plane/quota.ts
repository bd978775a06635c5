import { armError } from '../resources/error-catalogue.ts';
import { accountKey } from '../resources/row-keys.ts';
import type { ControlContext } from './control-context.ts';
import type { RowChange } from './control-store.ts';

/**
 * Throws `QuotaExceeded` when the account has as many of these as it may have. The changes belong into the transaction
 * that creates one more: of two at the same time one is then in conflict, and counts again.
 */
export async function quotaChanges(
  { store }: ControlContext,
  { prefix, max, type }: { readonly prefix: string; readonly max: number; readonly type: string },
): Promise<RowChange[]> {
  const account = await store.find(accountKey);
  const existing = await store.list(prefix, { limit: max });
  if (existing.length >= max) throw armError('QuotaExceeded', { type, reason: String(max) });
  if (account === undefined) return [];
  return [{ kind: 'replace', rowKey: account.rowKey, etag: account.etag, body: account.body }];
}
