import { randomUUID } from 'node:crypto';
import * as assets from '../resources/asset.ts';
import { armError } from '../resources/error-catalogue.ts';
import { parseName } from '../resources/names.ts';
import * as keys from '../resources/row-keys.ts';
import { toAssetStreamingLocator } from '../resources/streaming-locator.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { ASSETS, assetIn, getAsset } from './asset-rows.ts';
import { assetTrackPrefix } from './asset-track-rows.ts';
import { createChanges, deleteChanges, replaceChanges } from './collection.ts';
import { untilCommitted } from './commit-attempts.ts';
import { type ControlContext, nowIso } from './control-context.ts';
import type { StoredRow } from './control-store.ts';
import { answerList } from './list-pages.ts';
import { assetFilterPrefix } from './media-filter-routes.ts';
import { locatorsOf, removeLocator } from './streaming-locator-rows.ts';

const PATH = '/assets/:asset';
/** An asset has at most a hundred filters and a hundred tracks: one transaction each. */
const CHANGES_MAX = 100;

/** Assets and their containers. */
export const ASSET_ROUTES: readonly ArmRoute[] = [
  { method: 'GET', path: '/assets', handle: listAssets },
  { method: 'PUT', path: PATH, handle: putAsset },
  { method: 'PATCH', path: PATH, handle: patchAsset },
  { method: 'GET', path: PATH, handle: answerAsset },
  { method: 'DELETE', path: PATH, handle: deleteAsset },
  { method: 'POST', path: `${PATH}/listContainerSas`, handle: containerSas },
  { method: 'POST', path: `${PATH}/getEncryptionKey`, handle: getEncryptionKey },
  { method: 'POST', path: `${PATH}/listStreamingLocators`, handle: listStreamingLocators },
];

function listAssets(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { apiVersion } = request;
  return answerList(context, request, ASSETS, {
    toArm: (record) => assets.toArmAsset(context.scope, record, { isListed: true, apiVersion }),
  });
}

const assetAnswer = (
  { scope }: ControlContext,
  { apiVersion }: ArmRequest,
  answer: { readonly status: number; readonly record: assets.AssetRecord },
): ArmAnswer => ({
  status: answer.status,
  body: assets.toArmAsset(scope, answer.record, { isListed: false, apiVersion }),
});

async function answerAsset(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { record } = await getAsset(context, request.params['asset'] ?? '');
  return assetAnswer(context, request, { status: 200, record });
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
  const { store, containers } = context;
  const name = parseName('asset', request.params['asset'] ?? '');
  const body = assets.parseAssetBody(request.body, request.apiVersion);
  const existing = await store.find(keys.assetKey(name));
  if (existing !== undefined) return patchAsset(context, request, existing);
  const record = assets.newAsset(body, {
    name,
    assetId: randomUUID(),
    storageAccounts: [containers.accountName, ...containers.accountNames],
    caller: request.caller,
    nowIso: nowIso(),
  });
  const containerKey = keys.containerOfAssetKey(record);
  if ((await store.find(containerKey)) !== undefined)
    throw armError('IdInUse', { field: 'properties.container' });
  if (!(await containers.ensure(record))) {
    const reason =
      'the container cannot have it: its storage account must know it, and an existing container keeps its own';
    throw armError('InvalidField', { field: 'properties.encryptionScope', reason });
  }
  const result = await store.commit([
    ...createChanges(ASSETS, record),
    { kind: 'create', rowKey: containerKey, body: { name } },
  ]);
  if (result === 'committed') return assetAnswer(context, request, { status: 201, record });
  // Another call made the asset, or one with the same container, meanwhile.
  if (body.container == null) await containers.remove(record);
  if ((await store.find(keys.assetKey(name))) === undefined) throw armError('TooManyChanges');
  return patchAsset(context, request);
}

/** `read` is its row as it was a moment ago, if that is known. */
function patchAsset(context: ControlContext, request: ArmRequest, read?: StoredRow): Promise<ArmAnswer> {
  const body = assets.parseAssetBody(request.body, request.apiVersion);
  let known = read;
  return untilCommitted(async () => {
    const { row, record } =
      known === undefined ? await getAsset(context, request.params['asset'] ?? '') : assetIn(known);
    known = undefined;
    const updated = assets.updatedAsset(record, body, { caller: request.caller, nowIso: nowIso() });
    const result = await context.store.commit(replaceChanges(ASSETS, row, updated));
    return result === 'conflict' ? result : assetAnswer(context, request, { status: 200, record: updated });
  });
}

/** Marked first, then the container, then the rows: a crash leaves something that a second DELETE finishes. */
async function deleteAsset(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { store, containers } = context;
  const marked = await untilCommitted(() => markDeleting(context, request.params['asset'] ?? ''));
  if (marked === undefined) return { status: 204 };
  await containers.remove(marked);
  for (const locator of await locatorsOf(context, marked.name)) await removeLocator(context, locator.name);
  for (const prefix of [assetTrackPrefix(marked.name), assetFilterPrefix(marked.name)]) {
    const rows = await store.list(prefix, { limit: CHANGES_MAX });
    await store.commit(rows.map(({ rowKey }) => ({ kind: 'delete', rowKey })));
  }
  const containerRow = await store.find(keys.containerOfAssetKey(marked));
  await store.commit([
    ...deleteChanges(ASSETS, marked),
    // Assets of earlier versions have none.
    ...(containerRow === undefined ? [] : [{ kind: 'delete', rowKey: containerRow.rowKey } as const]),
  ]);
  return { status: 200 };
}

/** Undefined when there is no such asset. From then on nothing new can be made below it. */
async function markDeleting({ store }: ControlContext, name: string) {
  const row = await store.find(keys.assetKey(name));
  if (row === undefined) return undefined;
  const record = assets.AssetRecord.parse(row.body);
  const [output] = await store.list(keys.prefixes.outputsOfAsset(record.name), { limit: 1 });
  if (output !== undefined) {
    throw armError('AssetInUse', { name: record.name, reason: output.rowKey.split('!').at(-1) ?? '' });
  }
  const marked = { ...record, deleting: true };
  const result = await store.commit(replaceChanges(ASSETS, row, marked));
  return result === 'conflict' ? result : marked;
}

async function containerSas(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { record } = await getAsset(context, request.params['asset'] ?? '');
  const { permissions, expiresAtMs } = assets.parseContainerSasBody(request.body, Date.now());
  const assetContainerSasUrls = context.containers.sasUrls(record, permissions, expiresAtMs);
  return { status: 200, body: { assetContainerSasUrls } };
}

/** Storage encryption was of Media Services before v3: no asset of this service has it. */
async function getEncryptionKey(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  await getAsset(context, request.params['asset'] ?? '');
  throw armError('NotStorageEncrypted');
}
