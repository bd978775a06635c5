import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  type AccountRecord,
  newAccount,
  parseAccountBody,
  parseAccountPatch,
  toArmAccount,
  updatedAccount,
} from '../../src/resources/account.ts';

const SUBSCRIPTION = '00000000-0000-0000-0000-000000000001';
const GROUP = `/subscriptions/${SUBSCRIPTION}/resourceGroups/g`;
const storage = (name: string, type: 'Primary' | 'Secondary') => ({
  id: `${GROUP}/providers/Microsoft.Storage/storageAccounts/${name}`,
  type,
});
const identityId = (name: string) =>
  `${GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`;
const API = '2023-01-01';
const BODY = { location: 'West US 2', properties: { storageAccounts: [storage('store', 'Primary')] } };
const withProperties = (properties: object) => ({
  ...BODY,
  properties: { ...BODY.properties, ...properties },
});
const FRESH = {
  ...{ name: 'media', subscriptionId: SUBSCRIPTION, resourceGroup: 'g', caller: { id: 'c' } },
  ...{ nowIso: '2026-01-01T00:00:00.000Z', mediaServiceId: '11111111-1111-4111-8111-111111111111' },
};
const VIEW = { apiVersion: API, tenantId: '22222222-2222-2222-2222-222222222222', single: false };

function made(body: object): AccountRecord {
  const { location, wanted } = parseAccountBody(body, API, undefined);
  return newAccount(wanted, { ...FRESH, location });
}

const refusalOf = (call: () => unknown): unknown => {
  try {
    return call();
  } catch (error) {
    const { code, message } = Object(error);
    return `${String(code)}: ${String(message)}`;
  }
};

