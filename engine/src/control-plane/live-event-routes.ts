import { randomBytes, randomUUID } from 'node:crypto';
import { armError } from '../resources/error-catalogue.ts';
import * as liveEvents from '../resources/live-event.ts';
import { checkHostname } from '../resources/live-event-addresses.ts';
import { toArmLiveEvent } from '../resources/live-event-answer.ts';
import { parseLiveEventBody, parseLiveEventPatch, parseRemoveOutputs } from '../resources/live-event-body.ts';
import { decideLiveEventCommand, type LiveEventCommand } from '../resources/live-event-state.ts';
import { LIVE_OUTPUTS_PER_EVENT_MAX } from '../resources/live-output.ts';
import { parseName } from '../resources/names.ts';
import * as keys from '../resources/row-keys.ts';
import { tokenRowChanges } from './access-tokens.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { untilCommitted } from './commit-attempts.ts';
import { type ControlContext, nowIso } from './control-context.ts';
import type { RowChange } from './control-store.ts';
import {
  type LiveEventOperation,
  liveEventOperation,
  liveEventStateChanged,
} from './live-event-operations.ts';
import { deletingOutput, getLiveEvent } from './live-rows.ts';
import { accepted, beginOrBusy, resultRoute } from './operation-routes.ts';
import { answerPage } from './paging.ts';
import { quotaChanges } from './quota.ts';
import { getNamedPolicy } from './streaming-policy-rows.ts';

const COMMAND_OPERATIONS = {
  allocate: 'allocateLiveEvent',
  start: 'startLiveEvent',
  stop: 'stopLiveEvent',
  reset: 'resetLiveEvent',
  delete: 'deleteLiveEvent',
} as const satisfies Record<LiveEventCommand, LiveEventOperation>;

const PATH = '/liveEvents/:liveEvent';

const command =
  (name: LiveEventCommand): ArmRoute['handle'] =>
  (context, request) =>
    commandLiveEvent(context, request, name);

/** Live events and what can be done with them. */
export const LIVE_EVENT_ROUTES: readonly ArmRoute[] = [
  { method: 'GET', path: '/liveEvents', handle: listLiveEvents },
  { method: 'GET', path: PATH, handle: async (...call) => ({ status: 200, body: await answer(...call) }) },
  {
    method: 'PUT',
    path: PATH,
    handle: (context, request) =>
      untilCommitted(() => createLiveEvent(context, request), context.scope.accountId),
  },
  { method: 'PATCH', path: PATH, handle: updateLiveEvent },
  { method: 'DELETE', path: PATH, handle: command('delete') },
  { method: 'POST', path: `${PATH}/allocate`, handle: command('allocate') },
  { method: 'POST', path: `${PATH}/start`, handle: command('start') },
  { method: 'POST', path: `${PATH}/stop`, handle: command('stop') },
  { method: 'POST', path: `${PATH}/reset`, handle: command('reset') },
  resultRoute(PATH, answer),
];

function listLiveEvents(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  return answerPage(request, context.store, {
    prefix: keys.prefixes.liveEvents,
    toArm: (row) => shown(context, request, liveEvents.LiveEventRecord.parse(row.body), false),
  });
}

async function answer(context: ControlContext, request: ArmRequest): Promise<object> {
  const { record } = await getLiveEvent(context, request);
  return shown(context, request, record);
}

function shown(
  { scope, addresses }: ControlContext,
  { apiVersion }: ArmRequest,
  record: liveEvents.LiveEventRecord,
  single = true,
): object {
  return toArmLiveEvent(scope, record, { addresses, single, apiVersion });
}

const prepare = ({ operations }: ControlContext, kind: LiveEventOperation, name: string) =>
  operations.prepare(liveEventOperation(kind), { target: name, resource: `liveevents/${name}` });

/** What encoders connect to below the ingest domain, unless the event's host name is static (reference §2.2). */
const newHostLabel = (): string => randomBytes(16).toString('hex');

