import { setTimeout as sleep } from 'node:timers/promises';
import type { DividedStep, FFmpegRun } from '../encoding/encoding-plan.ts';
import { runFFmpeg } from '../ffmpeg/run-ffmpeg.ts';
import { WorkingFolder } from '../ffmpeg/working-folder.ts';
import type { JobPart } from '../resources/encoding/job-dispatch.ts';
import { bringBlob, type PinnedBlob } from './bring-inputs.ts';
import type { EncodingTask } from './encoders.ts';
import type { HeldElsewhere } from './job-blobs.ts';
import { failureOfRun } from './job-errors.ts';
import { sharedPlace, stepFolder } from './job-place.ts';
import { bringPart, finishedParts, isFinished, publishPart, whileClaimed } from './part-blobs.ts';
import {
  folderOf,
  markOwner,
  planDigest,
  readSharedStep,
  type SharedStep,
  shareStep,
} from './shared-step.ts';
import { ffmpegOf, type Workshop } from './workshop.ts';

/** While others make the last parts. */
const WAIT_MS = 200;
const CONTENT_TYPE = 'application/octet-stream';

export interface StepRun {
  readonly workshop: Workshop;
  readonly task: EncodingTask;
  readonly folder: WorkingFolder;
  /** Files of the working folder that others find in storage. */
  readonly pinned: ReadonlyMap<string, PinnedBlob>;
  /** All files that are in the working folder by now. */
  readonly present: readonly string[];
  readonly signal: AbortSignal;
  /** From 0 to 1. */
  readonly onProgress: (share: number) => void;
  /** By this worker. */
  readonly onPartMade: () => Promise<void>;
}

/**
 * Makes all parts of a step, together with whoever takes the messages that it sends: from the last part on, while others
 * begin with the first. Parts that a worker made before it died are there already. Throws `JobFailure`.
 */
export async function makeParts(step: DividedStep, run: StepRun): Promise<void> {
  const { workshop, task, folder, signal } = run;
  await markOwner(workshop, task, signal);
  const shared = await sharedStepOf(step, run);
  const digest = planDigest(shared);
  const at = stepFolder(folderOf(task), task.outputIndex, digest);
  await shareStep(workshop, task, { digest, shared, signal });
  const done = new Set<number>();
  const present = new Set<number>();
  await callOthers(step, run, { digest, at });
  const shares = new Map<number, number>();
  const tell = () => {
    const sum = [...shares].reduce((all, [index, share]) => all + (done.has(index) ? 0 : share), done.size);
    run.onProgress(sum / step.parts.length);
  };
  // What others have made by now; all but the last while those are waited for.
  const bringOthers = async () => {
    for (const index of [...done].filter((one) => !present.has(one))) {
      await bringPart(workshop, { step: at, index, folder, signal });
      present.add(index);
    }
  };
  while (done.size < step.parts.length) {
    signal.throwIfAborted();
    for (const index of await finishedParts(workshop, at)) done.add(index);
    tell();
    const open = step.parts.filter(({ index }) => !done.has(index)).toReversed();
    let hasWorked = false;
    for (const { index, run: ffmpegRun } of open) {
      const part: PartRun = { workshop, step: at, index, run: ffmpegRun, folder, signal };
      const onProgress = (share: number) => {
        shares.set(index, share);
        tell();
      };
      hasWorked =
        (await whileClaimed(workshop, part, (alone) => makePart(part, alone, onProgress))) === 'made';
      if (!hasWorked) continue;
      present.add(index);
      await run.onPartMade();
      break;
    }
    if (hasWorked || open.length === 0) continue;
    await bringOthers();
    await sleep(WAIT_MS, undefined, { signal }).catch(() => undefined);
  }
  await bringOthers();
}

interface PartRun {
  readonly workshop: Workshop;
  readonly step: string;
  readonly index: number;
  readonly run: FFmpegRun;
  readonly folder: WorkingFolder;
  readonly signal: AbortSignal;
}

