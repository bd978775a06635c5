import { isIP } from 'node:net';
import type { AccountIdentity } from './account-identity.ts';
import { armError } from './error-catalogue.ts';
import type { StorageAccountRecord } from './storage-account-ids.ts';

interface UsedIdentity {
  readonly userAssignedIdentity?: string | undefined;
  readonly useSystemAssignedIdentity: boolean;
}

interface Settings {
  readonly storageAccounts: readonly StorageAccountRecord[];
  readonly storageAuthentication: 'System' | 'ManagedIdentity';
  readonly encryption: {
    readonly type: 'SystemKey' | 'CustomerKey';
    readonly keyIdentifier?: string | undefined;
    readonly identity?: UsedIdentity | undefined;
  };
  readonly keyDelivery: { readonly defaultAction: 'Allow' | 'Deny'; readonly ipAllowList: readonly string[] };
  readonly identity?: AccountIdentity | undefined;
}

/** With or without the version of the key (specification, `KeyVaultProperties`). */
const KEY_IDENTIFIER = /^https:\/\/[a-z0-9.-]{1,253}\/keys\/[a-z0-9-]{1,127}(?:\/[a-z0-9]{1,64})?$/i;

/** What the settings of an account must be among themselves. Throws `InvalidField`. */
export function checkAccountRules(settings: Settings): void {
  checkEncryption(settings);
  checkKeyDelivery(settings.keyDelivery);
  for (const [at, { identity }] of settings.storageAccounts.entries()) {
    if (identity === undefined) continue;
    const field = `properties.storageAccounts[${at}].identity`;
    if (settings.storageAuthentication === 'System') refuse(field, 'it goes with ManagedIdentity');
    checkUsed(field, identity, settings.identity);
  }
}

function checkEncryption({ encryption, identity: ofAccount }: Settings): void {
  const { type, keyIdentifier, identity } = encryption;
  const field = 'properties.encryption';
  if (type === 'SystemKey') {
    if (keyIdentifier !== undefined || identity !== undefined) {
      refuse(field, 'keyVaultProperties and identity go with CustomerKey');
    }
    return;
  }
  if (keyIdentifier !== undefined && !KEY_IDENTIFIER.test(keyIdentifier)) {
    refuse(`${field}.keyVaultProperties.keyIdentifier`, 'the URL of a key in a key vault is expected');
  }
  if (identity === undefined) refuse(`${field}.identity`, 'it is required with CustomerKey');
  else checkUsed(`${field}.identity`, identity, ofAccount);
}

function checkUsed(field: string, used: UsedIdentity, ofAccount: AccountIdentity | undefined): void {
  const { userAssignedIdentity, useSystemAssignedIdentity } = used;
  if (useSystemAssignedIdentity === (userAssignedIdentity !== undefined)) {
    refuse(field, 'either the system assigned identity is used or a user assigned one');
  }
  if (userAssignedIdentity === undefined) {
    if (!ofAccount?.type.includes('SystemAssigned')) {
      refuse(field, 'the account has no system assigned identity');
    }
    return;
  }
  const known = ofAccount?.userAssigned.some((id) => id.toLowerCase() === userAssignedIdentity.toLowerCase());
  if (!known) refuse(`${field}.userAssignedIdentity`, 'the account does not have this identity');
}

function checkKeyDelivery({ defaultAction, ipAllowList }: Settings['keyDelivery']): void {
  const field = 'properties.keyDelivery.accessControl.ipAllowList';
  if (defaultAction === 'Allow' && ipAllowList.length > 0) {
    refuse(field, "it must be empty when the default action is 'Allow'");
  }
  for (const [at, entry] of ipAllowList.entries()) {
    if (!isAddressOrRange(entry)) {
      refuse(`${field}[${at}]`, 'an IPv4 or IPv6 address, or a range in CIDR notation, is expected');
    }
  }
}

function isAddressOrRange(text: string): boolean {
  const [, address = '', prefix] = /^([0-9a-f.:]{2,45})(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  const family = isIP(address);
  if (family === 0) return false;
  return prefix === undefined || Number(prefix) <= (family === 4 ? 32 : 128);
}

function refuse(field: string, reason: string): never {
  throw armError('InvalidField', { field, reason });
}
