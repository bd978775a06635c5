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
import { removedTokenRows } from './access-tokens.ts';
import type { ControlEvent, RowChange } from './control-store.ts';
import type { OperationContext, OperationKind, OperationRecord } from './operation.ts';

/** One step: what the media side must have done first, and what is then true. */
interface Phase {
  /** `refresh`: the live runtime follows the rows. */
  readonly first: 'nothing' | 'refresh';
  readonly liveEvent?: LiveEventState | 'gone';
  readonly outputs?: 'run' | 'remove';
}

export interface LiveEventPlan {
  readonly type: 'liveevent' | 'liveoutput';
  readonly phases: readonly Phase[];
  /**
   * From the state in which the operation was given up, through which states the live event goes. Back to where the
   * caller can ask again: nothing that the media side could not do is ever shown as done.
   */
  readonly onFailure: Readonly<Partial<Record<LiveEventState, readonly LiveEventState[]>>>;
  /** Its resource is gone in the end. */
  readonly removes?: boolean;
}

const startPhases = [{ first: 'nothing', liveEvent: 'Running' }, { first: 'refresh' }] as const;
const startOnFailure = { Starting: ['Stopped'], Running: ['Stopping', 'Stopped'] } as const;

/** Every operation on a live event or its outputs as data; its target is the live event. */
export const LIVE_EVENT_PLANS = {
  createLiveEvent: { type: 'liveevent', phases: [{ first: 'nothing' }], onFailure: {} },
  createStartedLiveEvent: {
    type: 'liveevent',
    phases: [{ first: 'nothing', liveEvent: 'Starting' }, ...startPhases],
    onFailure: startOnFailure,
  },
  updateLiveEvent: { type: 'liveevent', phases: [{ first: 'refresh' }], onFailure: {} },
  allocateLiveEvent: {
    type: 'liveevent',
    phases: [{ first: 'nothing', liveEvent: 'StandBy' }],
    onFailure: { Allocating: ['Stopped'] },
  },
  startLiveEvent: { type: 'liveevent', phases: startPhases, onFailure: startOnFailure },
  stopLiveEvent: {
    type: 'liveevent',
    phases: [{ first: 'refresh', liveEvent: 'Stopped', outputs: 'remove' }],
    onFailure: { Stopping: ['Running'] },
  },
  /** The stop of an event that was only allocated: it has no way back to StandBy. */
  releaseLiveEvent: {
    type: 'liveevent',
    phases: [{ first: 'refresh', liveEvent: 'Stopped', outputs: 'remove' }],
    onFailure: { Stopping: ['Stopped'] },
  },
  resetLiveEvent: {
    type: 'liveevent',
    phases: [{ first: 'refresh', liveEvent: 'Running', outputs: 'remove' }, { first: 'refresh' }],
    onFailure: { Stopping: ['Running'] },
  },
  deleteLiveEvent: {
    type: 'liveevent',
    phases: [{ first: 'refresh', liveEvent: 'gone', outputs: 'remove' }],
    onFailure: { Deleting: ['Stopped'] },
    removes: true,
  },
  createLiveOutput: { type: 'liveoutput', phases: [{ first: 'refresh', outputs: 'run' }], onFailure: {} },
  deleteLiveOutput: {
    type: 'liveoutput',
    phases: [{ first: 'refresh', outputs: 'remove' }],
    onFailure: {},
    removes: true,
  },
} as const satisfies Readonly<Record<string, LiveEventPlan>>;

export type LiveEventOperation = keyof typeof LIVE_EVENT_PLANS;

export const liveEventOperation = (name: LiveEventOperation): OperationKind =>
  kindOf(name, LIVE_EVENT_PLANS[name]);

export const LIVE_EVENT_OPERATIONS: readonly OperationKind[] = Object.entries(LIVE_EVENT_PLANS).map(
  ([name, plan]) => kindOf(name, plan),
);

