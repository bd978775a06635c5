import { armError, type ErrorName } from '../resources/error-catalogue.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import type { ControlContext } from './control-context.ts';
import type { RowChange } from './control-store.ts';
import type { OperationRecord } from './operation-plans.ts';

/** Where the status of long-running operations is asked for. */
export const OPERATION_STATUS_ROUTES: readonly ArmRoute[] = [
  'liveEvent',
  'liveOutput',
  'streamingEndpoint',
  'encodingCapacity',
].map((type) => statusRoute(`/${type}Operations`));

/** `error` is always there, `None` unless the operation failed (reference §1.0). */
function statusRoute(path: string): ArmRoute {
  return {
    method: 'GET',
    path: `${path}/:operation`,
    handle: async (context, request) => {
      const { id, status } = await context.operations.find(request.params['operation'] ?? '');
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

/** Where the outcome of an operation is fetched: the resource, under an id of its own (reference §1.0). */
export function resultRoute(
  path: string,
  toArm: (context: ControlContext, request: ArmRequest) => Promise<object>,
): ArmRoute {
  return {
    method: 'GET',
    path: `${path}/operationLocations/:operation`,
    handle: async (context, request) => {
      const { id, status } = await context.operations.find(request.params['operation'] ?? '');
      if (status === 'InProgress') return { status: 202, headers: { 'retry-after': '1' } };
      const body = await toArm(context, request);
      return {
        status: 200,
        body: { ...body, id: `${String(Reflect.get(body, 'id'))}/operationlocations/${id}` },
      };
    },
  };
}

type OperationType = 'liveevent' | 'liveoutput' | 'streamingendpoint' | 'encodingcapacity';

/** The answer that begins a long-running operation: where its status and its outcome will be. */
export function accepted(
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

/** Throws `busy` when a row was changed meanwhile. */
export async function beginOrBusy(
  context: ControlContext,
  operation: OperationRecord,
  changes: RowChange[],
  busy: ErrorName = 'OperationInProgress',
): Promise<void> {
  if (!(await context.operations.begin(operation, changes))) throw armError(busy);
}
