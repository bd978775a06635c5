import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AccountRecord } from '../../src/resources/account.ts';
import { ENGINE_PARTITION, registeredAccountKey } from '../../src/resources/row-keys.ts';
import { type HeadendTable, openHeadendTable } from '../../src/store/headend-table.ts';
import { ACCOUNT, callArm, createArmClient, fetchToken, GROUP, SUBSCRIPTION } from '../support/arm-client.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from '../support/engine-program.ts';

const FAST = { updateIntervalInMs: 20 };
const WAIT_MS_MAX = 30_000;
const ROWS = 230;
const GROUP_PATH = `/subscriptions/${SUBSCRIPTION}/resourceGroups/${GROUP}/providers`;
const BODY = {
  location: 'local',
  properties: {
    storageAccounts: [
      { id: `${GROUP_PATH}/Microsoft.Storage/storageAccounts/devstoreaccount1`, type: 'Primary' },
    ],
  },
};

let azurite: Azurite;
let program: EngineProgram;
let table: HeadendTable;
let blobs: BlobServiceClient;
let queues: QueueServiceClient;

beforeAll(async () => {
  [azurite, program] = await Promise.all([startAzurite(), buildEngine()]);
  table = await openHeadendTable(azurite.connectionString, ACCOUNT);
  blobs = BlobServiceClient.fromConnectionString(azurite.connectionString);
  queues = QueueServiceClient.fromConnectionString(azurite.connectionString);
}, 120_000);
afterAll(async () => {
  await program?.close();
  await azurite?.close();
}, 60_000);

const start = () => program.start('control', { HEADEND_STORAGE: azurite.connectionString });
const registered = (account: string) =>
  table.inPartition(ENGINE_PARTITION).find(registeredAccountKey(account));
const stateOf = async (account: string) => {
  const row = await registered(account);
  return row && AccountRecord.parse(row.body);
};

/** Names of containers and queues of jobs. */
async function ofJobs(): Promise<readonly string[]> {
  const prefix = 'headend-jobs-';
  const names: string[] = [];
  for await (const { name } of blobs.listContainers({ prefix })) names.push(name);
  for await (const { name } of queues.listQueues({ prefix })) names.push(name);
  return names.filter((name) => !name.startsWith(`${prefix}${ACCOUNT}`));
}

async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_MS_MAX;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${WAIT_MS_MAX} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The answer of a PUT or DELETE of an account; the engine is killed as soon as it is there, or at once. */
async function callAndKill(engine: RunningEngine, method: string, account: string): Promise<void> {
  const token = await fetchToken(engine, program.identitySecret);
  const call = callArm(engine, program.caPem, {
    method,
    path: `${GROUP_PATH}/Microsoft.Media/mediaservices/${account}?api-version=2023-01-01`,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(method === 'PUT' ? { body: JSON.stringify(BODY) } : {}),
  }).catch(() => undefined);
  if (method === 'PUT') await call;
  else await until('it is marked', async () => (await stateOf(account))?.isDeleting !== false);
  await engine.stop('SIGKILL');
}

describe('an engine that is killed', () => {
  it('finishes at its next start what was begun on accounts: the making of one, the removal of another', async () => {
    await callAndKill(await start(), 'PUT', 'begun');
    expect(await stateOf('begun')).toBeDefined();
    const engine = await start();
    await until('it is made', async () => (await stateOf('begun'))?.provisioningState === 'Succeeded');
    const client = createArmClient(engine, program.caPem, program.identitySecret);
    expect(await client.streamingEndpoints.get(GROUP, 'begun', 'default')).toMatchObject({
      resourceState: 'Stopped',
    });
    const event = { location: 'local', input: { streamingProtocol: 'RTMP' } };
    const options = { autoStart: true, ...FAST };
    await client.liveEvents.beginCreateAndWait(GROUP, 'begun', 'arena', event, options);
    const rows = table.inPartition('begun');
    for (let at = 0; at < ROWS; at += 1) {
      await rows.commit([{ kind: 'create', rowKey: `m!filler!${at}`, body: {} }]);
    }
    // What its jobs have left, and those of an account that was gone before they were.
    for (const account of ['begun', 'gone']) {
      const container = blobs.getContainerClient(`headend-jobs-${account}`);
      await container.create();
      await container.getBlockBlobClient('job/0/step/1/done.json').upload('{}', 2);
      await queues.getQueueClient(`headend-jobs-${account}-normal`).create();
    }
    await callAndKill(engine, 'DELETE', 'begun');
    const again = await start();
    await until('it is gone', async () => (await registered('begun')) === undefined);
    expect(await rows.listAny(1)).toEqual([]);
    expect((await ofJobs()).filter((name) => name.includes('begun'))).toEqual([]);
    await until('what nobody has is gone', async () => (await ofJobs()).length === 0);
    // What its live event was found by is nobody's, and the name can be had anew.
    const anew = createArmClient(again, program.caPem, program.identitySecret);
    const [storageAccount] = BODY.properties.storageAccounts;
    const made = await anew.mediaservices.beginCreateOrUpdateAndWait(
      GROUP,
      'begun',
      { location: 'local', ...(storageAccount ? { storageAccounts: [storageAccount] } : {}) },
      FAST,
    );
    expect(made.provisioningState).toBe('Succeeded');
    expect(await again.stop('SIGTERM')).toBe(0);
  }, 120_000);
});
