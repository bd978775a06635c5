import type { AzureMediaServices, Job, LiveEvent } from '@azure/arm-mediaservices';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCOUNT, createArmClient, GROUP, refusal } from '../support/arm-client.ts';
import { type ArmStack, collect, startArmStack } from '../support/arm-stack.ts';
import { eachOf, FAST, pageNames, resumed, SWEPT, watchCalls } from '../support/sdk-sweep.ts';

const AT = [GROUP, ACCOUNT] as const;
/** More than a page of any list. */
const MANY = 105;
const JOB_WAIT_MS = 20_000;

let stack: ArmStack;
let client: AzureMediaServices;
let uncalled: ReturnType<typeof watchCalls>;
/** Begun by one client, resumed by another. */
let clients: { begins: AzureMediaServices; resumes: AzureMediaServices };

beforeAll(async () => {
  stack = await startArmStack({ HEADEND_LIVE_EVENTS_MAX: String(2 * MANY) });
  ({ client } = stack);
  uncalled = watchCalls(client);
  const { engine, program } = stack;
  clients = { begins: client, resumes: createArmClient(engine, program.caPem, program.identitySecret) };
}, 120_000);

afterAll(() => stack?.close(), 60_000);

const named = (kind: string, count = MANY) =>
  Array.from({ length: count }, (_, index) => `${kind}-${String(index).padStart(3, '0')}`);
const namesOf = async (items: AsyncIterable<{ name?: string }>) =>
  (await collect(items)).map(({ name }) => name);

describe('transforms and jobs', () => {
  const outputs = [
    {
      preset: { odataType: '#Microsoft.Media.BuiltInStandardEncoderPreset', presetName: 'AdaptiveStreaming' },
    },
  ] as const;
  const job: Job = {
    input: { odataType: '#Microsoft.Media.JobInputAsset', assetName: 'source', files: ['source.mp4'] },
    outputs: [{ odataType: '#Microsoft.Media.JobOutputAsset', assetName: 'encoded' }],
    correlationData: { tenant: 'a' },
  };
  const stateOf = async (name: string) => (await client.jobs.get(...AT, 'adaptive', name)).state ?? '';
  const isFinal = (state: string) => ['Finished', 'Error', 'Canceled'].includes(state);

  it('a transform, by each of its operations', async () => {
    const { transforms } = client;
    const created = await transforms.createOrUpdate(...AT, 'once', { outputs: [...outputs] });
    expect(created.outputs).toMatchObject([
      { onError: 'StopProcessingJob', relativePriority: 'Normal', preset: outputs[0].preset },
    ]);
    await transforms.update(...AT, 'once', { outputs: [...outputs], description: 'ladder' });
    expect(await transforms.get(...AT, 'once')).toMatchObject({ name: 'once', description: 'ladder' });
    await transforms.delete(...AT, 'once');
    expect(await refusal(transforms.get(...AT, 'once'))).toMatchObject({ status: 404, code: 'NotFound' });
  });

  it('several transforms, filtered', async () => {
    const names = named('transform', 12);
    await eachOf(names, (name) => client.transforms.createOrUpdate(...AT, name, { outputs: [...outputs] }));
    expect(await namesOf(client.transforms.list(...AT))).toEqual(names);
    expect(await namesOf(client.transforms.list(...AT, { filter: "name eq 'transform-007'" }))).toEqual([
      'transform-007',
    ]);
    await eachOf(names, (name) => client.transforms.delete(...AT, name));
  }, 60_000);

  it('a job, by each of its operations', async () => {
    const { assets, transforms, jobs } = client;
    await eachOf(['source', 'encoded'], (name) => assets.createOrUpdate(...AT, name, {}));
    await transforms.createOrUpdate(...AT, 'adaptive', { outputs: [...outputs] });
    const created = await jobs.create(...AT, 'adaptive', 'one', job);
    expect(created).toMatchObject({ name: 'one', priority: 'Normal', correlationData: { tenant: 'a' } });
    await jobs.update(...AT, 'adaptive', 'one', { ...job, description: 'renamed' });
    expect(await jobs.get(...AT, 'adaptive', 'one')).toMatchObject({ description: 'renamed' });
    await cancel('one');
    const deadline = Date.now() + JOB_WAIT_MS;
    while (!isFinal(await stateOf('one')) && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await jobs.delete(...AT, 'adaptive', 'one');
    expect(await refusal(jobs.get(...AT, 'adaptive', 'one'))).toMatchObject({ status: 404 });
  }, 60_000);

  it('more than a page of jobs, filtered by state and ordered', async () => {
    const names = named('job');
    await eachOf(names, (name) => client.jobs.create(...AT, 'adaptive', name, job));
    const pages = await pageNames(() => client.jobs.list(...AT, 'adaptive', { orderby: 'name' }));
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.flat()).toEqual(names);
    const filter = "properties/state ne Microsoft.Media.JobState'Canceled'";
    const listed = await namesOf(client.jobs.list(...AT, 'adaptive', { filter, orderby: 'name desc' }));
    expect(listed).toEqual(names.toReversed());
    expect(await namesOf(client.jobs.list(...AT, 'adaptive', { filter: "name eq 'job-099'" }))).toEqual([
      'job-099',
    ]);
  }, 90_000);

  /** Whoever is done before it is cancelled is refused: both are right. */
  async function cancel(name: string): Promise<void> {
    const refused = await refusal(client.jobs.cancelJob(...AT, 'adaptive', name));
    if (refused.code === 'undefined') return;
    expect([refused.status, isFinal(await stateOf(name))]).toEqual([400, true]);
  }
});

