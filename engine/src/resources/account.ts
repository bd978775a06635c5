import { z } from 'zod';
import { MediaService, MediaServiceUpdate } from '../contract/accounts.ts';
import { identityAnswer, parseIdentity } from './account-identity.ts';
import { checkAccountRules } from './account-rules.ts';
import {
  type AccountScope,
  auditRecord,
  type Caller,
  newAudit,
  systemData,
  touchedAudit,
} from './account-scope.ts';
import { armError } from './error-catalogue.ts';
import { PrivateConnectionRecord, toArmPrivateConnection } from './private-endpoint-connection.ts';
import { parseBody } from './request-body.ts';
import { parseStorageAccounts, StorageAccountRecord } from './storage-account-ids.ts';

/** Reference §1.5: accounts of a subscription. */
export const ACCOUNTS_MAX_DEFAULT = 100;
/** The first api-version that knows `minimumTlsVersion`. */
const MINIMUM_TLS_SINCE = '2023-01-01';

const UsedIdentity = z.object({
  userAssignedIdentity: z.string().optional(),
  useSystemAssignedIdentity: z.boolean(),
});

/** What a caller decides. */
const settings = {
  tags: z.record(z.string(), z.string()),
  storageAccounts: z.array(StorageAccountRecord),
  storageAuthentication: z.enum(['System', 'ManagedIdentity']),
  encryption: z.object({
    type: z.enum(['SystemKey', 'CustomerKey']),
    keyIdentifier: z.string().optional(),
    identity: UsedIdentity.optional(),
  }),
  keyDelivery: z.object({ defaultAction: z.enum(['Allow', 'Deny']), ipAllowList: z.array(z.string()) }),
  publicNetworkAccess: z.enum(['Enabled', 'Disabled']),
  minimumTlsVersion: z.enum(['Tls10', 'Tls11', 'Tls12', 'Tls13']),
  identity: z
    .object({
      type: z.enum(['SystemAssigned', 'UserAssigned', 'SystemAssigned,UserAssigned']),
      userAssigned: z.array(z.string()),
    })
    .optional(),
};
const AccountSettings = z.object(settings);
export type AccountSettings = z.output<typeof AccountSettings>;

export const AccountRecord = z.object({
  ...auditRecord,
  mediaServiceId: z.string(),
  subscriptionId: z.string(),
  resourceGroup: z.string(),
  location: z.string(),
  provisioningState: z.enum(['InProgress', 'Succeeded', 'Failed']),
  pendingOperationId: z.string().optional(),
  /** It has what every account has, and can be worked in. */
  isReady: z.boolean(),
  /** Nobody sees it any more; what is in it is being removed. */
  isDeleting: z.boolean(),
  privateConnections: z.array(PrivateConnectionRecord),
  ...settings,
});
export type AccountRecord = z.output<typeof AccountRecord>;

export interface AccountAddressed {
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly name: string;
}

export interface NewAccount extends AccountAddressed {
  readonly location: string;
  readonly mediaServiceId: string;
  readonly caller: Caller;
  readonly nowIso: string;
}

export function newAccount(wanted: AccountSettings, fresh: NewAccount): AccountRecord {
  return {
    name: fresh.name,
    ...newAudit(fresh.caller, fresh.nowIso),
    mediaServiceId: fresh.mediaServiceId,
    subscriptionId: fresh.subscriptionId,
    resourceGroup: fresh.resourceGroup,
    location: fresh.location,
    provisioningState: 'InProgress',
    isReady: false,
    isDeleting: false,
    privateConnections: [],
    ...wanted,
  };
}

export function updatedAccount(
  record: AccountRecord,
  wanted: AccountSettings,
  by: { readonly caller: Caller; readonly nowIso: string },
): AccountRecord {
  return { ...record, identity: undefined, ...wanted, ...touchedAudit(by.caller, by.nowIso) };
}

/** What a caller gets who says nothing, but for the storage account. */
export const DEFAULT_SETTINGS: Omit<AccountSettings, 'storageAccounts'> = {
  tags: {},
  storageAuthentication: 'System',
  encryption: { type: 'SystemKey' },
  keyDelivery: { defaultAction: 'Allow', ipAllowList: [] },
  publicNetworkAccess: 'Enabled',
  minimumTlsVersion: 'Tls12',
};

/** A PUT says all; what it leaves out is as in a new account. `present` is what it replaces. */
export function parseAccountBody(
  body: unknown,
  apiVersion: string,
  present: AccountRecord | undefined,
): { readonly location: string; readonly wanted: AccountSettings } {
  const sent = parseBody(MediaService, body, apiVersion);
  if (sent.location === '') throw armError('InvalidField', { field: 'location', reason: 'it is empty' });
  const location = present?.location ?? sent.location;
  if (placeOf(sent.location) !== placeOf(location)) throw armError('ImmutableField', { field: 'location' });
  const storageAccounts = sent.properties?.storageAccounts;
  if (storageAccounts == null) {
    throw armError('InvalidField', {
      field: 'properties.storageAccounts',
      reason: 'a storage account of the type Primary is required',
    });
  }
  return { location, wanted: merged({ ...DEFAULT_SETTINGS, storageAccounts: [] }, sent, present) };
}

