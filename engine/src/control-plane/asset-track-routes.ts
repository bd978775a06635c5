import * as tracks from '../resources/asset-track.ts';
import { ArmError, armError } from '../resources/error-catalogue.ts';
import { foldName, parseName } from '../resources/names.ts';
import { prefixes } from '../resources/row-keys.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { getAsset } from './asset-rows.ts';
import {
  createAssetTrack,
  deleteAssetTrack,
  updateAssetTrack,
  updateAssetTrackData,
} from './asset-track-operations.ts';
import {
  assetTrackKey,
  assetTrackPrefix,
  findListed,
  findStoredTrack,
  type StoredTrack,
} from './asset-track-rows.ts';
import { type ControlContext, nowIso } from './control-context.ts';
import { parseListOptions } from './list-options.ts';
import type { OperationKind, OperationRecord } from './operation.ts';
import { beginOrBusy, begun, errorOf, findOperation } from './operation-routes.ts';

const PATH = '/assets/:asset/tracks/:track';

/** Audio, video and text tracks of assets. */
export const ASSET_TRACK_ROUTES: readonly ArmRoute[] = [
  { method: 'GET', path: '/assets/:asset/tracks', handle: listTracks },
  { method: 'GET', path: PATH, handle: answerTrack },
  { method: 'PUT', path: PATH, handle: putTrack },
  { method: 'PATCH', path: PATH, handle: patchTrack },
  { method: 'DELETE', path: PATH, handle: deleteTrack },
  { method: 'POST', path: `${PATH}/updateTrackData`, handle: updateTrackData },
  { method: 'GET', path: `${PATH}/operationStatuses/:operation`, handle: answerStatus },
  { method: 'GET', path: `${PATH}/operationResults/:operation`, handle: answerResult },
];

/** First what the asset's server manifest lists, then what was added. There are no pages (reference §1.1). */
async function listTracks(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  parseListOptions(request.query, {}, 'tracks');
  const { record: asset } = await getAsset(context, request.params['asset'] ?? '');
  const manifest = await context.containers.trackFiles.manifestTracks(asset);
  const rows = await context.store.list(assetTrackPrefix(asset.name), { limit: tracks.TRACKS_PER_ASSET_MAX });
  const added = rows.map(({ body }) => tracks.AssetTrackRecord.parse(body));
  const names = new Set(added.map(({ name }) => foldName(name)));
  const listed = (manifest?.tracks ?? []).filter(({ name }) => !names.has(foldName(name)));
  const shown = [...listed.map((track) => tracks.shownManifestTrack(asset.name, track)), ...added];
  return { status: 200, body: { value: shown.map((track) => tracks.toArmAssetTrack(context.scope, track)) } };
}

async function answerTrack(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  return { status: 200, body: await getTrack(context, request) };
}

/** Throws `NotFound`. */
async function getTrack(context: ControlContext, request: ArmRequest): Promise<object> {
  const { record: asset } = await getAsset(context, request.params['asset'] ?? '');
  const name = request.params['track'] ?? '';
  const stored = await findStoredTrack(context.store, assetTrackKey(asset.name, name));
  if (stored !== undefined) return tracks.toArmAssetTrack(context.scope, stored.record);
  const listed = findListed(await context.containers.trackFiles.manifestTracks(asset), name);
  if (listed === undefined) throw armError('NotFound');
  return tracks.toArmAssetTrack(context.scope, tracks.shownManifestTrack(asset.name, listed));
}

