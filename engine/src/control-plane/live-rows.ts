import { armError } from '../resources/error-catalogue.ts';
import { LiveEventRecord } from '../resources/live-event.ts';
import { LiveOutputRecord } from '../resources/live-output.ts';
import { liveEventKey } from '../resources/row-keys.ts';
import type { ArmRequest } from './arm-http.ts';
import type { ControlContext } from './control-context.ts';
import type { RowChange, StoredRow } from './control-store.ts';
import { liveOutputStateChanged } from './live-event-operations.ts';

/** The live event that the path names; throws `missing`. */
export async function getLiveEvent(
  { store, scope }: ControlContext,
  request: ArmRequest,
  missing: 'ResourceNotFound' | 'ParentResourceNotFound' = 'ResourceNotFound',
): Promise<{ row: StoredRow; record: LiveEventRecord }> {
  const name = request.params['liveEvent'] ?? '';
  const row = await store.find(liveEventKey(name));
  if (row !== undefined) return { row, record: LiveEventRecord.parse(row.body) };
  throw armError(missing, {
    account: scope.account,
    resourceGroup: scope.resourceGroup,
    type: 'liveEvents',
    name,
  });
}

/** The changes that begin the end of a live output. */
export function deletingOutput({ events }: ControlContext, row: StoredRow): RowChange[] {
  const record = LiveOutputRecord.parse(row.body);
  // Left over from an operation that failed: it is asked for again.
  if (record.state === 'Deleting') return [];
  return [
    { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body: { ...record, state: 'Deleting' } },
    events.change(liveOutputStateChanged(record, 'Deleting')),
  ];
}
