import { randomUUID } from 'node:crypto';
import {
  type AccountRecord,
  accountIdOf,
  newAccount,
  parseAccountBody,
  parseAccountPatch,
  toArmAccount,
  updatedAccount,
} from '../resources/account.ts';
import {
  checkEdgePoliciesBody,
  EDGE_POLICIES,
  parseNameCheck,
  parseSyncStorageKeys,
} from '../resources/account-calls.ts';
import { armError } from '../resources/error-catalogue.ts';
import { parseName } from '../resources/names.ts';
import { registeredAccountKey } from '../resources/row-keys.ts';
import { accountOperationRoutes, begunOn } from './account-operation-routes.ts';
import type { AccountUpdate } from './account-operations.ts';
import { type AccountRoutesDeps, addressOf, found } from './account-requests.ts';
import type { AccountRow, Accounts } from './accounts.ts';
import { ACCOUNT_PATH, type ArmAnswer, type ArmRequest, type ProviderRoute } from './arm-http.ts';
import { nowIso } from './control-context.ts';
import { privateLinkRoutes } from './private-link-routes.ts';

const GROUP_PATH = ACCOUNT_PATH.replace('/:account', '');
const SUBSCRIPTION_PATH = '/subscriptions/:subscription/providers/Microsoft.Media';

/** Accounts themselves, and what is asked for before there is one. */
export function accountRoutes(deps: AccountRoutesDeps): readonly ProviderRoute[] {
  const { accounts } = deps;
  return [
    { method: 'GET', path: GROUP_PATH, handle: (request) => listAccounts(deps, request) },
    {
      method: 'GET',
      path: `${SUBSCRIPTION_PATH}/mediaservices`,
      handle: (request) => listAccounts(deps, request),
    },
    {
      method: 'POST',
      path: `${SUBSCRIPTION_PATH}/locations/:location/checkNameAvailability`,
      permission: 'Microsoft.Media/checknameavailability/action',
      handle: (request) => checkName(accounts, request),
    },
    {
      method: 'GET',
      path: ACCOUNT_PATH,
      handle: async (request) => ({ status: 200, body: shown(deps, request, await found(deps, request)) }),
    },
    { method: 'PUT', path: ACCOUNT_PATH, handle: (request) => putAccount(deps, request) },
    { method: 'PATCH', path: ACCOUNT_PATH, handle: (request) => patchAccount(deps, request) },
    { method: 'DELETE', path: ACCOUNT_PATH, handle: (request) => deleteAccount(deps, request) },
    { method: 'POST', path: `${ACCOUNT_PATH}/syncStorageKeys`, handle: (request) => syncKeys(deps, request) },
    {
      method: 'POST',
      path: `${ACCOUNT_PATH}/listEdgePolicies`,
      handle: (request) => edgePolicies(deps, request),
    },
    ...privateLinkRoutes(deps),
    ...accountOperationRoutes(deps, (request, record) => toArm(deps, request, record, true)),
  ];
}

const shown = (deps: AccountRoutesDeps, request: ArmRequest, { record }: AccountRow): object =>
  toArm(deps, request, record, true);

function toArm(
  { tenantId }: AccountRoutesDeps,
  { apiVersion }: ArmRequest,
  record: AccountRecord,
  single: boolean,
): object {
  return toArmAccount(record, { apiVersion, tenantId, single });
}

/** A subscription has at most as many as fit into one answer. */
async function listAccounts(deps: AccountRoutesDeps, request: ArmRequest): Promise<ArmAnswer> {
  const { accounts } = deps;
  const { subscription, resourceGroup } = addressOf(request);
  accounts.checkSubscription(subscription);
  if (resourceGroup !== '') await accounts.checkResourceGroup(subscription, resourceGroup);
  const isWanted = (record: AccountRecord): boolean =>
    record.subscriptionId.toLowerCase() === subscription.toLowerCase() &&
    (resourceGroup === '' || record.resourceGroup.toLowerCase() === resourceGroup.toLowerCase());
  const wanted = (await accounts.list()).filter(isWanted);
  return { status: 200, body: { value: wanted.map((record) => toArm(deps, request, record, false)) } };
}

async function putAccount(deps: AccountRoutesDeps, request: ArmRequest): Promise<ArmAnswer> {
  const { accounts, operations, kinds, rows } = deps;
  const { subscription, resourceGroup, account } = addressOf(request);
  accounts.checkSubscription(subscription);
  const existing = await accounts.findByName(account);
  if (existing !== undefined) return updateAccount(deps, request, existing);
  const name = parseName('account', account);
  checkResourceGroupName(resourceGroup);
  const { location, wanted } = parseAccountBody(request.body, request.apiVersion, undefined);
  if ((await accounts.listAll()).length >= accounts.accountsMax) {
    throw armError('QuotaExceeded', { type: 'accounts', reason: String(accounts.accountsMax) });
  }
  const record = newAccount(wanted, {
    ...{ name, subscriptionId: subscription, resourceGroup, location, mediaServiceId: randomUUID() },
    ...{ caller: request.caller, nowIso: nowIso() },
  });
  const operation = operations.prepare(kinds.create, { target: name, resource: accountIdOf(record) });
  const body = { ...record, pendingOperationId: operation.id };
  const isBegun = await operations.begin(operation, [
    { kind: 'create', rowKey: registeredAccountKey(name), body },
  ]);
  if (isBegun) return begunOn(request, operation, { status: 201, body: toArm(deps, request, record, true) });
  // Somebody else was faster: this is an update of what he made.
  const theirs = await rows.find(registeredAccountKey(name));
  if (theirs === undefined) throw armError('TooManyChanges');
  throw armError('AccountOperationInProgress');
}

