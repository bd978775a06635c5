import { randomBytes, randomUUID } from 'node:crypto';
import { armError } from '../resources/error-catalogue.ts';
import * as liveEvents from '../resources/live-event.ts';
import { decideLiveEventCommand, type LiveEventCommand } from '../resources/live-event-state.ts';
import * as liveOutputs from '../resources/live-output.ts';
import { parseName } from '../resources/names.ts';
import * as keys from '../resources/row-keys.ts';
import { StreamingEndpointRecord, toArmStreamingEndpoint } from '../resources/streaming-endpoint.ts';
import { decideStreamingEndpointCommand } from '../resources/streaming-endpoint-state.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { type ControlContext, nowIso } from './control-context.ts';
import type { RowChange, StoredRow } from './control-store.ts';
import { getAsset } from './metadata-routes.ts';
import {
  liveEventStateChanged,
  liveOutputStateChanged,
  type OperationKind,
  type OperationRecord,
} from './operations.ts';
import { answerPage } from './paging.ts';

const COMMAND_OPERATIONS = {
  allocate: 'allocateLiveEvent',
  start: 'startLiveEvent',
  stop: 'stopLiveEvent',
  reset: 'resetLiveEvent',
  delete: 'deleteLiveEvent',
} as const satisfies Record<LiveEventCommand, OperationKind>;

/** Live events, live outputs, streaming endpoints and the status of their operations. */
export function streamingRoutes(context: ControlContext): readonly ArmRoute[] {
  const { scope, store, addresses } = context;
  const event = '/liveEvents/:liveEvent';
  const output = `${event}/liveOutputs/:liveOutput`;
  const endpoint = '/streamingEndpoints/:endpoint';
  const hostName = `${addresses.host}:${addresses.streamingPort}`;
  const command = (name: LiveEventCommand) => (request: ArmRequest) =>
    commandLiveEvent(context, request, name);
  const getEvent = async (request: ArmRequest) =>
    liveEvents.toArmLiveEvent(scope, (await getLiveEvent(context, request)).record, {
      addresses,
      single: true,
    });
  const getOutput = async (request: ArmRequest) =>
    liveOutputs.toArmLiveOutput(scope, (await getLiveOutput(context, request)).record, { single: true });
  const getEndpoint = async (request: ArmRequest) =>
    toArmStreamingEndpoint(scope, (await getStreamingEndpoint(context, request)).record, {
      hostName,
      single: true,
    });
  return [
    {
      method: 'GET',
      path: '/liveEvents',
      handle: (request) =>
        answerPage(request, store, {
          prefix: keys.prefixes.liveEvents,
          toArm: (row) =>
            liveEvents.toArmLiveEvent(scope, liveEvents.LiveEventRecord.parse(row.body), {
              addresses,
              single: false,
            }),
        }),
    },
    {
      method: 'GET',
      path: event,
      handle: async (request) => ({ status: 200, body: await getEvent(request) }),
    },
    { method: 'PUT', path: event, handle: (request) => createLiveEvent(context, request) },
    { method: 'PATCH', path: event, handle: (request) => updateLiveEvent(context, request) },
    { method: 'DELETE', path: event, handle: command('delete') },
    { method: 'POST', path: `${event}/allocate`, handle: command('allocate') },
    { method: 'POST', path: `${event}/start`, handle: command('start') },
    { method: 'POST', path: `${event}/stop`, handle: command('stop') },
    { method: 'POST', path: `${event}/reset`, handle: command('reset') },
    {
      method: 'GET',
      path: `${event}/liveOutputs`,
      handle: async (request) => {
        const { record } = await getLiveEvent(context, request, 'ParentResourceNotFound');
        return answerPage(request, store, {
          prefix: keys.prefixes.liveOutputsOf(record.name),
          toArm: (row) =>
            liveOutputs.toArmLiveOutput(scope, liveOutputs.LiveOutputRecord.parse(row.body), {
              single: false,
            }),
        });
      },
    },
    {
      method: 'GET',
      path: output,
      handle: async (request) => ({ status: 200, body: await getOutput(request) }),
    },
    { method: 'PUT', path: output, handle: (request) => createLiveOutput(context, request) },
    { method: 'DELETE', path: output, handle: (request) => deleteLiveOutput(context, request) },
    {
      method: 'GET',
      path: '/streamingEndpoints',
      handle: (request) =>
        answerPage(request, store, {
          prefix: keys.prefixes.streamingEndpoints,
          toArm: (row) =>
            toArmStreamingEndpoint(scope, StreamingEndpointRecord.parse(row.body), {
              hostName,
              single: false,
            }),
        }),
    },
    {
      method: 'GET',
      path: endpoint,
      handle: async (request) => ({ status: 200, body: await getEndpoint(request) }),
    },
    {
      method: 'POST',
      path: `${endpoint}/start`,
      handle: (request) => commandEndpoint(context, request, 'start'),
    },
    {
      method: 'POST',
      path: `${endpoint}/stop`,
      handle: (request) => commandEndpoint(context, request, 'stop'),
    },
    ...['liveEvent', 'liveOutput', 'streamingEndpoint'].map((type) =>
      statusRoute(context, `/${type}Operations`),
    ),
    resultRoute(context, event, getEvent),
    resultRoute(context, output, getOutput),
    resultRoute(context, endpoint, getEndpoint),
  ];
}

