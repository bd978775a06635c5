import type { Channel, Failure, OpenOperation } from './channel.ts';
import type { Operation, OperationKind } from './operation.ts';
import type { Program } from './program.ts';

export interface Progress {
  readonly status: Operation['status'];
  readonly percentComplete: number;
  readonly step: string;
  readonly error: Operation['error'];
}

const done: Progress = { status: 'Succeeded', percentComplete: 100, step: 'done', error: null };
const running = (percentComplete: number, step: string): Progress => ({
  status: 'Running',
  percentComplete,
  step,
  error: null,
});
const superseded: Progress = {
  status: 'Canceled',
  percentComplete: 100,
  step: 'superseded',
  error: { code: 'superseded', message: 'A later call asked for something else.' },
};

/** How far an operation is, from what is wanted and what was last read. `channel` or `program` undefined: it is gone. */
export function operationProgress(
  operation: OpenOperation,
  { channel, program }: { channel: Channel | undefined; program: Program | undefined },
): Progress {
  const progress = operation.kind.startsWith('program.')
    ? programProgress(operation, program)
    : channelProgress(operation, channel);
  const failure = [program?.failure, channel?.failure].find((item) => concerns(item, operation.kind));
  if (progress.status !== 'Running' || failure === undefined || failure === null) return progress;
  return {
    status: 'Failed',
    percentComplete: 100,
    step: 'failed',
    error: { code: failure.code, message: failure.message },
  };
}

/** Which operations cannot go on when the media service refuses a step; any other step, or none, holds up them all. */
const HELD_UP: Readonly<Record<string, readonly OperationKind[]>> = {
  allocateLiveEvent: ['channel.standby'],
  startLiveEvent: ['channel.start'],
  stopLiveEvent: ['channel.stop', 'channel.standby', 'channel.delete'],
  resetLiveEvent: ['channel.reset'],
  deleteLiveEvent: ['channel.delete'],
  createAsset: ['program.start'],
  createOutput: ['program.start'],
  deleteOutput: ['program.finish', 'program.delete'],
  createKeys: ['program.publish'],
  applyKeyPolicy: ['program.publish'],
  applyDeliveryPolicy: ['program.publish'],
  publish: ['program.publish'],
  unpublish: ['program.unpublish', 'program.delete'],
  deleteAsset: ['program.delete'],
};

function concerns(failure: Failure | null | undefined, kind: OperationKind): boolean {
  if (failure === null || failure === undefined) return false;
  const heldUp = failure.step === undefined ? undefined : HELD_UP[failure.step];
  return heldUp === undefined || heldUp.includes(kind);
}

type ChannelVerb = (channel: Channel) => Progress;

const CHANNEL_VERBS: Readonly<Record<string, ChannelVerb>> = {
  'channel.start': ({ desired, actual }) => {
    if (desired !== 'running') return superseded;
    return actual?.state === 'running'
      ? done
      : running(actual?.state === 'starting' ? 60 : 20, 'opening ingest');
  },
  'channel.standby': ({ desired, actual }) => {
    if (desired !== 'standby') return superseded;
    if (actual?.state === 'standby') return done;
    return running(actual?.state === 'allocating' ? 60 : 20, 'standing by');
  },
  'channel.stop': ({ desired, actual }) => {
    if (desired === 'running' || desired === 'standby') return superseded;
    if (actual === null || actual.state === 'stopped') return done;
    return running(actual.state === 'stopping' ? 60 : 20, 'closing ingest');
  },
  'channel.reset': ({ desired, actual, resetWanted }) => {
    if (desired !== 'running') return superseded;
    return !resetWanted && actual?.state === 'running' ? done : running(50, 'resetting ingest');
  },
};

function channelProgress({ kind }: OpenOperation, channel: Channel | undefined): Progress {
  if (channel === undefined) return kind === 'channel.delete' ? done : superseded;
  return CHANNEL_VERBS[kind]?.(channel) ?? running(50, 'removing the live event');
}

type ProgramVerb = (program: Program) => Progress;

const PROGRAM_VERBS: Readonly<Record<string, ProgramVerb>> = {
  'program.start': ({ recordingWanted, outputExists }) => {
    if (recordingWanted !== 'started') return superseded;
    return outputExists ? done : running(30, 'arming the recording');
  },
  'program.finish': ({ finishedAtMs }) =>
    finishedAtMs !== null ? done : running(50, 'finishing the recording'),
  'program.publish': ({ publishingWanted, published }) => {
    if (publishingWanted !== 'published') return superseded;
    return published ? done : running(50, 'publishing');
  },
  'program.unpublish': ({ publishingWanted, published }) => {
    if (publishingWanted !== 'unpublished') return superseded;
    return published ? running(50, 'unpublishing') : done;
  },
};

function programProgress({ kind }: OpenOperation, program: Program | undefined): Progress {
  if (program === undefined) return kind === 'program.delete' ? done : superseded;
  return PROGRAM_VERBS[kind]?.(program) ?? running(50, 'removing the program');
}