/** Azure Resource Manager's own rule. */
const RESOURCE_GROUP = /^[\w.()-]{0,89}[\w()-]$/;

function checkResourceGroupName(name: string): void {
  if (RESOURCE_GROUP.test(name)) return;
  throw armError('InvalidName', {
    name,
    reason: 'letters, digits and . _ - ( ) are allowed in the name of a resource group, 90 at most',
  });
}

/** A PUT on what is there: as a new one would be, with its unchangeable parts. */
async function updateAccount(
  deps: AccountRoutesDeps,
  request: ArmRequest,
  existing: AccountRow,
): Promise<ArmAnswer> {
  const { record } = existing;
  if (record.isDeleting) throw armError('BeingDeleted', { type: 'account', name: record.name });
  if ((await deps.accounts.find(addressOf(request))) === undefined) throw armError('AccountNameInUse');
  const { wanted } = parseAccountBody(request.body, request.apiVersion, record);
  return beginUpdate(deps, request, { row: existing, wanted, status: 200 });
}

async function patchAccount(deps: AccountRoutesDeps, request: ArmRequest): Promise<ArmAnswer> {
  const row = await found(deps, request);
  const wanted = parseAccountPatch(request.body, request.apiVersion, row.record);
  return beginUpdate(deps, request, { row, wanted, status: 202 });
}

async function beginUpdate(
  deps: AccountRoutesDeps,
  request: ArmRequest,
  { row, wanted, status }: { row: AccountRow; wanted: AccountUpdate['wanted']; status: 200 | 202 },
): Promise<ArmAnswer> {
  const { accounts, operations, kinds } = deps;
  const { record, rowKey, etag } = row;
  if (record.pendingOperationId !== undefined) throw armError('AccountOperationInProgress');
  const data: AccountUpdate = { wanted, callerId: request.caller.id };
  const target = { target: record.name, resource: accountIdOf(record), data };
  const operation = operations.prepare(kinds.update, target);
  const begun = {
    ...record,
    provisioningState: 'InProgress' as const,
    pendingOperationId: operation.id,
  };
  const isBegun = await operations.begin(operation, [{ kind: 'replace', rowKey, etag, body: begun }]);
  if (!isBegun) throw armError('AccountOperationInProgress');
  accounts.forget(record.name);
  const changed = updatedAccount(begun, wanted, { caller: request.caller, nowIso: nowIso() });
  return begunOn(request, operation, { status, body: toArm(deps, request, changed, true) });
}

/** Marked first: nobody sees it any more, and whoever removes what is in it can be interrupted. */
async function deleteAccount(deps: AccountRoutesDeps, request: ArmRequest): Promise<ArmAnswer> {
  const { accounts, rows } = deps;
  const address = addressOf(request);
  accounts.checkSubscription(address.subscription);
  const row = await accounts.find(address);
  if (row === undefined) return { status: 204 };
  const { record, rowKey, etag } = row;
  if (accounts.isOwn(record.name)) throw armError('OwnAccount', { name: record.name });
  if (record.pendingOperationId !== undefined) throw armError('AccountOperationInProgress');
  const marked = { ...record, isDeleting: true };
  if ((await rows.commit([{ kind: 'replace', rowKey, etag, body: marked }])) === 'conflict') {
    throw armError('TooManyChanges');
  }
  accounts.forget(record.name);
  await deps.remove(record.name);
  return { status: 200 };
}

async function checkName(accounts: Accounts, request: ArmRequest): Promise<ArmAnswer> {
  accounts.checkSubscription(request.params['subscription'] ?? '');
  const name = parseNameCheck(request.body);
  try {
    parseName('account', name);
  } catch (error) {
    const message = String(Reflect.get(Object(error), 'message'));
    return { status: 200, body: { nameAvailable: false, reason: 'Invalid', message } };
  }
  const body =
    (await accounts.findByName(name)) === undefined
      ? { nameAvailable: true, reason: 'None', message: '' }
      : { nameAvailable: false, reason: 'AlreadyExists', message: armError('AccountNameInUse').message };
  return { status: 200, body };
}

async function syncKeys(deps: AccountRoutesDeps, request: ArmRequest): Promise<ArmAnswer> {
  const { record } = await found(deps, request);
  parseSyncStorageKeys(request.body, record.storageAccounts);
  await deps.syncStorage();
  return { status: 200 };
}

async function edgePolicies(deps: AccountRoutesDeps, request: ArmRequest): Promise<ArmAnswer> {
  await found(deps, request);
  checkEdgePoliciesBody(request.body);
  return { status: 200, body: EDGE_POLICIES };
}
