import type { HttpResponseInit } from '@azure/functions';
import type { Services } from '../composition.ts';
import { ImportBody } from '../contracts/import-body.ts';
import { importId, VideoBody } from '../contracts/video-body.ts';
import { type FieldError, Problem } from '../domain/errors.ts';
import { type Import, type ImportItem, importState } from '../domain/import.ts';
import type { VideoSettings } from '../domain/video.ts';
import { errorFields, log } from '../log.ts';
import { createImport, getImport, stopImport } from '../workflows/api-imports.ts';
import { type Call, json, parameter, parseValue, readJson } from './handle.ts';
import { answerList } from './lists.ts';
import { time, timeOrNull, videoHref } from './views.ts';

/** Of a manifest of hundreds of files. */
const BODY_BYTES_MAX = 1024 * 1024;
const FIELD_ERRORS_MAX = 50;

const idOf = (call: Call): string => parameter(call, 'import', importId);

export async function createImportCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const body = await readJson(call.request, BODY_BYTES_MAX);
  const { description } = parseValue(body, ImportBody);
  const { value, items } = await createImport(
    { description, items: itemsOf(body) },
    { caller: call.caller, deps: app },
  );
  await askForImport(value.id, app);
  return json(202, importView(value, items), { location: hrefOf(value) });
}

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};

/** What was sent, because a parsed default of an item would take the place of that of the import. */
function itemsOf(body: unknown): readonly { video: string; settings: VideoSettings }[] {
  const { items, defaults } = record(body);
  const errors: FieldError[] = [];
  const found = (Array.isArray(items) ? items : []).flatMap((item: unknown, index) => {
    const { video, ...own } = record(item);
    try {
      const settings: VideoSettings = parseValue(
        { ...record(defaults), ...own },
        VideoBody,
        `/items/${index}`,
      );
      return [{ video: String(video), settings }];
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      errors.push(...(error.problem.errors ?? []));
      return [];
    }
  });
  if (errors.length > 0)
    throw new Problem('invalidBody', {
      detail: 'Some items, with what `defaults` adds to them, are not what they should be.',
      errors: errors.slice(0, FIELD_ERRORS_MAX),
    });
  return found;
}

export async function getImportCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const { value } = await getImport(idOf(call), app);
  return json(200, importView(value, await app.imports.items(value.id)));
}

export async function listImportsCall(call: Call, app: Services): Promise<HttpResponseInit> {
  return answerList(call, (options) => app.imports.page(options), {
    view: summaryView,
    keyOf: ({ id }) => id,
  });
}

export async function cancelImportCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const value = await stopImport(idOf(call), { deleted: false }, app);
  await askForImport(value.id, app);
  return json(200, importView(value, await app.imports.items(value.id)));
}

export async function deleteImportCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const value = await stopImport(idOf(call), { deleted: true }, app);
  await askForImport(value.id, app);
  return { status: 204 };
}

const hrefOf = ({ id }: Import): string => `/api/v1/imports/${id}`;

function summaryView(value: Import) {
  return {
    id: value.id,
    state: importState(value),
    description: value.description,
    counts: { total: value.total, ...value.counts },
    createdAt: time(value.createdAtMs),
    finishedAt: timeOrNull(value.finishedAtMs),
    href: hrefOf(value),
  };
}

function importView(value: Import, items: readonly ImportItem[]) {
  return {
    ...summaryView(value),
    items: items.map(({ video, state, error }) => ({ video, href: videoHref(video), state, error })),
  };
}

/** What is wanted is stored and due already: a message that cannot be sent makes it later, not wrong. */
async function askForImport(id: string, app: Services): Promise<void> {
  try {
    await app.queue.sendImport(id, 0);
  } catch (error) {
    log('warn', 'reconcile.notAsked', { import: id, ...errorFields(error) });
  }
}
