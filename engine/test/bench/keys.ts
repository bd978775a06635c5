import { spawn } from 'node:child_process';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { headersOf } from '../../src/keys/key-answers.ts';
import { ACCOUNT, GROUP } from '../support/arm-client.ts';
import { startArmStack } from '../support/arm-stack.ts';
import { AUDIENCE, claims, ISSUER } from '../support/playback-tokens.ts';
import { isInstalled, type WrkResult, wrk } from './wrk.ts';

const ROUNDS = 3;
const SECONDS = 4;
const CONNECTIONS = 32;
/** More than can be used in a round, so that none is seen twice. */
const NEW_TOKENS_PER_ROUND = 16_000;
/** The first round of new tokens goes on until their part of the program is compiled, too. */
const FIRST_SECONDS = 4;
/** At a fixed rate far below what is possible, so that the time of an answer is not that of a queue. */
const QUIET_CONNECTIONS = 2;

const AT = [GROUP, ACCOUNT] as const;

/** Keys per second of one process: open, with an RS256 token that it has seen, and with one that is new each time. */
export async function benchKeys(): Promise<string> {
  if (!(await isInstalled('wrk'))) return 'keys: not measured, wrk is not installed';
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const plain = await startPlainServer();
  const stack = await startArmStack();
  const folder = await mkdtemp(join(tmpdir(), 'headend-bench-'));
  try {
    const open = await publish(stack.client, 'open', undefined);
    const guarded = await publish(stack.client, 'guarded', publicKey);
    const keys = await stack.program.start('keys', { HEADEND_STORAGE: stack.azurite.connectionString });
    const base = `http://127.0.0.1:${keys.ports['keys']}/${ACCOUNT}/?kid=`;
    const token = await rs256(0, privateKey);
    const measure = async (name: string, target: number | undefined, load: Load) => {
      const { url, connections, ...rest } = load;
      const results: WrkResult[] = [];
      for (let round = 0; round <= ROUNDS; round += 1) {
        const script = rest.scripts?.[round];
        const result = await wrk(url, {
          ...{ pid: load.pid ?? keys.pid, connections },
          seconds: round === 0 ? FIRST_SECONDS : load.seconds,
          ...(rest.headers === undefined ? {} : { headers: rest.headers }),
          ...(script === undefined ? {} : { script }),
        });
        // Until it is compiled.
        if (round > 0) results.push(result);
      }
      return row(name, target, results);
    };
    const seen = { authorization: `Bearer ${token}` };
    const load = { url: `${base}${guarded}`, connections: CONNECTIONS, seconds: SECONDS };
    const scripts = await tokenScripts(folder, privateKey);
    const lines = [
      '| one process | keys/s | per core | µs of processor/key | p99 ms | target per core |',
      '|---|---|---|---|---|---|',
      await measure('node:http alone, the same request and answer', undefined, {
        ...{ ...load, url: `http://127.0.0.1:${plain.port}/`, pid: plain.pid, headers: seen },
      }),
      await measure('open', undefined, { ...load, url: `${base}${open}` }),
      await measure('RS256 token, seen before', 20_000, { ...load, headers: seen }),
      await measure('RS256 token, seen before, 2 connections', undefined, {
        ...{ ...load, headers: seen, connections: QUIET_CONNECTIONS },
      }),
      await measure('RS256 token, new each time', 10_000, { ...load, scripts, seconds: 1 }),
    ];
    return lines.join('\n');
  } finally {
    await rm(folder, { recursive: true, force: true });
    plain.stop();
    await stack.close();
  }
}

const KEY = { status: 200, contentType: 'application/octet-stream', body: new Uint8Array(16) };

