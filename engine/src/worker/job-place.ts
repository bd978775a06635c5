import { createHash } from 'node:crypto';
import type { ContainerPlace } from '../resources/container-place.ts';

const KEY_LENGTH = 32;

/** What jobs of an account share among workers while they run: nobody's asset, in the engine's own storage account. */
export const sharedPlace = (account: string): ContainerPlace => ({
  container: `headend-jobs-${account.toLowerCase()}`,
});

/** The folder of one job there; one of the same name that is made later has another. */
export function jobFolder(job: {
  readonly transform: string;
  readonly job: string;
  readonly createdMs: number;
}): string {
  const text = JSON.stringify([job.transform.toLowerCase(), job.job.toLowerCase(), job.createdMs]);
  return createHash('sha256').update(text).digest('hex').slice(0, KEY_LENGTH);
}

/** Says whose folder it is. */
export const ownerName = (folder: string): string => `${folder}/job.json`;
/** Says what an output is about to write to its asset. */
export const commitName = (folder: string, output: number): string => `${folder}/${output}/commit.json`;
/** The folder of one divided step of an output, by the digest of what is done in it. */
export const stepFolder = (folder: string, output: number, step: string): string =>
  `${folder}/${output}/${step}`;
