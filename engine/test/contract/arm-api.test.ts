import { randomUUID } from 'node:crypto';
import type { AzureMediaServices, LiveEvent } from '@azure/arm-mediaservices';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCOUNT, ACCOUNT_ID, callArm, GROUP, refusal } from '../support/arm-client.ts';
import { type ArmStack, collect, secretsInLog, startArmStack, stateChanges } from '../support/arm-stack.ts';

const API = 'api-version=2022-08-01';
const PASS_THROUGH: LiveEvent = {
  location: 'local',
  input: { streamingProtocol: 'RTMP' },
  encoding: { encodingType: 'PassthroughBasic' },
};
/** What the service says wins, as always: `Retry-After`. */
const FAST = { updateIntervalInMs: 20 };

let stack: ArmStack;
let client: AzureMediaServices;
let raw: ArmStack['raw'];

beforeAll(async () => {
  stack = await startArmStack();
  ({ client, raw } = stack);
}, 120_000);

afterAll(() => stack?.close(), 60_000);

describe('account', () => {
  it('is there from the start, with its streaming endpoint stopped', async () => {
    const account = await client.mediaservices.get(GROUP, ACCOUNT);
    expect(account.id).toBe(ACCOUNT_ID);
    expect(account.storageAccounts?.map((storage) => storage.type)).toEqual(['Primary']);
    const endpoints = await collect(client.streamingEndpoints.list(GROUP, ACCOUNT));
    expect(endpoints.map((endpoint) => [endpoint.name, endpoint.resourceState, endpoint.scaleUnits])).toEqual(
      [['default', 'Stopped', 0]],
    );
  });
});

