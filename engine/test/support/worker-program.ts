import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** In a process of its own: esbuild does not run inside Jest's realm. */
const BUILD = `
  import { build } from 'esbuild';
  import { bundles } from './scripts/bundles.mjs';
  const { esbuild } = bundles.find((bundle) => bundle.name === 'engine');
  const entryPoints = ['engine/test/support/worker-program/main.ts'];
  await build({ ...esbuild, entryPoints, bundle: true, outfile: process.argv[1] });
`;

export interface RunningWorker {
  readonly name: string;
  log(): string;
  /** Resolves when the process is gone. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Workers with an encoder of the test's own, each in a process. */
export async function buildWorker() {
  const folder = await mkdtemp(join(tmpdir(), 'headend-worker-'));
  const file = join(folder, 'worker.mjs');
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', BUILD, file], { cwd: ROOT });
  const running = new Set<RunningWorker>();
  return {
    async start(settings: { readonly worker: string } & object): Promise<RunningWorker> {
      const child = spawn(process.execPath, [file, JSON.stringify(settings)], { stdio: 'pipe' });
      const exited = once(child, 'exit');
      let log = '';
      child.stderr.on('data', (text) => {
        log += text;
      });
      await Promise.race([
        once(child.stdout, 'data'),
        exited.then(() => Promise.reject(new Error(`the worker did not start: ${log}`))),
      ]);
      const worker = {
        name: settings.worker,
        log: () => log,
        async stop(signal: 'SIGTERM' | 'SIGKILL') {
          running.delete(worker);
          child.kill(signal);
          await exited;
        },
      };
      running.add(worker);
      return worker;
    },
    async close() {
      await Promise.all([...running].map((worker) => worker.stop('SIGKILL')));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
