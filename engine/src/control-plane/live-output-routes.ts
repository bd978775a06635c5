import { randomUUID } from 'node:crypto';
import { manifestNamesIn } from '../resources/asset-files.ts';
import { armError } from '../resources/error-catalogue.ts';
import * as liveOutputs from '../resources/live-output.ts';
import { parseName } from '../resources/names.ts';
import * as keys from '../resources/row-keys.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { getAsset } from './asset-rows.ts';
import { untilCommitted } from './commit-attempts.ts';
import { type ControlContext, nowIso } from './control-context.ts';
import { liveEventOperation } from './live-event-operations.ts';
import { deletingOutput, getLiveEvent } from './live-rows.ts';
import { accepted, beginOrBusy, resultRoute } from './operation-routes.ts';
import { answerPage } from './paging.ts';

const LIST = '/liveEvents/:liveEvent/liveOutputs';
const PATH = `${LIST}/:liveOutput`;
/** Live outputs that may record into one asset at the same time. */
const OUTPUTS_OF_ASSET_MAX = 100;

/** The recordings of live events. */
export const LIVE_OUTPUT_ROUTES: readonly ArmRoute[] = [
  { method: 'GET', path: LIST, handle: listLiveOutputs },
  { method: 'GET', path: PATH, handle: async (...call) => ({ status: 200, body: await answer(...call) }) },
  { method: 'PUT', path: PATH, handle: (...call) => untilCommitted(() => createLiveOutput(...call)) },
  { method: 'DELETE', path: PATH, handle: deleteLiveOutput },
  resultRoute(PATH, answer),
];

async function listLiveOutputs(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { record } = await getLiveEvent(context, request, 'ParentResourceNotFound');
  return answerPage(request, context.store, {
    prefix: keys.prefixes.liveOutputsOf(record.name),
    toArm: (row) =>
      liveOutputs.toArmLiveOutput(context.scope, liveOutputs.LiveOutputRecord.parse(row.body), {
        single: false,
      }),
  });
}

async function answer(context: ControlContext, request: ArmRequest): Promise<object> {
  const { record } = await getLiveOutput(context, request);
  return liveOutputs.toArmLiveOutput(context.scope, record, { single: true });
}

async function getLiveOutput(context: ControlContext, request: ArmRequest) {
  const { record: event } = await getLiveEvent(context, request, 'ParentResourceNotFound');
  const row = await context.store.find(keys.liveOutputKey(event.name, request.params['liveOutput'] ?? ''));
  if (row === undefined) throw armError('NotFound');
  return { row, record: liveOutputs.LiveOutputRecord.parse(row.body) };
}