function kindOf(name: string, plan: LiveEventPlan): OperationKind {
  return {
    name,
    type: plan.type,
    removes: plan.removes ?? false,
    steps: plan.phases.map((phase) => ({
      ...(phase.first === 'refresh'
        ? { work: ({ liveRuntime }, { target }) => liveRuntime.refresh(target) }
        : {}),
      changes: (context, operation, { isLast }) => liveEventChanges(context, operation, phase, isLast),
    })),
    failed: (context, operation) => failureChanges(context, operation, plan),
  };
}

/** The live event is free again and stands where its plan says. */
async function failureChanges(
  context: OperationContext,
  operation: OperationRecord,
  { onFailure }: LiveEventPlan,
): Promise<RowChange[]> {
  const row = await context.store.find(liveEventKey(operation.target));
  if (row === undefined) return [];
  const { pendingOperationId, isResetting: _over, ...record } = LiveEventRecord.parse(row.body);
  if (pendingOperationId !== operation.id) return [];
  const states = onFailure[record.state] ?? [];
  const body = {
    ...record,
    state: states.at(-1) ?? record.state,
    provisioningState: 'Failed',
    ...touched(context),
  };
  return [
    { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body },
    ...states.map((state, index) =>
      context.events.change(liveEventStateChanged(record.name, states[index - 1] ?? record.state, state)),
    ),
    ...(await failedOutputs(context, record.name)),
  ];
}

/** What was begun and not done on the outputs stays as it is, to be asked for again, and says so. */
async function failedOutputs(context: OperationContext, liveEvent: string): Promise<RowChange[]> {
  const rows = await context.store.list(prefixes.liveOutputsOf(liveEvent), {
    limit: LIVE_OUTPUTS_PER_EVENT_MAX,
  });
  return rows
    .map((row) => ({ row, output: LiveOutputRecord.parse(row.body) }))
    .filter(({ output }) => output.state !== 'Running')
    .map(({ row, output }) => ({
      kind: 'replace',
      rowKey: row.rowKey,
      etag: row.etag,
      body: { ...output, provisioningState: 'Failed', ...touched(context) },
    }));
}

async function liveEventChanges(
  context: OperationContext,
  operation: OperationRecord,
  phase: Phase,
  isLast: boolean,
): Promise<RowChange[]> {
  const row = await context.store.find(liveEventKey(operation.target));
  if (row === undefined) return [];
  const record = LiveEventRecord.parse(row.body);
  const changes = await outputChanges(context, record.name, phase);
  if (phase.liveEvent === 'gone') return [...changes, ...removedLiveEvent(record)];
  const { pendingOperationId, isResetting, ...rest } = record;
  const body = {
    ...rest,
    ...(isLast ? { provisioningState: 'Succeeded' } : { pendingOperationId }),
    ...(phase.liveEvent ? { state: phase.liveEvent, ...touched(context) } : { isResetting }),
  };
  changes.push({ kind: 'replace', rowKey: row.rowKey, etag: row.etag, body });
  if (phase.liveEvent) {
    changes.push(context.events.change(liveEventStateChanged(record.name, record.state, phase.liveEvent)));
  }
  return changes;
}

async function outputChanges(
  context: OperationContext,
  liveEvent: string,
  phase: Phase,
): Promise<RowChange[]> {
  if (phase.outputs === undefined) return [];
  const wanted = phase.outputs === 'run' ? 'Creating' : 'Deleting';
  const rows = await context.store.list(prefixes.liveOutputsOf(liveEvent), {
    limit: LIVE_OUTPUTS_PER_EVENT_MAX,
  });
  const changes: RowChange[] = [];
  for (const row of rows) {
    const output = LiveOutputRecord.parse(row.body);
    if (output.state !== wanted) continue;
    if (phase.outputs === 'remove') {
      changes.push(...removedLiveOutput(output));
      continue;
    }
    const body = { ...output, state: 'Running', provisioningState: 'Succeeded', ...touched(context) };
    changes.push({ kind: 'replace', rowKey: row.rowKey, etag: row.etag, body });
    changes.push(context.events.change(liveOutputStateChanged(output, 'Running')));
  }
  return changes;
}

const touched = ({ nowMs }: OperationContext) => ({ lastModified: new Date(nowMs()).toISOString() });

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
