import type { ChannelState } from './channel.ts';
import { decidePrograms, type ProgramStep } from './decide-programs.ts';
import type { LiveEventReading, Snapshot } from './snapshot.ts';

export type ChannelStep =
  | { readonly kind: 'createLiveEvent' }
  | { readonly kind: 'updateLiveEvent'; readonly withToken: boolean }
  | { readonly kind: 'allocateLiveEvent' }
  | { readonly kind: 'startLiveEvent' }
  | { readonly kind: 'stopLiveEvent' }
  | { readonly kind: 'resetLiveEvent' }
  | { readonly kind: 'deleteLiveEvent' };

export type Step = ChannelStep | ProgramStep;

export interface Decision {
  readonly steps: readonly Step[];
  /** The media service is in transition: read again soon. */
  readonly waiting: boolean;
  /** The live event of this name was not made by this channel, or cannot become what is wanted. */
  readonly conflict: string | undefined;
}

const WAIT: Decision = { steps: [], waiting: true, conflict: undefined };
const act = (...steps: readonly Step[]): Decision => ({
  steps,
  waiting: steps.length > 0,
  conflict: undefined,
});

/** The next steps towards what is wanted. At most one of them is a long-running operation of the live event. */
export function decideChannel(snapshot: Snapshot): Decision {
  const { channel, liveEvent } = snapshot;
  if (channel.desired === 'deleted') return decideDelete(snapshot);
  if (liveEvent === undefined) {
    const { free } = decidePrograms(snapshot, { outputsMayChange: false });
    return act({ kind: 'createLiveEvent' }, ...free);
  }
  if (!liveEvent.passthrough || liveEvent.previewLocator !== channel.previewLocator) {
    return {
      steps: [],
      waiting: false,
      conflict: 'A live event of this name exists and is not this channel’s.',
    };
  }
  const stable = isStable(liveEvent.state);
  const { free, onLiveEvent } = decidePrograms(snapshot, { outputsMayChange: stable });
  if (!stable) return { ...WAIT, steps: free };
  const ofLiveEvent = decideStable(snapshot, liveEvent, onLiveEvent);
  return act(...free, ...ofLiveEvent);
}

const isStable = (state: ChannelState): boolean =>
  state === 'stopped' || state === 'standby' || state === 'running';

/** The one operation of the live event that comes next: settings, outputs that must go, the state, outputs to come. */
function decideStable(
  snapshot: Snapshot,
  liveEvent: LiveEventReading,
  outputSteps: readonly ProgramStep[],
): readonly Step[] {
  const { channel } = snapshot;
  const update = decideUpdate(channel, liveEvent);
  if (update !== undefined) return [update];
  const removal = outputSteps.find(({ kind }) => kind === 'deleteOutput');
  if (removal !== undefined) return [removal];
  if (mustStop(channel, liveEvent)) return [{ kind: 'stopLiveEvent' }];
  if (channel.resetWanted && liveEvent.state === 'running') return [{ kind: 'resetLiveEvent' }];
  // Outputs first: what records from a stopped live event has the show's first frame.
  const creations = outputSteps.filter(({ kind }) => kind === 'createOutput');
  const creation = creations.find(({ program }) => !wasRefused(program, snapshot));
  if (creation !== undefined) return [creation];
  const ofState = decideState(channel, liveEvent);
  if (ofState.length > 0) return ofState;
  return creations.slice(0, 1);
}

/** What was refused once comes after everything else: it holds up nobody. */
const wasRefused = (name: string, { programs }: Snapshot): boolean =>
  programs.some(({ program }) => program.name === name && program.failure?.step === 'createOutput');

function decideState(channel: Snapshot['channel'], liveEvent: LiveEventReading): readonly Step[] {
  if (channel.desired === 'running')
    return liveEvent.state === 'running' ? decideRotation(channel, liveEvent) : [{ kind: 'startLiveEvent' }];
  const mustAllocate = channel.desired === 'standby' && liveEvent.state === 'stopped';
  return mustAllocate ? [{ kind: 'allocateLiveEvent' }] : [];
}

/** What runs goes to standby by way of being stopped. */
const mustStop = ({ desired }: Snapshot['channel'], { state }: LiveEventReading): boolean =>
  (desired === 'stopped' && state !== 'stopped') || (desired === 'standby' && state === 'running');

function decideUpdate(channel: Snapshot['channel'], liveEvent: LiveEventReading): ChannelStep | undefined {
  const withToken = tokenDiffers(channel, liveEvent) && liveEvent.state !== 'running';
  const wanted = [...channel.settings.allowFrom].sort().join();
  const settingsDiffer =
    wanted !== [...liveEvent.allowFrom].sort().join() ||
    channel.settings.description !== liveEvent.description;
  return withToken || settingsDiffer ? { kind: 'updateLiveEvent', withToken } : undefined;
}

/** Comes last: a service that does not change the token of what runs holds up nothing else by refusing it. */
const decideRotation = (channel: Snapshot['channel'], liveEvent: LiveEventReading): readonly Step[] =>
  tokenDiffers(channel, liveEvent) ? [{ kind: 'updateLiveEvent', withToken: true }] : [];

const tokenDiffers = ({ accessToken }: Snapshot['channel'], liveEvent: LiveEventReading): boolean =>
  plain(accessToken) !== plain(liveEvent.accessToken);

const plain = (token: string): string => token.replaceAll('-', '').toLowerCase();

function decideDelete(snapshot: Snapshot): Decision {
  const { liveEvent } = snapshot;
  if (liveEvent === undefined) return act();
  if (!isStable(liveEvent.state)) return WAIT;
  if (liveEvent.previewLocator !== snapshot.channel.previewLocator) return act();
  return act({ kind: liveEvent.state === 'stopped' ? 'deleteLiveEvent' : 'stopLiveEvent' });
}
