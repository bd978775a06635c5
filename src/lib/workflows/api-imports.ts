import { Problem } from '../domain/errors.ts';
import { countItems, type Import, type ImportItem, importIdOf } from '../domain/import.ts';
import type { VideoSettings } from '../domain/video.ts';
import type { Caller } from './api-channels.ts';
import type { SecretStore } from './secret-store.ts';
import { keepAddress, markOf, shownSettings } from './source-address.ts';
import type { Clock, DueIndex, Stored } from './stores.ts';
import type { ImportStore } from './video-ports.ts';

/** Of those that are remembered; what they made stays. */
const IMPORTS_MAX = 200;
const ATTEMPTS_MAX = 8;
/** Rows that are written at the same time. */
const PARALLEL = 16;

export interface ImportDependencies {
  readonly imports: ImportStore;
  readonly importDue: DueIndex;
  readonly secrets: SecretStore;
  readonly clock: Clock;
  readonly random: { guid(): string };
}

export interface WantedImport {
  readonly description: string;
  readonly items: readonly { readonly video: string; readonly settings: VideoSettings }[];
}

/** Stores what is wanted: the items first, then the import that makes them count. */
export async function createImport(
  { description, items }: WantedImport,
  { caller, deps }: { caller: Caller; deps: ImportDependencies },
): Promise<{ value: Import; items: readonly ImportItem[] }> {
  const known = await deps.imports.page({ after: undefined, sizeMax: IMPORTS_MAX });
  if (known.items.length >= IMPORTS_MAX)
    throw new Problem('tooManyImports', {
      detail: `At most ${IMPORTS_MAX} imports are remembered: delete some.`,
    });
  const nowMs = deps.clock.now();
  const id = importIdOf(nowMs, deps.random.guid());
  // Due first: whatever happens after it, what has been stored is looked at.
  await deps.importDue.set(id, nowMs);
  const stored: ImportItem[] = [];
  await inParallel(
    items.map((item, number) => ({ ...item, number })),
    async ({ video, settings: wanted, number }) => {
      const videoId = deps.random.guid();
      const { settings, address } = shownSettings(wanted);
      const sourceMark = markOf(address, videoId);
      const item = { number, video, videoId, settings, sourceMark, state: 'pending', error: null } as const;
      // The row first: whatever happens, a secret is found by it.
      await deps.imports.saveItem(id, item);
      await keepAddress(address, videoId, deps.secrets);
      stored.push(item);
    },
  );
  const value: Import = {
    id,
    description,
    createdAtMs: nowMs,
    by: caller.by,
    total: items.length,
    canceled: false,
    deleted: false,
    counts: countItems(stored),
    finishedAtMs: null,
  };
  if ((await deps.imports.save(value, undefined)) === undefined)
    throw new Problem('busy', { detail: 'The import could not be stored.' });
  return { value, items: stored.toSorted((a, b) => a.number - b.number) };
}

export async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const worker = async () => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

export async function getImport(
  id: string,
  { imports }: Pick<ImportDependencies, 'imports'>,
): Promise<Stored<Import>> {
  const stored = await imports.find(id);
  if (stored === undefined || stored.value.deleted)
    throw new Problem('importNotFound', { detail: `There is no import ${id}.` });
  return stored;
}

/** No more of its videos are begun; `deleted`: and it is forgotten. */
export async function stopImport(
  id: string,
  { deleted }: { deleted: boolean },
  deps: ImportDependencies,
): Promise<Import> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const { value, etag } = await getImport(id, deps);
    const isOver = value.finishedAtMs !== null && !deleted;
    if (isOver) return value;
    const next = { ...value, canceled: value.finishedAtMs === null || value.canceled, deleted };
    await deps.importDue.set(id, deps.clock.now());
    if ((await deps.imports.save(next, etag)) !== undefined) return next;
  }
  throw new Problem('busy', { detail: 'The import changes faster than this call could follow.' });
}