/** `error` is always there, `None` unless the operation failed (reference §1.0). */
function statusRoute({ operations }: ControlContext, path: string): ArmRoute {
  return {
    method: 'GET',
    path: `${path}/:operation`,
    handle: async (request) => {
      const { id, status } = await operations.find(request.params['operation'] ?? '');
      const error =
        status === 'Failed'
          ? { code: 'InternalError', message: 'The server encountered an unexpected error.', target: id }
          : { code: 'None', message: null, target: id };
      return {
        status: 200,
        body: { name: id, status, error },
        headers: {
          'azure-asyncoperation': `${request.origin}${request.pathname}?${request.query}`,
          ...(status === 'InProgress' ? { 'retry-after': '1' } : {}),
        },
      };
    },
  };
}

function resultRoute(
  { operations }: ControlContext,
  path: string,
  toArm: (request: ArmRequest) => Promise<object>,
): ArmRoute {
  return {
    method: 'GET',
    path: `${path}/operationLocations/:operation`,
    handle: async (request) => {
      const { id, status } = await operations.find(request.params['operation'] ?? '');
      if (status === 'InProgress') return { status: 202, headers: { 'retry-after': '1' } };
      const body = await toArm(request);
      return {
        status: 200,
        body: { ...body, id: `${String(Reflect.get(body, 'id'))}/operationlocations/${id}` },
      };
    },
  };
}

type OperationType = 'liveevent' | 'liveoutput' | 'streamingendpoint';

function accepted(
  context: ControlContext,
  request: ArmRequest,
  answer: {
    status: number;
    type: OperationType;
    resource: string;
    operation: OperationRecord;
    body?: object;
  },
): ArmAnswer {
  const base = request.origin + context.scope.accountId.replace('resourceGroups', 'resourcegroups');
  const version = `?api-version=${request.query.get('api-version')}`;
  const { id } = answer.operation;
  return {
    status: answer.status,
    ...(answer.body === undefined ? {} : { body: answer.body }),
    headers: {
      'azure-asyncoperation': `${base}/${answer.type}operations/${id}${version}`,
      location: `${base}/${answer.resource}/operationlocations/${id}${version}`,
      'retry-after': '1',
    },
  };
}

async function getLiveEvent(
  { store, scope }: ControlContext,
  request: ArmRequest,
  missing: 'ResourceNotFound' | 'ParentResourceNotFound' = 'ResourceNotFound',
): Promise<{ row: StoredRow; record: liveEvents.LiveEventRecord }> {
  const name = request.params['liveEvent'] ?? '';
  const row = await store.find(keys.liveEventKey(name));
  if (row !== undefined) return { row, record: liveEvents.LiveEventRecord.parse(row.body) };
  throw armError(missing, {
    account: scope.account,
    resourceGroup: scope.resourceGroup,
    type: 'liveEvents',
    name,
  });
}

async function getLiveOutput(context: ControlContext, request: ArmRequest) {
  const { record: event } = await getLiveEvent(context, request, 'ParentResourceNotFound');
  const row = await context.store.find(keys.liveOutputKey(event.name, request.params['liveOutput'] ?? ''));
  if (row === undefined) throw armError('NotFound');
  return { row, record: liveOutputs.LiveOutputRecord.parse(row.body) };
}

async function getStreamingEndpoint({ store, scope }: ControlContext, request: ArmRequest) {
  const name = request.params['endpoint'] ?? '';
  const row = await store.find(keys.streamingEndpointKey(name));
  if (row !== undefined) return { row, record: StreamingEndpointRecord.parse(row.body) };
  const { account, resourceGroup } = scope;
  throw armError('ResourceNotFound', { account, resourceGroup, type: 'streamingEndpoints', name });
}

async function beginOrBusy(
  context: ControlContext,
  operation: OperationRecord,
  changes: RowChange[],
): Promise<void> {
  if (!(await context.operations.begin(operation, changes))) throw armError('OperationInProgress');
}

