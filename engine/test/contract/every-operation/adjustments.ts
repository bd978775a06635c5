import type { AzuriteAccount } from '../../support/azurite.ts';
import { LOCATION, storageAccountId } from './places.ts';

const HOUR_MS = 3_600_000;

interface Storage {
  readonly own: AzuriteAccount;
  readonly second: AzuriteAccount;
}

/**
 * The examples speak of a place that is not ours: its location, its storage accounts, its time. These fields get our
 * values; everything else is sent as the specification has it.
 */
export function adjusted(operation: string, body: unknown, storage: Storage): unknown {
  if (operation === 'Mediaservices_SyncStorageKeys') return { id: storageAccountId(storage.own.name) };
  return replaced(body, {
    location: () => LOCATION,
    storageAccountName: () => storage.own.name,
    expiryTime: () => new Date(Date.now() + HOUR_MS).toISOString(),
    storageAccounts: (value) =>
      Array.isArray(value)
        ? value.map((item: unknown) => ({ ...Object(item), id: storageAccountId(storage.second.name) }))
        : value,
  });
}

type Replacements = Readonly<Record<string, (value: unknown) => unknown>>;

function replaced(value: unknown, by: Replacements): unknown {
  if (Array.isArray(value)) return value.map((item) => replaced(item, by));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, by[key]?.(item) ?? replaced(item, by)]),
  );
}
