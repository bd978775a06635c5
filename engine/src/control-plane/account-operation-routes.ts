import type { AccountRecord } from '../resources/account.ts';
import { armError } from '../resources/error-catalogue.ts';
import type { Accounts } from './accounts.ts';
import type { ArmAnswer, ArmRequest, ProviderRoute } from './arm-http.ts';
import type { OperationRecord } from './operation.ts';
import { begun, errorOf } from './operation-routes.ts';
import type { Operations } from './operations.ts';

const PATH = '/subscriptions/:subscription/providers/Microsoft.Media/locations/:location';

interface Deps {
  readonly accounts: Accounts;
  readonly operations: Operations;
}

/** Where the state of an operation on an account is asked for, and what became of the account. */
export function accountOperationRoutes(
  deps: Deps,
  toArm: (request: ArmRequest, record: AccountRecord) => object,
): readonly ProviderRoute[] {
  return [
    {
      method: 'GET',
      path: `${PATH}/mediaServicesOperationStatuses/:operation`,
      handle: async (request) => statusAnswer(request, await operationOf(deps, request)),
    },
    {
      method: 'GET',
      path: `${PATH}/mediaServicesOperationResults/:operation`,
      handle: (request) => resultAnswer(deps, request, toArm),
    },
  ];
}

/** The answer that begins an operation on an account. */
export function begunOn(
  request: ArmRequest,
  operation: OperationRecord,
  answer: { readonly status: number; readonly body: object },
): ArmAnswer {
  const { location } = Object(answer.body);
  const place = String(location).replaceAll(' ', '').toLowerCase();
  const subscription = request.params['subscription'] ?? '';
  const base = `${request.origin}/subscriptions/${subscription}/providers/Microsoft.Media/locations/${encodeURIComponent(place)}`;
  const end = `${operation.id}?api-version=${request.apiVersion}`;
  return begun(answer, {
    status: `${base}/mediaServicesOperationStatuses/${end}`,
    result: `${base}/mediaServicesOperationResults/${end}`,
  });
}

/** Throws `NotFound` for what is of another subscription, too. */
async function operationOf({ accounts, operations }: Deps, request: ArmRequest): Promise<OperationRecord> {
  const { subscription = '', operation = '' } = request.params;
  accounts.checkSubscription(subscription);
  const found = await operations.find(operation);
  if (found.resource.startsWith(`/subscriptions/${subscription.toLowerCase()}/`)) return found;
  throw armError('NotFound');
}

function statusAnswer(request: ArmRequest, operation: OperationRecord): ArmAnswer {
  const { id, status, startedAtMs, changedAtMs } = operation;
  return {
    status: 200,
    body: {
      id: request.pathname,
      name: id,
      status,
      startTime: new Date(startedAtMs).toISOString(),
      ...(status === 'InProgress' ? {} : { endTime: new Date(changedAtMs).toISOString() }),
      ...(status === 'Failed' ? { error: errorOf(operation) } : {}),
    },
    headers: {
      'azure-asyncoperation': addressOf(request),
      ...(status === 'InProgress' ? { 'retry-after': '1' } : {}),
    },
  };
}

async function resultAnswer(
  deps: Deps,
  request: ArmRequest,
  toArm: (request: ArmRequest, record: AccountRecord) => object,
): Promise<ArmAnswer> {
  const operation = await operationOf(deps, request);
  if (operation.status === 'InProgress') {
    return { status: 202, headers: { location: addressOf(request), 'retry-after': '1' } };
  }
  if (operation.status === 'Failed') {
    return { status: operation.error?.status ?? 500, body: { error: errorOf(operation) } };
  }
  const row = await deps.accounts.findByName(operation.target);
  if (row === undefined || row.record.isDeleting) throw armError('NotFound');
  return { status: 200, body: toArm(request, row.record) };
}

const addressOf = (request: ArmRequest): string => `${request.origin}${request.pathname}?${request.query}`;
