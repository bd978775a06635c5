import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jobPlanKey } from '../../src/resources/row-keys.ts';
import { openHeadendTable } from '../../src/store/headend-table.ts';
import { ACCOUNT, ACCOUNT_ID, GROUP, refusal } from '../support/arm-client.ts';
import { type ArmStack, collect, EVENT_GRID_KEY, startArmStack } from '../support/arm-stack.ts';
import type { RunningEngine } from '../support/engine-program.ts';
import { PRESETS } from '../support/preset-cases.ts';
import { until } from '../support/programs.ts';

const AT = [GROUP, ACCOUNT] as const;
const START_MS_MAX = 120_000;
const CASE_MS_MAX = 60_000;

let stack: ArmStack;

beforeAll(async () => {
  stack = await startArmStack();
  for (const name of ['source', 'result', 'other']) await stack.client.assets.createOrUpdate(...AT, name, {});
}, START_MS_MAX);

afterAll(async () => {
  await stack.close();
});

function startWorker(): Promise<RunningEngine> {
  return stack.program.start('worker', {
    HEADEND_STORAGE: stack.azurite.connectionString,
    HEADEND_EVENTGRID_ENDPOINT: stack.receiver.endpoint,
    HEADEND_EVENTGRID_KEY: EVENT_GRID_KEY,
  });
}

const ADAPTIVE = {
  preset: { odataType: '#Microsoft.Media.BuiltInStandardEncoderPreset', presetName: 'AdaptiveStreaming' },
} as const;
const ANALYZER = { preset: { odataType: '#Microsoft.Media.AudioAnalyzerPreset' } } as const;

const newJob = (outputs = 1) => ({
  input: { odataType: '#Microsoft.Media.JobInputAsset', assetName: 'source' } as const,
  outputs: Array.from(
    { length: outputs },
    () => ({ odataType: '#Microsoft.Media.JobOutputAsset', assetName: 'result' }) as const,
  ),
});

describe('transforms', () => {
  it.each(PRESETS)('$name is answered with the defaults of the service', async ({ sent, answered }) => {
    const { transforms } = stack.client;
    const created = await stack.raw(
      'PUT',
      '/transforms/Defaults?api-version=2022-07-01',
      JSON.stringify({ properties: { outputs: [{ preset: sent }] } }),
    );
    const properties: unknown = Reflect.get(Object(created.body), 'properties');
    expect(created.status).toBeLessThan(202);
    expect(Reflect.get(Object(properties), 'outputs')).toEqual([
      { onError: 'StopProcessingJob', relativePriority: 'Normal', preset: answered },
    ]);
    // What is answered may be sent again.
    const read = await transforms.get(...AT, 'defaults');
    await transforms.createOrUpdate(...AT, 'Defaults', read);
    expect((await transforms.get(...AT, 'DEFAULTS')).outputs).toEqual(read.outputs);
  });

  it('are created, replaced, updated, listed and deleted', async () => {
    const { transforms } = stack.client;
    const created = await transforms.createOrUpdate(...AT, 'Life', {
      description: 'one',
      outputs: [ADAPTIVE],
    });
    expect(created).toMatchObject({
      name: 'Life',
      id: `${ACCOUNT_ID}/transforms/Life`,
      type: 'Microsoft.Media/mediaservices/transforms',
      description: 'one',
    });
    const replaced = await transforms.createOrUpdate(...AT, 'life', { outputs: [ANALYZER, ADAPTIVE] });
    expect(replaced).toMatchObject({ name: 'Life', created: created.created });
    expect(replaced.description).toBeUndefined();
    expect(replaced.outputs).toHaveLength(2);
    const patched = await transforms.update(...AT, 'Life', { ...replaced, description: 'two' });
    expect(patched).toMatchObject({ description: 'two', outputs: replaced.outputs });
    await transforms.createOrUpdate(...AT, 'Later', { outputs: [ADAPTIVE] });
    const names = async (options: { filter?: string; orderby?: string }) =>
      (await collect(transforms.list(...AT, options))).map(({ name }) => name);
    expect(await names({ filter: "name eq 'life' or name eq 'later'", orderby: 'name desc' })).toEqual([
      'Life',
      'Later',
    ]);
    const after = `properties/created gt ${created.created?.toISOString()}`;
    expect(await names({ filter: after, orderby: 'properties/created' })).toEqual(['Later']);
    await transforms.delete(...AT, 'Life');
    await transforms.delete(...AT, 'Life');
    expect(await refusal(transforms.get(...AT, 'Life'))).toEqual({
      status: 404,
      code: 'NotFound',
      message: 'The requested resource was not found.',
    });
  });

  it.each([
    {
      name: 'no codecs, in the words of the service',
      preset: { '@odata.type': '#Microsoft.Media.StandardEncoderPreset', codecs: [], formats: [] },
      message: 'Invalid enocer preset: No codecs specified.',
    },
    {
      name: 'configurations of a preset that has none',
      preset: {
        '@odata.type': '#Microsoft.Media.BuiltInStandardEncoderPreset',
        presetName: 'AdaptiveStreaming',
        configurations: { maxLayers: 2 },
      },
      message:
        "The field 'properties.outputs[0].preset.configurations' is invalid: it is allowed with ContentAwareEncoding and H265ContentAwareEncoding only, not with AdaptiveStreaming.",
    },
    {
      name: 'a type of preset that is none',
      preset: { '@odata.type': '#Microsoft.Media.Unheard' },
      message: expect.stringContaining("'#Microsoft.Media.Unheard' is none of "),
    },
  ])('refuses $name', async ({ preset, message }) => {
    const answer = await stack.raw(
      'PUT',
      '/transforms/refused?api-version=2022-07-01',
      JSON.stringify({ properties: { outputs: [{ preset }] } }),
    );
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'BadRequest', message } } });
  });
});

