import { z } from 'zod';
import { type AccountScope, auditRecord, type Caller, newAudit } from './account-scope.ts';

export const AccountRecord = z.object({ ...auditRecord, mediaServiceId: z.string() });
export type AccountRecord = z.output<typeof AccountRecord>;

export function newAccount(
  scope: AccountScope,
  fresh: { readonly caller: Caller; readonly nowIso: string; readonly mediaServiceId: string },
): AccountRecord {
  return {
    name: scope.account,
    ...newAudit(fresh.caller, fresh.nowIso),
    mediaServiceId: fresh.mediaServiceId,
  };
}

/** The account as ARM shows it. There is one storage account, the engine's own; its ARM id is nominal. */
export function toArmAccount(scope: AccountScope, record: AccountRecord, storageAccount: string): object {
  return {
    name: scope.account,
    id: scope.accountId,
    type: 'Microsoft.Media/mediaservices',
    location: scope.location,
    tags: {},
    properties: {
      mediaServiceId: record.mediaServiceId,
      provisioningState: 'Succeeded',
      publicNetworkAccess: 'Enabled',
      storageAuthentication: 'System',
      storageAccounts: [
        {
          id: `/subscriptions/${scope.subscriptionId}/resourceGroups/${scope.resourceGroup}/providers/Microsoft.Storage/storageAccounts/${storageAccount}`,
          type: 'Primary',
        },
      ],
      encryption: { type: 'SystemKey' },
      keyDelivery: { accessControl: { defaultAction: 'Allow' } },
      privateEndpointConnections: [],
    },
  };
}
