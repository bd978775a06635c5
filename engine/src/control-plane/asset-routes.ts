import { randomUUID } from 'node:crypto';
import * as assets from '../resources/asset.ts';
import { armError } from '../resources/error-catalogue.ts';
import { parseName } from '../resources/names.ts';
import * as keys from '../resources/row-keys.ts';
import { toAssetStreamingLocator } from '../resources/streaming-locator.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { getAsset } from './asset-rows.ts';
import { type ControlContext, commitOrConflict, nowIso } from './control-context.ts';
import { answerPage } from './paging.ts';
import { locatorsOf, removedLocator } from './streaming-locator-routes.ts';

const PATH = '/assets/:asset';

/** Assets and their containers. */
export const ASSET_ROUTES: readonly ArmRoute[] = [
  { method: 'GET', path: '/assets', handle: listAssets },
  { method: 'PUT', path: PATH, handle: putAsset },
  { method: 'PATCH', path: PATH, handle: patchAsset },
  { method: 'GET', path: PATH, handle: answerAsset },
  { method: 'DELETE', path: PATH, handle: deleteAsset },
  { method: 'POST', path: `${PATH}/listContainerSas`, handle: containerSas },
  { method: 'POST', path: `${PATH}/listStreamingLocators`, handle: listStreamingLocators },
];

function listAssets({ scope, store }: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  return answerPage(request, store, {
    prefix: keys.prefixes.assets,
    toArm: (row) => assets.toArmAsset(scope, assets.AssetRecord.parse(row.body), 'listed'),
  });
}

async function answerAsset(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { record } = await getAsset(context, request.params['asset'] ?? '');
  return { status: 200, body: assets.toArmAsset(context.scope, record, 'single') };
}

async function listStreamingLocators(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { record } = await getAsset(context, request.params['asset'] ?? '');
  const streamingLocators = await locatorsOf(context, record.name);
  return {
    status: 200,
    body: { streamingLocators: streamingLocators.map(toAssetStreamingLocator) },
  };
}

async function putAsset(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const name = parseName('asset', request.params['asset'] ?? '');
  const body = assets.parseAssetBody(request.body ?? {});
  if ((await context.store.find(keys.assetKey(name))) !== undefined) return patchAsset(context, request);
  const record = assets.newAsset(body, {
    name,
    assetId: randomUUID(),
    primaryStorageAccount: context.containers.accountName,
    caller: request.caller,
    nowIso: nowIso(),
  });
  await context.containers.ensure(record);
  const result = await context.store.commit([{ kind: 'create', rowKey: keys.assetKey(name), body: record }]);
  if (result === 'conflict') {
    if (body.container == null) await context.containers.remove(record);
    return patchAsset(context, request);
  }
  return { status: 201, body: assets.toArmAsset(context.scope, record, 'single') };
}

async function patchAsset(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const body = assets.parseAssetBody(request.body ?? {});
  const { row, record } = await getAsset(context, request.params['asset'] ?? '');
  const updated = assets.updatedAsset(record, body, { caller: request.caller, nowIso: nowIso() });
  await commitOrConflict(context, [{ kind: 'replace', rowKey: row.rowKey, etag: row.etag, body: updated }]);
  return { status: 200, body: assets.toArmAsset(context.scope, updated, 'single') };
}

/** Marked first, then the container, then the rows: a crash leaves something that a second DELETE finishes. */
async function deleteAsset(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { store, containers } = context;
  const row = await store.find(keys.assetKey(request.params['asset'] ?? ''));
  if (row === undefined) return { status: 204 };
  const record = assets.AssetRecord.parse(row.body);
  const [output] = await store.list(keys.prefixes.outputsOfAsset(record.name), { limit: 1 });
  if (output !== undefined) {
    throw armError('AssetInUse', { name: record.name, reason: output.rowKey.split('!').at(-1) ?? '' });
  }
  const marked = { ...record, deleting: true };
  await commitOrConflict(context, [{ kind: 'replace', rowKey: row.rowKey, etag: row.etag, body: marked }]);
  await containers.remove(record);
  for (const locator of await locatorsOf(context, record.name)) await store.commit(removedLocator(locator));
  await store.commit([{ kind: 'delete', rowKey: row.rowKey }]);
  return { status: 200 };
}

async function containerSas(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { record } = await getAsset(context, request.params['asset'] ?? '');
  const { permissions, expiresAtMs } = assets.parseContainerSasBody(request.body, Date.now());
  const assetContainerSasUrls = context.containers.sasUrls(record, permissions, expiresAtMs);
  return { status: 200, body: { assetContainerSasUrls } };
}
