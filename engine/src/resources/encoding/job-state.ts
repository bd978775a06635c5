import type { JobError, JobOutputRecord, JobRecord, JobState } from './job.ts';

/** Reference §1.3; a cancellation comes from any state that is not final. */
export const JOB_STATES_AFTER: Readonly<Record<JobState, readonly JobState[]>> = {
  Queued: ['Scheduled', 'Canceling'],
  Scheduled: ['Processing', 'Canceling'],
  Processing: ['Finished', 'Error', 'Canceling'],
  Canceling: ['Canceled'],
  Canceled: [],
  Finished: [],
  Error: [],
};

export const isFinal = (state: JobState): boolean => JOB_STATES_AFTER[state].length === 0;

/** A worker has taken the job. */
export function scheduled(job: JobRecord, nowIso: string): JobRecord {
  return {
    ...job,
    state: 'Scheduled',
    lastModified: nowIso,
    outputs: job.outputs.map((output) => ({ ...output, state: 'Scheduled' })),
  };
}

/** The worker has begun with one output; the first of them makes the job `Processing`. */
export function begun(job: JobRecord, index: number, nowIso: string): JobRecord {
  return {
    ...job,
    state: 'Processing',
    lastModified: nowIso,
    startTime: job.startTime ?? nowIso,
    outputs: withOutput(job, index, (output) => ({
      ...output,
      state: 'Processing',
      startTime: output.startTime ?? nowIso,
    })),
  };
}

/** Progress goes up only, and never to what could be taken for the end. */
export function progressed(job: JobRecord, index: number, percent: number): JobRecord {
  return {
    ...job,
    outputs: withOutput(job, index, (output) => ({
      ...output,
      progress: Math.max(output.progress, Math.min(PROGRESS_BEFORE_END_MAX, Math.floor(percent))),
    })),
  };
}

const PROGRESS_BEFORE_END_MAX = 99;

export function outputFinished(job: JobRecord, index: number, nowIso: string): JobRecord {
  return {
    ...job,
    lastModified: nowIso,
    outputs: withOutput(job, index, (output) => ({
      ...output,
      state: 'Finished',
      progress: 100,
      endTime: nowIso,
    })),
  };
}

export function outputFailed(job: JobRecord, index: number, error: JobError, nowIso: string): JobRecord {
  return {
    ...job,
    lastModified: nowIso,
    outputs: withOutput(job, index, (output) => ({ ...output, state: 'Error', error, endTime: nowIso })),
  };
}

/**
 * The job at its end: what was not begun or not ended is canceled. A failed output that the transform lets the job
 * continue after does not count (specification of onError) – unless nothing was made at all.
 */
export function ended(job: JobRecord, isFatal: (index: number) => boolean, nowIso: string): JobRecord {
  const outputs = job.outputs.map((output) =>
    isFinal(output.state) ? output : ({ ...output, state: 'Canceled', endTime: nowIso } as const),
  );
  const hasFailed = outputs.some(({ state }, index) => state === 'Error' && isFatal(index));
  const hasMade = outputs.some(({ state }) => state === 'Finished');
  const state = hasFailed || !hasMade ? 'Error' : 'Finished';
  return { ...job, state, lastModified: nowIso, endTime: nowIso, outputs };
}

/** Somebody asked for it; a worker that has the job stops. */
export function canceling(job: JobRecord, nowIso: string): JobRecord {
  return {
    ...job,
    state: 'Canceling',
    lastModified: nowIso,
    outputs: job.outputs.map((output) =>
      isFinal(output.state) ? output : { ...output, state: 'Canceling' },
    ),
  };
}

export function canceled(job: JobRecord, nowIso: string): JobRecord {
  return {
    ...job,
    state: 'Canceled',
    lastModified: nowIso,
    endTime: nowIso,
    outputs: job.outputs.map((output) =>
      isFinal(output.state) ? output : { ...output, state: 'Canceled', endTime: nowIso },
    ),
  };
}

function withOutput(
  job: JobRecord,
  index: number,
  change: (output: JobOutputRecord) => JobOutputRecord,
): JobOutputRecord[] {
  return job.outputs.map((output, at) => (at === index ? change(output) : output));
}
