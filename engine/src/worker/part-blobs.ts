import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { z } from 'zod';
import type { WorkingFolder } from '../ffmpeg/working-folder.ts';
import { bringBlob } from './bring-inputs.ts';
import type { BlobClaim, HeldElsewhere } from './job-blobs.ts';
import { sharedPlace } from './job-place.ts';
import type { Workshop } from './workshop.ts';

const CONTENT_TYPE = 'application/octet-stream';
/** Of a claim's time. */
const RENEWALS = 4;

/** A finished part: whoever writes it first has made the part, and nobody changes it. */
const DoneRecord = z.object({
  files: z.array(
    z.object({
      path: z.string(),
      blob: z.string(),
      facts: z.object({ sizeBytes: z.number(), entityTag: z.string() }),
    }),
  ),
});
export type DoneRecord = z.output<typeof DoneRecord>;

const doneName = (step: string, index: number): string => `${step}/${index}/done.json`;
const DONE = /\/(\d{1,6})\/done\.json$/;

/** Which parts of a step are there. */
export async function finishedParts({ blobs, account }: Workshop, step: string): Promise<readonly number[]> {
  const listed = await blobs.list(sharedPlace(account), `${step}/`, { isFlat: true });
  return listed.flatMap(({ name }) => {
    const index = DONE.exec(name)?.[1];
    return index === undefined ? [] : [Number(index)];
  });
}

/** True when somebody has made the part: then its files are those that `bringPart` brings. */
export async function isFinished(
  { blobs, account }: Workshop,
  step: string,
  index: number,
  signal: AbortSignal,
): Promise<boolean> {
  return (await blobs.facts(sharedPlace(account), doneName(step, index), signal)) !== undefined;
}

/** Stores what a part has written, under names of its own, and then says so: the first to say so has made it. */
export async function publishPart(
  { blobs, account }: Workshop,
  part: {
    readonly step: string;
    readonly index: number;
    readonly writes: readonly string[];
    readonly folder: WorkingFolder;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const place = sharedPlace(account);
  const { signal } = part;
  const attempt = `${part.step}/${part.index}/${randomUUID()}`;
  const files: DoneRecord['files'] = [];
  for (const [index, path] of part.writes.entries()) {
    const blob = `${attempt}/${index}`;
    const body = { path: part.folder.resolve(path), contentType: CONTENT_TYPE };
    await (await blobs.stage(place, blob, body, { signal })).commit(signal);
    const facts = await blobs.facts(place, blob, signal);
    const { size } = await stat(body.path);
    if (facts?.sizeBytes !== size) throw new Error('a part was not stored as it was written');
    files.push({ path, blob, facts });
  }
  const record: DoneRecord = { files };
  const isFirst = await blobs.createText(
    place,
    doneName(part.step, part.index),
    JSON.stringify(record),
    signal,
  );
  if (isFirst) return;
  for (const { blob } of files) await blobs.remove(place, blob);
}

/** Puts the files of a finished part into the working folder, where they would be had it been made here. */
export async function bringPart(
  workshop: Workshop,
  part: {
    readonly step: string;
    readonly index: number;
    readonly folder: WorkingFolder;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const place = sharedPlace(workshop.account);
  const { folder, signal } = part;
  const text = await workshop.blobs.readText(place, doneName(part.step, part.index), signal);
  if (text === undefined) throw new Error('a part that was there is gone');
  const { files } = DoneRecord.parse(JSON.parse(text));
  for (const { path, blob, facts } of files) {
    const options = { folder, path, signal, onProgress: () => undefined };
    await bringBlob(workshop, { place, name: blob, facts }, options);
  }
}

/** Does `work` while the part is claimed, so that two workers do not make the same. */
export async function whileClaimed<T>(
  { blobs, account, settings: { leaseMs } }: Workshop,
  part: { readonly step: string; readonly index: number; readonly signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T | HeldElsewhere> {
  const name = `${part.step}/${part.index}/claim`;
  const claim = await blobs.claim(sharedPlace(account), name, { leaseMs, signal: part.signal });
  if (claim.kind === 'held') return claim;
  const lost = new AbortController();
  const timer = setInterval(() => {
    renew(claim, lost).catch((error: unknown) => lost.abort(error));
  }, leaseMs / RENEWALS);
  try {
    return await work(AbortSignal.any([part.signal, lost.signal]));
  } catch (error) {
    // Whoever has it now makes it.
    if (lost.signal.aborted && !part.signal.aborted) return { kind: 'held', forMs: leaseMs };
    throw error;
  } finally {
    clearInterval(timer);
    await claim.release();
  }
}

async function renew(claim: BlobClaim, lost: AbortController): Promise<void> {
  if (!(await claim.renew())) lost.abort(new Error('somebody else has the part'));
}
