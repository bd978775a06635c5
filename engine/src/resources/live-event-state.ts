import type { About, ErrorName } from './error-catalogue.ts';

export const LIVE_EVENT_STATES = [
  'Stopped',
  'Allocating',
  'StandBy',
  'Starting',
  'Running',
  'Stopping',
  'Deleting',
] as const;
export type LiveEventState = (typeof LIVE_EVENT_STATES)[number];

/** Every step a live event may take (reference §1.3); `gone` is the end. */
export const LIVE_EVENT_NEXT: Readonly<Record<LiveEventState, readonly (LiveEventState | 'gone')[]>> = {
  Stopped: ['Allocating', 'Starting', 'Deleting'],
  Allocating: ['StandBy', 'Stopped'],
  StandBy: ['Starting', 'Stopping'],
  Starting: ['Running', 'Stopped'],
  Running: ['Stopping'],
  // A reset goes down and comes up again.
  Stopping: ['Stopped', 'Running'],
  // Back when the deletion failed.
  Deleting: ['gone', 'Stopped'],
};

export type LiveEventCommand = 'allocate' | 'start' | 'stop' | 'reset' | 'delete';

/** What a command does from each state in which it is allowed: through `via`, ending in `to`. */
const COMMANDS: Readonly<
  Record<
    LiveEventCommand,
    {
      readonly from: readonly LiveEventState[];
      readonly via: LiveEventState;
      readonly to: LiveEventState | 'gone';
      readonly reason: string;
    }
  >
> = {
  allocate: {
    from: ['Stopped'],
    via: 'Allocating',
    to: 'StandBy',
    reason: 'only a stopped one can be allocated',
  },
  start: {
    from: ['Stopped', 'StandBy'],
    via: 'Starting',
    to: 'Running',
    reason: 'only a stopped or allocated one can be started',
  },
  stop: {
    from: ['Running', 'StandBy'],
    via: 'Stopping',
    to: 'Stopped',
    reason: 'only a running or allocated one can be stopped',
  },
  reset: { from: ['Running'], via: 'Stopping', to: 'Running', reason: 'only a running one can be reset' },
  delete: { from: ['Stopped'], via: 'Deleting', to: 'gone', reason: 'stop it before deleting it' },
};

export type LiveEventDecision =
  | { readonly kind: 'go'; readonly via: LiveEventState; readonly to: LiveEventState | 'gone' }
  | { readonly kind: 'refuse'; readonly errorName: ErrorName; readonly about: About };

export interface LiveEventSituation {
  readonly name: string;
  readonly state: LiveEventState;
  readonly outputCount: number;
  /** A long-running operation has not ended, on the event or one of its outputs. */
  readonly busy: boolean;
}

export function decideLiveEventCommand(
  situation: LiveEventSituation,
  command: LiveEventCommand,
  options: { readonly removeOutputs: boolean } = { removeOutputs: false },
): LiveEventDecision {
  const { name, state } = situation;
  if (situation.busy) return { kind: 'refuse', errorName: 'OperationInProgress', about: {} };
  const rule = COMMANDS[command];
  if (!rule.from.includes(state)) {
    return {
      kind: 'refuse',
      errorName: 'WrongState',
      about: { type: 'live event', name, state, reason: rule.reason },
    };
  }
  if (command === 'stop' && situation.outputCount > 0 && !options.removeOutputs) {
    return { kind: 'refuse', errorName: 'HasLiveOutputs', about: { name } };
  }
  return { kind: 'go', via: rule.via, to: rule.to };
}

/** Ingest and preview addresses are shown in these states. */
export function hasEndpoints(state: LiveEventState): boolean {
  return state === 'Running' || state === 'StandBy';
}
