import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cancelJob } from '../../src/control-plane/job-cancellation.ts';
import { readJobCounts } from '../../src/control-plane/job-counts.ts';
import { enqueueJob } from '../../src/control-plane/job-enqueuing.ts';
import type { JobQueue } from '../../src/control-plane/job-queue.ts';
import { createdJob, findDispatch, findJob, JOBS, removedJob } from '../../src/control-plane/job-rows.ts';
import { JobUpkeep } from '../../src/control-plane/job-upkeep.ts';
import { outboxRow } from '../../src/events/outbox.ts';
import { accountScope } from '../../src/resources/account-scope.ts';
import { type JobRecord, newJob, parseJobBody } from '../../src/resources/encoding/job.ts';
import { isFinal, JOB_STATES_AFTER } from '../../src/resources/encoding/job-state.ts';
import { parseTransformBody } from '../../src/resources/encoding/transform.ts';
import { newEncodingCapacity } from '../../src/resources/encoding-capacity.ts';
import { encodingCapacityKey, prefixes, resourcePrefix } from '../../src/resources/row-keys.ts';
import { type HeadendTable, openHeadendTable } from '../../src/store/headend-table.ts';
import { createJobBlobs } from '../../src/store/job-blobs.ts';
import { openJobQueues } from '../../src/store/job-queues.ts';
import { StorageAccounts } from '../../src/store/storage-accounts.ts';
import type { BlobClaim } from '../../src/worker/job-blobs.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { until } from '../support/programs.ts';
import { buildWorker, type RunningWorker } from '../support/worker-program.ts';

const CALLER = { id: 'test' };
const START_MS_MAX = 120_000;
const CASE_MS_MAX = 120_000;
const CONTAINER = 'made';
const LOG = { info: () => undefined, warn: () => undefined, error: () => undefined };
const ENDS_MS_MAX = 90_000;
const ROWS_MAX = 10_000;
/** Short, so that what a killed worker had is somebody else's soon. */
const TIMING = { leaseMs: 3000, renewMs: 700, lookMs: 200 };

let azurite: Azurite;
let workers: Awaited<ReturnType<typeof buildWorker>>;

beforeAll(async () => {
  [azurite, workers] = await Promise.all([startAzurite(), buildWorker()]);
  await blobs().create();
}, START_MS_MAX);

afterAll(async () => {
  await workers.close();
  await azurite.close();
});

const blobs = () =>
  BlobServiceClient.fromConnectionString(azurite.connectionString).getContainerClient(CONTAINER);

/** The control plane's side of one account. */
interface Account {
  readonly name: string;
  readonly store: HeadendTable;
  readonly jobQueue: JobQueue;
  readonly events: { change(event: { type: string; subject: string; data: object }): never; wake(): void };
  readonly sealer: { seal(secret: string): string };
  readonly scope: ReturnType<typeof accountScope>;
  readonly log: typeof LOG;
}

async function openAccount(name: string, encodingUnits: number): Promise<Account> {
  const store = await openHeadendTable(azurite.connectionString, name);
  const capacity = newEncodingCapacity({ caller: CALLER, nowIso: new Date().toISOString() });
  await store.commit([
    { kind: 'create', rowKey: encodingCapacityKey('default'), body: { ...capacity, encodingUnits } },
  ]);
  return {
    name,
    store,
    jobQueue: openJobQueues(azurite.connectionString, name, LOG),
    events: {
      // The shape that `RowChange` has for a new row.
      change: (event) =>
        ({ kind: 'create', ...outboxRow({ ...event, data: { ...event.data } }, Date.now()) }) as never,
      wake: () => undefined,
    },
    sealer: { seal: () => never() },
    scope: accountScope(
      `/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/g/providers/Microsoft.Media/mediaservices/${name}`,
      'local',
    ),
    log: LOG,
  };
}

const OUTPUTS = parseTransformBody(
  {
    properties: {
      outputs: [
        { preset: { '@odata.type': '#Microsoft.Media.FaceDetectorPreset' } },
        { preset: { '@odata.type': '#Microsoft.Media.VideoAnalyzerPreset' } },
      ],
    },
  },
  '2022-07-01',
).outputs;

