import { z } from 'zod';
import { PrivateEndpointConnection } from '../contract/accounts.ts';
import { armError } from './error-catalogue.ts';
import { parseName } from './names.ts';
import { parseBody } from './request-body.ts';

/** Ours: they are kept with their account. */
export const PRIVATE_CONNECTIONS_MAX = 100;

export const PrivateConnectionRecord = z.object({
  name: z.string(),
  status: z.enum(['Pending', 'Approved', 'Rejected']),
  description: z.string().optional(),
  actionsRequired: z.string().optional(),
});
export type PrivateConnectionRecord = z.output<typeof PrivateConnectionRecord>;

/** What a private endpoint can be for (reference §1.1). */
export const PRIVATE_LINK_GROUPS = ['keydelivery', 'liveevent', 'streamingendpoint'] as const;

/** Who decides goes from Pending to one of the others, and may think again; nothing becomes Pending once more. */
export function parsePrivateConnection(
  name: string,
  body: unknown,
  present: PrivateConnectionRecord | undefined,
): PrivateConnectionRecord {
  const { properties } = parseBody(PrivateEndpointConnection, body);
  const field = 'properties.privateLinkServiceConnectionState';
  const state = properties?.privateLinkServiceConnectionState;
  if (state == null) throw armError('InvalidField', { field, reason: 'it is required' });
  const status = state.status ?? present?.status ?? 'Pending';
  if (status === 'Pending' && present !== undefined && present.status !== 'Pending') {
    throw armError('InvalidField', {
      field: `${field}.status`,
      reason: `a connection that is ${present.status} cannot become Pending again`,
    });
  }
  const description = state.description ?? present?.description;
  const actionsRequired = state.actionsRequired ?? present?.actionsRequired;
  return {
    name: present?.name ?? parseName('privateEndpointConnection', name),
    status,
    ...(description === undefined ? {} : { description }),
    ...(actionsRequired === undefined ? {} : { actionsRequired }),
  };
}

/** There is no network whose endpoint it could name: the endpoint's id is nominal. */
export function toArmPrivateConnection(
  account: { readonly id: string; readonly subscriptionId: string; readonly resourceGroup: string },
  { name, status, description, actionsRequired }: PrivateConnectionRecord,
): object {
  const group = `/subscriptions/${account.subscriptionId}/resourceGroups/${account.resourceGroup}`;
  return {
    name,
    id: `${account.id}/privateEndpointConnections/${name}`,
    type: 'Microsoft.Media/mediaservices/privateEndpointConnections',
    properties: {
      privateEndpoint: { id: `${group}/providers/Microsoft.Network/privateEndpoints/${name}` },
      privateLinkServiceConnectionState: {
        status,
        ...(description === undefined ? {} : { description }),
        ...(actionsRequired === undefined ? {} : { actionsRequired }),
      },
      provisioningState: 'Succeeded',
    },
  };
}

export function toArmPrivateLinkResource(
  accountId: string,
  group: (typeof PRIVATE_LINK_GROUPS)[number],
): object {
  return {
    name: group,
    id: `${accountId}/privateLinkResources/${group}`,
    type: 'Microsoft.Media/mediaservices/privateLinkResources',
    properties: {
      groupId: group,
      requiredMembers: [group],
      requiredZoneNames: [`privatelink.${group}.media.azure.net`],
    },
  };
}
