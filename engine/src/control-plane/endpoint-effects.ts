import { EncodingCapacityRecord } from '../resources/encoding-capacity.ts';
import { encodingCapacityKey, streamingEndpointKey } from '../resources/row-keys.ts';
import { StreamingEndpointRecord } from '../resources/streaming-endpoint.ts';
import type { StreamingEndpointState } from '../resources/streaming-endpoint-state.ts';
import type { ControlEvent, ControlEvents, ControlStore, RowChange } from './control-store.ts';
import type { OperationRecord } from './operation-plans.ts';

interface EffectDeps {
  readonly store: ControlStore;
  readonly events: ControlEvents;
}

/** The rows that end an operation on a streaming endpoint, which goes through `states`. */
export async function endpointChanges(
  { store, events }: EffectDeps,
  operation: OperationRecord,
  outcome: {
    readonly statesFrom: (state: StreamingEndpointState) => readonly StreamingEndpointState[];
    readonly result: 'Succeeded' | 'Failed';
  },
): Promise<RowChange[]> {
  const row = await store.find(streamingEndpointKey(operation.target));
  if (row === undefined) return [];
  const { pendingOperationId: _ended, scaleUnitsBefore, ...record } = StreamingEndpointRecord.parse(row.body);
  // What could not be had is not shown as if it were there.
  const scaleUnits =
    outcome.result === 'Failed' ? (scaleUnitsBefore ?? record.scaleUnits) : record.scaleUnits;
  const states = outcome.statesFrom(record.state);
  const body = {
    ...record,
    scaleUnits,
    state: states.at(-1) ?? record.state,
    provisioningState: outcome.result,
    lastModified: new Date().toISOString(),
  };
  return [
    { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body },
    ...states.map((state, index) =>
      events.change(endpointStateChanged(body, states[index - 1] ?? record.state, state)),
    ),
  ];
}

export function endpointStateChanged(
  { name, scaleUnits }: { readonly name: string; readonly scaleUnits: number },
  previousState: StreamingEndpointState,
  state: StreamingEndpointState,
): ControlEvent {
  return {
    type: 'Headend.Media.StreamingEndpointStateChanged',
    subject: `streamingEndpoint/${name}`,
    data: { previousState, state, scaleUnits },
  };
}

/** The row that ends an operation on the encoding capacity. */
export async function capacityChanges(
  { store }: EffectDeps,
  operation: OperationRecord,
  result: 'Succeeded' | 'Failed',
): Promise<RowChange[]> {
  const row = await store.find(encodingCapacityKey(operation.target));
  if (row === undefined) return [];
  const { pendingOperationId: _ended, ...record } = EncodingCapacityRecord.parse(row.body);
  const body = { ...record, provisioningState: result, lastModified: new Date().toISOString() };
  return [{ kind: 'replace', rowKey: row.rowKey, etag: row.etag, body }];
}
