import { z } from 'zod';
import type { LiveEventState } from '../resources/live-event-state.ts';
import type { StreamingEndpointState } from '../resources/streaming-endpoint-state.ts';

/** One step of an operation: what the media side must have done first, and what is then true. */
export interface Phase {
  /** `refresh`: the live runtime follows the rows; `scale`: the origin has as many processes as its row says. */
  readonly first: 'nothing' | 'refresh' | 'scale';
  readonly liveEvent?: LiveEventState | 'gone';
  readonly outputs?: 'run' | 'remove';
  readonly streamingEndpoint?: 'Running' | 'Stopped';
  readonly encodingCapacity?: 'settled';
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

const startPhases = [{ first: 'nothing', liveEvent: 'Running' }, { first: 'refresh' }] as const;
const startOnFailure = { Starting: ['Stopped'], Running: ['Stopping', 'Stopped'] } as const;

/** Every operation as data. */
export const OPERATION_PLANS = {
  createLiveEvent: { phases: [{ first: 'nothing' }], onFailure: {} },
  createStartedLiveEvent: {
    phases: [{ first: 'nothing', liveEvent: 'Starting' }, ...startPhases],
    onFailure: startOnFailure,
  },
  updateLiveEvent: { phases: [{ first: 'refresh' }], onFailure: {} },
  allocateLiveEvent: {
    phases: [{ first: 'nothing', liveEvent: 'StandBy' }],
    onFailure: { Allocating: ['Stopped'] },
  },
  startLiveEvent: { phases: startPhases, onFailure: startOnFailure },
  stopLiveEvent: {
    phases: [{ first: 'refresh', liveEvent: 'Stopped', outputs: 'remove' }],
    onFailure: { Stopping: ['Running'] },
  },
  /** The stop of an event that was only allocated: it has no way back to StandBy. */
  releaseLiveEvent: {
    phases: [{ first: 'refresh', liveEvent: 'Stopped', outputs: 'remove' }],
    onFailure: { Stopping: ['Stopped'] },
  },
  resetLiveEvent: {
    phases: [{ first: 'refresh', liveEvent: 'Running', outputs: 'remove' }, { first: 'refresh' }],
    onFailure: { Stopping: ['Running'] },
  },
  deleteLiveEvent: {
    phases: [{ first: 'refresh', liveEvent: 'gone', outputs: 'remove' }],
    onFailure: { Deleting: ['Stopped'] },
  },
  createLiveOutput: { phases: [{ first: 'refresh', outputs: 'run' }], onFailure: {} },
  deleteLiveOutput: { phases: [{ first: 'refresh', outputs: 'remove' }], onFailure: {} },
  startStreamingEndpoint: {
    phases: [{ first: 'nothing', streamingEndpoint: 'Running' }],
    onFailure: { Starting: ['Stopped'] },
  },
  stopStreamingEndpoint: {
    phases: [{ first: 'nothing', streamingEndpoint: 'Stopped' }],
    onFailure: { Stopping: ['Stopped'] },
  },
  scaleStreamingEndpoint: {
    phases: [{ first: 'scale', streamingEndpoint: 'Running' }],
    onFailure: { Scaling: ['Running'] },
  },
  scaleEncodingCapacity: {
    phases: [{ first: 'nothing', encodingCapacity: 'settled' }],
    onFailure: {},
  },
} as const satisfies Readonly<Record<string, Plan>>;

export type OperationKind = keyof typeof OPERATION_PLANS;

export const planOf = (kind: OperationKind): Plan => OPERATION_PLANS[kind];

export const OperationRecord = z.object({
  id: z.string(),
  kind: z.custom<OperationKind>(
    (value) => typeof value === 'string' && Object.hasOwn(OPERATION_PLANS, value),
  ),
  /** The name of the live event, streaming endpoint or capacity. */
  target: z.string(),
  /** How many phases are done. */
  phase: z.number(),
  status: z.enum(['InProgress', 'Succeeded', 'Failed']),
  /** Unix milliseconds of the last change. */
  changedAtMs: z.number(),
});
export type OperationRecord = z.output<typeof OperationRecord>;
