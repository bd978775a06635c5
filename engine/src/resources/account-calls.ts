import {
  CheckNameAvailabilityInput,
  ListEdgePoliciesInput,
  SyncStorageKeysInput,
} from '../contract/accounts.ts';
import { armError } from './error-catalogue.ts';
import { parseBody } from './request-body.ts';
import { type StorageAccountRecord, storageAccountNameOf } from './storage-account-ids.ts';

const TYPE = /^(?:microsoft\.media\/)?mediaservices$/i;

/** The name that is asked about, whatever it is. */
export function parseNameCheck(body: unknown): string {
  const { name, type } = parseBody(CheckNameAvailabilityInput, body ?? {});
  if (name == null) refuse('name', 'it is required');
  else if (type != null && TYPE.test(type)) return name;
  return refuse('type', "'Microsoft.Media/mediaservices' is expected");
}

/** Which of the account's storage accounts is meant, by its id or by its name alone. */
export function parseSyncStorageKeys(body: unknown, known: readonly StorageAccountRecord[]): string {
  const { id } = parseBody(SyncStorageKeysInput, body ?? {});
  const name = id == null ? undefined : storageAccountNameOf(id);
  const found = known.find((account) => storageAccountNameOf(account.id) === name);
  return found?.id ?? refuse('id', 'the id of a storage account of this account is expected');
}

/** The specification's example; nothing depends on the device. */
export function checkEdgePoliciesBody(body: unknown): void {
  parseBody(ListEdgePoliciesInput, body ?? {});
}

/** Without an event hub: there is none that devices could report to. */
export const EDGE_POLICIES = {
  usageDataCollectionPolicy: {
    dataCollectionFrequency: 'PT10M',
    dataReportingFrequency: 'PT1H',
    maxAllowedUnreportedUsageDuration: 'PT36H',
  },
} as const;

function refuse(field: string, reason: string): never {
  throw armError('InvalidField', { field, reason });
}
