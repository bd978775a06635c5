import { z } from 'zod';
import {
  type AccountScope,
  auditRecord,
  type Caller,
  newAudit,
  systemData,
  touchedAudit,
} from './account-scope.ts';
import { armError } from './error-catalogue.ts';
import { envelope, parseBody, readOnly, text } from './request-body.ts';

export const AssetRecord = z.object({
  ...auditRecord,
  assetId: z.string(),
  alternateId: z.string().optional(),
  description: z.string().optional(),
  container: z.string(),
  storageAccountName: z.string(),
  /** Set before the container goes, so that nothing new refers to the asset; a second delete finishes the first. */
  deleting: z.boolean(),
});
export type AssetRecord = z.output<typeof AssetRecord>;

// https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
const CONTAINER_NAME = /^[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]$/;
/** The engine's own containers. */
const RESERVED_CONTAINER = /^headend-/;

const AssetBody = z.strictObject({
  ...envelope,
  properties: z
    .strictObject({
      alternateId: text.nullish(),
      description: text.nullish(),
      container: z
        .string()
        .regex(CONTAINER_NAME, 'a storage container name is expected')
        .refine((name) => !RESERVED_CONTAINER.test(name), 'this container name is reserved')
        .nullish(),
      storageAccountName: text.nullish(),
      assetId: readOnly,
      created: readOnly,
      lastModified: readOnly,
      storageEncryptionFormat: readOnly,
    })
    .nullish(),
});
export type AssetBody = NonNullable<z.output<typeof AssetBody>['properties']>;

export function parseAssetBody(body: unknown): AssetBody {
  return parseBody(AssetBody, body).properties ?? {};
}

interface NewAsset {
  readonly name: string;
  readonly assetId: string;
  readonly primaryStorageAccount: string;
  readonly caller: Caller;
  readonly nowIso: string;
}

export function newAsset(body: AssetBody, fresh: NewAsset): AssetRecord {
  const storageAccountName = body.storageAccountName ?? fresh.primaryStorageAccount;
  if (storageAccountName !== fresh.primaryStorageAccount) {
    throw armError('InvalidField', {
      field: 'properties.storageAccountName',
      reason: `'${storageAccountName}' is not a storage account of this media services account`,
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
    deleting: false,
  };
}

/** PUT on an existing asset and PATCH alike: what is not sent stays; null empties. */
export function updatedAsset(
  record: AssetRecord,
  body: AssetBody,
  by: { caller: Caller; nowIso: string },
): AssetRecord {
  for (const field of ['container', 'storageAccountName'] as const) {
    const wanted = body[field];
    if (wanted != null && wanted !== record[field]) {
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

export function toArmAsset(scope: AccountScope, record: AssetRecord, view: 'single' | 'listed'): object {
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
    },
    ...(view === 'single' ? { systemData: systemData(record) } : {}),
  };
}

const SAS_PERMISSIONS = { Read: 'rl', ReadWrite: 'rwl', ReadWriteDelete: 'rwdl' } as const;
/** Specification: the expiry time must be less than 24 hours ahead. */
const SAS_LIFETIME_MS_MAX = 24 * 60 * 60 * 1000;
const SAS_LIFETIME_MS_DEFAULT = 60 * 60 * 1000;

const ContainerSasBody = z.strictObject({
  permissions: z.enum(['Read', 'ReadWrite', 'ReadWriteDelete']).nullish(),
  expiryTime: z.iso.datetime({ offset: true }).nullish(),
});

export interface ContainerSasRequest {
  /** The letters of `sp`. */
  readonly permissions: (typeof SAS_PERMISSIONS)[keyof typeof SAS_PERMISSIONS];
  readonly expiresAtMs: number;
}

export function parseContainerSasBody(body: unknown, nowMs: number): ContainerSasRequest {
  const { permissions, expiryTime } = parseBody(ContainerSasBody, body ?? {});
  const expiresAtMs = expiryTime == null ? nowMs + SAS_LIFETIME_MS_DEFAULT : Date.parse(expiryTime);
  if (expiresAtMs <= nowMs || expiresAtMs > nowMs + SAS_LIFETIME_MS_MAX) {
    throw armError('InvalidField', { field: 'expiryTime', reason: 'it must lie within the next 24 hours' });
  }
  return { permissions: SAS_PERMISSIONS[permissions ?? 'Read'], expiresAtMs };
}