describe('live events and outputs', () => {
  const show: LiveEvent = {
    location: 'local',
    input: { streamingProtocol: 'RTMP' },
    encoding: { encodingType: 'PassthroughStandard' },
  };
  const state = async (name: string) => (await client.liveEvents.get(...AT, name)).resourceState;
  const operationOf = (poller: { toString(): string }): string =>
    /operation(?:s|locations)\/([0-9a-f-]{36})/i.exec(poller.toString())?.[1] ?? '';

  it('each long-running operation by AndWait', async () => {
    const { liveEvents, liveOutputs, assets } = client;
    const of = [...AT, 'waited'] as const;
    await liveEvents.beginCreateAndWait(...of, show, FAST);
    await liveEvents.beginAllocateAndWait(...of, FAST);
    expect(await state('waited')).toBe('StandBy');
    await liveEvents.beginStartAndWait(...of, FAST);
    await assets.createOrUpdate(...AT, 'waited', {});
    const parameters = { assetName: 'waited', archiveWindowLength: 'PT1H' };
    await liveOutputs.beginCreateAndWait(...of, 'archive', parameters, FAST);
    expect(await liveOutputs.get(...of, 'archive')).toMatchObject({ resourceState: 'Running' });
    expect(await namesOf(liveOutputs.list(...of))).toEqual(['archive']);
    await liveOutputs.beginDeleteAndWait(...of, 'archive', FAST);
    await liveEvents.beginResetAndWait(...of, FAST);
    await liveEvents.beginUpdateAndWait(...of, { ...show, description: 'changed' }, FAST);
    expect(await liveEvents.get(...of)).toMatchObject({ resourceState: 'Running', description: 'changed' });
    await liveEvents.beginStopAndWait(...of, {}, FAST);
    await liveEvents.beginDeleteAndWait(...of, FAST);
    expect(await refusal(liveEvents.get(...of))).toMatchObject({ status: 404, code: 'ResourceNotFound' });
  }, 60_000);

  it('each long-running operation begun here and resumed there', async () => {
    const { liveEvents, liveOutputs, assets } = client;
    const of = [...AT, 'resumed'] as const;
    const created = await resumed(clients, (by, options) => by.liveEvents.beginCreate(...of, show, options));
    expect(created).toMatchObject({ name: 'resumed', provisioningState: 'Succeeded' });
    await resumed(clients, (by, options) => by.liveEvents.beginAllocate(...of, options));
    expect(await state('resumed')).toBe('StandBy');
    await resumed(clients, (by, options) => by.liveEvents.beginStart(...of, options));
    await assets.createOrUpdate(...AT, 'resumed', {});
    const parameters = { assetName: 'resumed', archiveWindowLength: 'PT1H' };
    const archive = await resumed(clients, (by, options) =>
      by.liveOutputs.beginCreate(...of, 'archive', parameters, options),
    );
    expect(archive).toMatchObject({ name: 'archive', resourceState: 'Running' });
    await resumed(clients, (by, options) => by.liveOutputs.beginDelete(...of, 'archive', options));
    expect(await namesOf(liveOutputs.list(...of))).toEqual([]);
    await resumed(clients, (by, options) => by.liveEvents.beginReset(...of, options));
    const changed = { ...show, description: 'changed' };
    await resumed(clients, (by, options) => by.liveEvents.beginUpdate(...of, changed, options));
    expect(await liveEvents.get(...of)).toMatchObject({ resourceState: 'Running', description: 'changed' });
    await resumed(clients, (by, options) => by.liveEvents.beginStop(...of, {}, options));
    expect(await state('resumed')).toBe('Stopped');
    await resumed(clients, (by, options) => by.liveEvents.beginDelete(...of, options));
    expect(await refusal(liveEvents.get(...of))).toMatchObject({ status: 404 });
  }, 60_000);

  it('the state and the outcome of an operation, by its id', async () => {
    const { liveEvents, liveOutputs, assets } = client;
    const of = [...AT, 'by-id'] as const;
    const creation = await liveEvents.beginCreate(...of, show, { ...FAST, autoStart: true });
    await creation.pollUntilDone();
    const begun = operationOf(creation);
    expect(await liveEvents.asyncOperation(...AT, begun)).toMatchObject({ name: begun, status: 'Succeeded' });
    expect(await liveEvents.operationLocation(...of, begun)).toMatchObject({ name: 'by-id' });
    await assets.createOrUpdate(...AT, 'by-id', {});
    const parameters = { assetName: 'by-id', archiveWindowLength: 'PT1H' };
    const recording = await liveOutputs.beginCreate(...of, 'archive', parameters, FAST);
    await recording.pollUntilDone();
    const recorded = operationOf(recording);
    expect(await liveOutputs.asyncOperation(...AT, recorded)).toMatchObject({ status: 'Succeeded' });
    expect(await liveOutputs.operationLocation(...of, 'archive', recorded)).toMatchObject({
      name: 'archive',
    });
    await liveEvents.beginStopAndWait(...of, { removeOutputsOnStop: true }, FAST);
    await liveEvents.beginDeleteAndWait(...of, FAST);
  }, 60_000);

  it('more than a page of live events', async () => {
    const names = named('event');
    await eachOf(names, (name) => client.liveEvents.beginCreateAndWait(...AT, name, show, FAST));
    const pages = await pageNames(() => client.liveEvents.list(...AT));
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.flat()).toEqual(names);
    expect(await namesOf(client.liveEvents.list(...AT))).toEqual(names);
  }, 90_000);
});

