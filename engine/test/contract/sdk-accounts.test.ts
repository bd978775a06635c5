import type { AzureMediaServices } from '@azure/arm-mediaservices';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCOUNT, ACCOUNT_ID, createArmClient, GROUP, refusal } from '../support/arm-client.ts';
import { type ArmStack, collect, startArmStack } from '../support/arm-stack.ts';
import { eachOf, FAST, resumed, SWEPT, watchCalls } from '../support/sdk-sweep.ts';

const AT = [GROUP, ACCOUNT] as const;
const LOCATION = 'local';

let stack: ArmStack;
let client: AzureMediaServices;
let uncalled: ReturnType<typeof watchCalls>;
/** Begun by one client, resumed by another. */
let clients: { begins: AzureMediaServices; resumes: AzureMediaServices };

beforeAll(async () => {
  stack = await startArmStack();
  ({ client } = stack);
  uncalled = watchCalls(client);
  const { engine, program } = stack;
  clients = { begins: client, resumes: createArmClient(engine, program.caPem, program.identitySecret) };
}, 120_000);

afterAll(() => stack?.close(), 60_000);

const namesOf = async (items: AsyncIterable<{ name?: string }>) =>
  (await collect(items)).map(({ name }) => name);

describe('what there is before there is an account of ours', () => {
  it('the operations that the provider has', async () => {
    const { value = [] } = await client.operations.list();
    const names = value.map(({ name }) => name);
    expect(names).toContain('Microsoft.Media/mediaservices/read');
    expect(new Set(names).size).toBe(names.length);
  });

  it.each([
    { name: ACCOUNT, nameAvailable: false, reason: 'AlreadyExists' },
    { name: 'nobodyhasthis', nameAvailable: true, reason: 'None' },
    { name: 'Not A Name', nameAvailable: false, reason: 'Invalid' },
  ])('whether the name $name is free: $reason', async ({ name, nameAvailable, reason }) => {
    const answer = await client.locations.checkNameAvailability(LOCATION, {
      name,
      type: 'MICROSOFT.MEDIA/MEDIASERVICES',
    });
    expect(answer).toMatchObject({ nameAvailable, reason });
  });
});

describe('accounts', () => {
  it('by each of their operations, begun here and resumed there', async () => {
    const { mediaservices } = client;
    const { storageAccounts = [] } = await mediaservices.get(...AT);
    const account = { location: LOCATION, storageAccounts, tags: { team: 'one' } };
    const created = await resumed(clients, (by, options) =>
      by.mediaservices.beginCreateOrUpdate(GROUP, 'second', account, options),
    );
    expect(created).toMatchObject({ name: 'second', provisioningState: 'Succeeded', tags: { team: 'one' } });
    expect(created.mediaServiceId).toMatch(/^[0-9a-f-]{36}$/);
    await mediaservices.beginCreateOrUpdateAndWait('other-group', 'third', account, FAST);
    expect(await namesOf(mediaservices.list(GROUP))).toEqual([ACCOUNT, 'second']);
    expect(await namesOf(mediaservices.listBySubscription())).toEqual([ACCOUNT, 'second', 'third']);
    await mediaservices.beginUpdateAndWait(GROUP, 'second', { tags: { team: 'two' } }, FAST);
    const keyDelivery = { accessControl: { defaultAction: 'Deny', ipAllowList: ['10.0.0.0/8'] } };
    await resumed(clients, (by, options) =>
      by.mediaservices.beginUpdate(GROUP, 'second', { keyDelivery }, options),
    );
    expect(await mediaservices.get(GROUP, 'second')).toMatchObject({ tags: { team: 'two' }, keyDelivery });
    expect(await namesOf(client.streamingEndpoints.list(GROUP, 'second'))).toEqual(['default']);
    await mediaservices.delete(GROUP, 'second');
    await mediaservices.delete('other-group', 'third');
    expect(await namesOf(mediaservices.listBySubscription())).toEqual([ACCOUNT]);
    expect(await refusal(mediaservices.get(GROUP, 'second'))).toMatchObject({
      status: 404,
      code: 'ResourceNotFound',
    });
  }, 60_000);

  it('storage keys are read again, and edge policies told', async () => {
    const { mediaservices } = client;
    const { storageAccounts = [] } = await mediaservices.get(...AT);
    await mediaservices.syncStorageKeys(...AT, { id: storageAccounts[0]?.id ?? '' });
    expect(await mediaservices.listEdgePolicies(...AT, { deviceId: 'device' })).toMatchObject({
      usageDataCollectionPolicy: {
        dataCollectionFrequency: 'PT10M',
        dataReportingFrequency: 'PT1H',
        maxAllowedUnreportedUsageDuration: 'PT36H',
      },
    });
  });

  it('the state and the outcome of an operation, by its id', async () => {
    const { mediaservices, mediaServicesOperationStatuses, mediaServicesOperationResults } = client;
    const poller = await mediaservices.beginUpdate(...AT, { tags: { by: 'id' } }, FAST);
    await poller.pollUntilDone();
    const operation =
      /mediaservicesoperation(?:statuses|results)\/([0-9a-f-]{36})/i.exec(poller.toString())?.[1] ?? '';
    expect(await mediaServicesOperationStatuses.get(LOCATION, operation)).toMatchObject({
      name: operation,
      status: 'Succeeded',
    });
    expect(await mediaServicesOperationResults.get(LOCATION, operation)).toMatchObject({
      id: ACCOUNT_ID,
      tags: { by: 'id' },
    });
  });
});

