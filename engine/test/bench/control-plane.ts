import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AzureNamedKeyCredential, generateAccountSas } from '@azure/data-tables';
import { ACCOUNT, ACCOUNT_ID, fetchToken } from '../support/arm-client.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from '../support/engine-program.ts';
import { eachOf } from '../support/sdk-sweep.ts';
import { startPlainServer } from './plain-https.ts';
import { isInstalled, type WrkResult, wrk } from './wrk.ts';

const SIZES: readonly number[] = [100, 10_000];
const ROUNDS = 3;
const SECONDS = 2;
const CONNECTIONS = 8;
const STARTS = 3;
const API = 'api-version=2022-08-01';
/** In paths and bodies: the number of one of the assets, another one in each request. */
const NUMBER = 'NNNNN';
const BODY = JSON.stringify({
  properties: {
    description: 'A film with a description of ordinary length',
    alternateId: `alternate-${NUMBER}`,
  },
});

interface Bench {
  readonly azurite: Azurite;
  readonly program: EngineProgram;
  readonly folder: string;
}

interface Operation {
  readonly name: string;
  readonly method: 'GET' | 'PUT';
  readonly path: string;
  readonly body?: string;
  /** One call of the storage without which it cannot be done, and the body of that. */
  readonly storage: { readonly path: string; readonly body?: string };
}

const entity = (rowKey: string): string =>
  `/devstoreaccount1/headend(PartitionKey=%27${ACCOUNT}%27,RowKey=%27${rowKey}%27)?`;
const query = (filter: string, top: number): string =>
  `/devstoreaccount1/headend()?$filter=${encodeURIComponent(`PartitionKey eq '${ACCOUNT}' and ${filter}`)}&$top=${top}&`;
const OPERATIONS: readonly Operation[] = [
  {
    name: 'GET of an asset',
    method: 'GET',
    path: `/assets/bench-${NUMBER}?${API}`,
    storage: { path: entity(`r!asset!bench-${NUMBER}`) },
  },
  {
    name: 'LIST of 20 by a filter of names, descending',
    method: 'GET',
    path: `/assets?${API}&$top=20&$filter=${encodeURIComponent(`name le 'bench-${NUMBER}'`)}&$orderby=name%20desc`,
    storage: { path: query(`RowKey ge 'r!asset!bench-${NUMBER}' and RowKey lt 'r!asset"'`, 20) },
  },
  {
    name: 'LIST of the one with an alternateId',
    method: 'GET',
    path: `/assets?${API}&$filter=${encodeURIComponent(`properties/alternateId eq 'alternate-${NUMBER}'`)}`,
    storage: {
      path: query(`RowKey ge 'r!asset!bench-${NUMBER}' and RowKey lt 'r!asset!bench-${NUMBER}!'`, 2),
    },
  },
  {
    name: 'PUT of an asset that is there',
    method: 'PUT',
    path: `/assets/bench-${NUMBER}?${API}`,
    body: BODY,
    storage: { path: entity(`bench!${NUMBER}`), body: JSON.stringify({ body: BODY }) },
  },
];

/** Calls of assets at two sizes of the library, each beside a bare node:https server and beside one call of the storage. */
export async function benchControlPlane(): Promise<string> {
  if (!(await isInstalled('wrk'))) return 'control plane: not measured, wrk is not installed';
  const [azurite, program] = await Promise.all([startAzurite(), buildEngine()]);
  const bench = { azurite, program, folder: await mkdtemp(join(tmpdir(), 'headend-bench-')) };
  const table = [
    '| measured | engine | node:https, same bytes | ratio | one storage call | ratio | engine, processor µs |',
    '|---|---|---|---|---|---|---|',
  ];
  const remarks: string[] = [];
  try {
    const empty = await start(bench);
    const { engine } = empty;
    let stored = 0;
    for (const size of SIZES) {
      remarks.push(await seed(bench, engine, { from: stored, to: size }));
      stored = size;
      for (const operation of OPERATIONS) {
        const line = await measure(bench, engine, { operation, size });
        process.stderr.write(`${line}\n`);
        table.push(line);
      }
    }
    await engine.stop('SIGTERM');
    const full = await start(bench);
    const ratio = (full.milliseconds / empty.milliseconds).toFixed(2);
    remarks.push(
      `start until it serves: ${full.milliseconds.toFixed(0)} ms with ${stored} assets, ${empty.milliseconds.toFixed(0)} ms with none (${ratio} ×), medians of ${STARTS}`,
    );
  } finally {
    await program.close();
    await azurite.close();
    await rm(bench.folder, { recursive: true, force: true });
  }
  return [...table, '', ...remarks].join('\n');
}

/** The median time of several starts; the last one is left running. */
async function start(bench: Bench): Promise<{ engine: RunningEngine; milliseconds: number }> {
  const times: number[] = [];
  for (;;) {
    const begun = performance.now();
    const engine = await bench.program.start('control', { HEADEND_STORAGE: bench.azurite.connectionString });
    times.push(performance.now() - begun);
    if (times.length === STARTS) return { engine, milliseconds: median(times) };
    await engine.stop('SIGTERM');
  }
}