describe('an account', () => {
  it('has the defaults of the original', () => {
    expect(toArmAccount(made(BODY), VIEW)).toEqual({
      name: 'media',
      id: `${GROUP}/providers/Microsoft.Media/mediaservices/media`,
      type: 'Microsoft.Media/mediaservices',
      location: 'West US 2',
      tags: {},
      properties: {
        mediaServiceId: FRESH.mediaServiceId,
        provisioningState: 'InProgress',
        publicNetworkAccess: 'Enabled',
        storageAuthentication: 'System',
        storageAccounts: [storage('store', 'Primary')],
        encryption: { type: 'SystemKey' },
        keyDelivery: { accessControl: { defaultAction: 'Allow' } },
        privateEndpointConnections: [],
        minimumTlsVersion: 'Tls12',
      },
    });
    expect(toArmAccount(made(BODY), { ...VIEW, apiVersion: '2021-11-01' })).not.toHaveProperty([
      'properties',
      'minimumTlsVersion',
    ]);
  });

  it('shows identities with ids that stay', () => {
    const record = made({
      ...BODY,
      identity: {
        type: 'UserAssigned, SystemAssigned',
        userAssignedIdentities: { [identityId('one')]: {} },
      },
    });
    const guid = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    const shown = toArmAccount(record, VIEW);
    expect(shown).toMatchObject({
      identity: {
        type: 'SystemAssigned,UserAssigned',
        principalId: guid,
        tenantId: VIEW.tenantId,
        userAssignedIdentities: { [identityId('one')]: { principalId: guid, clientId: guid } },
      },
    });
    expect(toArmAccount(record, VIEW)).toEqual(shown);
  });

  it('keeps with a PATCH what it is not told, and loses with a PUT what is left out', () => {
    const before = made({ ...withProperties({ publicNetworkAccess: 'Disabled' }), tags: { a: '1' } });
    const by = { caller: { id: 'd' }, nowIso: FRESH.nowIso };
    const patched = updatedAccount(before, parseAccountPatch({ tags: { b: '2' } }, API, before), by);
    expect(patched).toMatchObject({ tags: { b: '2' }, publicNetworkAccess: 'Disabled' });
    const put = updatedAccount(patched, parseAccountBody(BODY, API, patched).wanted, by);
    expect(put).toMatchObject({ tags: {}, publicNetworkAccess: 'Enabled', lastModifiedBy: 'd' });
    const none = parseAccountPatch({ identity: { type: 'None' } }, API, before);
    expect(none).not.toHaveProperty('identity');
  });

  it.each([
    ['no storage account', { location: 'x' }, 'properties.storageAccounts'],
    ['no location', { properties: BODY.properties }, 'location'],
    [
      'two primaries',
      withProperties({ storageAccounts: [storage('one', 'Primary'), storage('two', 'Primary')] }),
      'exactly one of the type Primary is required, not 2',
    ],
    [
      'one storage account twice',
      withProperties({ storageAccounts: [storage('one', 'Primary'), storage('one', 'Secondary')] }),
      'named twice',
    ],
    [
      'a storage account of another subscription',
      withProperties({
        storageAccounts: [
          storage('one', 'Primary'),
          {
            ...storage('two', 'Secondary'),
            id: storage('two', 'Secondary').id.replace(SUBSCRIPTION, VIEW.tenantId),
          },
        ],
      }),
      'one subscription',
    ],
    [
      'what is no id of a storage account',
      withProperties({ storageAccounts: [{ id: 'store', type: 'Primary' }] }),
      'properties.storageAccounts[0].id',
    ],
    [
      'a key vault with the system key',
      withProperties({
        encryption: { type: 'SystemKey', keyVaultProperties: { keyIdentifier: 'https://v/keys/k' } },
      }),
      'properties.encryption',
    ],
    [
      'a customer key that is no key',
      withProperties({
        encryption: {
          type: 'CustomerKey',
          keyVaultProperties: { keyIdentifier: 'http://vault/secrets/x' },
          identity: { useSystemAssignedIdentity: true },
        },
      }),
      'keyIdentifier',
    ],
    [
      'a customer key without an identity of the account',
      withProperties({
        encryption: { type: 'CustomerKey', identity: { useSystemAssignedIdentity: true } },
      }),
      'no system assigned identity',
    ],
    [
      'an allow list where everybody is allowed',
      withProperties({
        keyDelivery: { accessControl: { defaultAction: 'Allow', ipAllowList: ['10.0.0.1'] } },
      }),
      'ipAllowList',
    ],
    [
      'an address that is none',
      withProperties({
        keyDelivery: { accessControl: { defaultAction: 'Deny', ipAllowList: ['10.0.0.1', '10.0.0.0/33'] } },
      }),
      'ipAllowList[1]',
    ],
    ['an identity of no kind', { ...BODY, identity: { type: 'Mine' } }, 'identity.type'],
    [
      'a user assigned identity that is not there',
      { ...BODY, identity: { type: 'UserAssigned' } },
      'at least one',
    ],
    ['a TLS version of another time', withProperties({ minimumTlsVersion: 'Tls9' }), 'minimumTlsVersion'],
    ['a field that there is not', withProperties({ colour: 'red' }), 'properties.colour'],
  ])('is not made with %s', (_name, body, about) => {
    expect(refusalOf(() => parseAccountBody(body, API, undefined))).toEqual(
      expect.stringMatching(/^BadRequest: /),
    );
    expect(refusalOf(() => parseAccountBody(body, API, undefined))).toContain(about);
  });

  it('does not change its primary storage account, its location, or a field before its time', () => {
    const before = made(BODY);
    const other = { storageAccounts: [storage('other', 'Primary'), storage('store', 'Secondary')] };
    expect(refusalOf(() => parseAccountPatch({ properties: other }, API, before))).toContain('Primary');
    const elsewhere = { ...BODY, location: 'East US' };
    expect(refusalOf(() => parseAccountBody(elsewhere, API, before))).toContain('location');
    expect(parseAccountBody({ ...BODY, location: 'westus2' }, API, before).location).toBe('West US 2');
    const early = withProperties({ minimumTlsVersion: 'Tls13' });
    expect(refusalOf(() => parseAccountBody(early, '2021-11-01', undefined))).toContain('minimumTlsVersion');
  });

  it('is made or refused with a reason, whatever is sent', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (storageAccounts, rest) => {
        const body = { location: 'x', properties: { storageAccounts }, identity: rest };
        for (const sent of [rest, body]) {
          const outcome = refusalOf(() => parseAccountBody(sent, API, undefined));
          if (typeof outcome === 'string') expect(outcome).toMatch(/^BadRequest: The field '/);
        }
      }),
    );
  });
});
