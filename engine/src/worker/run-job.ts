import type { JobError, JobRecord, JobTask } from '../resources/encoding/job.ts';
import {
  begun,
  canceled,
  ended,
  isFinal,
  outputFailed,
  outputFinished,
  progressed,
} from '../resources/encoding/job-state.ts';
import { type Encoders, serviceFault, withoutEncoder } from './encoders.ts';
import { JobCanceling, JobLost } from './held-job.ts';
import { JobFailure } from './job-errors.ts';
import { ProgressReport } from './progress-report.ts';
import type { TakenJob } from './take-job.ts';

/** Workers that have died of a job, with nothing more made of it, before it is given up. */
const ATTEMPTS_MAX = 5;
const RANKS = { High: 0, Normal: 1, Low: 2 } as const;

export interface RunDeps {
  readonly encoders: Encoders;
  readonly nowMs: () => number;
  readonly log: { error(event: string, fields?: object): void };
}

/** Carries a taken job out to its end; throws what ends it before (`JobLost`, `JobCanceling`, the signal's reason). */
export async function runJob(taken: TakenJob, deps: RunDeps, signal: AbortSignal): Promise<JobRecord> {
  const { held, plan } = taken;
  const nowIso = () => new Date(deps.nowMs()).toISOString();
  for (const index of inOrder(plan.tasks)) {
    signal.throwIfAborted();
    const task = plan.tasks[index];
    if (task === undefined) continue;
    const job = await held.write((current) => begunOrEnded(current, index, nowIso()));
    const state = job.outputs[index]?.state ?? 'Queued';
    if (state === 'Error' && task.onError === 'StopProcessingJob') break;
    if (isFinal(state)) continue;
    const error =
      taken.attempt > ATTEMPTS_MAX
        ? serviceFault(`The job was given up after ${ATTEMPTS_MAX} attempts.`)
        : await encode({ taken, task, index, job }, deps, signal);
    await held.write((current) =>
      error === undefined
        ? outputFinished(current, index, nowIso())
        : outputFailed(current, index, error, nowIso()),
    );
    if (error !== undefined && task.onError === 'StopProcessingJob') break;
  }
  const isFatal = (index: number) => plan.tasks[index]?.onError !== 'ContinueJob';
  return held.write((current) => ended(current, isFatal, nowIso()));
}

/** Outputs of higher priority first, else as the transform has them. */
function inOrder(tasks: readonly JobTask[]): readonly number[] {
  const rank = (index: number) => RANKS[tasks[index]?.relativePriority ?? 'Normal'];
  return [...tasks.keys()].sort((left, right) => rank(left) - rank(right));
}

/** An output that an earlier worker has ended stays as it is. */
function begunOrEnded(job: JobRecord, index: number, nowIso: string): JobRecord {
  return isFinal(job.outputs[index]?.state ?? 'Queued') ? job : begun(job, index, nowIso);
}

interface OutputRun {
  readonly taken: TakenJob;
  readonly task: JobTask;
  readonly index: number;
  readonly job: JobRecord;
}

async function encode(
  { taken, task, index, job }: OutputRun,
  deps: RunDeps,
  signal: AbortSignal,
): Promise<JobError | undefined> {
  if (taken.inputProblem !== undefined) {
    deps.log.error('job.inputSealed', {
      transform: job.transformName,
      job: job.name,
      error: taken.inputProblem,
    });
    return serviceFault('The service cannot open the address of the input: its master keys are others.');
  }
  const { held, plan } = taken;
  const encoder = deps.encoders.find(task.preset);
  if (encoder === undefined) return withoutEncoder(task.preset);
  const report = new ProgressReport(deps.nowMs, async (percent) => {
    await held.write((current) => progressed(current, index, percent));
  });
  const output = job.outputs[index];
  try {
    return await encoder.encode(
      {
        transformName: job.transformName,
        jobName: job.name,
        outputIndex: index,
        input: plan.input,
        preset: task.preset,
        outputAssetName: output?.assetName ?? '',
        label: output?.label ?? '',
        jobCreated: job.created,
        priority: job.priority,
      },
      {
        signal,
        progress: (percent) => report.tell(percent),
        advance: async () => {
          if (await held.advance()) throw new JobCanceling();
        },
        confirm: async () => {
          if (await held.renew()) throw new JobCanceling();
        },
      },
    );
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof JobLost || error instanceof JobCanceling) throw error;
    if (error instanceof JobFailure) return error.error;
    deps.log.error('job.encoderFailed', { transform: job.transformName, job: job.name, index, error });
    return serviceFault('The encoder failed unexpectedly.');
  } finally {
    await report.close();
  }
}

/** The last thing that is written of a job that was asked to be canceled. */
export async function cancelHeldJob(held: TakenJob['held'], nowMs: () => number): Promise<JobRecord> {
  return held.write((job) => canceled(job, new Date(nowMs()).toISOString()));
}
