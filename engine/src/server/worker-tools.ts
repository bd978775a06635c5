import { findFFmpeg } from '../ffmpeg/ffmpeg-programs.ts';
import { sweepScratch } from '../ffmpeg/working-folder.ts';
import { createJobBlobs } from '../store/job-blobs.ts';
import { createJobRecordings } from '../store/job-recordings.ts';
import { InputCache } from '../worker/input-cache.ts';
import type { WorkerTools } from '../worker/workshop.ts';
import type { RoleDeps } from './role.ts';

/** What all accounts of a worker process have in common; says in the log what FFmpeg it has found. */
export async function openWorkerTools({ config, log, storageAccounts }: RoleDeps): Promise<WorkerTools> {
  const { worker } = config;
  const { scratchPath, threads, inputBytesMax, outputBytesMax, allowPrivateAddresses, partSeconds } = worker;
  await sweepScratch(scratchPath);
  const ffmpeg = await findFFmpeg(worker);
  if (ffmpeg.kind === 'absent') log.warn('worker.noFFmpeg', { reason: ffmpeg.reason });
  else {
    const { version, confinement } = ffmpeg.programs;
    const confined = Object.entries(confinement).flatMap(([name, path]) =>
      path === undefined ? [] : [name],
    );
    log.info('worker.ffmpeg', { version, confined });
  }
  return {
    blobs: createJobBlobs(storageAccounts),
    recordings: createJobRecordings(storageAccounts),
    ffmpeg,
    cache: new InputCache(scratchPath),
    settings: {
      ...{ scratchPath, threads, inputBytesMax, outputBytesMax, allowPrivateAddresses, partSeconds },
      bounds: { memoryBytes: worker.memoryBytes, fileBytes: outputBytesMax },
    },
    log,
  };
}