async function createLiveOutput(
  context: ControlContext,
  request: ArmRequest,
): Promise<ArmAnswer | 'conflict'> {
  const { store, scope } = context;
  const { row: eventRow, record: event } = await getLiveEvent(context, request, 'ParentResourceNotFound');
  const name = parseName('liveOutput', request.params['liveOutput'] ?? '');
  const body = liveOutputs.parseLiveOutputBody(request.body, request.apiVersion);
  const existing = await store.find(keys.liveOutputKey(event.name, name));
  if (existing !== undefined) {
    const record = liveOutputs.LiveOutputRecord.parse(existing.body);
    if (!liveOutputs.isSameLiveOutput(record, body))
      throw armError('AlreadyExists', { type: 'live output', name });
    return { status: 200, body: liveOutputs.toArmLiveOutput(scope, record, { single: true }) };
  }
  if (event.pendingOperationId !== undefined) throw armError('OperationInProgress');
  liveOutputs.checkArchiveWindow(body, event);
  const max = liveOutputs.liveOutputsMax(event.encodingType);
  if ((await store.list(keys.prefixes.liveOutputsOf(event.name), { limit: max })).length >= max) {
    throw armError('QuotaExceeded', { type: 'live outputs of a live event', reason: String(max) });
  }
  const asset = await getAsset(context, body.assetName).catch((error: unknown) => {
    throw Reflect.get(Object(error), 'errorName') === 'NotFound'
      ? armError('ReferenceNotFound', { type: 'asset', name: body.assetName })
      : error;
  });
  const record = liveOutputs.newLiveOutput(
    { ...body, assetName: asset.record.name },
    {
      name,
      liveEventName: event.name,
      container: asset.record.container,
      storageAccountName: asset.record.storageAccountName,
      manifestName: randomUUID(),
      caller: request.caller,
      nowIso: nowIso(),
    },
  );
  await refuseUsedManifest(context, record);
  const operation = context.operations.prepare(liveEventOperation('createLiveOutput'), {
    target: event.name,
    resource: `liveevents/${event.name}/liveoutputs/${name}`,
  });
  const names = { asset: asset.record.name, liveEvent: event.name, output: name };
  const isBegun = await context.operations.begin(operation, [
    { kind: 'create', rowKey: keys.liveOutputKey(event.name, name), body: record },
    { kind: 'create', rowKey: keys.outputOfAssetKey(names), body: { name, liveEvent: event.name } },
    {
      kind: 'replace',
      rowKey: eventRow.rowKey,
      etag: eventRow.etag,
      body: { ...event, pendingOperationId: operation.id },
    },
    // Unchanged, but its ETag moves: a delete of the asset at the same time fails, or this does.
    { kind: 'replace', rowKey: asset.row.rowKey, etag: asset.row.etag, body: asset.row.body },
  ]);
  if (!isBegun) return 'conflict';
  return accepted(context, request, {
    status: 201,
    operation,
    body: liveOutputs.toArmLiveOutput(scope, record, { single: true }),
  });
}

/** Two recordings of one asset have different names; what was recorded is not recorded into again: throws `IdInUse`. */
async function refuseUsedManifest(
  { store, containers }: ControlContext,
  record: liveOutputs.LiveOutputRecord,
): Promise<void> {
  const name = record.manifestName.toLowerCase();
  const indexRows = await store.list(keys.prefixes.outputsOfAsset(record.assetName), {
    limit: OUTPUTS_OF_ASSET_MAX,
  });
  const others = await Promise.all(
    indexRows.map(({ body }) => {
      const { name: output, liveEvent } = Object(body);
      return store.find(keys.liveOutputKey(String(liveEvent), String(output)));
    }),
  );
  const used = others.flatMap((row) =>
    row === undefined ? [] : [liveOutputs.LiveOutputRecord.parse(row.body).manifestName],
  );
  // Somebody may have removed the container: the recording will say so.
  const files = await containers.rootFileNames(record).catch(noneWithoutContainer);
  if ([...used, ...manifestNamesIn(files)].some((other) => other.toLowerCase() === name)) {
    throw armError('IdInUse', { field: 'properties.manifestName' });
  }
}

async function deleteLiveOutput(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const name = request.params['liveOutput'] ?? '';
  const { row: eventRow, record: event } = await getLiveEvent(context, request, 'ParentResourceNotFound');
  const row = await context.store.find(keys.liveOutputKey(event.name, name));
  if (row === undefined) return { status: 204 };
  if (event.pendingOperationId !== undefined) throw armError('OperationInProgress');
  const operation = context.operations.prepare(liveEventOperation('deleteLiveOutput'), {
    target: event.name,
    resource: `liveevents/${event.name}/liveoutputs/${name}`,
  });
  await beginOrBusy(context, operation, [
    ...deletingOutput(context, row),
    {
      kind: 'replace',
      rowKey: eventRow.rowKey,
      etag: eventRow.etag,
      body: { ...event, pendingOperationId: operation.id },
    },
  ]);
  return accepted(context, request, { status: 202, operation });
}

function noneWithoutContainer(error: unknown): readonly string[] {
  if (Reflect.get(Object(error), 'statusCode') === 404) return [];
  throw error;
}
