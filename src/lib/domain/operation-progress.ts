import type { Channel, OpenOperation } from './channel.ts';
import type { Operation } from './operation.ts';
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
  status: 'Failed',
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
  const failure = program?.failure ?? channel?.failure ?? null;
  if (progress.status !== 'Running' || failure === null) return progress;
  return {
    status: 'Failed',
    percentComplete: 100,
    step: 'failed',
    error: { code: failure.code, message: failure.message },
  };
}

function channelProgress({ kind }: OpenOperation, channel: Channel | undefined): Progress {
  if (channel === undefined) return kind === 'channel.delete' ? done : superseded;
  const state = channel.actual?.state;
  if (kind === 'channel.start') {
    if (channel.desired !== 'running') return superseded;
    return state === 'running' ? done : running(state === 'starting' ? 60 : 20, 'opening ingest');
  }
  if (kind === 'channel.stop') {
    if (channel.desired === 'running') return superseded;
    return state === 'stopped' || state === undefined
      ? done
      : running(state === 'stopping' ? 60 : 20, 'closing ingest');
  }
  if (kind === 'channel.reset') {
    if (channel.desired !== 'running') return superseded;
    return !channel.resetWanted && state === 'running' ? done : running(50, 'resetting ingest');
  }
  return running(50, 'removing the live event');
}

function programProgress({ kind }: OpenOperation, program: Program | undefined): Progress {
  if (program === undefined) return kind === 'program.delete' ? done : superseded;
  switch (kind) {
    case 'program.start':
      if (program.recordingWanted !== 'started') return superseded;
      return program.outputExists ? done : running(30, 'arming the recording');
    case 'program.finish':
      return program.finishedAtMs !== null ? done : running(50, 'finishing the recording');
    case 'program.publish':
      if (program.publishingWanted !== 'published') return superseded;
      return program.published ? done : running(50, 'publishing');
    case 'program.unpublish':
      if (program.publishingWanted !== 'unpublished') return superseded;
      return program.published ? running(50, 'unpublishing') : done;
    default:
      return running(50, 'removing the program');
  }
}
