import { touchedAudit } from '../resources/account-scope.ts';
import { armError } from '../resources/error-catalogue.ts';
import { parseName } from '../resources/names.ts';
import * as keys from '../resources/row-keys.ts';
import {
  isSameStreamingEndpoint,
  newStreamingEndpoint,
  StreamingEndpointRecord,
  updatedStreamingEndpoint,
} from '../resources/streaming-endpoint.ts';
import {
  checkEndpointHostName,
  endpointHostName,
  STREAMING_ENDPOINT_SKUS,
  toArmStreamingEndpoint,
} from '../resources/streaming-endpoint-answer.ts';
import {
  parseScaleUnit,
  parseStreamingEndpointBody,
  parseStreamingEndpointPatch,
} from '../resources/streaming-endpoint-body.ts';
import {
  decideStreamingEndpointCommand,
  type StreamingEndpointCommand,
} from '../resources/streaming-endpoint-state.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { untilCommitted } from './commit-attempts.ts';
import { type ControlContext, nowIso } from './control-context.ts';
import type { RowChange, StoredRow } from './control-store.ts';
import { accepted, beginOrBusy, resultRoute } from './operation-routes.ts';
import { answerPage } from './paging.ts';
import { quotaChanges } from './quota.ts';
import {
  endpointStateChanged,
  type StreamingEndpointOperation,
  streamingEndpointOperation,
} from './streaming-endpoint-operations.ts';
import {
  findStreamingEndpoint,
  getStreamingEndpoint,
  refuseUsedHostNames,
} from './streaming-endpoint-rows.ts';

const PATH = '/streamingEndpoints/:endpoint';

const COMMANDS = {
  start: 'startStreamingEndpoint',
  stop: 'stopStreamingEndpoint',
  delete: 'deleteStreamingEndpoint',
} as const;

const command =
  (name: keyof typeof COMMANDS): ArmRoute['handle'] =>
  (context, request) =>
    commandEndpoint(context, request, name);

/** The account's streaming endpoints, which are started, stopped and scaled. */
export const STREAMING_ENDPOINT_ROUTES: readonly ArmRoute[] = [
  { method: 'GET', path: '/streamingEndpoints', handle: listStreamingEndpoints },
  { method: 'GET', path: PATH, handle: async (...call) => ({ status: 200, body: await answer(...call) }) },
  {
    method: 'PUT',
    path: PATH,
    handle: (context, request) =>
      untilCommitted(() => createStreamingEndpoint(context, request), context.scope.accountId),
  },
  { method: 'PATCH', path: PATH, handle: updateStreamingEndpoint },
  { method: 'DELETE', path: PATH, handle: command('delete') },
  { method: 'POST', path: `${PATH}/start`, handle: command('start') },
  { method: 'POST', path: `${PATH}/stop`, handle: command('stop') },
  { method: 'POST', path: `${PATH}/scale`, handle: scaleEndpoint },
  { method: 'GET', path: `${PATH}/skus`, handle: listSkus },
  resultRoute(PATH, answer),
];

function listStreamingEndpoints(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  return answerPage(request, context.store, {
    prefix: keys.prefixes.streamingEndpoints,
    toArm: (row) => shown(context, StreamingEndpointRecord.parse(row.body), { single: false }),
  });
}

async function answer(context: ControlContext, request: ArmRequest): Promise<object> {
  return shown(context, (await getStreamingEndpoint(context, request)).record, { single: true });
}

function shown(
  { scope, addresses }: ControlContext,
  record: StreamingEndpointRecord,
  view: { readonly single: boolean; readonly isNew?: boolean },
): object {
  const hostName = endpointHostName(scope, record.name, addresses);
  return toArmStreamingEndpoint(scope, record, { hostName, ...view });
}

async function listSkus(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  await getStreamingEndpoint(context, request);
  return { status: 200, body: { value: STREAMING_ENDPOINT_SKUS } };
}

const prepare = ({ operations }: ControlContext, kind: StreamingEndpointOperation, name: string) =>
  operations.prepare(streamingEndpointOperation(kind), {
    target: name,
    resource: `streamingendpoints/${name}`,
  });