async function seed(
  bench: Bench,
  engine: RunningEngine,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<string> {
  const { send, close } = await caller(bench, engine);
  const begun = performance.now();
  const numbers = Array.from({ length: to - from }, (_, index) => String(from + index).padStart(5, '0'));
  await eachOf(numbers, async (number) => {
    const { status } = await send('PUT', `/assets/bench-${number}?${API}`, BODY.replace(NUMBER, number));
    if (status !== 201) throw new Error(`PUT of an asset was answered by ${status}`);
  });
  close();
  const seconds = (performance.now() - begun) / 1000;
  return `assets ${from} to ${to} made, containers included, by 8 at a time: ${((to - from) / seconds).toFixed(0)} a second`;
}

async function measure(
  bench: Bench,
  engine: RunningEngine,
  { operation, size }: { readonly operation: Operation; readonly size: number },
): Promise<string> {
  const { send, close, token } = await caller(bench, engine);
  const middle = String(size / 2).padStart(5, '0');
  const sample = await send(
    operation.method,
    operation.path.replaceAll(NUMBER, middle),
    operation.body?.replace(NUMBER, middle),
  );
  close();
  if (sample.status !== 200) throw new Error(`${operation.name}: ${sample.status} ${sample.text}`);
  const plain = await startPlainServer({ answer: sample.text });
  const load = { connections: CONNECTIONS, seconds: SECONDS };
  const json = { 'content-type': 'application/json', accept: 'application/json;odata=nometadata' };
  const { path: storagePath, body: storageBody } = operation.storage;
  const { method } = operation;
  const runs = {
    engine: {
      url: `https://127.0.0.1:${engine.ports['arm']}`,
      pid: engine.pid,
      headers: { ...json, authorization: `Bearer ${token}` },
      script: await script(bench, 'engine', size, { ...operation, path: ACCOUNT_ID + operation.path }),
    },
    plain: {
      url: plain.base,
      pid: plain.pid,
      headers: json,
      script: await script(bench, 'plain', size, { ...operation, path: '/answer' }),
    },
    storage: {
      url: tableAddress(bench.azurite).origin,
      pid: process.pid,
      headers: { ...json, 'x-ms-version': '2019-02-02', 'x-ms-date': new Date().toUTCString() },
      script: await script(bench, 'storage', size, {
        method,
        path: storagePath + sasOf(bench.azurite),
        ...(storageBody === undefined ? {} : { body: storageBody }),
      }),
    },
  };
  const results = { engine: [] as WrkResult[], plain: [] as WrkResult[], storage: [] as WrkResult[] };
  try {
    await wrk(runs.engine.url, { ...load, ...runs.engine }); // until it is compiled
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const who of ['engine', 'plain', 'storage'] as const) {
        results[who].push(await wrk(runs[who].url, { ...load, ...runs[who] }));
      }
    }
  } finally {
    await plain.stop();
  }
  return row(`${operation.name}, ${size} assets`, results);
}

type Results = Readonly<Record<'engine' | 'plain' | 'storage', readonly WrkResult[]>>;

function row(name: string, { engine, plain, storage }: Results): string {
  const rate = (results: readonly WrkResult[]) => median(results.map((result) => result.requestsPerSecond));
  const tail = (results: readonly WrkResult[]) => median(results.map((result) => result.latencyP99Ms));
  const figure = (results: readonly WrkResult[]) =>
    `${rate(results).toFixed(0)}/s, p99 ${tail(results).toFixed(0)} ms`;
  const cost = median(engine.map((result) => result.processorMicrosecondsPerRequest));
  const problems = [...engine, ...plain, ...storage]
    .map((result) => result.problems)
    .filter((text) => text !== '');
  const ratio = (results: readonly WrkResult[]) => (rate(engine) / rate(results)).toFixed(2);
  return `| ${name} | ${figure(engine)} | ${figure(plain)} | ${ratio(plain)} | ${figure(storage)} | ${ratio(storage)} | ${cost.toFixed(0)} ${problems.join(' ')} |`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** For wrk: the same call for one asset after another, in an order that is not theirs. */
async function script(
  { folder }: Bench,
  name: string,
  size: number,
  { method, path, body }: Pick<Operation, 'method' | 'path' | 'body'>,
): Promise<string> {
  const file = join(folder, `${name}.lua`);
  const fill = (text: string) => `(string.gsub([==[${text}]==], '${NUMBER}', number))`;
  await writeFile(
    file,
    `local sent = 0
request = function()
  sent = sent + 1
  local number = string.format('%05d', (sent * 7919) % ${size})
  return wrk.format('${method}', ${fill(path)}, nil, ${body === undefined ? 'nil' : fill(body)})
end`,
  );
  return file;
}

const tableAddress = ({ connectionString }: Azurite): URL =>
  new URL(/TableEndpoint=([^;]+)/.exec(connectionString)?.[1] ?? '');

function sasOf({ connectionString }: Azurite): string {
  const [, name = ''] = /AccountName=([^;]+)/.exec(connectionString) ?? [];
  const [, key = ''] = /AccountKey=([^;]+)/.exec(connectionString) ?? [];
  return generateAccountSas(new AzureNamedKeyCredential(name, key), {
    expiresOn: new Date(Date.now() + 3_600_000),
    permissions: { query: true, list: true, add: true, update: true },
    resourceTypes: 'sco',
    services: { table: true },
  });
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Calls below the account, over connections that are kept. */
async function caller(bench: Bench, engine: RunningEngine) {
  const token = await fetchToken(engine, bench.program.identitySecret);
  const agent = new Agent({ keepAlive: true, ca: bench.program.caPem });
  const send = (method: string, path: string, body?: string): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const options = {
        agent,
        method,
        host: '127.0.0.1',
        port: engine.ports['arm'],
        path: ACCOUNT_ID + path,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      };
      const sent = request(options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
      });
      sent.once('error', reject).end(body);
    });
  return { send, token, close: () => agent.destroy() };
}