describe('jobs', () => {
  it('wait in the state Queued until there is a worker, and are canceled there at once', async () => {
    const { jobs, transforms } = stack.client;
    await transforms.createOrUpdate(...AT, 'Wait', { outputs: [ADAPTIVE, ANALYZER] });
    const created = await jobs.create(...AT, 'wait', 'One', {
      ...newJob(2),
      correlationData: { tenant: 'a' },
    });
    expect(created).toMatchObject({
      name: 'One',
      id: `${ACCOUNT_ID}/transforms/Wait/jobs/One`,
      type: 'Microsoft.Media/mediaservices/transforms/jobs',
      state: 'Queued',
      priority: 'Normal',
      correlationData: { tenant: 'a' },
      input: { assetName: 'source', files: [], inputDefinitions: [] },
      outputs: [
        { assetName: 'result', label: 'BuiltInStandardEncoderPreset_0', progress: 0, state: 'Queued' },
        { assetName: 'result', label: 'AudioAnalyzerPreset_1', progress: 0, state: 'Queued' },
      ],
    });
    expect(created.startTime).toBeUndefined();
    expect(await refusal(jobs.create(...AT, 'Wait', 'one', newJob(2)))).toMatchObject({
      status: 409,
      code: 'Conflict',
    });
    expect(await refusal(jobs.delete(...AT, 'Wait', 'One'))).toEqual({
      status: 400,
      code: 'BadRequest',
      message: `The job Delete operation for '${ACCOUNT_ID}/transforms/Wait/jobs/One' resource failed. The job is in the 'Queued' state. Cancel the job or retry after the processing completes.`,
    });
    const updated = await jobs.update(...AT, 'Wait', 'One', {
      ...newJob(2),
      description: 'now with words',
      priority: 'High',
    });
    expect(updated).toMatchObject({ description: 'now with words', priority: 'High', state: 'Queued' });
    await jobs.cancelJob(...AT, 'Wait', 'One');
    const canceled = await jobs.get(...AT, 'Wait', 'One');
    expect(canceled.state).toBe('Canceled');
    expect(canceled.outputs?.map(({ state }) => state)).toEqual(['Canceled', 'Canceled']);
    expect(canceled.endTime).toBeInstanceOf(Date);
    await jobs.delete(...AT, 'Wait', 'One');
    await jobs.delete(...AT, 'Wait', 'One');
    expect(await refusal(jobs.get(...AT, 'Wait', 'One'))).toMatchObject({ status: 404, code: 'NotFound' });
  });

  it.each([
    {
      name: 'too few outputs',
      change: { outputs: [] },
      message: /it has 0 items, the transform has 1 outputs/,
    },
    {
      name: 'an output asset that is not there',
      change: { outputs: [{ '@odata.type': '#Microsoft.Media.JobOutputAsset', assetName: 'nowhere' }] },
      message: /The asset 'nowhere' was not found/,
    },
    {
      name: 'an input asset that is not there',
      change: { input: { '@odata.type': '#Microsoft.Media.JobInputAsset', assetName: 'nothing' } },
      message: /The asset 'nothing' was not found/,
    },
    {
      name: 'an override of another type',
      change: {
        outputs: [
          {
            '@odata.type': '#Microsoft.Media.JobOutputAsset',
            assetName: 'result',
            presetOverride: { '@odata.type': '#Microsoft.Media.FaceDetectorPreset' },
          },
        ],
      },
      message:
        /#Microsoft.Media.FaceDetectorPreset does not override #Microsoft.Media.BuiltInStandardEncoder/,
    },
    {
      name: 'an address that is not https',
      change: {
        input: { '@odata.type': '#Microsoft.Media.JobInputHttp', files: ['http://example.com/a.mp4'] },
      },
      message: /'properties.input.files\[0\]' is invalid: a complete https address is expected/,
    },
    {
      name: 'a transform that is not there',
      transform: 'missing',
      change: {},
      message: /The requested resource was not found/,
    },
  ])('refuses $name', async ({ change, message, transform = 'Wait1' }) => {
    await stack.client.transforms.createOrUpdate(...AT, 'Wait1', { outputs: [ADAPTIVE] });
    const properties = {
      input: { '@odata.type': '#Microsoft.Media.JobInputAsset', assetName: 'source' },
      outputs: [{ '@odata.type': '#Microsoft.Media.JobOutputAsset', assetName: 'result' }],
      ...change,
    };
    const answer = await stack.raw(
      'PUT',
      `/transforms/${transform}/jobs/bad?api-version=2022-07-01`,
      JSON.stringify({ properties }),
    );
    expect([400, 404]).toContain(answer.status);
    expect(JSON.stringify(answer.body)).toMatch(message);
    expect(await collect(stack.client.jobs.list(...AT, 'Wait1'))).toEqual([]);
  });

  it('of the largest size there is are made and canceled, each in one transaction', async () => {
    const { jobs, transforms } = stack.client;
    const OUTPUTS_MAX = 20;
    const long = (count: number, length: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, '漢'.repeat(length)]));
    const preset = { odataType: '#Microsoft.Media.FaceDetectorPreset' } as const;
    await transforms.createOrUpdate(...AT, 'Large', {
      outputs: Array.from({ length: OUTPUTS_MAX }, () => ({ preset })),
    });
    const { input, outputs } = newJob(OUTPUTS_MAX);
    await jobs.create(...AT, 'Large', 'one', {
      input,
      outputs: outputs.map((output, index) =>
        index === 0
          ? { ...output, presetOverride: { ...preset, experimentalOptions: long(10, 4000) } }
          : output,
      ),
      correlationData: long(4, 4080),
    });
    await jobs.cancelJob(...AT, 'Large', 'one');
    const { state, outputs: ended } = await jobs.get(...AT, 'Large', 'one');
    expect([state, ...new Set(ended?.map((output) => output.state))]).toEqual(['Canceled', 'Canceled']);
    expect(
      await refusal(jobs.create(...AT, 'Large', 'two', { input, outputs, correlationData: long(5, 4080) })),
    ).toMatchObject({ status: 400, message: expect.stringContaining('at most 16384 are allowed') });
  });

  it('do not show the query strings of addresses, not even after an answer is sent back', async () => {
    const { jobs, transforms } = stack.client;
    await transforms.createOrUpdate(...AT, 'Http', { outputs: [ADAPTIVE] });
    const created = await jobs.create(...AT, 'Http', 'one', {
      ...newJob(),
      input: {
        odataType: '#Microsoft.Media.JobInputHttp',
        baseUri: 'https://example.com/folder/?sig=SECRETONE',
        files: ['a.mp4?sig=SECRETTWO'],
      },
    });
    expect(created.input).toMatchObject({ baseUri: 'https://example.com/folder/', files: ['a.mp4'] });
    const [listed] = await collect(jobs.list(...AT, 'Http'));
    expect(JSON.stringify([await jobs.get(...AT, 'Http', 'one'), listed])).not.toContain('SECRET');
    // Nor are they in the table: of what only workers read they are sealed.
    const table = await openHeadendTable(stack.azurite.connectionString, ACCOUNT);
    const plan = await table.find(jobPlanKey('Http', 'one'));
    expect(plan?.body).toMatchObject({
      input: { baseUri: 'https://example.com/folder/', files: ['a.mp4'] },
      sealed: expect.stringMatching(/^v1\.[0-9a-f]{16}\.[\w-]{40,}$/),
    });
    expect(JSON.stringify(await table.listAny(1000))).not.toContain('SECRET');
    await transforms.delete(...AT, 'Http');
    await transforms.createOrUpdate(...AT, 'Http', { outputs: [ADAPTIVE] });
    expect(await collect(jobs.list(...AT, 'Http'))).toEqual([]);
  });
});

