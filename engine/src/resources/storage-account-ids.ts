import { z } from 'zod';
import { armError } from './error-catalogue.ts';

const UsedIdentity = z.object({
  userAssignedIdentity: z.string().optional(),
  useSystemAssignedIdentity: z.boolean(),
});

export const StorageAccountRecord = z.object({
  /** As the caller wrote it. */
  id: z.string(),
  type: z.enum(['Primary', 'Secondary']),
  identity: UsedIdentity.optional(),
});
export type StorageAccountRecord = z.output<typeof StorageAccountRecord>;

const STORAGE_ACCOUNT_ID =
  /^\/subscriptions\/([0-9a-f-]{36})\/resourceGroups\/[^/]{1,90}\/providers\/Microsoft\.(?:Classic)?Storage\/storageAccounts\/([a-z0-9]{3,24})$/i;
const FIELD = 'properties.storageAccounts';

interface SentStorageAccount {
  readonly id?: string | null | undefined;
  readonly type: 'Primary' | 'Secondary';
  readonly identity?:
    | {
        readonly userAssignedIdentity?: string | null | undefined;
        readonly useSystemAssignedIdentity: boolean;
      }
    | null
    | undefined;
}

/** The name in the id of a storage account, or what stands for an id where a name alone is given. */
export function storageAccountNameOf(id: string): string {
  return id.slice(id.lastIndexOf('/') + 1).toLowerCase();
}

/** The name of an account's primary storage account. */
export function primaryOf(accounts: readonly StorageAccountRecord[]): string {
  return storageAccountNameOf(accounts.find(({ type }) => type === 'Primary')?.id ?? '');
}

/** Exactly one is Primary, for ever; all are of one subscription (reference §1.2). */
export function parseStorageAccounts(
  sent: readonly SentStorageAccount[],
  present: readonly StorageAccountRecord[] | undefined,
): StorageAccountRecord[] {
  const accounts = sent.map(parseOne);
  const primaries = accounts.filter(({ type }) => type === 'Primary');
  if (primaries.length !== 1) {
    refuse(FIELD, `exactly one of the type Primary is required, not ${primaries.length}`);
  }
  if (present !== undefined && primaryOf(accounts) !== primaryOf(present)) {
    throw armError('ImmutableField', { field: `${FIELD} (Primary)` });
  }
  const names = accounts.map(({ id }) => storageAccountNameOf(id));
  if (new Set(names).size < names.length) refuse(FIELD, 'a storage account is named twice');
  const subscriptions = new Set(accounts.map(({ id }) => STORAGE_ACCOUNT_ID.exec(id)?.[1]?.toLowerCase()));
  if (subscriptions.size > 1) refuse(FIELD, 'they must be of one subscription');
  return accounts;
}

function parseOne({ id, type, identity }: SentStorageAccount, at: number): StorageAccountRecord {
  if (id == null || !STORAGE_ACCOUNT_ID.test(id)) {
    return refuse(`${FIELD}[${at}].id`, 'the resource id of a storage account is expected');
  }
  if (identity == null) return { id, type };
  const { userAssignedIdentity, useSystemAssignedIdentity } = identity;
  return {
    id,
    type,
    identity: {
      useSystemAssignedIdentity,
      ...(userAssignedIdentity == null ? {} : { userAssignedIdentity }),
    },
  };
}

function refuse(field: string, reason: string): never {
  throw armError('InvalidField', { field, reason });
}
