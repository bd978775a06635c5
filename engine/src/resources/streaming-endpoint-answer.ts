import { type AccountScope, systemData } from './account-scope.ts';
import { armError } from './error-catalogue.ts';
import { toArmIpAllowList } from './ip-allow-list.ts';
import { DEFAULT_STREAMING_ENDPOINT, type StreamingEndpointRecord } from './streaming-endpoint.ts';
import { SCALE_UNITS_MAX } from './streaming-endpoint-body.ts';

/** RFC 1035 §2.3.4. */
const HOST_LABEL_LENGTH_MAX = 63;

/** How an endpoint may be scaled (reference §1.1). */
export const STREAMING_ENDPOINT_SKUS = [
  {
    resourceType: 'Microsoft.Media/mediaservices/streamingEndpoints',
    capacity: { scaleType: 'Automatic', default: 1, minimum: 1, maximum: SCALE_UNITS_MAX },
    sku: { name: 'Premium' },
  },
] as const;

/** Where viewers connect. */
export interface StreamingAddresses {
  /** Of the endpoint `default`. */
  readonly host: string;
  /** Others are below it, `{endpoint}-{account}-{location}.{domain}`. */
  readonly streamingDomain: string;
  readonly streamingPort: number;
}

/** The first label of an endpoint's host name; the origin knows the endpoint by it, whatever the domain. */
export function endpointHostLabel(name: string, account: string, location: string): string {
  return `${name}-${account}-${location.replaceAll(/[^a-z0-9-]/gi, '')}`.toLowerCase();
}

/** `host:port`, as its URLs have it. */
export function endpointHostName(
  { account, location }: Pick<AccountScope, 'account' | 'location'>,
  name: string,
  { host, streamingDomain, streamingPort }: StreamingAddresses,
): string {
  if (name.toLowerCase() === DEFAULT_STREAMING_ENDPOINT) return `${host}:${streamingPort}`;
  return `${endpointHostLabel(name, account, location)}.${streamingDomain}:${streamingPort}`;
}

/** Throws `InvalidName` when the host name of such an endpoint would be none. */
export function checkEndpointHostName(scope: AccountScope, name: string): void {
  const label = endpointHostLabel(name, scope.account, scope.location);
  if (label.length <= HOST_LABEL_LENGTH_MAX) return;
  const reason = `the host name label '${label}' has ${label.length} characters, ${HOST_LABEL_LENGTH_MAX} are allowed`;
  throw armError('InvalidName', { name, reason });
}

/** Every field present, as the streaming service answers (reference §1.1, §1.2). */
export function toArmStreamingEndpoint(
  scope: AccountScope,
  record: StreamingEndpointRecord,
  view: { readonly hostName: string; readonly single: boolean; readonly isNew?: boolean },
): object {
  const { crossSiteAccessPolicies: policies } = record;
  return {
    name: record.name,
    id: `${scope.accountId}/streamingendpoints/${record.name}`,
    type: 'Microsoft.Media/mediaservices/streamingEndpoints',
    location: scope.location,
    tags: record.tags,
    sku: { name: record.scaleUnits === 0 ? 'Standard' : 'Premium', capacity: record.scaleUnits },
    properties: {
      description: record.description,
      scaleUnits: record.scaleUnits,
      // Deprecated: whatever is sent, this is what was answered.
      availabilitySetName: null,
      accessControl: accessControlOf(record, view.isNew === true),
      maxCacheAge: record.maxCacheAge,
      customHostNames: record.customHostNames,
      hostName: view.hostName,
      cdnEnabled: false,
      cdnProvider: record.cdnProvider,
      cdnProfile: record.cdnProfile,
      provisioningState: record.provisioningState,
      resourceState: record.state,
      crossSiteAccessPolicies:
        policies === null
          ? null
          : {
              clientAccessPolicy: policies.clientAccessPolicy ?? null,
              crossDomainPolicy: policies.crossDomainPolicy ?? null,
            },
      freeTrialEndTime: '0001-01-01T00:00:00Z',
      created: record.created,
      lastModified: record.lastModified,
    },
    ...(view.single ? { systemData: systemData(record) } : {}),
  };
}

/** The answer to a create had an empty one where later answers have none (reference §1.2). */
function accessControlOf({ accessControl }: StreamingEndpointRecord, isNew: boolean): object | null {
  if (accessControl === null) return isNew ? { akamai: null, ip: null } : null;
  const { akamai } = accessControl;
  return {
    akamai: akamai === null ? null : { akamaiSignatureHeaderAuthenticationKeyList: akamai },
    ip: null,
    ...toArmIpAllowList(accessControl),
  };
}
