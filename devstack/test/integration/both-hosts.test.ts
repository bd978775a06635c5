import { randomBytes } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { QueueServiceClient } from '@azure/storage-queue';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { azureHostSpec, findAzureHost, seedAzureHostKeys } from '../../src/azure-host.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { hostsUnderTest, type RunningHost } from '../support/functions-hosts.ts';
import { type Bundles, buildBundles, eventually } from '../support/programs.ts';

/** What an app may rely on wherever it runs: the same assertions for this project's host and Microsoft's own. */

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const HOSTS = await hostsUnderTest();
const secret = () => randomBytes(32).toString('base64url');
const KEYS = { functionKey: secret(), masterKey: secret(), eventGridSystemKey: secret() };

describe.each(HOSTS)('$name', (hostUnderTest) => {
  let azurite: Azurite;
  let bundles: Bundles;
  let folder: string;
  let sample: RunningHost;
  let app: RunningHost;

  const records = async (kind: string) =>
    (await readFile(join(folder, 'record.jsonl'), 'utf8').catch(() => ''))
      .split('\n')
      .filter((line) => line.includes(`"kind":"${kind}"`))
      .map((line): Record<string, unknown> => JSON.parse(line));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headend-hosts-'));
    const appDir = join(folder, 'app');
    await mkdir(join(appDir, 'dist'), { recursive: true });
    for (const file of ['host.json', 'package.json', 'dist/app.cjs']) {
      await cp(join(ROOT, file), join(appDir, file));
    }
    [azurite, bundles] = await Promise.all([
      startAzurite(),
      buildBundles({
        extensions: { queues: { maxDequeueCount: 1, maxPollingInterval: '00:00:01' } },
        extensionBundle: { id: 'Microsoft.Azure.Functions.ExtensionBundle', version: '[4.*, 5.0.0)' },
      }),
    ]);
    const { program } = bundles;
    const env = {
      AzureWebJobsStorage: azurite.connectionString,
      SAMPLE_QUEUE: 'work',
      SAMPLE_RECORD: join(folder, 'record.jsonl'),
    };
    [sample, app] = await Promise.all([
      hostUnderTest.start({ program, appDir: bundles.appDir, keys: KEYS, env }),
      hostUnderTest.start({ program, appDir, keys: KEYS, env }),
    ]);
  }, 240_000);

  afterAll(async () => {
    await sample?.stop();
    await app?.stop();
    await azurite?.close();
    await bundles?.close();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  const key = { 'x-functions-key': KEYS.masterKey };

  it.each([
    { name: 'an anonymous function', path: '/api/anyone', init: {}, status: 200 },
    { name: 'another verb', path: '/api/anyone', init: { method: 'DELETE' }, status: 404 },
    { name: 'no key', path: '/api/echo/1', init: {}, status: 401 },
    { name: 'a function key', path: `/api/echo/1?code=${KEYS.functionKey}`, init: {}, status: 201 },
    { name: 'a broken constraint', path: '/api/echo/x', init: { headers: key }, status: 404 },
    { name: 'a function that throws', path: '/api/throwing', init: {}, status: 500 },
    { name: 'a function that returns nothing', path: '/api/nothing', init: {}, status: 204 },
  ])('answers $status to $name', async ({ path, init, status }) => {
    expect((await fetch(`${sample.base}${path}`, init)).status).toBe(status);
  });

  it('takes the first of overlapping routes by the name of the function', async () => {
    const response = await fetch(`${sample.base}/api/overlap/exact`, { headers: key });
    expect(await response.text()).toBe('A');
  });

  it('hands over what was sent, and drops a chunked body', async () => {
    const sent = await fetch(`${sample.base}/api/echo/7?a=1&a=2`, {
      method: 'POST',
      headers: key,
      body: 'text',
    });
    expect(await sent.json()).toMatchObject({ params: { id: '7' }, query: { a: '1,2' }, text: 'text' });
    expect(sent.headers.getSetCookie()).toHaveLength(2);
    const chunked = await new Promise<string>((resolve, reject) => {
      const outgoing = request(`${sample.base}/api/echo/1`, { method: 'POST', headers: key });
      outgoing.on('response', (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      });
      outgoing.on('error', reject);
      outgoing.write('chunk');
      outgoing.end('chunk');
    });
    expect(JSON.parse(chunked)).toMatchObject({ text: '' });
  });

  it('validates and runs deliveries of Event Grid', async () => {
    const deliver = (type: string, body: unknown, functionName = 'onEvent') =>
      fetch(
        `${sample.base}/runtime/webhooks/eventgrid?functionName=${functionName}&code=${KEYS.eventGridSystemKey}`,
        {
          method: 'POST',
          headers: { 'aeg-event-type': type, 'content-type': 'application/json' },
          body: JSON.stringify(body),
        },
      );
    const event = (id: string, data: object) => ({
      id,
      data,
      topic: '/t',
      subject: 's',
      eventType: 't',
      dataVersion: '1',
      metadataVersion: '1',
      eventTime: '2026-01-01T00:00:00Z',
    });
    const validation = await deliver('SubscriptionValidation', [
      {
        ...event('v', { validationCode: 'abc' }),
        eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
      },
    ]);
    expect(await validation.json()).toEqual({ validationResponse: 'abc' });
    expect((await deliver('Notification', [event('1', { n: 1 })])).status).toBe(202);
    expect((await deliver('Notification', [event('2', {}), event('3', { fail: true })])).status).toBe(500);
    expect((await deliver('Notification', [event('4', {})], 'none')).status).toBe(404);
    expect(await records('event')).toHaveLength(3);
  });

  it('runs messages of a queue, and moves what fails to its poison queue', async () => {
    const service = QueueServiceClient.fromConnectionString(azurite.connectionString);
    await service.getQueueClient('work').createIfNotExists();
    const send = (message: object) =>
      service.getQueueClient('work').sendMessage(Buffer.from(JSON.stringify(message)).toString('base64'));
    await send({ id: 'good' });
    await send({ id: 'bad', fail: true });
    await eventually(async () => ((await records('message')).length >= 2 ? true : undefined), 30_000);
    const poison = service.getQueueClient('work-poison');
    const text = await eventually(async () => {
      const received = await poison.receiveMessages().catch(() => undefined);
      return received?.receivedMessageItems[0]?.messageText;
    }, 30_000);
    expect(JSON.parse(Buffer.from(text, 'base64').toString())).toEqual({ id: 'bad', fail: true });
  }, 70_000);

  it('runs the Headend app', async () => {
    expect((await fetch(`${app.base}/api/v1/channels`)).status).toBe(401);
    const openapi = await fetch(`${app.base}/api/v1/openapi.json`);
    expect([openapi.status, await openapi.json()]).toMatchObject([200, { openapi: expect.any(String) }]);
  });
});