async function putTrack(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const name = parseName('assetTrack', request.params['track'] ?? '');
  const body = tracks.parseAssetTrackBody(request.body, request.apiVersion);
  const { row: assetRow, record: asset } = await getAsset(context, request.params['asset'] ?? '');
  const target = assetTrackKey(asset.name, name);
  const stored = await findStoredTrack(context.store, target);
  const operation = prepare(context, createAssetTrack, {
    asset: asset.name,
    track: stored?.record.name ?? name,
    target,
  });
  const by = { operationId: operation.id, caller: request.caller, nowIso: nowIso() };
  const record =
    stored === undefined
      ? tracks.newAssetTrack(body, { name, assetName: asset.name, ...by })
      : tracks.replacedAssetTrack(stored.record, body, by);
  const file = tracks.trackFile(record.track);
  const manifest = await checkedManifest(context, asset);
  if (stored === undefined && findListed(manifest, name) !== undefined) {
    throw armError('AlreadyExists', { type: 'track', name });
  }
  if (!(await context.containers.trackFiles.has(asset, file.name))) throw armError('TrackFileNotFound');
  if (stored !== undefined) return beginOn(context, request, { stored, record, operation, status: 200 });
  await checkRoom(context, asset.name);
  await beginOrBusy(
    context,
    operation,
    [
      { kind: 'create', rowKey: target, body: record },
      // Unchanged, but its ETag moves: a delete of the asset at the same time fails, or this does.
      { kind: 'replace', rowKey: assetRow.rowKey, etag: assetRow.etag, body: assetRow.body },
    ],
    'TrackOperationInProgress',
  );
  return accepted(context, request, { status: 201, operation, record });
}

/** Tracks are added to what is recorded, not to what is being recorded (reference §1.2). */
async function checkedManifest(
  { store, containers }: ControlContext,
  asset: Awaited<ReturnType<typeof getAsset>>['record'],
) {
  const [output] = await store.list(prefixes.outputsOfAsset(asset.name), { limit: 1 });
  if (output !== undefined) {
    throw armError('AssetInUse', { name: asset.name, reason: output.rowKey.split('!').at(-1) ?? '' });
  }
  const manifest = await containers.trackFiles.manifestTracks(asset);
  if (manifest === undefined) throw armError('NoServerManifest', { name: asset.name });
  return manifest;
}

async function checkRoom({ store }: ControlContext, assetName: string): Promise<void> {
  const limit = tracks.TRACKS_PER_ASSET_MAX;
  if ((await store.list(assetTrackPrefix(assetName), { limit })).length < limit) return;
  throw armError('QuotaExceeded', { type: 'tracks of an asset', reason: String(limit) });
}

async function patchTrack(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const body = tracks.parseAssetTrackBody(request.body, request.apiVersion);
  const stored = await getAddedTrack(context, request);
  const operation = prepareOn(context, updateAssetTrack, stored);
  const by = { operationId: operation.id, caller: request.caller, nowIso: nowIso() };
  const record = tracks.updatedAssetTrack(stored.record, body, by);
  return beginOn(context, request, { stored, record, operation, status: 202 });
}

async function deleteTrack(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const stored = await getAddedTrack(context, request).catch((error: unknown) => {
    if (error instanceof ArmError && error.errorName === 'NotFound') return undefined;
    throw error;
  });
  if (stored === undefined) return { status: 204 };
  return beginUnchanged(context, request, { stored, kind: deleteAssetTrack });
}

async function updateTrackData(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const stored = await getAddedTrack(context, request);
  return beginUnchanged(context, request, { stored, kind: updateAssetTrackData });
}

/** Throws `NotFound`, or `TrackOfManifest` for one that was not added by a call. */
async function getAddedTrack(context: ControlContext, request: ArmRequest): Promise<StoredTrack> {
  const { record: asset } = await getAsset(context, request.params['asset'] ?? '');
  const name = request.params['track'] ?? '';
  const stored = await findStoredTrack(context.store, assetTrackKey(asset.name, name));
  if (stored !== undefined) return stored;
  const listed = findListed(await context.containers.trackFiles.manifestTracks(asset), name);
  throw listed === undefined ? armError('NotFound') : armError('TrackOfManifest', { name: listed.name });
}

/** An operation that changes nothing of the track but what it finds; its beginning has no body (specification). */
async function beginUnchanged(
  context: ControlContext,
  request: ArmRequest,
  { stored, kind }: { readonly stored: StoredTrack; readonly kind: OperationKind },
): Promise<ArmAnswer> {
  const operation = prepareOn(context, kind, stored);
  const by = { operationId: operation.id, caller: request.caller, nowIso: nowIso() };
  const record = tracks.begun(stored.record, by);
  const { body: _none, ...answer } = await beginOn(context, request, {
    stored,
    record,
    operation,
    status: 202,
  });
  return answer;
}

