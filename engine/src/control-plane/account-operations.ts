import type { AccountRecord, AccountSettings } from '../resources/account.ts';
import { updatedAccount } from '../resources/account.ts';
import { armError } from '../resources/error-catalogue.ts';
import { storageAccountNameOf } from '../resources/storage-account-ids.ts';
import type { AccountRow, Accounts } from './accounts.ts';
import type { RowChange } from './control-store.ts';
import type { OperationContext, OperationKind, OperationRecord } from './operation.ts';

export interface AccountOperationDeps {
  readonly accounts: Pick<Accounts, 'findByName' | 'forget'>;
  /** Whether the engine has the storage account's keys, and they are good. */
  readonly canReach: (storageAccountName: string, signal: AbortSignal) => Promise<boolean>;
  /** Writes what every account has; whatever is there stays. */
  readonly populate: (account: AccountRecord) => Promise<void>;
}

export const ACCOUNT_OPERATION_TYPE = 'mediaservices';

/** The settings that an update asks for are its operation's `data`: the account keeps its own until they are good. */
export function accountOperations(deps: AccountOperationDeps) {
  const create: OperationKind = {
    name: 'createAccount',
    type: ACCOUNT_OPERATION_TYPE,
    steps: [
      {
        work: async (_context, { target }, signal) => {
          const row = await deps.accounts.findByName(target);
          if (row === undefined) return;
          await checkStorage(deps, row.record, signal);
          await deps.populate(row.record);
        },
        changes: (context, operation) =>
          accountChanges(deps, context, operation, (record) => ({
            ...record,
            isReady: true,
            provisioningState: 'Succeeded',
          })),
      },
    ],
    failed: (context, operation) =>
      accountChanges(deps, context, operation, (record) => ({ ...record, provisioningState: 'Failed' })),
  };
  const update: OperationKind = {
    name: 'updateAccount',
    type: ACCOUNT_OPERATION_TYPE,
    steps: [
      {
        work: async (_context, operation, signal) => {
          await checkStorage(deps, updateOf(operation).wanted, signal);
          const row = await deps.accounts.findByName(operation.target);
          if (row?.record.isReady === false) await deps.populate(row.record);
        },
        changes: (context, operation) =>
          accountChanges(deps, context, operation, (record) => {
            const { wanted, callerId } = updateOf(operation);
            const nowIso = new Date(context.nowMs()).toISOString();
            const changed = updatedAccount(record, wanted, { caller: { id: callerId }, nowIso });
            return { ...changed, isReady: true, provisioningState: 'Succeeded' };
          }),
      },
    ],
    // What it had before still holds.
    failed: (context, operation) =>
      accountChanges(deps, context, operation, (record) => ({
        ...record,
        provisioningState: record.isReady ? 'Succeeded' : 'Failed',
      })),
  };
  return { create, update };
}

export interface AccountUpdate {
  readonly wanted: AccountSettings;
  readonly callerId: string;
}

function updateOf({ data }: OperationRecord): AccountUpdate {
  // Written by the route that began the operation and by nobody else: the table is the engine's own.
  return data as AccountUpdate;
}

async function checkStorage(
  { canReach }: AccountOperationDeps,
  { storageAccounts }: Pick<AccountSettings, 'storageAccounts'>,
  signal: AbortSignal,
): Promise<void> {
  for (const { id } of storageAccounts) {
    if (!(await canReach(storageAccountNameOf(id), signal))) throw armError('StorageInaccessible');
  }
}

async function accountChanges(
  { accounts }: AccountOperationDeps,
  _context: OperationContext,
  { id, target }: OperationRecord,
  change: (record: AccountRecord) => AccountRecord,
): Promise<RowChange[]> {
  const row: AccountRow | undefined = await accounts.findByName(target);
  accounts.forget(target);
  if (row === undefined || row.record.pendingOperationId !== id) return [];
  const { pendingOperationId: _ended, ...body } = change(row.record);
  return [{ kind: 'replace', rowKey: row.rowKey, etag: row.etag, body }];
}