async function addJob(account: Account, name: string, priority = 'Normal'): Promise<JobRecord> {
  const body = {
    properties: {
      priority,
      input: { '@odata.type': '#Microsoft.Media.JobInputAsset', assetName: 'in' },
      outputs: OUTPUTS.map(() => ({ '@odata.type': '#Microsoft.Media.JobOutputAsset', assetName: 'out' })),
    },
  };
  const { job, plan } = newJob(parseJobBody(body, '2022-07-01', OUTPUTS), {
    name,
    transformName: 'T',
    transformOutputs: OUTPUTS,
    caller: CALLER,
    nowIso: new Date().toISOString(),
  });
  for (;;) {
    if ((await account.store.commit(await createdJob(account, job, plan))) === 'committed') return job;
  }
}

async function jobsOf(account: Account): Promise<JobRecord[]> {
  const rows = await account.store.list(resourcePrefix('job', ['T']), { limit: ROWS_MAX });
  return rows.map(({ body }) => JOBS.parse(body));
}

async function untilEnded(account: Account): Promise<JobRecord[]> {
  for (const beganAtMs = Date.now(); Date.now() - beganAtMs < ENDS_MS_MAX; ) {
    const found = await jobsOf(account);
    if (found.every(({ state }) => isFinal(state))) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`not all jobs have ended: ${JSON.stringify(await readJobCounts(account.store))}`);
}

/** State changes of each job, as the events in its account's outbox tell them. */
async function pathsOf(account: Account): Promise<Map<string, string[]>> {
  const rows = await account.store.list(prefixes.outbox, { limit: ROWS_MAX });
  const paths = new Map<string, string[]>();
  for (const { body } of rows) {
    const { type, subject, data } = Object(body);
    if (type !== 'Microsoft.Media.JobStateChange') continue;
    paths.set(subject, [...(paths.get(subject) ?? []), `${data.previousState}>${data.state}`]);
  }
  return paths;
}

