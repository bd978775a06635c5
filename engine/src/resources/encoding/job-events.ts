import type { JobOutputRecord, JobRecord, JobState } from './job.ts';
import { isFinal } from './job-state.ts';

/** An event of a job; id, versions and (never) topic are added when it is sent. */
export interface JobEvent {
  readonly type: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** `Queued` is never entered. */
const EVENT_NAMES: Readonly<Record<JobState, string | undefined>> = {
  Queued: undefined,
  Scheduled: 'Scheduled',
  Processing: 'Processing',
  Canceling: 'Canceling',
  Canceled: 'Canceled',
  Finished: 'Finished',
  Error: 'Errored',
};

/** What has to be told of a change (reference §6): those of its outputs first, the job's own last. */
export function jobEvents(before: JobRecord, after: JobRecord): readonly JobEvent[] {
  const subject = `transforms/${after.transformName}/jobs/${after.name}`;
  const outputs = after.outputs.flatMap((output, index) => {
    const old = before.outputs[index];
    return old === undefined ? [] : outputEvents(old, output, after);
  });
  return [...outputs, ...ownEvents(before, after)].map(({ name, data }) => ({
    type: `Microsoft.Media.${name}`,
    subject,
    data,
  }));
}

interface NamedData {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

function outputEvents(before: JobOutputRecord, after: JobOutputRecord, job: JobRecord): NamedData[] {
  const jobCorrelationData = job.correlationData;
  if (before.state === after.state) {
    if (before.progress === after.progress) return [];
    const data = { jobCorrelationData, label: after.label, progress: after.progress };
    return [{ name: 'JobOutputProgress', data }];
  }
  const data = { previousState: before.state, output: toEventOutput(after), jobCorrelationData };
  return named('JobOutput', after.state, data);
}

function ownEvents(before: JobRecord, after: JobRecord): NamedData[] {
  if (before.state === after.state) return [];
  const data = {
    previousState: before.state,
    state: after.state,
    correlationData: after.correlationData,
  };
  const final = isFinal(after.state) ? { outputs: after.outputs.map(toEventOutput) } : {};
  const [change, ...others] = named('Job', after.state, data);
  return change === undefined
    ? []
    : [change, ...others.map(({ name }) => ({ name, data: { ...final, ...data } }))];
}

function named(what: 'Job' | 'JobOutput', state: JobState, data: NamedData['data']): NamedData[] {
  const name = EVENT_NAMES[state];
  if (name === undefined) return [];
  return [
    { name: `${what}StateChange`, data },
    { name: `${what}${name}`, data },
  ];
}

function toEventOutput(output: JobOutputRecord): object {
  return {
    '@odata.type': '#Microsoft.Media.JobOutputAsset',
    assetName: output.assetName,
    error: output.error ?? null,
    label: output.label,
    progress: output.progress,
    state: output.state,
  };
}
