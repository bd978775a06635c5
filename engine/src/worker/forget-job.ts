import { z } from 'zod';
import { findDispatch, findJob, type JobRowsDeps } from '../control-plane/job-rows.ts';
import type { JobRecord } from '../resources/encoding/job.ts';
import { isFinal } from '../resources/encoding/job-state.ts';
import { CommitRecord } from './commit-outputs.ts';
import { commitName, jobFolder, ownerName, sharedPlace } from './job-place.ts';
import type { Workshop } from './workshop.ts';

type Store = Pick<Workshop, 'blobs' | 'account' | 'log'>;

const Owner = z.object({ transform: z.string(), job: z.string(), createdMs: z.number() });
/** Folders that are looked at in one pass. */
const FOLDERS_PER_PASS_MAX = 100;

/** Removes what was kept for a job that has ended, and what outputs that did not come to be have written. */
export async function forgetJob(workshop: Store, job: JobRecord): Promise<void> {
  const folder = jobFolder({
    transform: job.transformName,
    job: job.name,
    createdMs: Date.parse(job.created),
  });
  for (const [index, output] of job.outputs.entries()) {
    if (output.state !== 'Finished') await takeBack(workshop, folder, index);
  }
  await removeFolder(workshop, folder);
}

async function takeBack({ blobs, account }: Store, folder: string, output: number): Promise<void> {
  const name = commitName(folder, output);
  const text = await blobs.readText(sharedPlace(account), name, new AbortController().signal);
  if (text === undefined) return;
  const { place, names } = CommitRecord.parse(JSON.parse(text));
  for (const written of names) await blobs.remove(place, written);
}

/** The owner goes last: until then the next pass finds the rest. */
async function removeFolder({ blobs, account }: Store, folder: string): Promise<void> {
  const place = sharedPlace(account);
  const owner = ownerName(folder);
  for (const { name } of await blobs.list(place, `${folder}/`, { isFlat: true })) {
    if (name !== owner) await blobs.remove(place, name);
  }
  await blobs.remove(place, owner);
}

/** One bounded pass over what was kept for jobs: that of jobs which have ended, or are gone, is removed. */
export async function sweepJobs(workshop: Store & Pick<JobRowsDeps, 'store'>): Promise<void> {
  const place = sharedPlace(workshop.account);
  const folders = await workshop.blobs.folders(place);
  for (const folder of folders.slice(0, FOLDERS_PER_PASS_MAX)) {
    const text = await workshop.blobs.readText(place, ownerName(folder), new AbortController().signal);
    // Its first blob is being written, or its last removed.
    const owner = text === undefined ? undefined : Owner.parse(JSON.parse(text));
    if (owner === undefined) {
      await removeFolder(workshop, folder);
      continue;
    }
    const dispatch = await findDispatch(workshop, owner);
    if (dispatch?.record.createdMs === owner.createdMs) continue;
    const job = await findJob(workshop, owner);
    const isSame = job !== undefined && Date.parse(job.record.created) === owner.createdMs;
    if (isSame && isFinal(job.record.state)) await forgetJob(workshop, job.record);
    else if (!isSame) await removeFolder(workshop, folder);
  }
}