interface TrackOperation {
  readonly status: number;
  readonly operation: OperationRecord;
  readonly record: tracks.AssetTrackRecord;
}

/** Throws `TrackOperationInProgress`: one operation at a time. */
async function beginOn(
  context: ControlContext,
  request: ArmRequest,
  begin: TrackOperation & { readonly stored: StoredTrack },
): Promise<ArmAnswer> {
  const { stored, record, operation } = begin;
  if (stored.record.pendingOperationId !== undefined) throw armError('TrackOperationInProgress');
  const { rowKey, etag } = stored.row;
  await beginOrBusy(
    context,
    operation,
    [{ kind: 'replace', rowKey, etag, body: record }],
    'TrackOperationInProgress',
  );
  return accepted(context, request, begin);
}

const prepareOn = (
  context: ControlContext,
  kind: OperationKind,
  { row, record }: StoredTrack,
): OperationRecord =>
  prepare(context, kind, { asset: record.assetName, track: record.name, target: row.rowKey });

const prepare = (
  { operations }: ControlContext,
  kind: OperationKind,
  { asset, track, target }: { readonly asset: string; readonly track: string; readonly target: string },
): OperationRecord => operations.prepare(kind, { target, resource: resourceOf(asset, track) });

const resourceOf = (asset: string, track: string): string => `assets/${asset}/tracks/${track}`.toLowerCase();

function accepted(
  { scope }: ControlContext,
  request: ArmRequest,
  { status, operation, record }: TrackOperation,
): ArmAnswer {
  const [asset, track] = [record.assetName, record.name].map(encodeURIComponent);
  const base = `${request.origin}${scope.accountId}/assets/${asset}/tracks/${track}`;
  const version = `?api-version=${request.apiVersion}`;
  return begun(
    { status, body: tracks.toArmAssetTrack(scope, record) },
    {
      status: `${base}/operationStatuses/${operation.id}${version}`,
      result: `${base}/operationResults/${operation.id}${version}`,
    },
  );
}

/** Throws `NotFound` for an operation on something else. */
async function getOperation(context: ControlContext, request: ArmRequest): Promise<OperationRecord> {
  const operation = await findOperation(context, request);
  const { asset = '', track = '' } = request.params;
  if (operation.resource !== resourceOf(asset, track)) throw armError('NotFound');
  return operation;
}

const operationId = ({ scope }: ControlContext, request: ArmRequest, last: string): string => {
  const { asset = '', track = '' } = request.params;
  return `${scope.accountId}/assets/${asset}/tracks/${track}/${last}`;
};

async function answerStatus(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const operation = await getOperation(context, request);
  const { id, status, startedAtMs, changedAtMs } = operation;
  const isOver = status !== 'InProgress';
  return {
    status: 200,
    body: {
      name: id,
      id: operationId(context, request, `operationStatuses/${id}`),
      startTime: new Date(startedAtMs).toISOString(),
      ...(isOver ? { endTime: new Date(changedAtMs).toISOString() } : {}),
      status,
      ...(status === 'Failed' ? { error: errorOf(operation) } : {}),
    },
    ...(isOver ? {} : { headers: { 'retry-after': '1' } }),
  };
}

async function answerResult(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const operation = await getOperation(context, request);
  const { id, status, error } = operation;
  if (status === 'InProgress') {
    const here = `${request.origin}${request.pathname}?${request.query}`;
    return begun(
      { status: 202 },
      { status: here.replace(/operationResults/i, 'operationStatuses'), result: here },
    );
  }
  if (status === 'Failed') return { status: error?.status ?? 500, body: { error: errorOf(operation) } };
  if (context.operations.kindOf(operation)?.removes) return { status: 204 };
  const track = await getTrack(context, request);
  return {
    status: 200,
    body: {
      ...track,
      id: operationId(context, request, `operationResults/${id}`),
      type: 'Microsoft.Media/mediaservices/assets/tracks/operationResults',
    },
  };
}
