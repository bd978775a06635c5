import { streamingEndpointKey } from '../resources/row-keys.ts';
import { StreamingEndpointRecord } from '../resources/streaming-endpoint.ts';
import type { StreamingEndpointState } from '../resources/streaming-endpoint-state.ts';
import type { ControlEvent, RowChange } from './control-store.ts';
import type { OperationContext, OperationKind, OperationRecord } from './operation.ts';
import { originScaled } from './origin-status.ts';

/** Attempts to scale are shorter than others: all of them together take a minute. */
const SCALE_ATTEMPT_MS_MAX = 14_000;

export interface StreamingEndpointPlan {
  /** `scale`: the origin has as many processes as its row says. */
  readonly first: 'nothing' | 'scale';
  /** In as many transactions. */
  readonly through: readonly (StreamingEndpointState | 'gone')[];
  /** Where the endpoint stands when the operation was given up in a state. */
  readonly onFailure: Readonly<Partial<Record<StreamingEndpointState, StreamingEndpointState>>>;
}

/** Every operation on a streaming endpoint as data. */
export const STREAMING_ENDPOINT_PLANS = {
  createStreamingEndpoint: { first: 'nothing', through: ['Stopped'], onFailure: {} },
  createStartedStreamingEndpoint: {
    first: 'nothing',
    through: ['Starting', 'Running'],
    onFailure: { Starting: 'Stopped' },
  },
  startStreamingEndpoint: { first: 'nothing', through: ['Running'], onFailure: { Starting: 'Stopped' } },
  stopStreamingEndpoint: { first: 'nothing', through: ['Stopped'], onFailure: { Stopping: 'Stopped' } },
  scaleStreamingEndpoint: { first: 'scale', through: ['Running'], onFailure: { Scaling: 'Running' } },
  deleteStreamingEndpoint: { first: 'nothing', through: ['gone'], onFailure: { Deleting: 'Stopped' } },
} as const satisfies Readonly<Record<string, StreamingEndpointPlan>>;

export type StreamingEndpointOperation = keyof typeof STREAMING_ENDPOINT_PLANS;

export const streamingEndpointOperation = (name: StreamingEndpointOperation): OperationKind =>
  kindOf(name, STREAMING_ENDPOINT_PLANS[name]);

export const STREAMING_ENDPOINT_OPERATIONS: readonly OperationKind[] = Object.entries(
  STREAMING_ENDPOINT_PLANS,
).map(([name, plan]) => kindOf(name, plan));

function kindOf(name: string, plan: StreamingEndpointPlan): OperationKind {
  return {
    name,
    type: 'streamingendpoint',
    removes: plan.through.includes('gone'),
    steps: plan.through.map((to) => ({
      ...(plan.first === 'scale'
        ? {
            work: ({ store, nowMs }, { target }, signal) => originScaled(store, target, { nowMs, signal }),
            attemptMsMax: SCALE_ATTEMPT_MS_MAX,
          }
        : {}),
      changes: (context, operation, { isLast }) =>
        endpointChanges(context, operation, () => to, isLast ? 'Succeeded' : 'InProgress'),
    })),
    failed: (context, operation) =>
      endpointChanges(context, operation, (state) => plan.onFailure[state], 'Failed'),
  };
}

/** The rows that a step of an operation on a streaming endpoint makes true, or its failure. */
async function endpointChanges(
  { store, events, nowMs }: OperationContext,
  operation: OperationRecord,
  stateFrom: (state: StreamingEndpointState) => StreamingEndpointState | 'gone' | undefined,
  result: StreamingEndpointRecord['provisioningState'],
): Promise<RowChange[]> {
  const row = await store.find(streamingEndpointKey(operation.target));
  if (row === undefined) return [];
  const { pendingOperationId, scaleUnitsBefore, ...record } = StreamingEndpointRecord.parse(row.body);
  const state = stateFrom(record.state);
  if (state === 'gone') return [{ kind: 'delete', rowKey: row.rowKey }];
  // What could not be had is not shown as if it were there.
  const scaleUnits = result === 'Failed' ? (scaleUnitsBefore ?? record.scaleUnits) : record.scaleUnits;
  const body = {
    ...record,
    scaleUnits,
    ...(result === 'InProgress' ? { pendingOperationId } : {}),
    state: state ?? record.state,
    provisioningState: result,
    lastModified: new Date(nowMs()).toISOString(),
  };
  return [
    { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body },
    ...(state === undefined || state === record.state
      ? []
      : [events.change(endpointStateChanged(body, record.state, state))]),
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
