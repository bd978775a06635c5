import { z } from 'zod';
import { type AccountScope, auditRecord, type Caller, newAudit, systemData } from './account-scope.ts';
import { parseBody } from './request-body.ts';
import { STREAMING_ENDPOINT_STATES } from './streaming-endpoint-state.ts';

export const DEFAULT_STREAMING_ENDPOINT = 'default';

export const StreamingEndpointRecord = z.object({
  ...auditRecord,
  tags: z.record(z.string(), z.string()),
  state: z.enum(STREAMING_ENDPOINT_STATES),
  provisioningState: z.enum(['InProgress', 'Succeeded', 'Failed']),
  pendingOperationId: z.string().optional(),
  description: z.string(),
  scaleUnits: z.number(),
  /** While it is scaled: what a failure goes back to. */
  scaleUnitsBefore: z.number().optional(),
});
export type StreamingEndpointRecord = z.output<typeof StreamingEndpointRecord>;

/** Reference §1.5: the quota of an account that asked for no more; 0 is Standard. */
export const SCALE_UNITS_MAX = 10;

const ScaleBody = z.strictObject({ scaleUnit: z.int().min(0).max(SCALE_UNITS_MAX) });

/** Throws `InvalidField`. */
export function parseScaleUnit(body: unknown): number {
  return parseBody(ScaleBody, body).scaleUnit;
}

/** How an endpoint may be scaled (reference §1.1). */
export const STREAMING_ENDPOINT_SKUS = [
  {
    resourceType: 'Microsoft.Media/mediaservices/streamingEndpoints',
    capacity: { scaleType: 'Automatic', default: 1, minimum: 1, maximum: SCALE_UNITS_MAX },
    sku: { name: 'Premium' },
  },
] as const;

/** A new account has this one: Standard, stopped (reference §1.2). */
export function newDefaultStreamingEndpoint(fresh: {
  readonly caller: Caller;
  readonly nowIso: string;
}): StreamingEndpointRecord {
  return {
    name: DEFAULT_STREAMING_ENDPOINT,
    ...newAudit(fresh.caller, fresh.nowIso),
    tags: {},
    state: 'Stopped',
    provisioningState: 'Succeeded',
    description: '',
    scaleUnits: 0,
  };
}

export function toArmStreamingEndpoint(
  scope: AccountScope,
  record: StreamingEndpointRecord,
  view: { readonly hostName: string; readonly single: boolean },
): object {
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
      availabilitySetName: null,
      accessControl: null,
      maxCacheAge: null,
      customHostNames: [],
      hostName: view.hostName,
      cdnEnabled: false,
      cdnProvider: null,
      cdnProfile: null,
      provisioningState: record.provisioningState,
      resourceState: record.state,
      crossSiteAccessPolicies: null,
      freeTrialEndTime: '0001-01-01T00:00:00Z',
      created: record.created,
      lastModified: record.lastModified,
    },
    ...(view.single ? { systemData: systemData(record) } : {}),
  };
}
