import { z } from 'zod';
import type { LiveEventState } from '../resources/live-event-state.ts';
import type { StreamingEndpointState } from '../resources/streaming-endpoint-state.ts';

/** One step of an operation: what the media side must have done first, and what is then true. */
export interface Phase {
  readonly refreshFirst: boolean;
  readonly liveEvent?: LiveEventState | 'gone';
  readonly outputs?: 'run' | 'remove';
  readonly streamingEndpoint?: 'Running' | 'Stopped';
}

interface Plan {
  /** Each phase is one transaction, so a crash resumes at the phase it was in. */
  readonly phases: readonly Phase[];
  /**
   * From the state in which the operation was given up, through which states its target goes. Back to where the caller
   * can ask again: nothing that the media side could not do is ever shown as done.
   */
  readonly onFailure: Readonly<
    Partial<Record<LiveEventState | StreamingEndpointState, readonly LiveEventState[]>>
  >;
}

const startPhases = [{ refreshFirst: false, liveEvent: 'Running' }, { refreshFirst: true }] as const;
const startOnFailure = { Starting: ['Stopped'], Running: ['Stopping', 'Stopped'] } as const;

/** Every operation as data. */
export const OPERATION_PLANS = {
  createLiveEvent: { phases: [{ refreshFirst: false }], onFailure: {} },
  createStartedLiveEvent: {
    phases: [{ refreshFirst: false, liveEvent: 'Starting' }, ...startPhases],
    onFailure: startOnFailure,
  },
  updateLiveEvent: { phases: [{ refreshFirst: true }], onFailure: {} },
  allocateLiveEvent: {
    phases: [{ refreshFirst: false, liveEvent: 'StandBy' }],
    onFailure: { Allocating: ['Stopped'] },
  },
  startLiveEvent: { phases: startPhases, onFailure: startOnFailure },
  stopLiveEvent: {
    phases: [{ refreshFirst: true, liveEvent: 'Stopped', outputs: 'remove' }],
    onFailure: { Stopping: ['Running'] },
  },
  /** The stop of an event that was only allocated: it has no way back to StandBy. */
  releaseLiveEvent: {
    phases: [{ refreshFirst: true, liveEvent: 'Stopped', outputs: 'remove' }],
    onFailure: { Stopping: ['Stopped'] },
  },
  resetLiveEvent: {
    phases: [{ refreshFirst: true, liveEvent: 'Running', outputs: 'remove' }, { refreshFirst: true }],
    onFailure: { Stopping: ['Running'] },
  },
  deleteLiveEvent: {
    phases: [{ refreshFirst: true, liveEvent: 'gone', outputs: 'remove' }],
    onFailure: { Deleting: ['Stopped'] },
  },
  createLiveOutput: { phases: [{ refreshFirst: true, outputs: 'run' }], onFailure: {} },
  deleteLiveOutput: { phases: [{ refreshFirst: true, outputs: 'remove' }], onFailure: {} },
  startStreamingEndpoint: {
    phases: [{ refreshFirst: false, streamingEndpoint: 'Running' }],
    onFailure: { Starting: ['Stopped'] },
  },
  stopStreamingEndpoint: {
    phases: [{ refreshFirst: false, streamingEndpoint: 'Stopped' }],
    onFailure: { Stopping: ['Stopped'] },
  },
} as const satisfies Readonly<Record<string, Plan>>;

export type OperationKind = keyof typeof OPERATION_PLANS;

export const planOf = (kind: OperationKind): Plan => OPERATION_PLANS[kind];

export const OperationRecord = z.object({
  id: z.string(),
  kind: z.custom<OperationKind>(
    (value) => typeof value === 'string' && Object.hasOwn(OPERATION_PLANS, value),
  ),
  /** The live event or streaming endpoint. */
  target: z.string(),
  /** How many phases are done. */
  phase: z.number(),
  status: z.enum(['InProgress', 'Succeeded', 'Failed']),
  /** Unix milliseconds of the last change. */
  changedAtMs: z.number(),
});
export type OperationRecord = z.output<typeof OperationRecord>;
