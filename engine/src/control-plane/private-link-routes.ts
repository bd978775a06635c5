import { type AccountRecord, accountIdOf } from '../resources/account.ts';
import { armError } from '../resources/error-catalogue.ts';
import {
  PRIVATE_CONNECTIONS_MAX,
  PRIVATE_LINK_GROUPS,
  type PrivateConnectionRecord,
  parsePrivateConnection,
  toArmPrivateConnection,
  toArmPrivateLinkResource,
} from '../resources/private-endpoint-connection.ts';
import { type AccountRoutesDeps, found } from './account-requests.ts';
import type { AccountRow } from './accounts.ts';
import { ACCOUNT_PATH, type ArmAnswer, type ArmRequest, type ProviderRoute } from './arm-http.ts';

const RESOURCES = `${ACCOUNT_PATH}/privateLinkResources`;
const CONNECTIONS = `${ACCOUNT_PATH}/privateEndpointConnections`;

/** What private endpoints can be for, and who has asked for one. */
export function privateLinkRoutes(deps: AccountRoutesDeps): readonly ProviderRoute[] {
  return [
    {
      method: 'GET',
      path: RESOURCES,
      handle: async (request) => {
        const { record } = await found(deps, request);
        const value = PRIVATE_LINK_GROUPS.map((group) =>
          toArmPrivateLinkResource(accountIdOf(record), group),
        );
        return { status: 200, body: { value } };
      },
    },
    {
      method: 'GET',
      path: `${RESOURCES}/:name`,
      handle: async (request) => {
        const { record } = await found(deps, request);
        const group = PRIVATE_LINK_GROUPS.find((name) => name === request.params['name']?.toLowerCase());
        if (group === undefined) throw armError('NotFound');
        return { status: 200, body: toArmPrivateLinkResource(accountIdOf(record), group) };
      },
    },
    {
      method: 'GET',
      path: CONNECTIONS,
      handle: async (request) => {
        const { record } = await found(deps, request);
        const value = record.privateConnections.map((connection) => shown(record, connection));
        return { status: 200, body: { value } };
      },
    },
    {
      method: 'GET',
      path: `${CONNECTIONS}/:name`,
      handle: async (request) => {
        const { record } = await found(deps, request);
        const connection = connectionOf(record, request);
        if (connection === undefined) throw armError('NotFound');
        return { status: 200, body: shown(record, connection) };
      },
    },
    { method: 'PUT', path: `${CONNECTIONS}/:name`, handle: (request) => putConnection(deps, request) },
    { method: 'DELETE', path: `${CONNECTIONS}/:name`, handle: (request) => deleteConnection(deps, request) },
  ];
}

const shown = (record: AccountRecord, connection: PrivateConnectionRecord): object =>
  toArmPrivateConnection({ ...record, id: accountIdOf(record) }, connection);

function connectionOf({ privateConnections }: AccountRecord, { params }: ArmRequest) {
  const name = (params['name'] ?? '').toLowerCase();
  return privateConnections.find((connection) => connection.name.toLowerCase() === name);
}

async function putConnection(deps: AccountRoutesDeps, request: ArmRequest): Promise<ArmAnswer> {
  const row = await found(deps, request);
  const present = connectionOf(row.record, request);
  const connection = parsePrivateConnection(request.params['name'] ?? '', request.body, present);
  const others = row.record.privateConnections.filter((other) => other !== present);
  if (others.length >= PRIVATE_CONNECTIONS_MAX) {
    const reason = String(PRIVATE_CONNECTIONS_MAX);
    throw armError('QuotaExceeded', { type: 'private endpoint connections of an account', reason });
  }
  const privateConnections = [...others, connection].sort((a, b) => (a.name < b.name ? -1 : 1));
  await replace(deps, row, { ...row.record, privateConnections });
  return { status: 200, body: shown(row.record, connection) };
}

async function deleteConnection(deps: AccountRoutesDeps, request: ArmRequest): Promise<ArmAnswer> {
  const row = await found(deps, request);
  const present = connectionOf(row.record, request);
  if (present === undefined) return { status: 204 };
  const privateConnections = row.record.privateConnections.filter((other) => other !== present);
  await replace(deps, row, { ...row.record, privateConnections });
  return { status: 200 };
}

async function replace(
  { rows, accounts }: AccountRoutesDeps,
  { rowKey, etag }: AccountRow,
  body: AccountRecord,
): Promise<void> {
  const result = await rows.commit([{ kind: 'replace', rowKey, etag, body }]);
  accounts.forget(body.name);
  if (result === 'conflict') throw armError('TooManyChanges');
}