describe("Microsoft's host", () => {
  const at = (...names: string[]) => join(root, ...names);
  let root: string;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'headend-azure-'));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  it('is named by what is missing, and found wherever its packages have put it', async () => {
    const none = await findAzureHost(root);
    expect(none).toMatchObject({
      kind: 'missing',
      sentence: expect.stringContaining('Script.WebHost and no worker/'),
    });
    const executable = at('host', 'tools', 'net8', 'Microsoft.Azure.WebJobs.Script.WebHost');
    const files = [executable, at('worker', 'tools', 'any', 'worker.config.json')];
    for (const file of [...files, at('bundle', 'content', '4.35.0', 'bundle.json')]) {
      await mkdir(join(file, '..'), { recursive: true });
      await writeFile(file, '');
    }
    await chmod(executable, 0o755);
    const found = await findAzureHost(root);
    expect(found).toEqual({
      kind: 'found',
      executable,
      workerDir: at('worker', 'tools', 'any'),
      bundleDir: at('bundle', 'content'),
    });
    if (found.kind === 'missing') return;
    await seedAzureHostKeys(found, { ...KEYS, eventGridKey: 'unused', identitySecret: 'unused' });
    expect(JSON.parse(await readFile(join(executable, '..', 'Secrets', 'host.json'), 'utf8'))).toMatchObject({
      masterKey: { value: KEYS.masterKey },
      systemKeys: [{ name: 'eventgrid_extension', value: KEYS.eventGridSystemKey }],
    });
    const env = { AzureWebJobsStorage: 'x' };
    const spec = azureHostSpec(found, { appDir: '/app', port: 7071, env, stopWithinMs: 1 });
    expect(spec).toMatchObject({
      command: executable,
      args: ['--urls', 'http://127.0.0.1:7071'],
      cwd: '/app',
      env: {
        AzureWebJobsScriptRoot: '/app',
        AzureWebJobsStorage: 'x',
        languageWorkers__node__workerDirectory: at('worker', 'tools', 'any'),
        AzureFunctionsJobHost__extensionBundle__downloadPath: at('bundle', 'content'),
      },
    });
  });
});