async function createLiveEvent(
  context: ControlContext,
  request: ArmRequest,
): Promise<ArmAnswer | 'conflict'> {
  const { store, addresses } = context;
  const name = parseName('liveEvent', request.params['liveEvent'] ?? '');
  const body = parseLiveEventBody(request.body, request.apiVersion);
  const existing = await store.find(keys.liveEventKey(name));
  if (existing !== undefined) {
    const record = liveEvents.LiveEventRecord.parse(existing.body);
    if (!liveEvents.isSameLiveEvent(record, body))
      throw armError('AlreadyExists', { type: 'live event', name });
    return { status: 200, body: shown(context, request, record) };
  }
  const counted = await quotaChanges(context, {
    prefix: keys.prefixes.liveEvents,
    max: context.quotas.liveEvents,
    type: 'live events',
  });
  const fresh = { name, caller: request.caller, nowIso: nowIso() };
  const accessToken = randomBytes(16).toString('hex');
  const record = {
    ...liveEvents.newLiveEvent(body, { ...fresh, accessToken, previewLocator: randomUUID() }),
    dynamicHostLabel: newHostLabel(),
  };
  checkHostname(record, addresses);
  await getNamedPolicy(context, record.preview.streamingPolicyName);
  await refuseUsedIds(context, record);
  const isStarted = request.query.get('autoStart')?.toLowerCase() === 'true';
  if (isStarted) liveEvents.checkStartable(record);
  const operation = prepare(context, isStarted ? 'createStartedLiveEvent' : 'createLiveEvent', name);
  const isBegun = await context.operations.begin(operation, [
    {
      kind: 'create',
      rowKey: keys.liveEventKey(name),
      body: { ...record, pendingOperationId: operation.id },
    },
    { kind: 'create', rowKey: keys.accessTokenKey(record.input.accessToken), body: { name } },
    { kind: 'create', rowKey: keys.previewLocatorKey(record.preview.previewLocator), body: { name } },
    ...counted,
  ]);
  if (!isBegun) return 'conflict';
  return accepted(context, request, {
    status: 201,
    operation,
    body: shown(context, request, record),
  });
}

async function refuseUsedIds({ store }: ControlContext, record: liveEvents.LiveEventRecord): Promise<void> {
  const { accessToken } = record.input;
  const { previewLocator } = record.preview;
  if (await store.find(keys.accessTokenKey(accessToken))) {
    throw armError('IdInUse', { field: 'properties.input.accessToken' });
  }
  const used =
    (await store.find(keys.previewLocatorKey(previewLocator))) ??
    (await store.find(keys.locatorIdKey(previewLocator)));
  if (used) throw armError('IdInUse', { field: 'properties.preview.previewLocator' });
}

async function updateLiveEvent(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const { row, record } = await getLiveEvent(context, request);
  if (record.pendingOperationId !== undefined) throw armError('OperationInProgress');
  const body = parseLiveEventPatch(request.body, request.apiVersion);
  const tokenOverlapMs = liveEvents.parseTokenOverlapMs(request.header(liveEvents.TOKEN_OVERLAP_HEADER));
  const by = { caller: request.caller, nowIso: nowIso(), tokenOverlapMs };
  const updated: liveEvents.LiveEventRecord = {
    ...liveEvents.updatedLiveEvent(record, body, by),
    provisioningState: 'InProgress',
  };
  checkHostname(updated, context.addresses);
  const operation = prepare(context, 'updateLiveEvent', record.name);
  await beginOrBusy(context, operation, [
    {
      kind: 'replace',
      rowKey: row.rowKey,
      etag: row.etag,
      body: { ...updated, pendingOperationId: operation.id },
    },
    ...(await tokenRowChanges(context.store, record, updated)),
  ]);
  return accepted(context, request, {
    status: 202,
    operation,
    body: shown(context, request, updated),
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
    limit: LIVE_OUTPUTS_PER_EVENT_MAX,
  });
  const situation = {
    name: record.name,
    state: record.state,
    outputCount: outputs.length,
    busy: record.pendingOperationId !== undefined,
  };
  const removeOutputs = command === 'stop' && parseRemoveOutputs(request.body, request.apiVersion);
  const decision = decideLiveEventCommand(situation, command, { removeOutputs });
  if (decision.kind === 'refuse') throw armError(decision.errorName, decision.about);
  if (command === 'start' || command === 'allocate') liveEvents.checkStartable(record);
  const kind =
    command === 'stop' && record.state === 'StandBy' ? 'releaseLiveEvent' : COMMAND_OPERATIONS[command];
  const operation = prepare(context, kind, record.name);
  const begun = {
    ...record,
    ...(record.state === 'Stopped' ? { dynamicHostLabel: newHostLabel() } : {}),
    ...(command === 'reset' ? { isResetting: true } : {}),
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
    operation,
  });
}