describe('at the same time', () => {
  it('many jobs are made, and of several with one name one', async () => {
    const { jobs, transforms } = stack.client;
    await transforms.createOrUpdate(...AT, 'Crowd', { outputs: [ADAPTIVE] });
    const names = Array.from({ length: 12 }, (_, index) => `j${index}`);
    await Promise.all(names.map((name) => jobs.create(...AT, 'Crowd', name, newJob())));
    const twins = await Promise.all(
      names.map((_, index) =>
        jobs.create(...AT, 'Crowd', index % 2 === 0 ? 'twin' : 'TWIN', newJob()).then(
          () => 201,
          (error: unknown) => Reflect.get(Object(error), 'statusCode'),
        ),
      ),
    );
    expect(twins.toSorted()).toEqual([201, ...names.slice(1).map(() => 409)]);
    expect(await collect(jobs.list(...AT, 'Crowd'))).toHaveLength(names.length + 1);
    // Canceling and deleting the transform at the same time ends with neither.
    await Promise.all([
      transforms.delete(...AT, 'Crowd'),
      ...names.map((name) => jobs.cancelJob(...AT, 'Crowd', name).catch(() => undefined)),
    ]);
    await until(async () => {
      const again = await transforms
        .createOrUpdate(...AT, 'Crowd', { outputs: [ADAPTIVE] })
        .catch(() => undefined);
      return again !== undefined;
    }, 'the end of the deletion');
    expect(await collect(jobs.list(...AT, 'Crowd'))).toEqual([]);
  });
});

