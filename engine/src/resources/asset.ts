import { z } from 'zod';
import { Asset, ListContainerSasInput } from '../contract/metadata.ts';
import {
  type AccountScope,
  auditRecord,
  type Caller,
  newAudit,
  systemData,
  touchedAudit,
} from './account-scope.ts';
import { armError } from './error-catalogue.ts';
import { parseBody } from './request-body.ts';

export const AssetRecord = z.object({
  ...auditRecord,
  assetId: z.string(),
  alternateId: z.string().optional(),
  description: z.string().optional(),
  container: z.string(),
  storageAccountName: z.string(),
  encryptionScope: z.string().optional(),
  /** Set before the container goes, so that nothing new refers to the asset; a second delete finishes the first. */
  deleting: z.boolean(),
});
export type AssetRecord = z.output<typeof AssetRecord>;

// https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
const CONTAINER_NAME = /^[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]$/;
/** The engine's own containers. */
const RESERVED_CONTAINER = /^headend-/;

// https://learn.microsoft.com/rest/api/storagerp/encryption-scopes
const ENCRYPTION_SCOPE = /^[a-zA-Z0-9-]{3,63}$/;

export type AssetBody = NonNullable<z.output<typeof Asset>['properties']>;

/** `encryptionScope` belongs to 2023-01-01 and later. */
export function parseAssetBody(body: unknown, apiVersion: string): AssetBody {
  const properties = parseBody(Asset, body ?? {}, apiVersion).properties ?? {};
  const { container, encryptionScope } = properties;
  const refuse = (field: string, reason: string) =>
    armError('InvalidField', { field: `properties.${field}`, reason });
  if (container != null && !CONTAINER_NAME.test(container)) {
    throw refuse('container', 'a storage container name is expected');
  }
  if (container != null && RESERVED_CONTAINER.test(container)) {
    throw refuse('container', 'this container name is reserved');
  }
  if (encryptionScope != null && !ENCRYPTION_SCOPE.test(encryptionScope)) {
    throw refuse('encryptionScope', '3 to 63 letters, digits and hyphens are expected');
  }
  return properties;
}

interface NewAsset {
  readonly name: string;
  readonly assetId: string;
  /** Of the media services account, the primary one first. */
  readonly storageAccounts: readonly [string, ...string[]];
  readonly caller: Caller;
  readonly nowIso: string;
}

export function newAsset(body: AssetBody, fresh: NewAsset): AssetRecord {
  const wanted = body.storageAccountName ?? fresh.storageAccounts[0];
  const storageAccountName = fresh.storageAccounts.find((name) => isSameName(name, wanted));
  if (storageAccountName === undefined) {
    throw armError('InvalidField', {
      field: 'properties.storageAccountName',
      reason: `'${wanted}' is not a storage account of this media services account`,
    });
  }
  return {
    name: fresh.name,
    ...newAudit(fresh.caller, fresh.nowIso),
    assetId: fresh.assetId,
    ...(body.alternateId == null ? {} : { alternateId: body.alternateId }),
    ...(body.description == null ? {} : { description: body.description }),
    container: body.container ?? `asset-${fresh.assetId}`,
    storageAccountName,
    ...(body.encryptionScope == null ? {} : { encryptionScope: body.encryptionScope }),
    deleting: false,
  };
}

const isSameName = (left: string, right: string): boolean => left.toLowerCase() === right.toLowerCase();

/** PUT on an existing asset and PATCH alike: what is not sent stays; null empties. */
export function updatedAsset(
  record: AssetRecord,
  body: AssetBody,
  by: { caller: Caller; nowIso: string },
): AssetRecord {
  for (const field of ['container', 'storageAccountName', 'encryptionScope'] as const) {
    const wanted = body[field];
    if (wanted != null && !isSameName(wanted, record[field] ?? '')) {
      throw armError('ImmutableField', { field: `properties.${field}` });
    }
  }
  const { alternateId = record.alternateId, description = record.description } = body;
  const { alternateId: _oldAlternateId, description: _oldDescription, ...rest } = record;
  return {
    ...rest,
    ...touchedAudit(by.caller, by.nowIso),
    ...(alternateId == null ? {} : { alternateId }),
    ...(description == null ? {} : { description }),
  };
}

/** Older api-versions do not know the encryption scope. */
export function toArmAsset(
  scope: AccountScope,
  record: AssetRecord,
  view: { readonly isListed: boolean; readonly apiVersion: string },
): object {
  const hasScope = record.encryptionScope !== undefined && view.apiVersion >= ENCRYPTION_SCOPE_SINCE;
  return {
    name: record.name,
    id: `${scope.accountId}/assets/${record.name}`,
    type: 'Microsoft.Media/mediaservices/assets',
    properties: {
      assetId: record.assetId,
      created: record.created,
      lastModified: record.lastModified,
      ...(record.alternateId === undefined ? {} : { alternateId: record.alternateId }),
      ...(record.description === undefined ? {} : { description: record.description }),
      container: record.container,
      storageAccountName: record.storageAccountName,
      storageEncryptionFormat: 'None',
      ...(hasScope ? { encryptionScope: record.encryptionScope } : {}),
    },
    ...(view.isListed ? {} : { systemData: systemData(record) }),
  };
}

const ENCRYPTION_SCOPE_SINCE = '2023-01-01';

const SAS_PERMISSIONS = { Read: 'rl', ReadWrite: 'rwl', ReadWriteDelete: 'rwdl' } as const;
/** Specification: the expiry time must be less than 24 hours ahead. */
const SAS_LIFETIME_MS_MAX = 24 * 60 * 60 * 1000;
const SAS_LIFETIME_MS_DEFAULT = 60 * 60 * 1000;

export interface ContainerSasRequest {
  /** The letters of `sp`. */
  readonly permissions: (typeof SAS_PERMISSIONS)[keyof typeof SAS_PERMISSIONS];
  readonly expiresAtMs: number;
}

export function parseContainerSasBody(body: unknown, nowMs: number): ContainerSasRequest {
  const { permissions, expiryTime } = parseBody(ListContainerSasInput, body ?? {});
  const expiresAtMs = expiryTime == null ? nowMs + SAS_LIFETIME_MS_DEFAULT : Date.parse(expiryTime);
  if (expiresAtMs <= nowMs || expiresAtMs > nowMs + SAS_LIFETIME_MS_MAX) {
    throw armError('InvalidField', { field: 'expiryTime', reason: 'it must lie within the next 24 hours' });
  }
  return { permissions: SAS_PERMISSIONS[permissions ?? 'Read'], expiresAtMs };
}