describe('assets and locators', () => {
  it('creates, reads, changes and deletes an asset with its container', async () => {
    const { assets } = client;
    const created = await assets.createOrUpdate(GROUP, ACCOUNT, 'Film', { description: 'one' });
    expect(created.container).toBe(`asset-${created.assetId}`);
    expect(await assets.get(GROUP, ACCOUNT, 'fILM')).toMatchObject({ name: 'Film', description: 'one' });
    const updated = await assets.update(GROUP, ACCOUNT, 'film', { alternateId: 'x' });
    expect(updated).toMatchObject({ name: 'Film', description: 'one', alternateId: 'x' });
    const sas = await assets.listContainerSas(GROUP, ACCOUNT, 'Film', {
      permissions: 'ReadWrite',
      expiryTime: new Date(Date.now() + 3_600_000),
    });
    expect(sas.assetContainerSasUrls).toHaveLength(2);
    const [url = ''] = sas.assetContainerSasUrls ?? [];
    const upload = await fetch(url.replace('?', '/hello.txt?'), {
      method: 'PUT',
      body: 'hello',
      headers: { 'x-ms-blob-type': 'BlockBlob', 'x-ms-version': '2021-08-06' },
    });
    expect(upload.status).toBe(201);
    await assets.delete(GROUP, ACCOUNT, 'FILM');
    expect(await refusal(assets.get(GROUP, ACCOUNT, 'Film'))).toEqual({
      status: 404,
      code: 'NotFound',
      message: 'The requested resource was not found.',
    });
    expect((await fetch(url.replace('?', '/hello.txt?'))).status).toBe(404);
    expect((await raw('DELETE', `/assets/film?${API}`)).status).toBe(204);
  });

  it('pages through more than a hundred assets, each once and in order', async () => {
    const names = Array.from({ length: 130 }, (_, index) => `page-${String(index).padStart(3, '0')}`);
    for (let start = 0; start < names.length; start += 10) {
      const some = names.slice(start, start + 10);
      await Promise.all(some.map((name) => client.assets.createOrUpdate(GROUP, ACCOUNT, name, {})));
    }
    const listed = await collect(client.assets.list(GROUP, ACCOUNT));
    expect(listed.map((asset) => asset.name)).toEqual(names);
    const top = await collect(client.assets.list(GROUP, ACCOUNT, { top: 120 }));
    expect(top.map((asset) => asset.name)).toEqual(names.slice(0, 120));
    const first = await raw('GET', `/assets?${API}&$top=7`);
    expect(first.body).not.toHaveProperty('@odata.nextLink');
    expect(Reflect.get(Object(first.body), 'value')).toHaveLength(7);
  }, 90_000);

  it('publishes an asset under a locator that the caller chose, and refuses what would collide', async () => {
    const { streamingLocators, assets } = client;
    await assets.createOrUpdate(GROUP, ACCOUNT, 'published', {});
    const streamingLocatorId = randomUUID();
    const parameters = {
      assetName: 'Published',
      streamingPolicyName: 'predefined_clearstreamingonly',
      streamingLocatorId,
    };
    const created = await streamingLocators.create(GROUP, ACCOUNT, 'public', parameters);
    expect(created).toMatchObject({
      assetName: 'published',
      streamingPolicyName: 'Predefined_ClearStreamingOnly',
      streamingLocatorId,
    });
    expect(await refusal(streamingLocators.create(GROUP, ACCOUNT, 'PUBLIC', parameters))).toMatchObject({
      status: 409,
      code: 'Conflict',
    });
    expect(await refusal(streamingLocators.create(GROUP, ACCOUNT, 'other', parameters))).toMatchObject({
      status: 409,
      code: 'Conflict',
    });
    expect(await streamingLocators.listPaths(GROUP, ACCOUNT, 'public')).toEqual({
      streamingPaths: [
        { streamingProtocol: 'Hls', encryptionScheme: 'NoEncryption', paths: [] },
        { streamingProtocol: 'Dash', encryptionScheme: 'NoEncryption', paths: [] },
        { streamingProtocol: 'SmoothStreaming', encryptionScheme: 'NoEncryption', paths: [] },
      ],
      downloadPaths: [],
    });
    expect(await streamingLocators.listContentKeys(GROUP, ACCOUNT, 'public')).toEqual({ contentKeys: [] });
    const ofAsset = await assets.listStreamingLocators(GROUP, ACCOUNT, 'published');
    expect(ofAsset.streamingLocators?.map((locator) => locator.name)).toEqual(['public']);
    expect((await collect(streamingLocators.list(GROUP, ACCOUNT))).map(({ name }) => name)).toEqual([
      'public',
    ]);
    expect((await collect(client.streamingPolicies.list(GROUP, ACCOUNT))).map(({ name }) => name)).toEqual([
      'Predefined_ClearKey',
      'Predefined_ClearStreamingOnly',
      'Predefined_DownloadAndClearStreaming',
      'Predefined_DownloadOnly',
      'Predefined_MultiDrmCencStreaming',
      'Predefined_MultiDrmStreaming',
    ]);
    await streamingLocators.delete(GROUP, ACCOUNT, 'public');
    expect(await refusal(streamingLocators.get(GROUP, ACCOUNT, 'public'))).toMatchObject({ status: 404 });
    await assets.delete(GROUP, ACCOUNT, 'published');
  });

  it('deletes the locators of an asset with it', async () => {
    await client.assets.createOrUpdate(GROUP, ACCOUNT, 'going', {});
    await client.streamingLocators.create(GROUP, ACCOUNT, 'going-locator', {
      assetName: 'going',
      streamingPolicyName: 'Predefined_ClearStreamingOnly',
    });
    await client.assets.delete(GROUP, ACCOUNT, 'going');
    expect(await refusal(client.streamingLocators.get(GROUP, ACCOUNT, 'going-locator'))).toMatchObject({
      status: 404,
    });
  });
});

