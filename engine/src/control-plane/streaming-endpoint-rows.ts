import { armError } from '../resources/error-catalogue.ts';
import { QUOTA_RULES } from '../resources/quotas.ts';
import * as keys from '../resources/row-keys.ts';
import { StreamingEndpointRecord } from '../resources/streaming-endpoint.ts';
import type { ArmRequest } from './arm-http.ts';
import type { ControlContext } from './control-context.ts';
import type { StoredRow } from './control-store.ts';

interface Found {
  readonly row: StoredRow;
  readonly record: StreamingEndpointRecord;
}

export async function findStreamingEndpoint(
  { store }: ControlContext,
  request: ArmRequest,
): Promise<Found | undefined> {
  const row = await store.find(keys.streamingEndpointKey(request.params['endpoint'] ?? ''));
  return row && { row, record: StreamingEndpointRecord.parse(row.body) };
}

/** The streaming endpoint that the path names; throws `ResourceNotFound`. */
export async function getStreamingEndpoint(context: ControlContext, request: ArmRequest): Promise<Found> {
  const found = await findStreamingEndpoint(context, request);
  if (found !== undefined) return found;
  const { account, resourceGroup } = context.scope;
  const name = request.params['endpoint'] ?? '';
  throw armError('ResourceNotFound', { account, resourceGroup, type: 'streamingEndpoints', name });
}

/** A viewer's host name leads to one endpoint: throws `IdInUse`. */
export async function refuseUsedHostNames(
  { store }: ControlContext,
  { name, customHostNames }: StreamingEndpointRecord,
): Promise<void> {
  if (customHostNames.length === 0) return;
  const rows = await store.list(keys.prefixes.streamingEndpoints, {
    limit: QUOTA_RULES.streamingEndpoints.max,
  });
  const others = rows
    .map((row) => StreamingEndpointRecord.parse(row.body))
    .filter((other) => other.name.toLowerCase() !== name.toLowerCase())
    .flatMap((other) => other.customHostNames.map((host) => host.toLowerCase()));
  const index = customHostNames.findIndex((host) => others.includes(host.toLowerCase()));
  if (index !== -1) throw armError('IdInUse', { field: `properties.customHostNames[${index}]` });
}
