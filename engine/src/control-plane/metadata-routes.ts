import { randomUUID } from 'node:crypto';
import { AccountRecord, toArmAccount } from '../resources/account.ts';
import * as assets from '../resources/asset.ts';
import { armError } from '../resources/error-catalogue.ts';
import { parseName } from '../resources/names.ts';
import * as keys from '../resources/row-keys.ts';
import * as locators from '../resources/streaming-locator.ts';
import {
  findStreamingPolicy,
  PREDEFINED_POLICIES,
  toArmStreamingPolicy,
} from '../resources/streaming-policy.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { type ControlContext, nowIso } from './control-context.ts';
import type { RowChange } from './control-store.ts';
import { answerPage } from './paging.ts';

/** Account, assets, streaming policies and streaming locators. */
export function metadataRoutes(context: ControlContext): readonly ArmRoute[] {
  const { scope, store } = context;
  return [
    { method: 'GET', path: '', handle: () => getAccount(context) },
    {
      method: 'GET',
      path: '/assets',
      handle: (request) =>
        answerPage(request, store, {
          prefix: keys.prefixes.assets,
          toArm: (row) => assets.toArmAsset(scope, assets.AssetRecord.parse(row.body), 'listed'),
        }),
    },
    { method: 'PUT', path: '/assets/:asset', handle: (request) => putAsset(context, request) },
    { method: 'PATCH', path: '/assets/:asset', handle: (request) => patchAsset(context, request) },
    {
      method: 'GET',
      path: '/assets/:asset',
      handle: async (request) => {
        const { record } = await getAsset(context, request.params['asset'] ?? '');
        return { status: 200, body: assets.toArmAsset(scope, record, 'single') };
      },
    },
    { method: 'DELETE', path: '/assets/:asset', handle: (request) => deleteAsset(context, request) },
    {
      method: 'POST',
      path: '/assets/:asset/listContainerSas',
      handle: (request) => containerSas(context, request),
    },
    {
      method: 'POST',
      path: '/assets/:asset/listStreamingLocators',
      handle: async (request) => {
        const { record } = await getAsset(context, request.params['asset'] ?? '');
        const streamingLocators = await locatorsOf(context, record.name);
        return {
          status: 200,
          body: { streamingLocators: streamingLocators.map(locators.toAssetStreamingLocator) },
        };
      },
    },
    ...policyRoutes(context),
    ...locatorRoutes(context),
  ];
}

async function getAccount({ scope, store, containers }: ControlContext): Promise<ArmAnswer> {
  const row = await store.find(keys.accountKey);
  if (row === undefined) throw armError('NotFound');
  return { status: 200, body: toArmAccount(scope, AccountRecord.parse(row.body), containers.accountName) };
}

/** Throws `NotFound`; an asset that is being deleted is gone. */
export async function getAsset({ store }: ControlContext, name: string) {
  const row = await store.find(keys.assetKey(name));
  const record = row === undefined ? undefined : assets.AssetRecord.parse(row.body);
  if (row === undefined || record === undefined || record.deleting) throw armError('NotFound');
  return { row, record };
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
  await context.containers.ensure(record.container);
  const result = await context.store.commit([{ kind: 'create', rowKey: keys.assetKey(name), body: record }]);
  if (result === 'conflict') {
    if (body.container == null) await context.containers.remove(record.container);
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
  await containers.remove(record.container);
  for (const locator of await locatorsOf(context, record.name)) await store.commit(removedLocator(locator));
  await store.commit([{ kind: 'delete', rowKey: row.rowKey }]);
  return { status: 200 };
}

async function containerSas(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { record } = await getAsset(context, request.params['asset'] ?? '');
  const { permissions, expiresAtMs } = assets.parseContainerSasBody(request.body, Date.now());
  const assetContainerSasUrls = context.containers.sasUrls(record.container, permissions, expiresAtMs);
  return { status: 200, body: { assetContainerSasUrls } };
}

function policyRoutes({ scope }: ControlContext): readonly ArmRoute[] {
  const refuse = (): never => {
    throw armError('NotSupportedYet', {
      field: 'streamingPolicies',
      reason: 'only predefined policies are available',
    });
  };
  return [
    {
      method: 'GET',
      path: '/streamingPolicies',
      handle: async () => ({
        status: 200,
        body: { value: PREDEFINED_POLICIES.map((policy) => toArmStreamingPolicy(scope, policy)) },
      }),
    },
    {
      method: 'GET',
      path: '/streamingPolicies/:policy',
      handle: async (request) => {
        const policy = findStreamingPolicy(request.params['policy'] ?? '');
        if (policy === undefined) throw armError('NotFound');
        return { status: 200, body: toArmStreamingPolicy(scope, policy) };
      },
    },
    { method: 'PUT', path: '/streamingPolicies/:policy', handle: async () => refuse() },
  ];
}

function locatorRoutes(context: ControlContext): readonly ArmRoute[] {
  const { scope, store } = context;
  const path = '/streamingLocators/:locator';
  const get = async (request: ArmRequest) => {
    const record = await findLocator(context, request.params['locator'] ?? '');
    if (record === undefined) throw armError('NotFound');
    return record;
  };
  return [
    {
      method: 'GET',
      path: '/streamingLocators',
      handle: (request) =>
        answerPage(request, store, {
          prefix: keys.prefixes.streamingLocators,
          toArm: (row) =>
            locators.toArmStreamingLocator(scope, locators.StreamingLocatorRecord.parse(row.body), {
              single: false,
            }),
        }),
    },
    {
      method: 'GET',
      path,
      handle: async (request) => ({
        status: 200,
        body: locators.toArmStreamingLocator(scope, await get(request), { single: true }),
      }),
    },
    { method: 'PUT', path, handle: (request) => createLocator(context, request) },
    {
      method: 'DELETE',
      path,
      handle: async (request) => {
        const record = await findLocator(context, request.params['locator'] ?? '');
        if (record === undefined) return { status: 204 };
        await store.commit(removedLocator(record));
        return { status: 200 };
      },
    },
    {
      method: 'POST',
      path: `${path}/listPaths`,
      handle: async (request) => {
        const record = await get(request);
        const manifests = await context.containers.manifestNames(record.container);
        return { status: 200, body: locators.toListPaths(record, manifests) };
      },
    },
    {
      method: 'POST',
      path: `${path}/listContentKeys`,
      handle: async (request) => {
        await get(request);
        return { status: 200, body: { contentKeys: [] } };
      },
    },
  ];
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

async function locatorsOf(context: ControlContext, asset: string) {
  const rows = await context.store.list(keys.prefixes.locatorsOfAsset(asset), {
    limit: locators.LOCATORS_PER_ASSET_MAX,
  });
  const names = rows.map((row) => String(Reflect.get(Object(row.body), 'name')));
  const records = await Promise.all(names.map((name) => findLocator(context, name)));
  return records.filter((record) => record !== undefined);
}

function removedLocator(record: locators.StreamingLocatorRecord): RowChange[] {
  return [
    { kind: 'delete', rowKey: keys.streamingLocatorKey(record.name) },
    { kind: 'delete', rowKey: keys.locatorIdKey(record.streamingLocatorId) },
    { kind: 'delete', rowKey: keys.locatorOfAssetKey(record.assetName, record.name) },
  ];
}

/** Throws `TooManyChanges` when a row was changed meanwhile. */
export async function commitOrConflict(
  { store }: ControlContext,
  changes: readonly RowChange[],
): Promise<void> {
  if ((await store.commit(changes)) === 'conflict') throw armError('TooManyChanges');
}