describe('a live event', () => {
  it('lives its whole life by begin…AndWait, and says so in events', async () => {
    const { liveEvents, liveOutputs, assets } = client;
    const created = await liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'Show', PASS_THROUGH, FAST);
    expect(created).toMatchObject({
      name: 'Show',
      id: `${ACCOUNT_ID}/liveevents/Show`,
      resourceState: 'Stopped',
      provisioningState: 'Succeeded',
      description: '',
      encoding: { encodingType: 'PassthroughBasic' },
      input: { streamingProtocol: 'RTMP', keyFrameIntervalDuration: '', endpoints: [] },
    });
    await liveEvents.beginAllocateAndWait(GROUP, ACCOUNT, 'show', FAST);
    expect(await liveEvents.get(GROUP, ACCOUNT, 'SHOW')).toMatchObject({ resourceState: 'StandBy' });
    await liveEvents.beginStartAndWait(GROUP, ACCOUNT, 'Show', FAST);
    const running = await liveEvents.get(GROUP, ACCOUNT, 'Show');
    expect(running.resourceState).toBe('Running');
    expect(running.input?.endpoints).toEqual([
      { protocol: 'RTMP', url: `rtmp://127.0.0.1:1935/live/${created.input?.accessToken}` },
      { protocol: 'RTMP', url: `rtmp://127.0.0.1:1936/live/${created.input?.accessToken}` },
      { protocol: 'RTMP', url: `rtmps://127.0.0.1:2935/live/${created.input?.accessToken}` },
      { protocol: 'RTMP', url: `rtmps://127.0.0.1:2936/live/${created.input?.accessToken}` },
    ]);
    expect(running.preview?.endpoints?.[0]?.url).toBe(
      `http://127.0.0.1:8888/${created.preview?.previewLocator}/preview.ism/manifest`,
    );
    await assets.createOrUpdate(GROUP, ACCOUNT, 'show-recording', {});
    const output = await liveOutputs.beginCreateAndWait(
      GROUP,
      ACCOUNT,
      'Show',
      'Rec',
      { assetName: 'Show-Recording', archiveWindowLength: 'PT1H', manifestName: 'main' },
      FAST,
    );
    expect(output).toMatchObject({
      name: 'Rec',
      assetName: 'show-recording',
      resourceState: 'Running',
      provisioningState: 'Succeeded',
      manifestName: 'main',
    });
    expect((await collect(liveOutputs.list(GROUP, ACCOUNT, 'show'))).map(({ name }) => name)).toEqual([
      'Rec',
    ]);
    expect(await refusal(assets.delete(GROUP, ACCOUNT, 'show-recording'))).toMatchObject({
      status: 400,
      code: 'BadRequest',
    });
    expect(
      await refusal(
        liveOutputs.beginCreateAndWait(GROUP, ACCOUNT, 'Show', 'second', {
          assetName: 'show-recording',
          archiveWindowLength: 'PT1H',
        }),
      ),
    ).toMatchObject({ status: 403, code: 'QuotaExceeded' });
    expect(await refusal(liveEvents.beginStopAndWait(GROUP, ACCOUNT, 'Show', {}, FAST))).toMatchObject({
      status: 400,
      code: 'BadRequest',
    });
    await liveOutputs.beginDeleteAndWait(GROUP, ACCOUNT, 'Show', 'rec', FAST);
    expect(await refusal(liveOutputs.get(GROUP, ACCOUNT, 'Show', 'Rec'))).toMatchObject({ status: 404 });
    await liveEvents.beginResetAndWait(GROUP, ACCOUNT, 'Show', FAST);
    await liveEvents.beginUpdateAndWait(
      GROUP,
      ACCOUNT,
      'Show',
      { ...running, description: 'changed', tags: { a: 'b' } },
      FAST,
    );
    expect(await liveEvents.get(GROUP, ACCOUNT, 'Show')).toMatchObject({
      resourceState: 'Running',
      description: 'changed',
      tags: { a: 'b' },
    });
    await liveEvents.beginStopAndWait(GROUP, ACCOUNT, 'Show', { removeOutputsOnStop: true }, FAST);
    expect((await liveEvents.get(GROUP, ACCOUNT, 'Show')).resourceState).toBe('Stopped');
    await liveEvents.beginDeleteAndWait(GROUP, ACCOUNT, 'Show', FAST);
    expect(await refusal(liveEvents.get(GROUP, ACCOUNT, 'Show'))).toEqual({
      status: 404,
      code: 'ResourceNotFound',
      message:
        "The Resource 'Microsoft.Media/mediaservices/headend/liveEvents/Show' under resource group 'headend' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    });
    await expectEvents('liveEvent/Show', [
      'Stopped>Allocating',
      'Allocating>StandBy',
      'StandBy>Starting',
      'Starting>Running',
      'Running>Stopping',
      'Stopping>Running',
      'Running>Stopping',
      'Stopping>Stopped',
      'Stopped>Deleting',
    ]);
    await expectEvents('liveEvent/Show/liveOutput/Rec', ['Creating>Running', 'Running>Deleting']);
  }, 90_000);

  it('starts by itself with autoStart, and a repeated PUT changes nothing', async () => {
    const { liveEvents } = client;
    const options = { autoStart: true, ...FAST };
    const created = await liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'auto', PASS_THROUGH, options);
    expect(created.resourceState).toBe('Running');
    const again = await liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'AUTO', PASS_THROUGH, options);
    expect(again).toEqual(created);
    const other = { ...PASS_THROUGH, description: 'another' };
    expect(await refusal(liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'auto', other))).toMatchObject({
      status: 409,
      code: 'Conflict',
    });
    expect(await refusal(liveEvents.beginStartAndWait(GROUP, ACCOUNT, 'auto'))).toEqual({
      status: 400,
      code: 'BadRequest',
      message:
        "The live event 'auto' is in the state 'Running': only a stopped or allocated one can be started.",
    });
    expect(await refusal(liveEvents.beginDeleteAndWait(GROUP, ACCOUNT, 'auto'))).toMatchObject({
      status: 400,
    });
    await expectEvents('liveEvent/auto', ['Stopped>Starting', 'Starting>Running']);
  });

  it('keeps access tokens unique, in whatever way they are written', async () => {
    const accessToken = randomUUID();
    const input = { streamingProtocol: 'RTMP', accessToken };
    await client.liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'token-a', { ...PASS_THROUGH, input }, FAST);
    const same = { ...input, accessToken: accessToken.replaceAll('-', '').toUpperCase() };
    expect(
      await refusal(
        client.liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'token-b', { ...PASS_THROUGH, input: same }),
      ),
    ).toMatchObject({ status: 409, code: 'Conflict' });
    await client.liveEvents.beginDeleteAndWait(GROUP, ACCOUNT, 'token-a', FAST);
    await client.liveEvents.beginCreateAndWait(
      GROUP,
      ACCOUNT,
      'token-b',
      { ...PASS_THROUGH, input: same },
      FAST,
    );
  });

  it('answers each step of a long-running operation as the original does', async () => {
    const begun = await raw('PUT', `/liveEvents/steps?${API}`, JSON.stringify(asBody(PASS_THROUGH)));
    expect(begun.status).toBe(201);
    const lower = ACCOUNT_ID.replace('resourceGroups', 'resourcegroups');
    const base = `https://127.0.0.1:${stack.engine.ports['arm']}${lower}`;
    const statusUrl = String(begun.headers['azure-asyncoperation']);
    const id = /liveeventoperations\/([0-9a-f-]{36})/.exec(statusUrl)?.[1];
    expect(statusUrl).toBe(`${base}/liveeventoperations/${id}?${API}`);
    expect(begun.headers['location']).toBe(`${base}/liveevents/steps/operationlocations/${id}?${API}`);
    const headers = { authorization: `Bearer ${stack.token}` };
    const follow = (url: unknown) =>
      callArm(stack.engine, stack.program.caPem, {
        path: String(url).slice(base.length - lower.length),
        headers,
      });
    const status = await follow(statusUrl);
    expect(status).toMatchObject({
      status: 200,
      headers: { 'azure-asyncoperation': statusUrl },
      body: { name: id, status: 'Succeeded', error: { code: 'None', message: null } },
    });
    const outcome = await follow(begun.headers['location']);
    expect(outcome).toMatchObject({
      status: 200,
      body: { name: 'steps', id: `${ACCOUNT_ID}/liveevents/steps/operationlocations/${id}` },
    });
    expect(await raw('GET', `/liveEventOperations/${randomUUID()}?${API}`)).toMatchObject({ status: 404 });
  });
});

