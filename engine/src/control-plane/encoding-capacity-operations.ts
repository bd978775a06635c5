import { EncodingCapacityRecord } from '../resources/encoding-capacity.ts';
import { encodingCapacityKey } from '../resources/row-keys.ts';
import type { RowChange } from './control-store.ts';
import type { OperationContext, OperationKind, OperationRecord } from './operation.ts';

/** How many jobs may be encoded at once. */
export const scaleEncodingCapacity: OperationKind = {
  name: 'scaleEncodingCapacity',
  type: 'encodingcapacity',
  steps: [{ changes: (context, operation) => capacityChanges(context, operation, 'Succeeded') }],
  failed: (context, operation) => capacityChanges(context, operation, 'Failed'),
};

async function capacityChanges(
  { store, nowMs }: OperationContext,
  operation: OperationRecord,
  result: 'Succeeded' | 'Failed',
): Promise<RowChange[]> {
  const row = await store.find(encodingCapacityKey(operation.target));
  if (row === undefined) return [];
  const { pendingOperationId: _ended, ...record } = EncodingCapacityRecord.parse(row.body);
  const body = { ...record, provisioningState: result, lastModified: new Date(nowMs()).toISOString() };
  return [{ kind: 'replace', rowKey: row.rowKey, etag: row.etag, body }];
}