describe('streaming endpoints', () => {
  const endpoint = { location: 'local', scaleUnits: 1 };
  const state = async (name: string) => (await client.streamingEndpoints.get(...AT, name)).resourceState;

  it('each long-running operation by AndWait, and the scales that there are', async () => {
    const { streamingEndpoints } = client;
    const of = [...AT, 'waited'] as const;
    await streamingEndpoints.beginCreateAndWait(...of, endpoint, FAST);
    expect(await namesOf(streamingEndpoints.list(...AT))).toEqual(['default', 'waited']);
    const { value: scales } = await streamingEndpoints.skus(...of);
    expect(scales).toMatchObject([
      {
        resourceType: 'Microsoft.Media/mediaservices/streamingEndpoints',
        capacity: { scaleType: 'Automatic', default: 1, minimum: 1 },
        sku: { name: 'Premium' },
      },
    ]);
    await streamingEndpoints.beginUpdateAndWait(...of, { ...endpoint, description: 'changed' }, FAST);
    await streamingEndpoints.beginScaleAndWait(...of, { scaleUnit: 2 }, FAST);
    expect(await streamingEndpoints.get(...of)).toMatchObject({ description: 'changed', scaleUnits: 2 });
    await streamingEndpoints.beginStartAndWait(...of, FAST);
    expect(await state('waited')).toBe('Running');
    await streamingEndpoints.beginStopAndWait(...of, FAST);
    await streamingEndpoints.beginDeleteAndWait(...of, FAST);
    expect(await refusal(streamingEndpoints.get(...of))).toMatchObject({ status: 404 });
  }, 60_000);

  it('each long-running operation begun here and resumed there', async () => {
    const { streamingEndpoints } = client;
    const of = [...AT, 'resumed'] as const;
    const created = await resumed(clients, (by, options) =>
      by.streamingEndpoints.beginCreate(...of, endpoint, options),
    );
    expect(created).toMatchObject({ name: 'resumed', resourceState: 'Stopped', scaleUnits: 1 });
    const changed = { ...endpoint, description: 'changed', maxCacheAge: 60 };
    await resumed(clients, (by, options) => by.streamingEndpoints.beginUpdate(...of, changed, options));
    await resumed(clients, (by, options) => by.streamingEndpoints.beginStart(...of, options));
    expect(await state('resumed')).toBe('Running');
    await resumed(clients, (by, options) =>
      by.streamingEndpoints.beginScale(...of, { scaleUnit: 3 }, options),
    );
    expect(await streamingEndpoints.get(...of)).toMatchObject({ resourceState: 'Running', scaleUnits: 3 });
    await resumed(clients, (by, options) => by.streamingEndpoints.beginStop(...of, options));
    await resumed(clients, (by, options) => by.streamingEndpoints.beginDelete(...of, options));
    expect(await namesOf(streamingEndpoints.list(...AT))).toEqual(['default']);
  }, 60_000);

  it('the state and the outcome of an operation, by its id', async () => {
    const { streamingEndpoints } = client;
    const poller = await streamingEndpoints.beginStart(...AT, 'default', FAST);
    await poller.pollUntilDone();
    const operation = /operation(?:s|locations)\/([0-9a-f-]{36})/i.exec(poller.toString())?.[1] ?? '';
    expect(await streamingEndpoints.asyncOperation(...AT, operation)).toMatchObject({ status: 'Succeeded' });
    expect(await streamingEndpoints.operationLocation(...AT, 'default', operation)).toMatchObject({
      name: 'default',
      resourceState: 'Running',
    });
    await streamingEndpoints.beginStopAndWait(...AT, 'default', FAST);
  });
});

/** Runs last: what the tests above have called. */
describe('the package as a whole', () => {
  it('has no method in these groups that was not called', () => {
    // A hundred transforms of an account, three outputs of an event and two endpoints are less than two pages.
    expect(uncalled(SWEPT.media)).toEqual([
      'transforms._listNext',
      'liveOutputs._listNext',
      'streamingEndpoints._listNext',
    ]);
  });
});
