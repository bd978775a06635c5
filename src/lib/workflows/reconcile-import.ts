import { isPlayable } from '../domain/decide-video.ts';
import { Problem } from '../domain/errors.ts';
import { countItems, type Import, type ImportItem, importMadeAtMs } from '../domain/import.ts';
import type { Video } from '../domain/video.ts';
import { inParallel } from './api-imports.ts';
import { putVideo, type VideoDependencies } from './api-videos.ts';
import { forgetAddress } from './source-address.ts';
import type { Claims, DueIndex, ReconcileQueue, Stored } from './stores.ts';
import type { ImportStore } from './video-ports.ts';

/** How many of one import's videos are worked on at a time. */
const RUNNING_MAX = 20;
const LOOK_SECONDS = 5;
/** The message has not come by for so long: the sweep goes on. */
const LOOK_AGAIN_MS = 15_000;
/** How long its rows may take to be written. */
const MAKING_MS_MAX = 300_000;

export interface ImportReconcileDependencies extends VideoDependencies {
  readonly imports: ImportStore;
  readonly importDue: DueIndex;
  readonly claims: Claims;
  readonly queue: ReconcileQueue & { sendImport(id: string, delaySeconds: number): Promise<void> };
}

/** Sees how the videos of an import are, and begins as many more as there is room for. */
export async function reconcileImport(id: string, deps: ImportReconcileDependencies): Promise<void> {
  const claim = await deps.claims.take(`import!${id}`, deps.clock.now());
  if (claim === undefined) return deps.queue.sendImport(id, LOOK_SECONDS);
  try {
    const stored = await deps.imports.find(id);
    if (stored === undefined) return await dropUnknown(id, deps);
    await advance(stored, deps);
  } finally {
    await claim.release();
  }
}

/** Its maker has died before it counted, or it is gone: what it left goes too, unless it is being made just now. */
async function dropUnknown(id: string, deps: ImportReconcileDependencies): Promise<void> {
  const items = await deps.imports.items(id);
  const isBeingMade = deps.clock.now() - importMadeAtMs(id) < MAKING_MS_MAX;
  if (isBeingMade) return deps.importDue.set(id, deps.clock.now() + LOOK_AGAIN_MS);
  await removeItems(id, items, deps);
  await deps.importDue.clear(id);
}

async function removeItems(
  id: string,
  items: readonly ImportItem[],
  deps: ImportReconcileDependencies,
): Promise<void> {
  await inParallel(items, async (item) => {
    await dropAddress(item, deps);
    await deps.imports.removeItem(id, item);
  });
}

/** The address is the video's once there is one with this id. */
async function dropAddress(
  item: ImportItem,
  { videos, secrets }: ImportReconcileDependencies,
): Promise<void> {
  if (item.sourceMark === null) return;
  const stored = await videos.find(item.video);
  if (stored?.value.id !== item.videoId) await forgetAddress(item.videoId, secrets);
}

async function advance({ value, etag }: Stored<Import>, deps: ImportReconcileDependencies): Promise<void> {
  const items = await deps.imports.items(value.id);
  if (value.deleted) {
    await removeItems(value.id, items, deps);
    if (await deps.imports.remove(value.id, etag)) await deps.importDue.clear(value.id);
    return;
  }
  const seen = new Map(items.map((item) => [item.number, item]));
  await inParallel(
    items.filter(({ state }) => state === 'running'),
    async (item) => {
      const next = await followed(item, deps);
      if (next.state !== item.state) await deps.imports.saveItem(value.id, next);
      seen.set(item.number, next);
    },
  );
  const room = RUNNING_MAX - [...seen.values()].filter(({ state }) => state === 'running').length;
  const pending = items.filter(({ state }) => state === 'pending');
  await inParallel(value.canceled ? pending : pending.slice(0, Math.max(0, room)), async (item) => {
    const next = value.canceled ? await canceled(item, deps) : await begun(item, value, deps);
    await deps.imports.saveItem(value.id, next);
    seen.set(item.number, next);
  });
  await save({ value, etag }, [...seen.values()], deps);
}

async function save(
  { value, etag }: Stored<Import>,
  items: readonly ImportItem[],
  deps: ImportReconcileDependencies,
): Promise<void> {
  const counts = countItems(items);
  const isOver = counts.pending === 0 && counts.running === 0;
  const finishedAtMs = isOver ? (value.finishedAtMs ?? deps.clock.now()) : null;
  await deps.importDue.set(value.id, deps.clock.now() + LOOK_AGAIN_MS);
  const saved = await deps.imports.save({ ...value, counts, finishedAtMs }, etag);
  if (saved !== undefined && isOver) await deps.importDue.clear(value.id);
  else await deps.queue.sendImport(value.id, LOOK_SECONDS);
}

async function canceled(item: ImportItem, deps: ImportReconcileDependencies): Promise<ImportItem> {
  await dropAddress(item, deps);
  return { ...item, state: 'canceled' };
}

/** A video that there is already, and that is what is wanted, is as good as a new one. */
async function begun(
  item: ImportItem,
  { by }: Import,
  deps: ImportReconcileDependencies,
): Promise<ImportItem> {
  const { video: name, videoId: id, settings, sourceMark } = item;
  try {
    const { video } = await putVideo(
      { name, settings, id, sourceMark },
      {
        caller: { by, ifMatch: undefined },
        deps,
      },
    );
    await dropAddress(item, deps);
    await deps.queue.sendVideo(name, 0);
    return resultOf(item, video);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    await dropAddress(item, deps);
    const { code, problem } = error;
    return { ...item, state: 'failed', error: { code, reason: problem.detail } };
  }
}

async function followed(item: ImportItem, deps: ImportReconcileDependencies): Promise<ImportItem> {
  const stored = await deps.videos.find(item.video);
  if (stored !== undefined && !stored.value.deleted) return resultOf(item, stored.value);
  return { ...item, state: 'failed', error: { code: 'videoDeleted', reason: 'The video has been deleted.' } };
}

/** It is over when nothing goes on by itself any more: an upload that nobody makes holds up nobody. */
function resultOf(item: ImportItem, video: Video): ImportItem {
  const { error, attempt } = video;
  if (isPlayable(video) && video.media?.attempt === attempt?.number)
    return { ...item, state: 'succeeded', error: null };
  if (error !== null && error.retry !== 'automatic')
    return { ...item, state: 'failed', error: { code: error.code, reason: error.reason } };
  const waitsForPeople = attempt === null && 'upload' in video.settings.source;
  return { ...item, state: waitsForPeople ? 'succeeded' : 'running', error: null };
}