/** While the part is claimed; `signal` says whether it still is. */
async function makePart(
  { workshop, step, index, run, folder }: Omit<PartRun, 'signal'>,
  signal: AbortSignal,
  onProgress?: (share: number) => void,
): Promise<'made' | 'there'> {
  if (await isFinished(workshop, step, index, signal)) return 'there';
  const { log, settings } = workshop;
  log.info('worker.partBegun', { step, index });
  const { bounds } = settings;
  const end = await runFFmpeg(ffmpegOf(workshop), run, { folder, bounds, signal, onProgress });
  if (end.kind === 'failed') throw failureOfRun(end);
  await publishPart(workshop, { step, index, writes: run.writes, folder, signal });
  log.info('worker.partMade', { step, index });
  return 'made';
}

/** A part by itself, of which a message told; nothing where the job has ended meanwhile. Throws `JobFailure`. */
export async function makeToldPart(
  workshop: Workshop,
  { folder: jobFolder, output, step: digest, index }: JobPart,
  signal: AbortSignal,
): Promise<'made' | 'there' | HeldElsewhere> {
  const step = stepFolder(jobFolder, output, digest);
  const shared = await readSharedStep(workshop, step, signal);
  const part = shared?.parts.find((one) => one.index === index);
  if (shared === undefined || part === undefined) return 'there';
  if (await isFinished(workshop, step, index, signal)) return 'there';
  return whileClaimed(workshop, { step, index, signal }, async (alone) => {
    const folder = await WorkingFolder.create(workshop.settings.scratchPath);
    try {
      for (const { path, ...blob } of shared.files) {
        await bringBlob(workshop, blob, { folder, path, signal: alone, onProgress: () => undefined });
      }
      return await makePart({ workshop, step, index, run: part.run, folder }, alone);
    } finally {
      await folder.close();
    }
  });
}

/** What parts read: files that are in storage as they are, and what else there is of them, stored for the occasion. */
async function sharedStepOf(step: DividedStep, run: StepRun): Promise<SharedStep> {
  const { workshop, task, folder, pinned, present, signal } = run;
  const mentioned = present.filter((path) =>
    step.parts.some(({ run: { arguments: args, texts } }) =>
      [...args, ...texts.map(({ text }) => text)].some((text) => text.includes(path)),
    ),
  );
  const files: SharedStep['files'] = [];
  for (const path of mentioned) {
    const known = pinned.get(path);
    if (known !== undefined) {
      files.push({ path, ...known });
      continue;
    }
    const place = sharedPlace(workshop.account);
    const name = `${folderOf(task)}/${task.outputIndex}/files/${path}`;
    const body = { path: folder.resolve(path), contentType: CONTENT_TYPE };
    const found =
      (await workshop.blobs.facts(place, name, signal)) ??
      (await store(workshop, { place, name, body, signal }));
    files.push({ path, place, name, facts: found });
  }
  const parts = step.parts.map(({ index, run: { arguments: args, writes, texts, durationSeconds } }) => ({
    index,
    run: { arguments: [...args], writes: [...writes], texts: [...texts], durationSeconds },
  }));
  return { parts, files };
}

async function store(
  { blobs }: Workshop,
  file: {
    readonly place: ReturnType<typeof sharedPlace>;
    readonly name: string;
    readonly body: { readonly path: string; readonly contentType: string };
    readonly signal: AbortSignal;
  },
): Promise<PinnedBlob['facts']> {
  await blobs.createText(file.place, `${file.name}.stored`, '', file.signal);
  await (await blobs.stage(file.place, file.name, file.body, { signal: file.signal })).commit(file.signal);
  const facts = await blobs.facts(file.place, file.name, file.signal);
  if (facts === undefined) throw new Error('a file was not stored');
  return facts;
}

/** Once for each step: messages outlive whoever has sent them. */
async function callOthers(
  step: DividedStep,
  { workshop, task, signal }: StepRun,
  { digest, at }: { readonly digest: string; readonly at: string },
): Promise<void> {
  const place = sharedPlace(workshop.account);
  if ((await workshop.blobs.facts(place, `${at}/called`, signal)) !== undefined) return;
  const finished = await finishedParts(workshop, at);
  const open = step.parts.filter(({ index }) => !finished.includes(index));
  // The last one is begun here.
  for (const { index } of open.slice(0, -1)) {
    await workshop.queue.send({
      transform: task.transformName,
      job: task.jobName,
      priority: task.priority,
      part: { folder: folderOf(task), output: task.outputIndex, step: digest, index },
    });
  }
  await workshop.blobs.createText(place, `${at}/called`, '', signal);
}
