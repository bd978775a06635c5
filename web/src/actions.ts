import { numberAt, textAt } from './json.ts';
import type { Snapshot } from './snapshot.ts';

export type ActionName = 'start' | 'stop' | 'finish' | 'publish' | 'unpublish' | 'scale';

/** What a person may press now. */
export type Actions = Readonly<Record<ActionName, boolean>>;

const STARTABLE = new Set(['pending', 'stopped', 'standby']);
const STOPPABLE = new Set(['running', 'standby', 'starting']);
const FINISHABLE = new Set(['armed', 'recording']);
const RUNNING_OR_STOPPED = new Set(['Running', 'running', 'Stopped', 'stopped']);

/** Everything else the API would refuse; it decides, this only greys out. */
export function actionsOf({ channel, program, streamingEndpoint }: Snapshot): Actions {
  const channelState = textAt(channel, 'state') ?? '';
  const programState = textAt(program, 'state') ?? '';
  const playback = textAt(program, 'playback', 'status');
  const isThere = program !== undefined && programState !== 'deleting';
  return {
    start: STARTABLE.has(channelState),
    stop: STOPPABLE.has(channelState),
    finish: FINISHABLE.has(programState),
    publish: isThere && playback === 'notPublished',
    unpublish: isThere && playback !== undefined && playback !== 'notPublished',
    scale: RUNNING_OR_STOPPED.has(textAt(streamingEndpoint, 'state') ?? ''),
  };
}

export function scaleUnitsOf({ streamingEndpoint }: Snapshot): number | undefined {
  return numberAt(streamingEndpoint, 'scaleUnits');
}