async function createLiveEvent(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { store, scope, addresses } = context;
  const name = parseName('liveEvent', request.params['liveEvent'] ?? '');
  const body = liveEvents.parseLiveEventBody(request.body);
  const existing = await store.find(keys.liveEventKey(name));
  if (existing !== undefined) {
    const record = liveEvents.LiveEventRecord.parse(existing.body);
    if (!liveEvents.isSameLiveEvent(record, body))
      throw armError('AlreadyExists', { type: 'live event', name });
    return { status: 200, body: liveEvents.toArmLiveEvent(scope, record, { addresses, single: true }) };
  }
  if (
    (await store.list(keys.prefixes.liveEvents, { limit: context.liveEventsMax })).length >=
    context.liveEventsMax
  ) {
    throw armError('QuotaExceeded', { type: 'live events', reason: String(context.liveEventsMax) });
  }
  const fresh = { name, caller: request.caller, nowIso: nowIso() };
  const accessToken = randomBytes(16).toString('hex');
  const record = liveEvents.newLiveEvent(body, { ...fresh, accessToken, previewLocator: randomUUID() });
  const tokenKey = keys.accessTokenKey(record.input.accessToken);
  const previewKey = keys.previewLocatorKey(record.preview.previewLocator);
  if (await store.find(tokenKey)) throw armError('IdInUse', { field: 'properties.input.accessToken' });
  if (
    (await store.find(previewKey)) ??
    (await store.find(keys.locatorIdKey(record.preview.previewLocator)))
  ) {
    throw armError('IdInUse', { field: 'properties.preview.previewLocator' });
  }
  const isStarted = request.query.get('autoStart')?.toLowerCase() === 'true';
  const operation = context.operations.prepare(
    isStarted ? 'createStartedLiveEvent' : 'createLiveEvent',
    name,
  );
  await beginOrBusy(context, operation, [
    {
      kind: 'create',
      rowKey: keys.liveEventKey(name),
      body: { ...record, pendingOperationId: operation.id },
    },
    { kind: 'create', rowKey: tokenKey, body: { name } },
    { kind: 'create', rowKey: previewKey, body: { name } },
  ]);
  return accepted(context, request, {
    status: 201,
    type: 'liveevent',
    resource: `liveevents/${name}`,
    operation,
    body: liveEvents.toArmLiveEvent(scope, record, { addresses, single: true }),
  });
}

async function updateLiveEvent(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { row, record } = await getLiveEvent(context, request);
  if (record.pendingOperationId !== undefined) throw armError('OperationInProgress');
  const sent = Object(request.body);
  const sentProperties = Object(Reflect.get(sent, 'properties'));
  const { streamingProtocol } = record.input;
  // PATCH may leave out what PUT must send.
  const input = { streamingProtocol, ...Object(Reflect.get(sentProperties, 'input')) };
  const body = liveEvents.parseLiveEventBody({ ...sent, properties: { ...sentProperties, input } });
  const updated = liveEvents.updatedLiveEvent(record, body, { caller: request.caller, nowIso: nowIso() });
  const operation = context.operations.prepare('updateLiveEvent', record.name);
  const oldToken = keys.accessTokenKey(record.input.accessToken);
  const newToken = keys.accessTokenKey(updated.input.accessToken);
  await beginOrBusy(context, operation, [
    {
      kind: 'replace',
      rowKey: row.rowKey,
      etag: row.etag,
      body: { ...updated, pendingOperationId: operation.id },
    },
    ...(oldToken === newToken
      ? []
      : ([
          { kind: 'delete', rowKey: oldToken },
          { kind: 'create', rowKey: newToken, body: { name: record.name } },
        ] as const)),
  ]);
  return accepted(context, request, {
    status: 202,
    type: 'liveevent',
    resource: `liveevents/${record.name}`,
    operation,
    body: liveEvents.toArmLiveEvent(context.scope, updated, { addresses: context.addresses, single: true }),
  });
}

async function commandLiveEvent(
  context: ControlContext,
  request: ArmRequest,
  command: LiveEventCommand,
): Promise<ArmAnswer> {
  const { store, events } = context;
  if (command === 'delete' && !(await store.find(keys.liveEventKey(request.params['liveEvent'] ?? '')))) {
    return { status: 204 };
  }
  const { row, record } = await getLiveEvent(context, request);
  const outputs = await store.list(keys.prefixes.liveOutputsOf(record.name), {
    limit: liveOutputs.LIVE_OUTPUTS_PER_EVENT_MAX,
  });
  const situation = {
    name: record.name,
    state: record.state,
    outputCount: outputs.length,
    busy: record.pendingOperationId !== undefined,
  };
  const removeOutputs = Reflect.get(Object(request.body), 'removeOutputsOnStop') === true;
  const decision = decideLiveEventCommand(situation, command, { removeOutputs });
  if (decision.kind === 'refuse') throw armError(decision.errorName, decision.about);
  const operation = context.operations.prepare(COMMAND_OPERATIONS[command], record.name);
  const begun = {
    ...record,
    state: decision.via,
    provisioningState: 'InProgress',
    lastModified: nowIso(),
    pendingOperationId: operation.id,
  };
  const changes: RowChange[] = [
    { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body: begun },
    events.change(liveEventStateChanged(record.name, record.state, decision.via)),
  ];
  if (command === 'stop' || command === 'reset' || command === 'delete') {
    for (const outputRow of outputs) changes.push(...deletingOutput(context, outputRow));
  }
  await beginOrBusy(context, operation, changes);
  return accepted(context, request, {
    status: 202,
    type: 'liveevent',
    resource: `liveevents/${record.name}`,
    operation,
  });
}

