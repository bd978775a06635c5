import { createHash } from 'node:crypto';
import { armError, type ErrorName } from '../resources/error-catalogue.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import type { ControlContext } from './control-context.ts';
import type { RowChange } from './control-store.ts';
import type { OperationRecord } from './operation.ts';

/** Ours: none of the original's answers was seen with it, and its clients wait 2 s without. */
const RETRY_AFTER = { 'retry-after': '1' };
const NOBODY = '00000000-0000-0000-0000-000000000000';

/** Where the status of operations on live events, their outputs, streaming endpoints and the capacity is asked for. */
export const OPERATION_STATUS_ROUTES: readonly ArmRoute[] = [
  'liveEvent',
  'liveOutput',
  'streamingEndpoint',
  'encodingCapacity',
].map((type) => ({
  method: 'GET',
  path: `/${type}Operations/:operation`,
  handle: async (context, request) => {
    const operation = await findOperation(context, request);
    if (context.operations.kindOf(operation)?.type !== type.toLowerCase()) throw armError('NotFound');
    return statusAnswer(context, request, operation);
  },
}));

/** The operation that the path names as `:operation`; throws `NotFound`. */
export function findOperation({ operations }: ControlContext, request: ArmRequest): Promise<OperationRecord> {
  return operations.find(request.params['operation'] ?? '');
}

/** `error` is always there, `None` unless the operation failed; its target is the resource's GUID (reference §1.0). */
export function statusAnswer(
  context: ControlContext,
  request: ArmRequest,
  operation: OperationRecord,
): ArmAnswer {
  const { id, status } = operation;
  return {
    status: 200,
    body: {
      name: id,
      status,
      error: { ...errorOf(operation), target: entityGuid(context, operation) },
    },
    headers: {
      'azure-asyncoperation': `${request.origin}${request.pathname}?${request.query}`,
      ...(status === 'InProgress' ? RETRY_AFTER : {}),
    },
  };
}

/** What became of an operation: `None` unless it failed. */
export function errorOf(operation: OperationRecord): { code: string; message: string | null } {
  if (operation.status !== 'Failed') return { code: 'None', message: null };
  const { code, message } = operation.error ?? armError('InternalError');
  return { code, message };
}

/** The same for every operation on a resource; zero once that is deleted, as recorded. */
function entityGuid({ scope, operations }: ControlContext, operation: OperationRecord): string {
  if (operation.status === 'Succeeded' && operations.kindOf(operation)?.removes) return NOBODY;
  const digest = createHash('sha256')
    .update(`${scope.accountId.toLowerCase()}/${operation.resource}`)
    .digest('hex');
  return digest.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Where the outcome of an operation is fetched: the resource, under an id of its own (reference §1.0). */
export function resultRoute(
  path: string,
  toArm: (context: ControlContext, request: ArmRequest) => Promise<object>,
): ArmRoute {
  return {
    method: 'GET',
    path: `${path}/operationLocations/:operation`,
    handle: async (context, request) => {
      const operation = await findOperation(context, request);
      if (!request.pathname.toLowerCase().includes(`/${operation.resource}/operationlocations/`)) {
        throw armError('NotFound');
      }
      return resultAnswer(context, request, operation, toArm);
    },
  };
}

/** 202 while it runs; the outcome once it is over; nothing of what it removed; its error when it failed. */
export async function resultAnswer(
  context: ControlContext,
  request: ArmRequest,
  operation: OperationRecord,
  toArm: (context: ControlContext, request: ArmRequest) => Promise<object>,
): Promise<ArmAnswer> {
  const { id, status } = operation;
  if (status === 'InProgress') {
    return {
      status: 202,
      headers: { location: `${request.origin}${request.pathname}?${request.query}`, ...RETRY_AFTER },
    };
  }
  if (status === 'Failed') {
    return { status: operation.error?.status ?? 500, body: { error: errorOf(operation) } };
  }
  if (context.operations.kindOf(operation)?.removes) return { status: 204 };
  if (operation.result !== undefined) return { status: 200, body: Object(operation.result) };
  const body = await toArm(context, request);
  return {
    status: 200,
    body: { ...body, id: `${String(Reflect.get(body, 'id'))}/operationlocations/${id}` },
  };
}

/** The answer that begins a long-running operation: where its status and its outcome will be (reference §1.0). */
export function accepted(
  context: ControlContext,
  request: ArmRequest,
  answer: { readonly status: number; readonly operation: OperationRecord; readonly body?: object },
): ArmAnswer {
  const base = request.origin + context.scope.accountId.replace('resourceGroups', 'resourcegroups');
  const { id, resource } = answer.operation;
  const type = context.operations.kindOf(answer.operation)?.type;
  return begun(answer, {
    status: `${base}/${type}operations/${id}?api-version=${request.apiVersion}`,
    result: `${base}/${resource}/operationlocations/${id}?api-version=${request.apiVersion}`,
  });
}

/** The answer that begins a long-running operation, with the addresses that its kind of resource has. */
export function begun(
  answer: { readonly status: number; readonly body?: object },
  at: { readonly status: string; readonly result: string },
): ArmAnswer {
  return {
    status: answer.status,
    ...(answer.body === undefined ? {} : { body: answer.body }),
    headers: { 'azure-asyncoperation': at.status, location: at.result, ...RETRY_AFTER },
  };
}

/** Throws `busy` when a row was changed meanwhile. */
export async function beginOrBusy(
  context: ControlContext,
  operation: OperationRecord,
  changes: RowChange[],
  busy: ErrorName = 'OperationInProgress',
): Promise<void> {
  if (!(await context.operations.begin(operation, changes))) throw armError(busy);
}