async function createStreamingEndpoint(
  context: ControlContext,
  request: ArmRequest,
): Promise<ArmAnswer | 'conflict'> {
  const name = parseName('streamingEndpoint', request.params['endpoint'] ?? '');
  const body = parseStreamingEndpointBody(request.body, request.apiVersion);
  const existing = await findStreamingEndpoint(context, request);
  if (existing !== undefined) {
    if (!isSameStreamingEndpoint(existing.record, body))
      throw armError('AlreadyExists', { type: 'streaming endpoint', name });
    return { status: 200, body: shown(context, existing.record, { single: true }) };
  }
  checkEndpointHostName(context.scope, name);
  const record = newStreamingEndpoint(body, { name, caller: request.caller, nowIso: nowIso() });
  const counted = await quotaChanges(context, {
    prefix: keys.prefixes.streamingEndpoints,
    max: context.quotas.streamingEndpoints,
    type: 'streaming endpoints',
  });
  await refuseUsedHostNames(context, record);
  const isStarted = request.query.get('autoStart')?.toLowerCase() === 'true';
  const kind = isStarted ? 'createStartedStreamingEndpoint' : 'createStreamingEndpoint';
  const operation = prepare(context, kind, name);
  const row = { ...record, pendingOperationId: operation.id };
  const isBegun = await context.operations.begin(operation, [
    { kind: 'create', rowKey: keys.streamingEndpointKey(name), body: row },
    ...counted,
  ]);
  if (!isBegun) return 'conflict';
  const answered = shown(context, record, { single: true, isNew: true });
  return accepted(context, request, { status: 201, operation, body: answered });
}

/** At once, unless a running endpoint is to have other units (reference §1.1). */
async function updateStreamingEndpoint(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { row, record } = await getStreamingEndpoint(context, request);
  const body = parseStreamingEndpointPatch(request.body, request.apiVersion);
  if (record.pendingOperationId !== undefined) throw armError('OriginOperationInProgress');
  const updated = updatedStreamingEndpoint(record, body, { caller: request.caller, nowIso: nowIso() });
  await refuseUsedHostNames(context, updated);
  if (updated.scaleUnits !== record.scaleUnits && record.state === 'Running') {
    const changed = { ...updated, scaleUnitsBefore: record.scaleUnits };
    const asked = { row, record, changed, command: 'scale', kind: 'scaleStreamingEndpoint' } as const;
    const begun = await beginOnEndpoint(context, request, asked);
    return { ...begun.answer, body: shown(context, begun.record, { single: true }) };
  }
  const change = { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body: updated } as const;
  if ((await context.store.commit([change])) === 'conflict') throw armError('OriginOperationInProgress');
  return { status: 200, body: shown(context, updated, { single: true }) };
}

async function commandEndpoint(
  context: ControlContext,
  request: ArmRequest,
  command: keyof typeof COMMANDS,
): Promise<ArmAnswer> {
  const found = await findStreamingEndpoint(context, request);
  if (found === undefined && command === 'delete') return { status: 204 };
  const { row, record } = found ?? (await getStreamingEndpoint(context, request));
  const asked = { row, record, command, kind: COMMANDS[command], changed: {} };
  return (await beginOnEndpoint(context, request, asked)).answer;
}

/** A running endpoint goes on serving while it is scaled; a stopped one just notes it (reference §1.1). */
async function scaleEndpoint(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const scaleUnits = parseScaleUnit(request.body, request.apiVersion);
  const { row, record } = await getStreamingEndpoint(context, request);
  if (record.state === 'Stopped' && record.pendingOperationId === undefined) {
    const body = { ...record, scaleUnits, ...touchedAudit(request.caller, nowIso()) };
    const change = { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body } as const;
    if ((await context.store.commit([change])) === 'conflict') throw armError('OriginOperationInProgress');
    return { status: 200 };
  }
  const changed = { scaleUnits, scaleUnitsBefore: record.scaleUnits };
  const asked = { row, record, changed, command: 'scale', kind: 'scaleStreamingEndpoint' } as const;
  return (await beginOnEndpoint(context, request, asked)).answer;
}

async function beginOnEndpoint(
  context: ControlContext,
  request: ArmRequest,
  asked: {
    readonly row: StoredRow;
    readonly record: StreamingEndpointRecord;
    readonly command: StreamingEndpointCommand;
    readonly kind: StreamingEndpointOperation;
    readonly changed: Partial<StreamingEndpointRecord>;
  },
): Promise<{ readonly answer: ArmAnswer; readonly record: StreamingEndpointRecord }> {
  const { row, record, kind } = asked;
  const { name, state } = record;
  const busy = record.pendingOperationId !== undefined;
  const decision = decideStreamingEndpointCommand({ name, state, busy }, asked.command);
  if (decision.kind === 'refuse') throw armError(decision.errorName, decision.about);
  const operation = prepare(context, kind, name);
  const begun: StreamingEndpointRecord = {
    ...record,
    ...asked.changed,
    ...touchedAudit(request.caller, nowIso()),
    state: decision.via,
    provisioningState: 'InProgress',
    pendingOperationId: operation.id,
  };
  const changes: RowChange[] = [
    { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body: begun },
    context.events.change(endpointStateChanged(begun, state, decision.via)),
  ];
  await beginOrBusy(context, operation, changes, 'OriginOperationInProgress');
  return { answer: accepted(context, request, { status: 202, operation }), record: begun };
}
