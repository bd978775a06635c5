import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const FIXTURES = fileURLToPath(new URL('../fixtures/', import.meta.url));
const READY_TIMEOUT_MS = 30_000;

export interface Bundles {
  readonly folder: string;
  /** devstack's programs. */
  readonly program: string;
  /** A deployable Functions folder. */
  readonly appDir: string;
  close(): Promise<void>;
}

/** Builds the programs and an app of the fixtures as the repository's build does. */
export async function buildBundles(hostJson: object = {}, app = 'sample-app.ts'): Promise<Bundles> {
  const folder = await mkdtemp(join(tmpdir(), 'headend-devstack-'));
  const program = join(folder, 'program.mjs');
  const appDir = join(folder, 'app');
  await mkdir(join(appDir, 'dist'), { recursive: true });
  await Promise.all([
    build({
      entryPoints: [join(FIXTURES, 'program.ts')],
      outfile: program,
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'esm',
      logLevel: 'error',
      banner: {
        js: "import { createRequire as createRequireForBundle } from 'node:module'; const require = createRequireForBundle(import.meta.url);",
      },
    }),
    build({
      entryPoints: [join(FIXTURES, app)],
      outfile: join(appDir, 'dist', 'app.cjs'),
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'cjs',
      logLevel: 'error',
      external: ['@azure/functions-core'],
    }),
    writeFile(join(appDir, 'package.json'), JSON.stringify({ type: 'module', main: 'dist/app.cjs' })),
    writeFile(join(appDir, 'host.json'), JSON.stringify({ version: '2.0', ...hostJson })),
  ]);
  return { folder, program, appDir, close: () => rm(folder, { recursive: true, force: true }) };
}

export interface RunningProgram {
  readonly port: number;
  readonly readyAfterMs: number;
  readonly stderr: () => string;
  readonly child: ChildProcess;
  /** Ends with this signal; resolves to the exit code once it is gone. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts a program and waits for its ready line. */
export async function startProgram(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<RunningProgram> {
  const startedAtMs = Date.now();
  const { PATH } = process.env;
  const child = spawn(process.execPath, [program, ...args], { env: { ...(PATH ? { PATH } : {}), ...env } });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let stderr = '';
  let stdout = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = `${stderr}${chunk}`.slice(-200_000);
  });
  const port = await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${args[0]} not ready: ${stderr}`)), READY_TIMEOUT_MS);
    child.stdout.on('data', (chunk: Buffer) => {
      stdout = `${stdout}${chunk}`.slice(-10_000);
      const ready = /^\{"ready":true.*"port":(\d+).*\}$/m.exec(stdout);
      if (ready === null) return;
      clearTimeout(timer);
      resolve(Number(ready[1]));
    });
    exited
      .then((code) => {
        clearTimeout(timer);
        reject(new Error(`${args[0]} ended with ${code}: ${stderr}`));
      })
      .catch(reject);
  });
  return {
    port,
    readyAfterMs: Date.now() - startedAtMs,
    stderr: () => stderr,
    child,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      return exited;
    },
  };
}

/** Polls until `read` gives something; fails with what was last seen. */
export async function eventually<T>(
  read: () => Promise<T | undefined> | T | undefined,
  limitMs = 15_000,
): Promise<T> {
  const until = Date.now() + limitMs;
  for (;;) {
    const value = await read();
    if (value !== undefined) return value;
    if (Date.now() > until) throw new Error(`nothing within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