function deletingOutput({ events }: ControlContext, row: StoredRow): RowChange[] {
  const record = liveOutputs.LiveOutputRecord.parse(row.body);
  return [
    { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body: { ...record, state: 'Deleting' } },
    events.change(liveOutputStateChanged(record, 'Deleting')),
  ];
}

async function createLiveOutput(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { store, scope } = context;
  const { row: eventRow, record: event } = await getLiveEvent(context, request, 'ParentResourceNotFound');
  const name = parseName('liveOutput', request.params['liveOutput'] ?? '');
  const body = liveOutputs.parseLiveOutputBody(request.body);
  const existing = await store.find(keys.liveOutputKey(event.name, name));
  if (existing !== undefined) {
    const record = liveOutputs.LiveOutputRecord.parse(existing.body);
    if (!liveOutputs.isSameLiveOutput(record, body))
      throw armError('AlreadyExists', { type: 'live output', name });
    return { status: 200, body: liveOutputs.toArmLiveOutput(scope, record, { single: true }) };
  }
  if (event.pendingOperationId !== undefined) throw armError('OperationInProgress');
  const max =
    event.encodingType === 'PassthroughBasic'
      ? liveOutputs.LIVE_OUTPUTS_PER_BASIC_EVENT_MAX
      : liveOutputs.LIVE_OUTPUTS_PER_EVENT_MAX;
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
      manifestName: randomUUID(),
      caller: request.caller,
      nowIso: nowIso(),
    },
  );
  const operation = context.operations.prepare('createLiveOutput', event.name);
  const names = { asset: asset.record.name, liveEvent: event.name, output: name };
  await beginOrBusy(context, operation, [
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
  return accepted(context, request, {
    status: 201,
    type: 'liveoutput',
    resource: `liveevents/${event.name}/liveoutputs/${name}`,
    operation,
    body: liveOutputs.toArmLiveOutput(scope, record, { single: true }),
  });
}

async function deleteLiveOutput(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const name = request.params['liveOutput'] ?? '';
  const { row: eventRow, record: event } = await getLiveEvent(context, request, 'ParentResourceNotFound');
  const row = await context.store.find(keys.liveOutputKey(event.name, name));
  if (row === undefined) return { status: 204 };
  if (event.pendingOperationId !== undefined) throw armError('OperationInProgress');
  const operation = context.operations.prepare('deleteLiveOutput', event.name);
  await beginOrBusy(context, operation, [
    ...deletingOutput(context, row),
    {
      kind: 'replace',
      rowKey: eventRow.rowKey,
      etag: eventRow.etag,
      body: { ...event, pendingOperationId: operation.id },
    },
  ]);
  const resource = `liveevents/${event.name}/liveoutputs/${name}`;
  return accepted(context, request, { status: 202, type: 'liveoutput', resource, operation });
}

async function commandEndpoint(
  context: ControlContext,
  request: ArmRequest,
  command: 'start' | 'stop',
): Promise<ArmAnswer> {
  const { row, record } = await getStreamingEndpoint(context, request);
  const { name, state, scaleUnits } = record;
  const decision = decideStreamingEndpointCommand(
    { name, state, busy: record.pendingOperationId !== undefined },
    command,
  );
  if (decision.kind === 'refuse') throw armError(decision.errorName, decision.about);
  const kind = command === 'start' ? 'startStreamingEndpoint' : 'stopStreamingEndpoint';
  const operation = context.operations.prepare(kind, name);
  const body = {
    ...record,
    state: decision.via,
    provisioningState: 'InProgress',
    pendingOperationId: operation.id,
  };
  await beginOrBusy(context, operation, [
    { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body },
    context.events.change({
      type: 'Headend.Media.StreamingEndpointStateChanged',
      subject: `streamingEndpoint/${name}`,
      data: { previousState: state, state: decision.via, scaleUnits },
    }),
  ]);
  return accepted(context, request, {
    status: 202,
    type: 'streamingendpoint',
    resource: `streamingendpoints/${name}`,
    operation,
  });
}