describe('a worker, with inputs that are empty', () => {
  beforeAll(async () => {
    await startWorker();
  }, START_MS_MAX);

  it(
    'ends a job in Error, says why for each output, and tells of every step',
    async () => {
      const { jobs, transforms } = stack.client;
      await transforms.createOrUpdate(...AT, 'Run', { outputs: [ADAPTIVE, ANALYZER] });
      await jobs.create(...AT, 'Run', 'one', { ...newJob(2), correlationData: { tenant: 'b' } });
      await until(async () => (await jobs.get(...AT, 'Run', 'one')).state === 'Error', 'the end of the job');
      const ended = await jobs.get(...AT, 'Run', 'one');
      const error = {
        code: 'DownloadNotAccessible',
        category: 'Download',
        retry: 'DoNotRetry',
        message: 'There is no file in the asset of the input.',
      };
      expect(ended.outputs).toMatchObject([{ state: 'Error', progress: 0, error }, { state: 'Canceled' }]);
      const subject = 'transforms/Run/jobs/one';
      const ofJob = () => stack.receiver.events.filter((event) => event.subject === subject);
      await until(
        () => ofJob().some(({ eventType }) => eventType === 'Microsoft.Media.JobErrored'),
        'the last event',
      );
      const told = new Map(ofJob().map((event) => [event.id, event]));
      const steps = [...told.values()].map(({ eventType, data }) => {
        const output = Object(data['output']);
        const label = output.label === undefined ? '' : `${output.label} `;
        return `${eventType.replace('Microsoft.Media.', '')} ${label}${data['previousState']}>${data['state'] ?? output.state}`;
      });
      const one = 'BuiltInStandardEncoderPreset_0';
      const two = 'AudioAnalyzerPreset_1';
      expect(steps.toSorted()).toEqual(
        [
          `JobOutputStateChange ${one} Queued>Scheduled`,
          `JobOutputScheduled ${one} Queued>Scheduled`,
          `JobOutputStateChange ${two} Queued>Scheduled`,
          `JobOutputScheduled ${two} Queued>Scheduled`,
          'JobStateChange Queued>Scheduled',
          'JobScheduled Queued>Scheduled',
          `JobOutputStateChange ${one} Scheduled>Processing`,
          `JobOutputProcessing ${one} Scheduled>Processing`,
          'JobStateChange Scheduled>Processing',
          'JobProcessing Scheduled>Processing',
          `JobOutputStateChange ${one} Processing>Error`,
          `JobOutputErrored ${one} Processing>Error`,
          `JobOutputStateChange ${two} Scheduled>Canceled`,
          `JobOutputCanceled ${two} Scheduled>Canceled`,
          'JobStateChange Processing>Error',
          'JobErrored Processing>Error',
        ].toSorted(),
      );
      const errored = [...told.values()].find(({ eventType }) => eventType === 'Microsoft.Media.JobErrored');
      expect(errored?.data).toEqual({
        previousState: 'Processing',
        state: 'Error',
        correlationData: { tenant: 'b' },
        outputs: [
          {
            '@odata.type': '#Microsoft.Media.JobOutputAsset',
            assetName: 'result',
            label: one,
            progress: 0,
            state: 'Error',
            error: { ...error, details: [{ code: error.code, message: error.message }] },
          },
          {
            '@odata.type': '#Microsoft.Media.JobOutputAsset',
            assetName: 'result',
            label: two,
            progress: 0,
            state: 'Canceled',
            error: null,
          },
        ],
      });
      expect(await refusal(jobs.cancelJob(...AT, 'Run', 'one'))).toMatchObject({
        status: 400,
        code: 'BadRequest',
        message: expect.stringContaining("The job is in the 'Error' state."),
      });
    },
    CASE_MS_MAX,
  );

  it(
    'does not fetch from an address of a private network',
    async () => {
      const { jobs, transforms } = stack.client;
      await transforms.createOrUpdate(...AT, 'Inner', { outputs: [ADAPTIVE] });
      const files = ['https://169.254.169.254/metadata?sig=SECRET'];
      const input = { odataType: '#Microsoft.Media.JobInputHttp', files } as const;
      await jobs.create(...AT, 'Inner', 'one', { ...newJob(), input });
      await until(
        async () => (await jobs.get(...AT, 'Inner', 'one')).state === 'Error',
        'the end of the job',
      );
      const { outputs } = await jobs.get(...AT, 'Inner', 'one');
      expect(outputs?.[0]?.error).toMatchObject({
        code: 'DownloadNotAccessible',
        category: 'Download',
        retry: 'DoNotRetry',
        message: "'169.254.169.254' is not an address that inputs may come from.",
      });
    },
    CASE_MS_MAX,
  );

  it(
    'never ends a job in Finished that made nothing, whatever the transform forgives',
    async () => {
      const { jobs, transforms } = stack.client;
      await transforms.createOrUpdate(...AT, 'Forgiving', {
        outputs: [
          { ...ADAPTIVE, onError: 'ContinueJob' },
          { ...ANALYZER, onError: 'ContinueJob', relativePriority: 'High' },
        ],
      });
      await jobs.create(...AT, 'Forgiving', 'one', newJob(2));
      await until(async () => (await jobs.get(...AT, 'Forgiving', 'one')).endTime !== undefined, 'the end');
      const ended = await jobs.get(...AT, 'Forgiving', 'one');
      expect([ended.state, ended.outputs?.map(({ state }) => state)]).toEqual(['Error', ['Error', 'Error']]);
      // The analyzer came first.
      const [encoded, analyzed] = ended.outputs ?? [];
      expect(Number(analyzed?.startTime)).toBeLessThanOrEqual(Number(encoded?.startTime));
    },
    CASE_MS_MAX,
  );

  it(
    'lists jobs by state, time and name',
    async () => {
      const { jobs, transforms } = stack.client;
      await transforms.createOrUpdate(...AT, 'Lists', { outputs: [ADAPTIVE] });
      for (const name of ['c', 'a', 'b']) await jobs.create(...AT, 'Lists', name, newJob());
      await until(
        async () =>
          (
            await collect(
              jobs.list(...AT, 'Lists', { filter: "properties/state eq Microsoft.Media.JobState'error'" }),
            )
          ).length === 3,
        'the end of three jobs',
      );
      const names = async (options: { filter?: string; orderby?: string }) =>
        (await collect(jobs.list(...AT, 'Lists', options))).map(({ name }) => name);
      expect(await names({ orderby: 'name' })).toEqual(['a', 'b', 'c']);
      expect(await names({ orderby: 'properties/created desc' })).toEqual(['b', 'a', 'c']);
      const { created } = await jobs.get(...AT, 'Lists', 'a');
      expect(
        await names({
          filter: `properties/created ge ${created?.toISOString()} and (name eq 'b' or name eq 'c' or name eq 'a')`,
          orderby: 'properties/created',
        }),
      ).toEqual(['a', 'b']);
      expect(await names({ filter: "properties/state ne Microsoft.Media.JobState'Error'" })).toEqual([]);
      expect(
        await refusal(collect(jobs.list(...AT, 'Lists', { filter: "properties/priority eq 'High'" }))),
      ).toMatchObject({ status: 400 });
    },
    CASE_MS_MAX,
  );

  it(
    'has the units that the account wants, and is told of',
    async () => {
      const capacity = async () => {
        const { body } = await stack.raw('GET', '/encodingCapacity/default?api-version=2022-07-01');
        return Reflect.get(Object(body), 'properties');
      };
      await until(async () => (await capacity()).activeWorkers === 1, 'the one worker');
      await stack.raw(
        'POST',
        '/encodingCapacity/default/scale?api-version=2022-07-01',
        JSON.stringify({ encodingUnits: 2 }),
      );
      await until(async () => (await capacity()).activeWorkers === 2, 'a second worker');
      await stack.raw(
        'POST',
        '/encodingCapacity/default/scale?api-version=2022-07-01',
        JSON.stringify({ encodingUnits: 0 }),
      );
      await until(async () => (await capacity()).activeWorkers === 0, 'no worker');
      await stack.client.jobs.create(...AT, 'Run', 'waits', newJob(2));
      await new Promise((resolve) => setTimeout(resolve, 3000));
      expect((await stack.client.jobs.get(...AT, 'Run', 'waits')).state).toBe('Queued');
      await stack.raw(
        'POST',
        '/encodingCapacity/default/scale?api-version=2022-07-01',
        JSON.stringify({ encodingUnits: 3 }),
      );
      await until(
        async () => (await stack.client.jobs.get(...AT, 'Run', 'waits')).state === 'Error',
        'the end',
      );
    },
    CASE_MS_MAX,
  );
});
