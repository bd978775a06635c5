import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { EncodingTask } from './encoders.ts';
import { jobFolder, ownerName, sharedPlace, stepFolder } from './job-place.ts';
import type { Workshop } from './workshop.ts';

const STEP_DIGEST_LENGTH = 24;

const FFmpegRunData = z.object({
  arguments: z.array(z.string()),
  writes: z.array(z.string()),
  texts: z.array(z.object({ path: z.string(), text: z.string() })),
  durationSeconds: z.number(),
});

/** What a worker needs for the parts of a divided step: the runs, and the files that they read. */
const SharedStep = z.object({
  parts: z.array(z.object({ index: z.number(), run: FFmpegRunData })),
  files: z.array(
    z.object({
      path: z.string(),
      place: z.object({ container: z.string(), storageAccountName: z.string().optional() }),
      name: z.string(),
      facts: z.object({ sizeBytes: z.number(), entityTag: z.string() }),
    }),
  ),
});
export type SharedStep = z.output<typeof SharedStep>;

export const folderOf = (task: Pick<EncodingTask, 'transformName' | 'jobName' | 'jobCreated'>): string =>
  jobFolder({ transform: task.transformName, job: task.jobName, createdMs: Date.parse(task.jobCreated) });

export const planDigest = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, STEP_DIGEST_LENGTH);

/** Says whose the job's folder is, so that it is removed when the job has ended, whatever happens to its worker. */
export async function markOwner(
  { blobs, account }: Workshop,
  task: Pick<EncodingTask, 'transformName' | 'jobName' | 'jobCreated'>,
  signal: AbortSignal,
): Promise<void> {
  const owner = { transform: task.transformName, job: task.jobName, createdMs: Date.parse(task.jobCreated) };
  await blobs.createText(sharedPlace(account), ownerName(folderOf(task)), JSON.stringify(owner), signal);
}

/** Puts a step where other workers find it; the same step again is the same blob. */
export async function shareStep(
  workshop: Workshop,
  task: EncodingTask,
  step: { readonly digest: string; readonly shared: SharedStep; readonly signal: AbortSignal },
): Promise<void> {
  const name = stepName(stepFolder(folderOf(task), task.outputIndex, step.digest));
  await workshop.blobs.createText(
    sharedPlace(workshop.account),
    name,
    JSON.stringify(step.shared),
    step.signal,
  );
}

/** Undefined: the job has ended meanwhile. */
export async function readSharedStep(
  { blobs, account }: Workshop,
  /** As `stepFolder` has it. */
  folder: string,
  signal: AbortSignal,
): Promise<SharedStep | undefined> {
  const text = await blobs.readText(sharedPlace(account), stepName(folder), signal);
  return text === undefined ? undefined : SharedStep.parse(JSON.parse(text));
}

const stepName = (folder: string): string => `${folder}/step.json`;
