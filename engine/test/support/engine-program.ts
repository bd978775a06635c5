import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeCertificate } from './certificates.ts';
import { freePort } from './free-port.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const READY_TIMEOUT_MS = 60_000;
const STDERR_CHARS_MAX = 4_000_000;

/** In a process of its own: esbuild does not run inside Jest's realm. The recipe is the repository's. */
const BUILD = `
  import { build } from 'esbuild';
  import { bundles } from './scripts/bundles.mjs';
  const { esbuild } = bundles.find((bundle) => bundle.name === 'engine');
  await build({ ...esbuild, bundle: true, outfile: process.argv[1] });
`;

export interface EngineProgram {
  /** PEM of what a client has to trust. */
  readonly caPem: string;
  readonly identitySecret: string;
  /** What the program seals secrets with. */
  readonly masterKeyFile: string;
  /** Starts the program; `env` comes on top of a certificate, a secret and free ports that stay the same. */
  start(roles: string, env: Readonly<Record<string, string>>): Promise<RunningEngine>;
  /** Runs the program's own RTMP publisher; resolves once it publishes. */
  publish(args: readonly string[]): Promise<RunningEngine>;
  close(): Promise<void>;
}

export interface RunningEngine {
  readonly pid: number;
  readonly ports: Readonly<Record<string, number>>;
  /** Everything that the program has written to its log so far. */
  readonly log: () => string;
  /** Resolves to the exit code (null after SIGKILL) when the process is gone. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
}

/** Set by `npm test`, which has built the engine before: the file, so that not every test does it again. */
const BUILT = process.env['HEADEND_BUILT_ENGINE'];

/** Builds the engine as it is shipped. */
export async function buildEngine(): Promise<EngineProgram> {
  const folder = await mkdtemp(join(tmpdir(), 'headend-engine-'));
  const file = BUILT ?? join(folder, 'engine.mjs');
  if (BUILT === undefined) {
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', BUILD, file], { cwd: ROOT });
  }
  const { certPem, keyPem } = await makeCertificate();
  const certFile = join(folder, 'cert.pem');
  const keyFile = join(folder, 'key.pem');
  await Promise.all([writeFile(certFile, certPem), writeFile(keyFile, keyPem)]);
  const identitySecret = randomBytes(24).toString('hex');
  const masterKeyFile = join(folder, 'master-keys');
  await writeFile(masterKeyFile, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  const [armPort, identityPort] = await Promise.all([freePort(), freePort()]);
  const running = new Set<RunningEngine>();
  return {
    caPem: certPem,
    identitySecret,
    masterKeyFile,
    async start(roles, env) {
      const engine = await startProcess([file, 'serve', '--roles', roles], {
        PATH: process.env['PATH'] ?? '',
        HEADEND_ARM_PORT: String(armPort),
        HEADEND_IDENTITY_PORT: String(identityPort),
        HEADEND_RTMP_PORT: '0',
        HEADEND_RTMP_BACKUP_PORT: '0',
        HEADEND_RTMPS_PORT: '0',
        HEADEND_RTMPS_BACKUP_PORT: '0',
        HEADEND_SMOOTH_PORT: '0',
        HEADEND_FEED_PORT: '0',
        HEADEND_STREAMING_PORT: '0',
        HEADEND_KEYS_PORT: '0',
        HEADEND_TLS_CERT: certFile,
        HEADEND_TLS_KEY: keyFile,
        HEADEND_IDENTITY_SECRET: identitySecret,
        HEADEND_MASTER_KEY_FILE: masterKeyFile,
        HEADEND_EXIT_WITH_PARENT: '1',
        ...env,
      });
      running.add(engine);
      return engine;
    },
    async publish(args) {
      const publisher = await startProcess([file, 'publish', ...args], {
        PATH: process.env['PATH'] ?? '',
        NODE_EXTRA_CA_CERTS: certFile,
        HEADEND_EXIT_WITH_PARENT: '1',
      });
      running.add(publisher);
      return publisher;
    },
    async close() {
      await Promise.all([...running].map((engine) => engine.stop('SIGKILL')));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startProcess(args: readonly string[], env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-STDERR_CHARS_MAX);
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const ports = await readyLine(child, exited).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw new Error(`the engine did not start: ${log}`, { cause: error });
  });
  return {
    pid: child.pid ?? 0,
    ports,
    log: () => log,
    stop(signal: 'SIGTERM' | 'SIGKILL') {
      child.kill(signal);
      return exited;
    },
  };
}

function readyLine(child: ChildProcess, exited: Promise<unknown>): Promise<Record<string, number>> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('timeout')), READY_TIMEOUT_MS);
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const line = /^\{"ready":true.*\}$/m.exec(text)?.[0];
      if (line === undefined) return;
      clearTimeout(timer);
      const { ready: _ready, ...ports } = JSON.parse(line);
      resolve(ports);
    });
    exited
      .then((code) => {
        clearTimeout(timer);
        reject(new Error(`exit code ${String(code)}`));
      })
      .catch(reject);
  });
}

/** A port that nobody listens on now. Needed where a program has to come back on the same one. */
