import * as transforms from '../resources/encoding/transform.ts';
import { armError } from '../resources/error-catalogue.ts';
import { parseName } from '../resources/names.ts';
import { READ_AT_ONCE_MAX } from '../resources/quotas.ts';
import { resourcePrefix } from '../resources/row-keys.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { createChanges, replaceChanges } from './collection.ts';
import { type ControlContext, commitOrConflict, nowIso } from './control-context.ts';
import { answerRecords } from './list-pages.ts';
import { findTransform, getTransform, removeTransform, TRANSFORMS } from './transform-rows.ts';

const PATH = '/transforms/:transform';
/** Those that are being deleted are still among them. */
const READ_MAX = 2 * READ_AT_ONCE_MAX;

/** Transforms: what is to be made of the input of each of their jobs. */
export const TRANSFORM_ROUTES: readonly ArmRoute[] = [
  { method: 'GET', path: '/transforms', handle: listTransforms },
  { method: 'GET', path: PATH, handle: answerTransform },
  { method: 'PUT', path: PATH, handle: putTransform },
  { method: 'PATCH', path: PATH, handle: patchTransform },
  { method: 'DELETE', path: PATH, handle: deleteTransform },
];

async function listTransforms(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  return answerRecords(request, TRANSFORMS, await allTransforms(context), (record) =>
    transforms.toArmTransform(context.scope, record),
  );
}

async function allTransforms({ store }: ControlContext): Promise<readonly transforms.TransformRecord[]> {
  const rows = await store.list(resourcePrefix(TRANSFORMS.kind), { limit: READ_MAX });
  return rows.map(({ body }) => TRANSFORMS.parse(body));
}

async function answerTransform(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { record } = await getTransform(context, request.params['transform'] ?? '');
  return { status: 200, body: transforms.toArmTransform(context.scope, record) };
}

async function putTransform(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const name = parseName('transform', request.params['transform'] ?? '');
  const body = transforms.parseTransformBody(request.body, request.apiVersion);
  const change = { caller: request.caller, nowIso: nowIso() };
  const found = await findTransform(context, name);
  if (found !== undefined && !found.record.deleting) {
    const next = transforms.updatedTransform(found.record, body, change);
    await commitOrConflict(context, replaceChanges(TRANSFORMS, found.row, next));
    return { status: 200, body: transforms.toArmTransform(context.scope, next) };
  }
  if (found !== undefined && !(await removeTransform(context, found))) {
    throw armError('BeingDeleted', { type: 'transform', name });
  }
  await checkQuota(context);
  const record = transforms.newTransform(name, body, change);
  await commitOrConflict(context, createChanges(TRANSFORMS, record));
  return { status: 201, body: transforms.toArmTransform(context.scope, record) };
}

async function checkQuota(context: ControlContext): Promise<void> {
  const max = context.quotas.transforms;
  const existing = (await allTransforms(context)).filter(({ deleting }) => !deleting);
  if (existing.length >= max) throw armError('QuotaExceeded', { type: 'transforms', reason: String(max) });
}

async function patchTransform(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const patch = transforms.parseTransformPatch(request.body, request.apiVersion);
  const { row, record } = await getTransform(context, request.params['transform'] ?? '');
  const next = transforms.updatedTransform(record, patch, { caller: request.caller, nowIso: nowIso() });
  await commitOrConflict(context, replaceChanges(TRANSFORMS, row, next));
  return { status: 200, body: transforms.toArmTransform(context.scope, next) };
}

/** Its jobs go with it: those that are still there when this has answered go one after the other. */
async function deleteTransform(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const found = await findTransform(context, request.params['transform'] ?? '');
  if (found === undefined || found.record.deleting) return { status: 204 };
  const record = { ...found.record, deleting: true };
  await commitOrConflict(context, replaceChanges(TRANSFORMS, found.row, record));
  const marked = await findTransform(context, record.name);
  if (marked?.record.deleting === true) await removeTransform(context, marked);
  return { status: 200 };
}
