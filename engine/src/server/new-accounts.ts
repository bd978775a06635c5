import { randomUUID } from 'node:crypto';
import type { Accounts } from '../control-plane/accounts.ts';
import { nowIso } from '../control-plane/control-context.ts';
import type { ControlStore } from '../control-plane/control-store.ts';
import { type AccountRecord, DEFAULT_SETTINGS, newAccount } from '../resources/account.ts';
import type { AccountScope } from '../resources/account-scope.ts';
import { newEncodingCapacity } from '../resources/encoding-capacity.ts';
import {
  accountKey,
  encodingCapacityKey,
  idsBackfilledKey,
  registeredAccountKey,
  streamingEndpointKey,
} from '../resources/row-keys.ts';
import { DEFAULT_STREAMING_ENDPOINT, newDefaultStreamingEndpoint } from '../resources/streaming-endpoint.ts';

const CALLER = { id: 'headend' };

/** What a new account has: the endpoint `default`, stopped, and its encoding capacity. What is there stays. */
export async function populateAccount(rows: ControlStore, record: AccountRecord): Promise<void> {
  const caller = { id: record.createdBy };
  const capacity = newEncodingCapacity({ caller, nowIso: nowIso() });
  const bodies = {
    [accountKey]: { name: record.name, mediaServiceId: record.mediaServiceId },
    [streamingEndpointKey(DEFAULT_STREAMING_ENDPOINT)]: newDefaultStreamingEndpoint({
      caller,
      nowIso: nowIso(),
    }),
    [encodingCapacityKey(capacity.name)]: capacity,
    // All that it will have is claimed as it comes.
    [idsBackfilledKey]: {},
  };
  for (const [rowKey, body] of Object.entries(bodies)) {
    await rows.commit([{ kind: 'create', rowKey, body }]);
  }
}

/** The account of the settings is there from the first start on, with the engine's own storage account. */
export async function ensureOwnAccount(deps: {
  readonly accounts: Accounts;
  /** The engine's own partition. */
  readonly rows: ControlStore;
  /** The account's. */
  readonly table: ControlStore;
  readonly own: AccountScope;
  readonly storageAccountName: string;
}): Promise<void> {
  const { accounts, rows, table, own, storageAccountName } = deps;
  const { account, subscriptionId, resourceGroup, location } = own;
  const known = await accounts.findByName(account);
  if (known !== undefined) {
    // The settings may have moved it.
    const body = { ...known.record, name: account, subscriptionId, resourceGroup };
    if (JSON.stringify(body) === JSON.stringify(known.record)) return;
    await rows.commit([{ kind: 'replace', rowKey: known.rowKey, etag: known.etag, body }]);
    return;
  }
  // As earlier versions have it.
  const earlier: unknown = Reflect.get(Object((await table.find(accountKey))?.body), 'mediaServiceId');
  const group = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}`;
  const id = `${group}/providers/Microsoft.Storage/storageAccounts/${storageAccountName}`;
  const record = newAccount(
    { ...DEFAULT_SETTINGS, storageAccounts: [{ id, type: 'Primary' }] },
    {
      ...{ name: account, subscriptionId, resourceGroup, location, caller: CALLER, nowIso: nowIso() },
      mediaServiceId: typeof earlier === 'string' ? earlier : randomUUID(),
    },
  );
  await populateOwn(table, record, typeof earlier === 'string');
  const body: AccountRecord = { ...record, isReady: true, provisioningState: 'Succeeded' };
  // A conflict means that another process was faster.
  await rows.commit([{ kind: 'create', rowKey: registeredAccountKey(account), body }]);
}

/** What an earlier version wrote is not claimed yet. */
async function populateOwn(table: ControlStore, record: AccountRecord, hasRows: boolean): Promise<void> {
  await populateAccount(table, record);
  if (hasRows) await table.commit([{ kind: 'delete', rowKey: idsBackfilledKey }]);
}
