import { z } from 'zod';
import { CrossSiteAccessPolicies } from '../contract/streaming.ts';
import { auditRecord, type Caller, newAudit, touchedAudit } from './account-scope.ts';
import { ipAllowList } from './ip-allow-list.ts';
import type { StreamingEndpointBody, StreamingEndpointPatch } from './streaming-endpoint-body.ts';
import { STREAMING_ENDPOINT_STATES } from './streaming-endpoint-state.ts';

export const DEFAULT_STREAMING_ENDPOINT = 'default';

const AkamaiKey = z.object({
  identifier: z.string().nullable(),
  base64Key: z.string().nullable(),
  expiration: z.string().nullable(),
});
export type AkamaiKey = z.output<typeof AkamaiKey>;

const AccessControl = ipAllowList.extend({
  /** Null: no signature is asked for. */
  akamai: z.array(AkamaiKey).nullable(),
});

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
  accessControl: AccessControl.nullable().default(null),
  /** Seconds; null: as the origin thinks best. */
  maxCacheAge: z.number().nullable().default(null),
  customHostNames: z.array(z.string()).default([]),
  cdnProvider: z.string().nullable().default(null),
  cdnProfile: z.string().nullable().default(null),
  crossSiteAccessPolicies: CrossSiteAccessPolicies.nullable().default(null),
});
export type StreamingEndpointRecord = z.output<typeof StreamingEndpointRecord>;

interface NewStreamingEndpoint {
  readonly name: string;
  readonly caller: Caller;
  readonly nowIso: string;
}

/** A new account has this one: Standard, stopped (reference §1.2). */
export function newDefaultStreamingEndpoint(
  fresh: Omit<NewStreamingEndpoint, 'name'>,
): StreamingEndpointRecord {
  const body = { location: '', properties: { scaleUnits: 0 } };
  const record = newStreamingEndpoint(body, { name: DEFAULT_STREAMING_ENDPOINT, ...fresh });
  return { ...record, provisioningState: 'Succeeded' };
}

export function newStreamingEndpoint(
  body: StreamingEndpointBody,
  fresh: NewStreamingEndpoint,
): StreamingEndpointRecord {
  const blank: StreamingEndpointRecord = {
    name: fresh.name,
    ...newAudit(fresh.caller, fresh.nowIso),
    tags: {},
    state: 'Stopped',
    provisioningState: 'InProgress',
    description: '',
    scaleUnits: 0,
    accessControl: null,
    maxCacheAge: null,
    customHostNames: [],
    cdnProvider: null,
    cdnProfile: null,
    crossSiteAccessPolicies: null,
  };
  return merged(blank, body);
}

/** PATCH: what is not sent stays, an explicit null clears. The units are the caller's to order (they take a while). */
export function updatedStreamingEndpoint(
  record: StreamingEndpointRecord,
  body: StreamingEndpointPatch,
  by: { readonly caller: Caller; readonly nowIso: string },
): StreamingEndpointRecord {
  return { ...merged(record, body), ...touchedAudit(by.caller, by.nowIso) };
}

/** True when a repeated PUT asks for what is already there. */
export function isSameStreamingEndpoint(
  record: StreamingEndpointRecord,
  body: StreamingEndpointBody,
): boolean {
  return JSON.stringify(merged(record, body)) === JSON.stringify(record);
}

function merged(
  record: StreamingEndpointRecord,
  { tags, properties, sku }: StreamingEndpointPatch,
): StreamingEndpointRecord {
  const sent = properties ?? {};
  return {
    ...record,
    tags: laidOver(tags, record.tags, {}),
    description: laidOver(sent.description, record.description, ''),
    // Clients that echo an answer send the units that were in it with the ones that they want.
    scaleUnits: sent.scaleUnits ?? (properties ? record.scaleUnits : (sku?.capacity ?? record.scaleUnits)),
    accessControl:
      sent.accessControl === undefined ? record.accessControl : accessControlOf(sent.accessControl),
    maxCacheAge: laidOver(sent.maxCacheAge, record.maxCacheAge, null),
    customHostNames: laidOver(sent.customHostNames, record.customHostNames, []),
    cdnProvider: laidOver(sent.cdnProvider, record.cdnProvider, null),
    cdnProfile: laidOver(sent.cdnProfile, record.cdnProfile, null),
    crossSiteAccessPolicies: laidOver(sent.crossSiteAccessPolicies, record.crossSiteAccessPolicies, null),
  };
}

/** Nothing in it is the same as none at all: so it is answered, too (reference §1.2). */
function accessControlOf(
  sent: NonNullable<StreamingEndpointBody['properties']>['accessControl'],
): StreamingEndpointRecord['accessControl'] {
  const keys = sent?.akamai?.akamaiSignatureHeaderAuthenticationKeyList;
  const akamai = keys?.map(({ identifier, base64Key, expiration }) => ({
    identifier: identifier ?? null,
    base64Key: base64Key ?? null,
    expiration: expiration ?? null,
  }));
  if (sent?.ip == null && akamai === undefined) return null;
  return { ip: sent?.ip ?? null, akamai: akamai ?? null };
}

/** Not sent: stays; null: what it is when it was never set. */
function laidOver<T>(sent: T | null | undefined, present: T, unset: T): T {
  if (sent === undefined) return present;
  return sent ?? unset;
}
