import { LiveEventRecord } from '../resources/live-event.ts';
import type { LiveEventState } from '../resources/live-event-state.ts';
import { LIVE_OUTPUTS_PER_EVENT_MAX, LiveOutputRecord } from '../resources/live-output.ts';
import {
  liveEventKey,
  liveOutputKey,
  outputOfAssetKey,
  prefixes,
  previewLocatorKey,
} from '../resources/row-keys.ts';
import type { StreamingEndpointState } from '../resources/streaming-endpoint-state.ts';
import { removedTokenRows } from './access-tokens.ts';
import type { ControlEvent, ControlEvents, ControlStore, RowChange } from './control-store.ts';
import { capacityChanges, endpointChanges } from './endpoint-effects.ts';
import { type OperationRecord, type Phase, planOf } from './operation-plans.ts';

interface EffectDeps {
  readonly store: ControlStore;
  readonly events: ControlEvents;
}

/** The rows that a phase changes when it is done; none when its target is gone. */
export function phaseChanges(
  deps: EffectDeps,
  operation: OperationRecord,
  phase: Phase,
  isLast: boolean,
): Promise<RowChange[]> {
  const { streamingEndpoint, encodingCapacity } = phase;
  if (streamingEndpoint !== undefined) {
    return endpointChanges(deps, operation, { statesFrom: () => [streamingEndpoint], result: 'Succeeded' });
  }
  if (encodingCapacity !== undefined) return capacityChanges(deps, operation, 'Succeeded');
  return liveEventChanges(deps, operation, phase, isLast);
}

/** The rows of an operation that is given up: its target is free again and stands where its plan says. */
export async function failureChanges(deps: EffectDeps, operation: OperationRecord): Promise<RowChange[]> {
  const { phases, onFailure } = planOf(operation.kind);
  if (phases.some((phase) => phase.encodingCapacity)) return capacityChanges(deps, operation, 'Failed');
  if (phases.some((phase) => phase.streamingEndpoint)) {
    const statesFrom = (state: StreamingEndpointState) =>
      (onFailure[state] ?? []).filter((next) => next === 'Stopped' || next === 'Running');
    return endpointChanges(deps, operation, { statesFrom, result: 'Failed' });
  }
  const row = await deps.store.find(liveEventKey(operation.target));
  if (row === undefined) return [];
  const { pendingOperationId, isResetting: _over, ...record } = LiveEventRecord.parse(row.body);
  if (pendingOperationId !== operation.id) return [];
  const states = onFailure[record.state] ?? [];
  const body = { ...record, state: states.at(-1) ?? record.state, provisioningState: 'Failed', ...touched() };
  return [
    { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body },
    ...steps(record.state, states).map(([from, to]) =>
      deps.events.change(liveEventStateChanged(record.name, from, to)),
    ),
    ...(await failedOutputs(deps, record.name)),
  ];
}

/** What was begun and not done on the outputs stays as it is, to be asked for again, and says so. */
async function failedOutputs({ store }: EffectDeps, liveEvent: string): Promise<RowChange[]> {
  const rows = await store.list(prefixes.liveOutputsOf(liveEvent), { limit: LIVE_OUTPUTS_PER_EVENT_MAX });
  return rows
    .map((row) => ({ row, output: LiveOutputRecord.parse(row.body) }))
    .filter(({ output }) => output.state !== 'Running')
    .map(({ row, output }) => ({
      kind: 'replace',
      rowKey: row.rowKey,
      etag: row.etag,
      body: { ...output, provisioningState: 'Failed', ...touched() },
    }));
}

async function liveEventChanges(
  deps: EffectDeps,
  operation: OperationRecord,
  phase: Phase,
  isLast: boolean,
): Promise<RowChange[]> {
  const row = await deps.store.find(liveEventKey(operation.target));
  if (row === undefined) return [];
  const record = LiveEventRecord.parse(row.body);
  const changes = await outputChanges(deps, record.name, phase);
  if (phase.liveEvent === 'gone') return [...changes, ...removedLiveEvent(record)];
  const { pendingOperationId, isResetting, ...rest } = record;
  const body = {
    ...rest,
    ...(isLast ? { provisioningState: 'Succeeded' } : { pendingOperationId }),
    ...(phase.liveEvent ? { state: phase.liveEvent, ...touched() } : { isResetting }),
  };
  changes.push({ kind: 'replace', rowKey: row.rowKey, etag: row.etag, body });
  if (phase.liveEvent) {
    changes.push(deps.events.change(liveEventStateChanged(record.name, record.state, phase.liveEvent)));
  }
  return changes;
}

async function outputChanges(
  { store, events }: EffectDeps,
  liveEvent: string,
  phase: Phase,
): Promise<RowChange[]> {
  if (phase.outputs === undefined) return [];
  const wanted = phase.outputs === 'run' ? 'Creating' : 'Deleting';
  const rows = await store.list(prefixes.liveOutputsOf(liveEvent), { limit: LIVE_OUTPUTS_PER_EVENT_MAX });
  const changes: RowChange[] = [];
  for (const row of rows) {
    const output = LiveOutputRecord.parse(row.body);
    if (output.state !== wanted) continue;
    if (phase.outputs === 'remove') {
      changes.push(...removedLiveOutput(output));
      continue;
    }
    const body = { ...output, state: 'Running', provisioningState: 'Succeeded', ...touched() };
    changes.push({ kind: 'replace', rowKey: row.rowKey, etag: row.etag, body });
    changes.push(events.change(liveOutputStateChanged(output, 'Running')));
  }
  return changes;
}

const touched = () => ({ lastModified: new Date().toISOString() });

/** `A`, [`B`, `C`] → `A` to `B`, `B` to `C`. */
function steps<State>(from: State, states: readonly State[]): (readonly [State, State])[] {
  return states.map((state, index) => [states[index - 1] ?? from, state]);
}

export function liveEventStateChanged(
  name: string,
  previousState: LiveEventState,
  state: LiveEventState,
): ControlEvent {
  return {
    type: 'Headend.Media.LiveEventStateChanged',
    subject: `liveEvent/${name}`,
    data: { previousState, state },
  };
}

export function liveOutputStateChanged(
  output: LiveOutputRecord,
  state: LiveOutputRecord['state'],
): ControlEvent {
  return {
    type: 'Headend.Media.LiveOutputStateChanged',
    subject: `liveEvent/${output.liveEventName}/liveOutput/${output.name}`,
    data: { previousState: output.state, state },
  };
}

function removedLiveEvent(record: LiveEventRecord): RowChange[] {
  return [
    { kind: 'delete', rowKey: liveEventKey(record.name) },
    ...removedTokenRows(record),
    { kind: 'delete', rowKey: previewLocatorKey(record.preview.previewLocator) },
  ];
}

function removedLiveOutput(output: LiveOutputRecord): RowChange[] {
  const names = { asset: output.assetName, liveEvent: output.liveEventName, output: output.name };
  return [
    { kind: 'delete', rowKey: liveOutputKey(output.liveEventName, output.name) },
    { kind: 'delete', rowKey: outputOfAssetKey(names) },
  ];
}