describe('the streaming endpoint', () => {
  it('starts and stops', async () => {
    const { streamingEndpoints } = client;
    await streamingEndpoints.beginStartAndWait(GROUP, ACCOUNT, 'default', FAST);
    expect((await streamingEndpoints.get(GROUP, ACCOUNT, 'Default')).resourceState).toBe('Running');
    expect(await refusal(streamingEndpoints.beginStartAndWait(GROUP, ACCOUNT, 'default'))).toMatchObject({
      status: 400,
    });
    await streamingEndpoints.beginStopAndWait(GROUP, ACCOUNT, 'default', FAST);
    await expectEvents('streamingEndpoint/default', [
      'Stopped>Starting',
      'Starting>Running',
      'Running>Stopping',
      'Stopping>Stopped',
    ]);
  });
});

/** Runs last: it looks at everything that the calls above have left. */
describe('the log', () => {
  it('holds no key, secret or token', async () => {
    const log = stack.engine.log();
    expect(log).toContain('engine.ready');
    expect(await secretsInLog(stack, log)).toEqual([]);
    expect(stack.receiver.faults).toEqual([]);
  });
});

function asBody({ location, ...properties }: LiveEvent): object {
  return { location, properties };
}

/** In order: one process made them, and its outbox keeps it. */
async function expectEvents(subject: string, steps: readonly string[]): Promise<void> {
  expect(await stateChanges(stack.receiver, subject, steps.length)).toEqual(steps);
}
