import { z } from 'zod';
import { type AccountScope, auditRecord, type Caller, newAudit, systemData } from './account-scope.ts';
import { parseBody } from './request-body.ts';

/** There is one per account. */
export const ENCODING_CAPACITY = 'default';
export const ENCODING_UNITS_MAX = 10;
const ENCODING_UNITS_DEFAULT = 1;

export const EncodingCapacityRecord = z.object({
  ...auditRecord,
  provisioningState: z.enum(['InProgress', 'Succeeded', 'Failed']),
  pendingOperationId: z.string().optional(),
  encodingUnits: z.number(),
});
export type EncodingCapacityRecord = z.output<typeof EncodingCapacityRecord>;

const ScaleBody = z.strictObject({ encodingUnits: z.int().min(0).max(ENCODING_UNITS_MAX) });

/** How many jobs may be encoded at the same time; throws `InvalidField`. */
export function parseEncodingUnits(body: unknown): number {
  return parseBody(ScaleBody, body).encodingUnits;
}

export function newEncodingCapacity(fresh: {
  readonly caller: Caller;
  readonly nowIso: string;
}): EncodingCapacityRecord {
  return {
    name: ENCODING_CAPACITY,
    ...newAudit(fresh.caller, fresh.nowIso),
    provisioningState: 'Succeeded',
    encodingUnits: ENCODING_UNITS_DEFAULT,
  };
}

/** Ours: the original scales encoding by itself. `activeWorkers` is how many are there, whatever is wanted. */
export function toArmEncodingCapacity(
  scope: AccountScope,
  record: EncodingCapacityRecord,
  activeWorkers: number,
): object {
  return {
    name: record.name,
    id: `${scope.accountId}/encodingCapacity/${record.name}`,
    type: 'Microsoft.Media/mediaservices/encodingCapacity',
    properties: {
      encodingUnits: record.encodingUnits,
      encodingUnitsMax: ENCODING_UNITS_MAX,
      activeWorkers,
      provisioningState: record.provisioningState,
      created: record.created,
      lastModified: record.lastModified,
    },
    systemData: systemData(record),
  };
}
