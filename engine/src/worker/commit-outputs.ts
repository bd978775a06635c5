import { stat } from 'node:fs/promises';
import { z } from 'zod';
import type { OutputFile } from '../encoding/encoding-plan.ts';
import type { WorkingFolder } from '../ffmpeg/working-folder.ts';
import { findAssetPlace } from './bring-inputs.ts';
import type { EncodingControl, EncodingTask } from './encoders.ts';
import { JobCanceling } from './held-job.ts';
import type { BlobBody, StagedBlob } from './job-blobs.ts';
import { isBlobError, JobFailure, jobFailure, uploadFailure } from './job-errors.ts';
import { commitName, jobFolder, sharedPlace } from './job-place.ts';
import { markOwner } from './shared-step.ts';
import type { Workshop } from './workshop.ts';

const NAME_LENGTH_MAX = 1024;
const FILES_MAX = 10_000;
/** Most of the time of a small file is waiting for storage. */
const AT_ONCE_MAX = 4;

/** What an output writes, kept until its job has ended: whoever finds the job ended otherwise takes it away again. */
export const CommitRecord = z.object({
  place: z.object({ container: z.string(), storageAccountName: z.string().optional() }),
  names: z.array(z.string()),
});

/**
 * Writes the files of an output to its asset: all bytes first, unseen; then all names, the last one after all others, so
 * that a server manifest names nothing that is not there. What ends it in between leaves nothing. Throws
 * `JobFailure`, or what ends the job.
 */
export async function commitOutputs(
  workshop: Workshop,
  task: EncodingTask,
  output: {
    readonly files: readonly OutputFile[];
    readonly folder: WorkingFolder;
    readonly control: EncodingControl;
    /** From 0 to 1. */
    readonly onProgress?: (share: number) => void;
  },
): Promise<void> {
  const { files, control } = output;
  const { signal } = control;
  const place = await findAssetPlace(workshop, task.outputAssetName).catch((error: unknown) => {
    throw error instanceof JobFailure
      ? jobFailure('UploadNotAccessible', `There is no asset '${task.outputAssetName}' any more.`)
      : error;
  });
  const sizeBytes = await measure(workshop, output);
  try {
    let sent = 0;
    const onBytes = (count: number) => {
      sent += count;
      output.onProgress?.(sizeBytes === 0 ? 1 : sent / sizeBytes);
    };
    const staged = await severalAtOnce(files, async (file) => {
      const body = bodyOf(file, output.folder);
      return {
        name: file.name,
        blob: await workshop.blobs.stage(place, file.name, body, { signal, onBytes }),
      };
    });
    await control.confirm();
    await announce(workshop, task, { place, names: files.map(({ name }) => name), signal });
    await commitAll(workshop, { place, staged, signal });
  } catch (error) {
    throw isBlobError(error) ? uploadFailure(error) : error;
  }
}

async function measure(
  { settings }: Workshop,
  { files, folder }: { readonly files: readonly OutputFile[]; readonly folder: WorkingFolder },
): Promise<number> {
  if (files.length > FILES_MAX || files.some(({ name }) => name === '' || name.length > NAME_LENGTH_MAX)) {
    throw jobFailure(
      'ConfigurationUnsupported',
      `The output has more than ${FILES_MAX} files, or names too long.`,
    );
  }
  const names = files.map(({ name }) => name.toLowerCase());
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw jobFailure('ConfigurationUnsupported', `Several files of the output have the name '${twice}'.`);
  }
  let sizeBytes = 0;
  for (const file of files) {
    sizeBytes +=
      file.kind === 'text' ? Buffer.byteLength(file.text) : (await stat(folder.resolve(file.path))).size;
  }
  if (sizeBytes > settings.outputBytesMax) {
    const gib = Math.floor(settings.outputBytesMax / 2 ** 30);
    throw jobFailure('ServiceError', `The output is larger than ${gib} GiB.`);
  }
  return sizeBytes;
}

function bodyOf(file: OutputFile, folder: WorkingFolder): BlobBody & { readonly contentType: string } {
  const { contentType } = file;
  return file.kind === 'text'
    ? { text: file.text, contentType }
    : { path: folder.resolve(file.path), contentType };
}

async function announce(
  workshop: Workshop,
  task: EncodingTask,
  { place, names, signal }: z.output<typeof CommitRecord> & { readonly signal: AbortSignal },
): Promise<void> {
  const folder = jobFolder({
    transform: task.transformName,
    job: task.jobName,
    createdMs: Date.parse(task.jobCreated),
  });
  await markOwner(workshop, task, signal);
  const record = {
    place: { container: place.container, storageAccountName: place.storageAccountName },
    names,
  };
  await workshop.blobs.createText(
    sharedPlace(workshop.account),
    commitName(folder, task.outputIndex),
    JSON.stringify(record),
    signal,
  );
}

async function commitAll(
  { blobs, log }: Workshop,
  output: {
    readonly place: z.output<typeof CommitRecord>['place'];
    readonly staged: readonly { readonly name: string; readonly blob: StagedBlob }[];
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const written: string[] = [];
  const commit = async ({ name, blob }: (typeof output.staged)[number]) => {
    output.signal.throwIfAborted();
    written.push(name);
    await blob.commit(output.signal);
  };
  try {
    await severalAtOnce(output.staged.slice(0, -1), commit);
    await severalAtOnce(output.staged.slice(-1), commit);
  } catch (error) {
    const reason: unknown = output.signal.reason;
    // Whoever has the job now writes the same names; a canceled one has nothing to write.
    const isOurs = !output.signal.aborted || reason instanceof JobCanceling;
    if (isOurs) {
      await Promise.all(written.map((name) => blobs.remove(output.place, name))).catch((cause: unknown) =>
        log.warn('worker.outputLeft', { error: cause }),
      );
    }
    throw error;
  }
}

/** In the order of `items`. Throws what went wrong first, once nothing is under way any more. */
async function severalAtOnce<T, U>(items: readonly T[], work: (item: T) => Promise<U>): Promise<U[]> {
  const results: U[] = [];
  const failed: unknown[] = [];
  const left = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of left) {
      if (failed.length > 0) return;
      results[index] = await work(item);
    }
  };
  const workers = Array.from({ length: AT_ONCE_MAX }, () => worker().catch((error) => failed.push(error)));
  await Promise.all(workers);
  if (failed.length > 0) throw failed[0];
  return results;
}
