import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { armError } from '../resources/error-catalogue.ts';
import { canonicalToken, LiveEventRecord } from '../resources/live-event.ts';
import type { LiveEventState } from '../resources/live-event-state.ts';
import { LIVE_OUTPUTS_PER_EVENT_MAX, LiveOutputRecord } from '../resources/live-output.ts';
import {
  accessTokenKey,
  liveEventKey,
  liveOutputKey,
  operationKey,
  outputOfAssetKey,
  prefixes,
  previewLocatorKey,
  streamingEndpointKey,
} from '../resources/row-keys.ts';
import { StreamingEndpointRecord } from '../resources/streaming-endpoint.ts';
import type { ControlEvents, ControlStore, RowChange } from './control-store.ts';
import type { LiveRuntime } from './live-runtime.ts';

/** One step of an operation: what the media side must have done first, and what is then true. */
interface Phase {
  readonly refreshFirst: boolean;
  readonly liveEvent?: LiveEventState | 'gone';
  readonly outputs?: 'run' | 'remove';
  readonly streamingEndpoint?: 'Running' | 'Stopped';
}

/** Every operation as data. Each phase is one transaction, so a crash resumes at the phase it was in. */
const PHASES = {
  createLiveEvent: [{ refreshFirst: false }],
  createStartedLiveEvent: [{ refreshFirst: false, liveEvent: 'Running' }, { refreshFirst: true }],
  updateLiveEvent: [{ refreshFirst: true }],
  allocateLiveEvent: [{ refreshFirst: false, liveEvent: 'StandBy' }],
  startLiveEvent: [{ refreshFirst: false, liveEvent: 'Running' }, { refreshFirst: true }],
  stopLiveEvent: [{ refreshFirst: true, liveEvent: 'Stopped', outputs: 'remove' }],
  resetLiveEvent: [{ refreshFirst: true, liveEvent: 'Running', outputs: 'remove' }, { refreshFirst: true }],
  deleteLiveEvent: [{ refreshFirst: true, liveEvent: 'gone', outputs: 'remove' }],
  createLiveOutput: [{ refreshFirst: true, outputs: 'run' }],
  deleteLiveOutput: [{ refreshFirst: true, outputs: 'remove' }],
  startStreamingEndpoint: [{ refreshFirst: false, streamingEndpoint: 'Running' }],
  stopStreamingEndpoint: [{ refreshFirst: false, streamingEndpoint: 'Stopped' }],
} as const satisfies Record<string, readonly Phase[]>;
export type OperationKind = keyof typeof PHASES;

const OperationRecord = z.object({
  id: z.string(),
  kind: z.custom<OperationKind>((value) => typeof value === 'string' && Object.hasOwn(PHASES, value)),
  /** The live event or streaming endpoint. */
  target: z.string(),
  phase: z.number(),
  status: z.enum(['InProgress', 'Succeeded', 'Failed']),
});
export type OperationRecord = z.output<typeof OperationRecord>;

const ATTEMPTS_MAX = 5;
const RESUMED_MAX = 1000;
/** How long a status poll is held for an operation of this process: fast ones are done by the client's first poll. */
const POLL_HELD_MS_MAX = 1000;

export interface OperationDeps {
  readonly store: ControlStore;
  readonly events: ControlEvents;
  readonly liveRuntime: LiveRuntime;
  readonly log: { error(event: string, fields?: object): void };
}

export class Operations {
  readonly #deps: OperationDeps;
  readonly #driven = new Map<string, Promise<void>>();

  constructor(deps: OperationDeps) {
    this.#deps = deps;
  }

  /** An operation to be stored by `begin`; its id goes into the target's row as `pendingOperationId`. */
  prepare(kind: OperationKind, target: string): OperationRecord {
    return { id: randomUUID(), kind, target, phase: 0, status: 'InProgress' };
  }

  /** Stores the operation with the changes that begin it, then carries it out; false when a row was changed meanwhile. */
  async begin(operation: OperationRecord, changes: readonly RowChange[]): Promise<boolean> {
    const row = {
      kind: 'create',
      rowKey: operationKey(operation.id),
      body: operation,
      state: 'InProgress',
    } as const;
    if ((await this.#deps.store.commit([...changes, row])) === 'conflict') return false;
    this.#deps.events.wake();
    this.#drive(operation);
    return true;
  }

  async find(operationId: string): Promise<OperationRecord> {
    const held = this.#driven.get(operationId);
    if (held !== undefined) await Promise.race([held, sleep(POLL_HELD_MS_MAX)]);
    const row = await this.#deps.store.find(operationKey(operationId));
    if (row === undefined) throw armError('NotFound');
    return OperationRecord.parse(row.body);
  }

  /** Takes up what a crash left. */
  async resume(): Promise<void> {
    const rows = await this.#deps.store.list(prefixes.operations, {
      limit: RESUMED_MAX,
      state: 'InProgress',
    });
    for (const row of rows) this.#drive(OperationRecord.parse(row.body));
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#driven.values());
  }