/** Who has worked on an output, in order. */
async function linesOf(job: string, label: string): Promise<{ worker: string; what: string }[]> {
  const text = await blobs().getBlobClient(`${job}/${label}`).downloadToBuffer();
  return text
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

const starter = (account: Account, stepMs: number) => {
  let count = 0;
  return (): Promise<RunningWorker> => {
    count += 1;
    const worker = `${account.name}-${count}`;
    const { connectionString } = azurite;
    return workers.start({
      ...{ connectionString, account: account.name, worker, container: CONTAINER },
      ...{ stepMs, unitsMax: 2, timing: TIMING },
    });
  };
};

/** Of some jobs no message is sent, of some two; and there are messages that say nothing. */
async function addJobsWithBadMessages(account: Account, count: number): Promise<string[]> {
  const queues = QueueServiceClient.fromConnectionString(azurite.connectionString);
  const normal = queues.getQueueClient(`headend-jobs-${account.name}-normal`);
  await normal.create();
  for (const junk of ['not base64', Buffer.from('{"job":1}').toString('base64')]) {
    await normal.sendMessage(junk);
  }
  const names = Array.from(
    { length: count },
    (_, index) => `${index % 6 === 5 ? 'faulty' : 'job'}-k${index}`,
  );
  for (const [index, name] of names.entries()) {
    const { priority } = await addJob(account, name, index % 3 === 0 ? 'High' : 'Normal');
    if (index % 5 === 0) continue;
    await enqueueJob(account, { transform: 'T', job: name });
    if (index % 2 === 0) await account.jobQueue.send({ transform: 'T', job: name, priority });
  }
  return names;
}

const KILLS_MAX = 4;

/** Kills one of three workers every second, starts another one, and answers how often that was. */
async function killUntil(ended: Promise<unknown>, start: () => Promise<RunningWorker>): Promise<number> {
  const alive = await Promise.all([start(), start(), start()]);
  let isOver = false;
  const over = ended.finally(() => {
    isOver = true;
  });
  let kills = 0;
  for (; !isOver && kills < KILLS_MAX; kills += 1) {
    await Promise.race([over, new Promise((resolve) => setTimeout(resolve, 1000))]);
    await alive.shift()?.stop('SIGKILL');
    alive.push(await start());
  }
  await over;
  await Promise.all(alive.map((worker) => worker.stop('SIGKILL')));
  return kills;
}

/** Whoever begins has the output alone: what those have written after it that began before. */
function linesOfTheReplaced(lines: readonly { worker: string; what: string }[]) {
  return lines.flatMap(({ worker, what }, index) => {
    if (what !== 'begin') return [];
    const before = new Set(lines.slice(0, index).map((line) => line.worker));
    before.delete(worker);
    return lines.slice(index).filter((line) => before.has(line.worker));
  });
}

describe('workers', () => {
  it(
    'end every job once, though they are killed in the middle and messages are lost, doubled and spoilt',
    async () => {
      const account = await openAccount('killed', 40);
      const names = await addJobsWithBadMessages(account, 8);
      const upkeep = new JobUpkeep(account);
      upkeep.start();
      const kills = await killUntil(untilEnded(account), starter(account, 100));
      const jobs = await untilEnded(account);
      await upkeep.close();
      expect(kills).toBeGreaterThan(2);
      expect(jobs.map(({ name, state }) => `${name} ${state}`).toSorted()).toEqual(
        names.map((name) => `${name} ${name.startsWith('faulty') ? 'Error' : 'Finished'}`).toSorted(),
      );
      const paths = await pathsOf(account);
      for (const { name, state, outputs } of jobs) {
        expect(paths.get(`transforms/T/jobs/${name}`)).toEqual([
          'Queued>Scheduled',
          'Scheduled>Processing',
          `Processing>${state}`,
        ]);
        const lines = await linesOf(name, outputs[0]?.label ?? '');
        expect(linesOfTheReplaced(lines)).toEqual([]);
        expect(lines.at(-1)?.what).toBe('end');
      }
      expect(await readJobCounts(account.store)).toEqual({
        ...{ queued: 0, scheduled: 0, processing: 0, canceling: 0 },
        ended: names.length,
      });
      expect(await account.store.list(prefixes.jobDispatches, { limit: 1 })).toEqual([]);
      expect(await account.store.list('p!job!', { limit: 1 })).toEqual([]);
    },
    CASE_MS_MAX,
  );

  it(
    'take High before Normal before Low, and one job for each unit',
    async () => {
      const account = await openAccount('order', 1);
      for (const priority of ['Low', 'Normal', 'High']) {
        for (const index of [0, 1]) {
          await addJob(account, `o${priority}${index}`, priority);
          await enqueueJob(account, { transform: 'T', job: `o${priority}${index}` });
        }
      }
      const worker = await starter(account, 10)();
      const jobs = await untilEnded(account);
      const order = jobs.toSorted((left, right) =>
        (left.startTime ?? '').localeCompare(right.startTime ?? ''),
      );
      expect(order.map(({ priority }) => priority)).toEqual([
        'High',
        'High',
        'Normal',
        'Normal',
        'Low',
        'Low',
      ]);
      for (const [index, job] of order.entries()) {
        const next = order[index + 1];
        if (next !== undefined)
          expect(job.endTime?.localeCompare(next.startTime ?? '')).toBeLessThanOrEqual(0);
      }
      await worker.stop('SIGTERM');
    },
    CASE_MS_MAX,
  );

  it(
    'stop a job that is canceled, and give one back when they are stopped',
    async () => {
      const account = await openAccount('canceled', 2);
      const start = starter(account, 3000);
      const first = await start();
      for (const name of ['cancelme', 'giveback']) {
        await addJob(account, name);
        await enqueueJob(account, { transform: 'T', job: name });
      }
      const state = async (job: string) => (await findJob(account, { transform: 'T', job }))?.record.state;
      await until(async () => (await state('cancelme')) === 'Processing', 'the first job');
      await until(async () => (await state('giveback')) === 'Processing', 'the second job');
      await cancelJob(account, { transform: 'T', job: 'cancelme' });
      await until(async () => (await state('cancelme')) === 'Canceled', 'the cancelation');
      await first.stop('SIGTERM');
      const given = await findDispatch(account, { transform: 'T', job: 'giveback' });
      expect(given?.record).toMatchObject({ attempts: 0, epoch: 1 });
      expect(given?.record.holder).toBeUndefined();
      const second = await start();
      await until(async () => {
        const dispatch = await findDispatch(account, { transform: 'T', job: 'giveback' });
        return dispatch?.record.holder?.worker === second.name;
      }, 'the second worker');
      await cancelJob(account, { transform: 'T', job: 'giveback' });
      await untilEnded(account);
      await second.stop('SIGTERM');
      const legal = Object.entries(JOB_STATES_AFTER).flatMap(([from, tos]) =>
        tos.map((to) => `${from}>${to}`),
      );
      for (const path of (await pathsOf(account)).values()) {
        expect(path.filter((step) => !legal.includes(step))).toEqual([]);
        expect(path.slice(-2)).toEqual(['Processing>Canceling', 'Canceling>Canceled']);
      }
    },
    CASE_MS_MAX,
  );

  it(
    'give a job up that they have died of too often',
    async () => {
      const account = await openAccount('deadly', 2);
      const job = await addJob(account, 'deadly');
      const dispatch = await findDispatch(account, { transform: 'T', job: job.name });
      if (dispatch === undefined) throw new Error('there is no dispatch row');
      const { row, record } = dispatch;
      await account.store.commit([
        { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body: { ...record, attempts: 5 } },
      ]);
      await enqueueJob(account, { transform: 'T', job: job.name });
      const worker = await starter(account, 10)();
      const [ended] = await untilEnded(account);
      await worker.stop('SIGTERM');
      expect(ended?.state).toBe('Error');
      expect(ended?.outputs[0]?.error).toMatchObject({ code: 'ServiceError', retry: 'MayRetry' });
    },
    CASE_MS_MAX,
  );
});

describe('claims', () => {
  it(
    'are of one at a time, who loses it by silence alone',
    async () => {
      const claims = createJobBlobs(StorageAccounts.ofSystem(azurite.connectionString));
      const options = { leaseMs: 1000, signal: new AbortController().signal };
      const claim = async () => claims.claim({ container: CONTAINER }, 'step/0/claim', options);
      const crowd = await Promise.all(Array.from({ length: 8 }, claim));
      const [first, ...others] = crowd.flatMap((one) => (one.kind === 'claimed' ? [one] : []));
      expect(others).toEqual([]);
      for (let renewals = 0; renewals < 6; renewals += 1) {
        await new Promise((resolve) => setTimeout(resolve, 400));
        expect(await first?.renew()).toBe(true);
        const other = await claim();
        expect(other.kind === 'held' && other.forMs > 0 && other.forMs <= 2000).toBe(true);
      }
      let second: BlobClaim | undefined;
      await until(async () => {
        const answer = await claim();
        if (answer.kind === 'claimed') second = answer;
        return answer.kind === 'claimed';
      }, 'the end of a claim that is not renewed');
      expect(await first?.renew()).toBe(false);
      await first?.release();
      expect((await claim()).kind).toBe('held');
      await second?.release();
      expect((await claim()).kind).toBe('claimed');
    },
    CASE_MS_MAX,
  );
});

describe('the upkeep', () => {
  it(
    'removes records that are older than 90 days, and no others',
    async () => {
      const account = await openAccount('expired', 0);
      for (const name of ['old', 'young', 'waiting']) await addJob(account, name);
      for (const name of ['old', 'young']) await cancelJob(account, { transform: 'T', job: name });
      const dayMs = 24 * 60 * 60_000;
      const names = async () => (await jobsOf(account)).map(({ name }) => name);
      await new JobUpkeep({ ...account, nowMs: () => Date.now() + 89 * dayMs }).sweep();
      expect(await names()).toEqual(['old', 'waiting', 'young']);
      await new JobUpkeep({ ...account, nowMs: () => Date.now() + 91 * dayMs }).sweep();
      expect(await names()).toEqual(['waiting']);
      expect(await readJobCounts(account.store)).toMatchObject({ queued: 1, ended: 0 });
      const waiting = await findJob(account, { transform: 'T', job: 'waiting' });
      expect(await account.jobQueue.isEmpty('Normal')).toBe(false);
      await cancelJob(account, { transform: 'T', job: 'waiting' });
      const canceled = await findJob(account, { transform: 'T', job: 'waiting' });
      expect(waiting?.record.state).toBe('Queued');
      await account.store.commit(await removedJob(account, canceled?.record ?? never()));
      // Whatever was written for jobs is gone with them, but for what is counted and told.
      const rest = await account.store.list('a!', { limit: ROWS_MAX, before: 'z' });
      const kinds = new Set(rest.map(({ rowKey }) => rowKey.slice(0, rowKey.indexOf('!'))));
      expect([...kinds].filter((kind) => !['n', 'x', 'r'].includes(kind))).toEqual([]);
      expect(await jobsOf(account)).toEqual([]);
    },
    CASE_MS_MAX,
  );
});

function never(): never {
  throw new Error('the job is gone');
}