/** A PATCH says what changes. */
export function parseAccountPatch(
  body: unknown,
  apiVersion: string,
  present: AccountRecord,
): AccountSettings {
  const sent = parseBody(MediaServiceUpdate, body ?? {}, apiVersion);
  return merged(AccountSettings.parse(present), sent, present);
}

function merged(
  before: AccountSettings,
  sent: z.output<typeof MediaServiceUpdate>,
  present: AccountRecord | undefined,
): AccountSettings {
  const { properties, tags } = sent;
  const { encryption, keyDelivery, storageAccounts } = properties ?? {};
  const identity = sent.identity == null ? before.identity : parseIdentity(sent.identity);
  const wanted: AccountSettings = {
    tags: tags ?? before.tags,
    storageAccounts:
      storageAccounts == null
        ? before.storageAccounts
        : parseStorageAccounts(storageAccounts, present?.storageAccounts),
    storageAuthentication: properties?.storageAuthentication ?? before.storageAuthentication,
    encryption: encryption == null ? before.encryption : encryptionOf(encryption),
    keyDelivery: {
      defaultAction: keyDelivery?.accessControl?.defaultAction ?? before.keyDelivery.defaultAction,
      ipAllowList: keyDelivery?.accessControl?.ipAllowList ?? before.keyDelivery.ipAllowList,
    },
    publicNetworkAccess: properties?.publicNetworkAccess ?? before.publicNetworkAccess,
    minimumTlsVersion: properties?.minimumTlsVersion ?? before.minimumTlsVersion,
    ...(identity === undefined ? {} : { identity }),
  };
  checkAccountRules(wanted);
  return wanted;
}

type SentEncryption = NonNullable<
  NonNullable<z.output<typeof MediaServiceUpdate>['properties']>['encryption']
>;

function encryptionOf({ type, keyVaultProperties, identity }: SentEncryption): AccountSettings['encryption'] {
  const keyIdentifier = keyVaultProperties?.keyIdentifier;
  return {
    type,
    ...(keyIdentifier == null ? {} : { keyIdentifier }),
    ...(identity == null ? {} : { identity: usedIdentity(identity) }),
  };
}

function usedIdentity(identity: {
  readonly userAssignedIdentity?: string | null | undefined;
  readonly useSystemAssignedIdentity: boolean;
}): z.output<typeof UsedIdentity> {
  const { userAssignedIdentity, useSystemAssignedIdentity } = identity;
  return userAssignedIdentity == null
    ? { useSystemAssignedIdentity }
    : { userAssignedIdentity, useSystemAssignedIdentity };
}

/** `West US 2` and `westus2` are one place. */
const placeOf = (location: string): string => location.replaceAll(' ', '').toLowerCase();

export function accountIdOf({ subscriptionId, resourceGroup, name }: AccountAddressed): string {
  return `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers/Microsoft.Media/mediaservices/${name}`;
}

export function scopeOfAccount(record: AccountRecord): AccountScope {
  const { subscriptionId, resourceGroup, name: account, location } = record;
  return { accountId: accountIdOf(record), subscriptionId, resourceGroup, account, location };
}

/** The account as ARM shows it; a customer's key is noted and not used, and its status says so. */
export function toArmAccount(
  record: AccountRecord,
  view: {
    readonly apiVersion: string;
    readonly tenantId: string;
    readonly single: boolean;
  },
): object {
  const { encryption, keyDelivery, identity } = record;
  const { defaultAction, ipAllowList } = keyDelivery;
  return {
    name: record.name,
    id: accountIdOf(record),
    type: 'Microsoft.Media/mediaservices',
    location: record.location,
    tags: record.tags,
    ...identityAnswer(identity, record.mediaServiceId, view.tenantId),
    properties: {
      mediaServiceId: record.mediaServiceId,
      provisioningState: record.provisioningState,
      publicNetworkAccess: record.publicNetworkAccess,
      storageAuthentication: record.storageAuthentication,
      storageAccounts: record.storageAccounts,
      encryption: encryptionAnswer(encryption),
      keyDelivery: { accessControl: { defaultAction, ...(ipAllowList.length > 0 ? { ipAllowList } : {}) } },
      privateEndpointConnections: record.privateConnections.map((connection) =>
        toArmPrivateConnection({ ...record, id: accountIdOf(record) }, connection),
      ),
      ...(view.apiVersion < MINIMUM_TLS_SINCE ? {} : { minimumTlsVersion: record.minimumTlsVersion }),
    },
    ...(view.single ? { systemData: systemData(record) } : {}),
  };
}

function encryptionAnswer({ type, keyIdentifier, identity }: AccountSettings['encryption']): object {
  if (type === 'SystemKey') return { type };
  return {
    type,
    ...(keyIdentifier === undefined ? {} : { keyVaultProperties: { keyIdentifier } }),
    ...(identity === undefined ? {} : { identity }),
    status: 'KeyVaultNotAccessible',
  };
}
