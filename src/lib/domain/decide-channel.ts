import type { ChannelState } from './channel.ts';
import { decidePrograms, type ProgramStep } from './decide-programs.ts';
import type { LiveEventReading, Snapshot } from './snapshot.ts';

export type ChannelStep =
  | { readonly kind: 'createLiveEvent' }
  | { readonly kind: 'updateLiveEvent'; readonly withToken: boolean }
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
  { channel }: Snapshot,
  liveEvent: LiveEventReading,
  outputSteps: readonly ProgramStep[],
): readonly Step[] {
  const update = decideUpdate(channel, liveEvent);
  if (update !== undefined) return [update];
  const removal = outputSteps.find(({ kind }) => kind === 'deleteOutput');
  if (removal !== undefined) return [removal];
  if (channel.desired === 'stopped' && liveEvent.state !== 'stopped') return [{ kind: 'stopLiveEvent' }];
  if (channel.resetWanted && liveEvent.state === 'running') return [{ kind: 'resetLiveEvent' }];
  // Outputs first: what records from a stopped live event has the show's first frame.
  const creation = outputSteps.find(({ kind }) => kind === 'createOutput');
  if (creation !== undefined) return [creation];
  return channel.desired === 'running' && liveEvent.state !== 'running' ? [{ kind: 'startLiveEvent' }] : [];
}

function decideUpdate(channel: Snapshot['channel'], liveEvent: LiveEventReading): ChannelStep | undefined {
  const tokenDiffers = plain(channel.accessToken) !== plain(liveEvent.accessToken);
  // The service changes a token only while stopped; until then the old one is what encoders use.
  const withToken = tokenDiffers && liveEvent.state === 'stopped';
  const wanted = [...channel.settings.allowFrom].sort().join();
  const settingsDiffer =
    wanted !== [...liveEvent.allowFrom].sort().join() ||
    channel.settings.description !== liveEvent.description;
  return withToken || settingsDiffer ? { kind: 'updateLiveEvent', withToken } : undefined;
}

const plain = (token: string): string => token.replaceAll('-', '').toLowerCase();

function decideDelete(snapshot: Snapshot): Decision {
  const { liveEvent } = snapshot;
  if (liveEvent === undefined) return act();
  if (!isStable(liveEvent.state)) return WAIT;
  if (liveEvent.previewLocator !== snapshot.channel.previewLocator) return act();
  return act({ kind: liveEvent.state === 'stopped' ? 'deleteLiveEvent' : 'stopLiveEvent' });
}
