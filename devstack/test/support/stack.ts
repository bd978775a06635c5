import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PORT_NAMES, PORTS, type Ports } from '../../src/flags.ts';
import { ACCOUNT_ID } from '../../src/processes.ts';
import { HeadendApi } from './headend-api.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const DEVSTACK = join(ROOT, 'devstack', 'dist', 'devstack.mjs');
const READY_WITHIN_MS = 90_000;
const STOPPED_WITHIN_MS = 45_000;

export type StackPorts = Ports;

export interface StackOptions {
  /** A folder that outlives the stack; without it, one that is deleted with it. */
  readonly dataDir?: string;
  readonly fresh?: boolean;
  /** Pushes the demo loop. */
  readonly demo?: boolean;
  /** All 0, that is free ones, unless given: a second start over the same data wants the same addresses. */
  readonly ports?: Partial<StackPorts>;
}

/** A running `npm start`, as a process of its own. */
export interface Stack {
  readonly api: HeadendApi;
  /** `http://127.0.0.1:{port}/api/v1` */
  readonly apiBase: string;
  readonly functionKey: string;
  /** The live page with its fragment. */
  readonly pageUrl: string;
  readonly streamingBase: string;
  readonly armEndpoint: string;
  /** The path of the account there. */
  readonly accountId: string;
  readonly identityEndpoint: string;
  readonly identitySecret: string;
  /** Of publishers to the broker. */
  readonly eventGridKey: string;
  /** Whose children the stack's processes are. */
  readonly supervisorPid: number;
  /** PEM that clients of `armEndpoint` must trust. */
  readonly caPem: string;
  readonly ports: StackPorts;
  readonly dataDir: string;
  /** The channel and program that the start made. */
  readonly channel: string;
  readonly program: string;
  readonly ingest: string;
  readonly playback: { readonly hls: string; readonly dash: string };
  readonly readySeconds: number;
  /** The process of a part at start: engine, origin, host, broker, page, publisher, azurite-blob … */
  pid(name: string): number;
  /** What the supervisor wrote on stderr so far. */
  stderr(): string;
  /** Ctrl-C, then everything is gone; resolves to the exit code. */
  stop(): Promise<number | null>;
}

/** Runs the real `npm start` (what it runs after install and build) and resolves when it says it is ready. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'headend-stack-')));
  const child = spawn(process.execPath, [DEVSTACK, 'start', ...argumentsOf(options, dataDir)], {
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'pipe'],
    // Dies with the test run, however that ends.
    env: { ...process.env, HEADEND_EXIT_WITH_PARENT: '1', NODE_OPTIONS: '' },
  });
  const stderr = collect(child);
  const stop = async () => {
    const code = await end(child);
    if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    return code;
  };
  try {
    const ready = await readyLine(child, stderr);
    return { ...(await describeStack(ready, dataDir)), supervisorPid: child.pid ?? 0, stderr, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function argumentsOf({ fresh, demo, ports }: StackOptions, dataDir: string): string[] {
  return [
    '--data-dir',
    dataDir,
    ...PORT_NAMES.flatMap((name) => [`--${PORTS[name].flag}`, String(ports?.[name] ?? 0)]),
    ...(fresh === true ? ['--fresh'] : []),
    ...(demo === true ? ['--demo'] : []),
  ];
}

interface ReadyLine {
  readonly api: string;
  readonly functionKey: string;
  readonly page: string;
  readonly streaming: string;
  readonly arm: string;
  readonly identityEndpoint: string;
  readonly ingest: string;
  readonly channel: string;
  readonly program: string;
  readonly playback: { readonly hls: string; readonly dash: string };
  readonly ports: StackPorts;
  readonly seconds: number;
  readonly pids: Readonly<Record<string, number>>;
}

async function describeStack(
  ready: ReadyLine,
  dataDir: string,
): Promise<Omit<Stack, 'supervisorPid' | 'stderr' | 'stop'>> {
  const secrets = JSON.parse(await readFile(join(dataDir, 'secrets.json'), 'utf8')) as Record<string, string>; // our own file
  return {
    api: new HeadendApi(ready.api, ready.functionKey),
    apiBase: ready.api,
    functionKey: ready.functionKey,
    pageUrl: ready.page,
    streamingBase: ready.streaming,
    armEndpoint: ready.arm,
    accountId: ACCOUNT_ID,
    identityEndpoint: ready.identityEndpoint,
    identitySecret: secrets['identitySecret'] ?? '',
    eventGridKey: secrets['eventGridKey'] ?? '',
    caPem: await readFile(join(dataDir, 'tls', 'ca.pem'), 'utf8'),
    ports: ready.ports,
    dataDir,
    channel: ready.channel,
    program: ready.program,
    ingest: ready.ingest,
    playback: ready.playback,
    readySeconds: ready.seconds,
    pid(name) {
      const pid = ready.pids[name];
      if (pid === undefined) throw new Error(`there is no process ${name}`);
      return pid;
    },
  };
}

async function readyLine(child: ChildProcess, stderr: () => string): Promise<ReadyLine> {
  return await new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`the stack did not start: ${why}\n${stderr()}`));
    const timer = setTimeout(() => fail(`not ready after ${READY_WITHIN_MS} ms`), READY_WITHIN_MS);
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const line = text.split('\n').find((candidate) => candidate.startsWith('{"ready":true'));
      if (line === undefined || !text.includes('\n')) return;
      clearTimeout(timer);
      resolve(JSON.parse(line) as ReadyLine); // our own program's line, asserted on by the tests that use it
    });
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      fail(`ended with ${signal ?? code}`);
    });
  });
}

function collect(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-64 * 1024);
  });
  return () => text;
}

async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exited = once(child, 'exit');
  child.kill('SIGINT');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOPPED_WITHIN_MS);
  await exited;
  clearTimeout(timer);
  return child.exitCode;
}
