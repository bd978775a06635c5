import { randomUUID } from 'node:crypto';
import { armError } from '../resources/error-catalogue.ts';
import { parseName } from '../resources/names.ts';
import * as keys from '../resources/row-keys.ts';
import * as locators from '../resources/streaming-locator.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { getAsset } from './asset-rows.ts';
import { type ControlContext, commitOrConflict, nowIso } from './control-context.ts';
import type { RowChange } from './control-store.ts';
import { answerPage } from './paging.ts';

const PATH = '/streamingLocators/:locator';

/** Streaming locators: what makes an asset reachable. */
export const STREAMING_LOCATOR_ROUTES: readonly ArmRoute[] = [
  { method: 'GET', path: '/streamingLocators', handle: listLocators },
  { method: 'GET', path: PATH, handle: answerLocator },
  { method: 'PUT', path: PATH, handle: createLocator },
  { method: 'DELETE', path: PATH, handle: deleteLocator },
  { method: 'POST', path: `${PATH}/listPaths`, handle: listPaths },
  { method: 'POST', path: `${PATH}/listContentKeys`, handle: listContentKeys },
];

function listLocators({ scope, store }: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  return answerPage(request, store, {
    prefix: keys.prefixes.streamingLocators,
    toArm: (row) =>
      locators.toArmStreamingLocator(scope, locators.StreamingLocatorRecord.parse(row.body), {
        single: false,
      }),
  });
}

async function getLocator(context: ControlContext, request: ArmRequest) {
  const record = await findLocator(context, request.params['locator'] ?? '');
  if (record === undefined) throw armError('NotFound');
  return record;
}

async function answerLocator(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const record = await getLocator(context, request);
  return { status: 200, body: locators.toArmStreamingLocator(context.scope, record, { single: true }) };
}

async function deleteLocator(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const record = await findLocator(context, request.params['locator'] ?? '');
  if (record === undefined) return { status: 204 };
  await context.store.commit(removedLocator(record));
  return { status: 200 };
}

async function listPaths(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const record = await getLocator(context, request);
  const manifests = await context.containers.manifestNames(record);
  return { status: 200, body: locators.toListPaths(record, manifests) };
}

async function listContentKeys(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  await getLocator(context, request);
  return { status: 200, body: { contentKeys: [] } };
}

async function createLocator(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const name = parseName('streamingLocator', request.params['locator'] ?? '');
  const body = locators.parseStreamingLocatorBody(request.body);
  if ((await findLocator(context, name)) !== undefined) {
    throw armError('AlreadyExists', { type: 'streaming locator', name });
  }
  const { row, record: asset } = await getAsset(context, body.assetName);
  if ((await locatorsOf(context, asset.name)).length >= locators.LOCATORS_PER_ASSET_MAX) {
    throw armError('QuotaExceeded', {
      type: 'streaming locators of an asset',
      reason: String(locators.LOCATORS_PER_ASSET_MAX),
    });
  }
  const record = locators.newStreamingLocator(body, {
    name,
    assetName: asset.name,
    container: asset.container,
    storageAccountName: asset.storageAccountName,
    streamingLocatorId: randomUUID(),
    caller: request.caller,
    nowIso: nowIso(),
  });
  const idKey = keys.locatorIdKey(record.streamingLocatorId);
  const previewKey = keys.previewLocatorKey(record.streamingLocatorId);
  if ((await context.store.find(idKey)) ?? (await context.store.find(previewKey))) {
    throw armError('IdInUse', { field: 'properties.streamingLocatorId' });
  }
  await commitOrConflict(context, [
    { kind: 'create', rowKey: keys.streamingLocatorKey(name), body: record },
    { kind: 'create', rowKey: idKey, body: { name } },
    { kind: 'create', rowKey: keys.locatorOfAssetKey(asset.name, name), body: { name } },
    // Unchanged, but its ETag moves: a delete of the asset at the same time fails, or this does.
    { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body: row.body },
  ]);
  return { status: 201, body: locators.toArmStreamingLocator(context.scope, record, { single: true }) };
}

async function findLocator({ store }: ControlContext, name: string) {
  const row = await store.find(keys.streamingLocatorKey(name));
  return row === undefined ? undefined : locators.StreamingLocatorRecord.parse(row.body);
}

export async function locatorsOf(context: ControlContext, asset: string) {
  const rows = await context.store.list(keys.prefixes.locatorsOfAsset(asset), {
    limit: locators.LOCATORS_PER_ASSET_MAX,
  });
  const names = rows.map((row) => String(Reflect.get(Object(row.body), 'name')));
  const records = await Promise.all(names.map((name) => findLocator(context, name)));
  return records.filter((record) => record !== undefined);
}

export function removedLocator(record: locators.StreamingLocatorRecord): RowChange[] {
  return [
    { kind: 'delete', rowKey: keys.streamingLocatorKey(record.name) },
    { kind: 'delete', rowKey: keys.locatorIdKey(record.streamingLocatorId) },
    { kind: 'delete', rowKey: keys.locatorOfAssetKey(record.assetName, record.name) },
  ];
}
