import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LIVE_EVENT_PLANS, type LiveEventPlan } from '../../src/control-plane/live-event-operations.ts';
import { STREAMING_ENDPOINT_PLANS } from '../../src/control-plane/streaming-endpoint-operations.ts';
import {
  decideLiveEventCommand,
  LIVE_EVENT_NEXT,
  LIVE_EVENT_STATES,
  type LiveEventCommand,
  type LiveEventState,
} from '../../src/resources/live-event-state.ts';
import { LIVE_OUTPUT_NEXT, LIVE_OUTPUT_STATES } from '../../src/resources/live-output.ts';
import {
  decideStreamingEndpointCommand,
  STREAMING_ENDPOINT_NEXT,
  STREAMING_ENDPOINT_STATES,
  type StreamingEndpointState,
} from '../../src/resources/streaming-endpoint-state.ts';

describe('state machines', () => {
  const commands: readonly LiveEventCommand[] = ['allocate', 'start', 'stop', 'reset', 'delete'];
  const plans = {
    allocate: 'allocateLiveEvent',
    start: 'startLiveEvent',
    stop: 'stopLiveEvent',
    reset: 'resetLiveEvent',
    delete: 'deleteLiveEvent',
  } as const;

  /** Every state a command goes through, in order, whether its operation succeeds or fails after `phasesDone`. */
  function path(state: LiveEventState, command: LiveEventCommand, failsAfter: number | undefined) {
    const decision = decideLiveEventCommand({ name: 'e', state, outputCount: 0, busy: false }, command);
    if (decision.kind === 'refuse') return [];
    const kind = command === 'stop' && state === 'StandBy' ? 'releaseLiveEvent' : plans[command];
    const { phases, onFailure }: LiveEventPlan = LIVE_EVENT_PLANS[kind];
    const visited: (LiveEventState | 'gone')[] = [decision.via];
    for (const phase of phases.slice(0, failsAfter)) if (phase.liveEvent) visited.push(phase.liveEvent);
    const at = visited.at(-1);
    if (failsAfter !== undefined && failsAfter < phases.length && at !== undefined && at !== 'gone') {
      visited.push(...(onFailure[at] ?? []));
    } else {
      expect(visited.at(-1)).toBe(decision.to);
    }
    return visited;
  }

  function follow(from: LiveEventState, states: readonly (LiveEventState | 'gone')[]) {
    let state: LiveEventState | 'gone' = from;
    for (const next of states) {
      if (state === 'gone') throw new Error(`${next} after the end`);
      expect(LIVE_EVENT_NEXT[state]).toContain(next);
      state = next;
    }
    return state;
  }

  it('random commands, some of which fail, never take a live event off its table or leave it between states', () => {
    const step = fc.record({
      command: fc.constantFrom(...commands),
      failsAfter: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let state: LiveEventState | 'gone' = 'Stopped';
        for (const { command, failsAfter } of steps) {
          if (state === 'gone') return;
          state = follow(state, path(state, command, failsAfter));
          expect(['Stopped', 'StandBy', 'Running', 'gone']).toContain(state);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each<[string, LiveEventPlan]>(Object.entries(LIVE_EVENT_PLANS))(
    '%s goes back only along the tables',
    (_name, { onFailure }) => {
      for (const [from, states] of Object.entries(onFailure)) {
        let at = from;
        for (const next of states) {
          expect(Reflect.get(LIVE_EVENT_NEXT, at)).toContain(next);
          at = next;
        }
      }
    },
  );

  it.each(Object.entries(STREAMING_ENDPOINT_PLANS))(
    '%s goes back only along the tables',
    (_name, { onFailure }) => {
      for (const [from, to] of Object.entries(onFailure)) {
        expect(Reflect.get(STREAMING_ENDPOINT_NEXT, from)).toContain(to);
      }
    },
  );

  it.each(LIVE_EVENT_STATES)('a busy live event in %s refuses every command', (state) => {
    for (const command of commands) {
      expect(decideLiveEventCommand({ name: 'e', state, outputCount: 0, busy: true }, command)).toEqual({
        kind: 'refuse',
        errorName: 'OperationInProgress',
        about: {},
      });
    }
  });

  it('allows exactly what the original allows', () => {
    const allowed = LIVE_EVENT_STATES.flatMap((state) =>
      commands
        .filter((command) => path(state, command, undefined).length > 0)
        .map((command) => `${command} ${state}`),
    );
    expect(allowed).toEqual([
      'allocate Stopped',
      'start Stopped',
      'delete Stopped',
      'start StandBy',
      'stop StandBy',
      'stop Running',
      'reset Running',
    ]);
  });

  it('stops a live event with outputs only when they may go', () => {
    const situation = { name: 'e', state: 'Running', outputCount: 1, busy: false } as const;
    expect(decideLiveEventCommand(situation, 'stop')).toMatchObject({ errorName: 'HasLiveOutputs' });
    expect(decideLiveEventCommand(situation, 'stop', { removeOutputs: true })).toMatchObject({ kind: 'go' });
  });

  it('a streaming endpoint is started when stopped, stopped and scaled when running, nothing else', () => {
    const allowed = STREAMING_ENDPOINT_STATES.flatMap((state: StreamingEndpointState) =>
      (['start', 'stop', 'scale'] as const)
        .map((command) => decideStreamingEndpointCommand({ name: 's', state, busy: false }, command))
        .filter((decision) => decision.kind === 'go')
        .map((decision) => [state, decision.via, decision.to]),
    );
    expect(allowed).toEqual([
      ['Stopped', 'Starting', 'Running'],
      ['Running', 'Stopping', 'Stopped'],
      ['Running', 'Scaling', 'Running'],
    ]);
  });

  it.each([
    ['live event', LIVE_EVENT_NEXT, LIVE_EVENT_STATES],
    ['live output', LIVE_OUTPUT_NEXT, LIVE_OUTPUT_STATES],
    ['streaming endpoint', STREAMING_ENDPOINT_NEXT, STREAMING_ENDPOINT_STATES],
  ] as const)('every state of a %s leads on to known states', (_name, next, states) => {
    for (const [state, following] of Object.entries(next)) {
      expect(states).toContain(state);
      expect(following.length).toBeGreaterThan(0);
      for (const name of following) expect([...states, 'gone']).toContain(name);
    }
  });
});