/** What a program on node:http takes at least for our answer. */
const PLAIN_SERVER = `
  const { createServer } = require('node:http');
  const headers = ${JSON.stringify(headersOf(KEY, undefined))};
  const body = Buffer.alloc(16);
  const server = createServer({ noDelay: true }, (request, response) => {
    response.writeHead(200, headers);
    response.end(body.latin1Slice(), 'latin1');
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

async function startPlainServer() {
  const child = spawn(process.execPath, ['-e', PLAIN_SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = await once(child.stdout, 'data');
  return { port: Number(String(port)), pid: child.pid ?? 0, stop: () => child.kill() };
}

interface Load {
  /** Of the server; undefined: key delivery. */
  readonly pid?: number;
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly scripts?: readonly string[];
}

async function publish(
  client: Awaited<ReturnType<typeof startArmStack>>['client'],
  policy: string,
  publicKey: KeyObject | undefined,
): Promise<string> {
  const { n = '', e = '' } = publicKey?.export({ format: 'jwk' }) ?? {};
  await client.assets.createOrUpdate(...AT, 'film', {});
  await client.contentKeyPolicies.createOrUpdate(...AT, policy, {
    options: [
      {
        configuration: { odataType: '#Microsoft.Media.ContentKeyPolicyClearKeyConfiguration' },
        restriction:
          publicKey === undefined
            ? { odataType: '#Microsoft.Media.ContentKeyPolicyOpenRestriction' }
            : {
                odataType: '#Microsoft.Media.ContentKeyPolicyTokenRestriction',
                issuer: ISSUER,
                audience: AUDIENCE,
                restrictionTokenType: 'Jwt',
                primaryVerificationKey: {
                  odataType: '#Microsoft.Media.ContentKeyPolicyRsaTokenKey',
                  modulus: Buffer.from(n, 'base64url'),
                  exponent: Buffer.from(e, 'base64url'),
                },
              },
      },
    ],
  });
  await client.streamingLocators.create(...AT, policy, {
    ...{ assetName: 'film', streamingPolicyName: 'Predefined_ClearKey' },
    defaultContentKeyPolicyName: policy,
  });
  const { contentKeys = [] } = await client.streamingLocators.listContentKeys(...AT, policy);
  return contentKeys[0]?.id ?? '';
}

function rs256(number: number, key: KeyObject): Promise<string> {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = claims({ jti: String(number), exp: Math.floor(Date.now() / 1000) + 3600 });
  const signed = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode(body)}`;
  return new Promise((resolve, reject) => {
    // By several threads.
    sign('sha256', Buffer.from(signed), key, (error, signature) =>
      error === null ? resolve(`${signed}.${signature.toString('base64url')}`) : reject(error),
    );
  });
}

/** One file of wrk for each round, with tokens of its own; beyond their end keys are missing, which would be seen. */
async function tokenScripts(folder: string, key: KeyObject): Promise<readonly string[]> {
  const scripts: string[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const first = 1 + round * NEW_TOKENS_PER_ROUND;
    const tokens = await Promise.all(
      Array.from({ length: NEW_TOKENS_PER_ROUND }, (_, n) => rs256(first + n, key)),
    );
    const [tokenFile, script] = [join(folder, `tokens-${round}`), join(folder, `tokens-${round}.lua`)];
    await writeFile(tokenFile, `${tokens.join('\n')}\n`);
    await writeFile(
      script,
      [
        'local requests = {}',
        'local at = 0',
        'init = function(args)',
        `  for token in io.lines(${JSON.stringify(tokenFile)}) do`,
        '    local headers = { ["Authorization"] = "Bearer " .. token }',
        '    requests[#requests + 1] = wrk.format("GET", nil, headers)',
        '  end',
        'end',
        'request = function()',
        '  at = at + 1',
        '  if at > #requests then return wrk.format("GET", "/tokens-used-up/x/y/") end',
        '  return requests[at]',
        'end',
      ].join('\n'),
    );
    scripts.push(script);
  }
  return scripts;
}

function row(name: string, target: number | undefined, results: readonly WrkResult[]): string {
  const median = (of: (result: WrkResult) => number): number =>
    results.map(of).toSorted((a, b) => a - b)[Math.floor(results.length / 2)] ?? Number.NaN;
  const cost = median((result) => result.processorMicrosecondsPerRequest);
  const perCore = 1e6 / cost;
  const problems = results.map((result) => result.problems).filter((text) => text !== '');
  const verdict = target === undefined ? '—' : `≥ ${target}: ${perCore >= target ? 'met' : 'MISSED'}`;
  const rate = median((result) => result.requestsPerSecond).toFixed(0);
  const p99 = median((result) => result.latencyP99Ms).toFixed(2);
  return `| ${name} | ${rate} | ${perCore.toFixed(0)} | ${cost.toFixed(1)} | ${p99} | ${[verdict, ...problems].join(' ')} |`;
}
