import { touchedAudit } from '../resources/account-scope.ts';
import { armError } from '../resources/error-catalogue.ts';
import * as keys from '../resources/row-keys.ts';
import {
  parseScaleUnit,
  STREAMING_ENDPOINT_SKUS,
  StreamingEndpointRecord,
  toArmStreamingEndpoint,
} from '../resources/streaming-endpoint.ts';
import {
  decideStreamingEndpointCommand,
  type StreamingEndpointCommand,
} from '../resources/streaming-endpoint-state.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { type ControlContext, nowIso } from './control-context.ts';
import type { RowChange, StoredRow } from './control-store.ts';
import { accepted, beginOrBusy, resultRoute } from './operation-routes.ts';
import { answerPage } from './paging.ts';
import {
  endpointStateChanged,
  type StreamingEndpointOperation,
  streamingEndpointOperation,
} from './streaming-endpoint-operations.ts';

const PATH = '/streamingEndpoints/:endpoint';

const command =
  (name: 'start' | 'stop'): ArmRoute['handle'] =>
  (context, request) =>
    commandEndpoint(context, request, name);

/** The account's streaming endpoints, which are started, stopped and scaled. */
export const STREAMING_ENDPOINT_ROUTES: readonly ArmRoute[] = [
  { method: 'GET', path: '/streamingEndpoints', handle: listStreamingEndpoints },
  { method: 'GET', path: PATH, handle: async (...call) => ({ status: 200, body: await answer(...call) }) },
  { method: 'POST', path: `${PATH}/start`, handle: command('start') },
  { method: 'POST', path: `${PATH}/stop`, handle: command('stop') },
  { method: 'POST', path: `${PATH}/scale`, handle: scaleEndpoint },
  { method: 'GET', path: `${PATH}/skus`, handle: listSkus },
  resultRoute(PATH, answer),
];

const hostNameOf = ({ addresses }: ControlContext): string => `${addresses.host}:${addresses.streamingPort}`;

function listStreamingEndpoints(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const view = { hostName: hostNameOf(context), single: false };
  return answerPage(request, context.store, {
    prefix: keys.prefixes.streamingEndpoints,
    toArm: (row) => toArmStreamingEndpoint(context.scope, StreamingEndpointRecord.parse(row.body), view),
  });
}

async function answer(context: ControlContext, request: ArmRequest): Promise<object> {
  const { record } = await getStreamingEndpoint(context, request);
  return toArmStreamingEndpoint(context.scope, record, { hostName: hostNameOf(context), single: true });
}

async function listSkus(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  await getStreamingEndpoint(context, request);
  return { status: 200, body: { value: STREAMING_ENDPOINT_SKUS } };
}

async function getStreamingEndpoint({ store, scope }: ControlContext, request: ArmRequest) {
  const name = request.params['endpoint'] ?? '';
  const row = await store.find(keys.streamingEndpointKey(name));
  if (row !== undefined) return { row, record: StreamingEndpointRecord.parse(row.body) };
  const { account, resourceGroup } = scope;
  throw armError('ResourceNotFound', { account, resourceGroup, type: 'streamingEndpoints', name });
}

async function commandEndpoint(
  context: ControlContext,
  request: ArmRequest,
  command: 'start' | 'stop',
): Promise<ArmAnswer> {
  const { row, record } = await getStreamingEndpoint(context, request);
  const kind = command === 'start' ? 'startStreamingEndpoint' : 'stopStreamingEndpoint';
  return beginOnEndpoint(context, request, { row, record, command, kind, changed: {} });
}

/** A running endpoint goes on serving while it is scaled; a stopped one just notes it (reference §1.1). */
async function scaleEndpoint(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const scaleUnits = parseScaleUnit(request.body);
  const { row, record } = await getStreamingEndpoint(context, request);
  if (record.state === 'Stopped' && record.pendingOperationId === undefined) {
    const body = { ...record, scaleUnits, ...touchedAudit(request.caller, nowIso()) };
    const change = { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body } as const;
    if ((await context.store.commit([change])) === 'conflict') throw armError('OriginOperationInProgress');
    return { status: 200 };
  }
  const changed = { scaleUnits, scaleUnitsBefore: record.scaleUnits };
  return beginOnEndpoint(context, request, {
    ...{ row, record, changed },
    command: 'scale',
    kind: 'scaleStreamingEndpoint',
  });
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
): Promise<ArmAnswer> {
  const { row, record, kind } = asked;
  const { name, state } = record;
  const busy = record.pendingOperationId !== undefined;
  const decision = decideStreamingEndpointCommand({ name, state, busy }, asked.command);
  if (decision.kind === 'refuse') throw armError(decision.errorName, decision.about);
  const operation = context.operations.prepare(streamingEndpointOperation(kind), {
    target: name,
    resource: `streamingendpoints/${name}`,
  });
  const begun = {
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
  return accepted(context, request, { status: 202, operation });
}