  #drive(operation: OperationRecord): void {
    const done = this.#run(operation).catch((error: unknown) => {
      // The row stays InProgress: the next start resumes it.
      this.#deps.log.error('operation.interrupted', {
        operationId: operation.id,
        kind: operation.kind,
        error,
      });
    });
    this.#driven.set(
      operation.id,
      done.finally(() => this.#driven.delete(operation.id)),
    );
  }

  async #run(operation: OperationRecord): Promise<void> {
    const phases: readonly Phase[] = PHASES[operation.kind];
    for (const [index, phase] of phases.entries()) {
      if (index < operation.phase) continue;
      if (phase.refreshFirst) await this.#deps.liveRuntime.refresh(operation.target);
      await this.#settle(operation.id, phase, index === phases.length - 1);
    }
  }

  async #settle(operationId: string, phase: Phase, isLast: boolean): Promise<void> {
    const { store, events } = this.#deps;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const row = await store.find(operationKey(operationId));
      if (row === undefined) return;
      const operation = OperationRecord.parse(row.body);
      if (operation.status !== 'InProgress') return;
      const status = isLast ? 'Succeeded' : 'InProgress';
      const body = { ...operation, phase: operation.phase + 1, status };
      const changes = phase.streamingEndpoint
        ? await this.#endpointChanges(operation, phase.streamingEndpoint)
        : await this.#liveEventChanges(operation, phase, isLast);
      const done = { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body, state: status } as const;
      if ((await store.commit([...changes, done])) === 'committed') {
        events.wake();
        return;
      }
    }
    throw new Error(`operation ${operationId} could not be settled in ${ATTEMPTS_MAX} attempts`);
  }

  async #endpointChanges(operation: OperationRecord, state: 'Running' | 'Stopped'): Promise<RowChange[]> {
    const row = await this.#deps.store.find(streamingEndpointKey(operation.target));
    if (row === undefined) return [];
    const { pendingOperationId: _ended, ...record } = StreamingEndpointRecord.parse(row.body);
    const body = { ...record, state, provisioningState: 'Succeeded', lastModified: new Date().toISOString() };
    return [
      { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body },
      this.#deps.events.change({
        type: 'Headend.Media.StreamingEndpointStateChanged',
        subject: `streamingEndpoint/${record.name}`,
        data: { previousState: record.state, state, scaleUnits: record.scaleUnits },
      }),
    ];
  }

  async #liveEventChanges(operation: OperationRecord, phase: Phase, isLast: boolean): Promise<RowChange[]> {
    const row = await this.#deps.store.find(liveEventKey(operation.target));
    if (row === undefined) return [];
    const record = LiveEventRecord.parse(row.body);
    const changes = await this.#outputChanges(record.name, phase);
    if (phase.liveEvent === 'gone') return [...changes, ...removedLiveEvent(record)];
    const { pendingOperationId, ...rest } = record;
    const body = {
      ...rest,
      ...(isLast ? { provisioningState: 'Succeeded' } : { pendingOperationId }),
      ...(phase.liveEvent ? { state: phase.liveEvent, lastModified: new Date().toISOString() } : {}),
    };
    changes.push({ kind: 'replace', rowKey: row.rowKey, etag: row.etag, body });
    if (phase.liveEvent) {
      changes.push(
        this.#deps.events.change(liveEventStateChanged(record.name, record.state, phase.liveEvent)),
      );
    }
    return changes;
  }

  async #outputChanges(liveEvent: string, phase: Phase): Promise<RowChange[]> {
    if (phase.outputs === undefined) return [];
    const wanted = phase.outputs === 'run' ? 'Creating' : 'Deleting';
    const rows = await this.#deps.store.list(prefixes.liveOutputsOf(liveEvent), {
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
      const body = { ...output, state: 'Running', provisioningState: 'Succeeded' };
      changes.push({ kind: 'replace', rowKey: row.rowKey, etag: row.etag, body });
      changes.push(this.#deps.events.change(liveOutputStateChanged(output, 'Running')));
    }
    return changes;
  }
}

export function liveEventStateChanged(name: string, previousState: LiveEventState, state: LiveEventState) {
  return {
    type: 'Headend.Media.LiveEventStateChanged',
    subject: `liveEvent/${name}`,
    data: { previousState, state },
  };
}

export function liveOutputStateChanged(output: LiveOutputRecord, state: LiveOutputRecord['state']) {
  return {
    type: 'Headend.Media.LiveOutputStateChanged',
    subject: `liveEvent/${output.liveEventName}/liveOutput/${output.name}`,
    data: { previousState: output.state, state },
  };
}

function removedLiveEvent(record: LiveEventRecord): RowChange[] {
  return [
    { kind: 'delete', rowKey: liveEventKey(record.name) },
    { kind: 'delete', rowKey: accessTokenKey(canonicalToken(record.input.accessToken)) },
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

const sleep = (durationMs: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, durationMs).unref();
  });
