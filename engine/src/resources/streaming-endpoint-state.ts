import type { About, ErrorName } from './error-catalogue.ts';

export const STREAMING_ENDPOINT_STATES = [
  'Stopped',
  'Starting',
  'Running',
  'Stopping',
  'Deleting',
  'Scaling',
] as const;
export type StreamingEndpointState = (typeof STREAMING_ENDPOINT_STATES)[number];

/** Every step a streaming endpoint may take (reference §1.3); `gone` is the end. */
export const STREAMING_ENDPOINT_NEXT: Readonly<
  Record<StreamingEndpointState, readonly (StreamingEndpointState | 'gone')[]>
> = {
  Stopped: ['Starting', 'Deleting'],
  Starting: ['Running', 'Stopped'],
  Running: ['Stopping', 'Scaling'],
  Stopping: ['Stopped'],
  Scaling: ['Running'],
  // Back when the deletion failed.
  Deleting: ['gone', 'Stopped'],
};

export type StreamingEndpointCommand = 'start' | 'stop' | 'scale' | 'delete';

const COMMANDS = {
  start: { from: 'Stopped', via: 'Starting', to: 'Running', reason: 'only a stopped one can be started' },
  stop: { from: 'Running', via: 'Stopping', to: 'Stopped', reason: 'only a running one can be stopped' },
  scale: { from: 'Running', via: 'Scaling', to: 'Running', reason: 'only a running one can be scaled live' },
  delete: { from: 'Stopped', via: 'Deleting', to: 'gone', reason: 'stop it before deleting it' },
} as const;

export type StreamingEndpointDecision =
  | {
      readonly kind: 'go';
      readonly via: StreamingEndpointState;
      readonly to: StreamingEndpointState | 'gone';
    }
  | { readonly kind: 'refuse'; readonly errorName: ErrorName; readonly about: About };

export function decideStreamingEndpointCommand(
  situation: { readonly name: string; readonly state: StreamingEndpointState; readonly busy: boolean },
  command: StreamingEndpointCommand,
): StreamingEndpointDecision {
  if (situation.busy) return { kind: 'refuse', errorName: 'OriginOperationInProgress', about: {} };
  const rule = COMMANDS[command];
  if (situation.state !== rule.from) {
    const { name, state } = situation;
    return {
      kind: 'refuse',
      errorName: 'WrongState',
      about: { type: 'streaming endpoint', name, state, reason: rule.reason },
    };
  }
  return { kind: 'go', via: rule.via, to: rule.to };
}