describe('private links', () => {
  it('the resources that a private endpoint can be for', async () => {
    const { privateLinkResources } = client;
    const { value = [] } = await privateLinkResources.list(...AT);
    expect(value.map(({ groupId }) => groupId)).toEqual(['keydelivery', 'liveevent', 'streamingendpoint']);
    expect(await privateLinkResources.get(...AT, 'liveevent')).toMatchObject({ groupId: 'liveevent' });
  });

  it('a connection, by each of its operations', async () => {
    const { privateEndpointConnections } = client;
    const privateLinkServiceConnectionState = { status: 'Approved', description: 'ours' };
    await privateEndpointConnections.createOrUpdate(...AT, 'office', { privateLinkServiceConnectionState });
    expect(await privateEndpointConnections.get(...AT, 'office')).toMatchObject({
      name: 'office',
      privateLinkServiceConnectionState,
    });
    const { value = [] } = await privateEndpointConnections.list(...AT);
    expect(value.map(({ name }) => name)).toEqual(['office']);
    await privateEndpointConnections.delete(...AT, 'office');
    expect(await refusal(privateEndpointConnections.get(...AT, 'office'))).toMatchObject({ status: 404 });
  });
});

describe('account filters', () => {
  const presentationTimeRange = { presentationWindowDuration: 600_000_000, liveBackoffDuration: 60_000_000 };

  it('one, by each of its operations', async () => {
    const { accountFilters } = client;
    await accountFilters.createOrUpdate(...AT, 'minute', { presentationTimeRange });
    await accountFilters.update(...AT, 'minute', { firstQuality: { bitrate: 500_000 } });
    expect(await accountFilters.get(...AT, 'Minute')).toMatchObject({
      name: 'minute',
      presentationTimeRange,
      firstQuality: { bitrate: 500_000 },
      tracks: [],
    });
    await accountFilters.delete(...AT, 'minute');
    expect(await refusal(accountFilters.get(...AT, 'minute'))).toMatchObject({
      status: 404,
      code: 'NotFound',
    });
  });

  it('several, in the order of their names', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `filter-${String(index).padStart(3, '0')}`);
    await eachOf(names, (name) =>
      client.accountFilters.createOrUpdate(...AT, name, { presentationTimeRange }),
    );
    expect(await namesOf(client.accountFilters.list(...AT))).toEqual(names);
  }, 60_000);
});

/** Runs last: what the tests above have called. */
describe('the package as a whole', () => {
  it('has no method in these groups that was not called', () => {
    // A hundred accounts of a subscription and a hundred filters of an account are less than two pages.
    expect(uncalled(SWEPT.accounts)).toEqual([
      'accountFilters._listNext',
      'mediaservices._listNext',
      'mediaservices._listBySubscriptionNext',
    ]);
  });
});
