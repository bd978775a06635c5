import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { azureHostSpec, findAzureHost, seedAzureHostKeys } from '../../src/azure-host.ts';
import { readEnvironment } from '../../src/environment.ts';
import { findFreePort } from '../../src/port-check.ts';
import { startProgram } from './programs.ts';

export interface HostKeys {
  readonly functionKey: string;
  readonly masterKey: string;
  readonly eventGridSystemKey: string;
}

export interface RunningHost {
  /** `http://127.0.0.1:{port}` */
  readonly base: string;
  stop(): Promise<void>;
}

export interface StartHost {
  /** devstack's programs. */
  readonly program: string;
  readonly appDir: string;
  readonly keys: HostKeys;
  readonly env: Readonly<Record<string, string>>;
}

/** A Functions host that tests can run an app on. */
export interface HostUnderTest {
  readonly name: string;
  start(options: StartHost): Promise<RunningHost>;
}

const READY_WITHIN_MS = 120_000;
const STOP_WITHIN_MS = 5000;

/** This project's host, and Microsoft's where it is installed; says so where it is not. */
export async function hostsUnderTest(): Promise<readonly HostUnderTest[]> {
  const found = await findAzureHost(readEnvironment().azureHostFolder);
  if (found.kind === 'missing') {
    process.stderr.write("skipped: Microsoft's host is not here\n");
    return [OURS];
  }
  const azure: HostUnderTest = {
    name: "Microsoft's host",
    async start({ appDir, keys, env }) {
      await seedAzureHostKeys(found, { ...keys, eventGridKey: '', identitySecret: '' });
      const port = await findFreePort();
      const { PATH, HOME } = process.env;
      const spec = azureHostSpec(found, {
        appDir,
        port,
        env: { PATH, HOME, ...env },
        stopWithinMs: STOP_WITHIN_MS,
      });
      const child = spawn(spec.command ?? '', [...spec.args], { cwd: appDir, env: { ...spec.env } });
      await isReady(child, spec.isReady);
      return { base: `http://127.0.0.1:${port}`, stop: () => end(child) };
    },
  };
  return [OURS, azure];
}

const OURS: HostUnderTest = {
  name: "this project's host",
  async start({ program, appDir, keys, env }) {
    const host = await startProgram(program, ['host', '--app', appDir, '--port', '0'], {
      HEADEND_FUNCTION_KEY: keys.functionKey,
      HEADEND_MASTER_KEY: keys.masterKey,
      HEADEND_EVENTGRID_SYSTEM_KEY: keys.eventGridSystemKey,
      ...env,
    });
    return {
      base: `http://127.0.0.1:${host.port}`,
      async stop() {
        await host.stop();
      },
    };
  },
};

async function isReady(child: ChildProcess, isReadyLine: (line: string) => boolean): Promise<void> {
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready: ${output}`)), READY_WITHIN_MS);
    child.stdout?.on('data', (chunk: Buffer) => {
      output = `${output}${chunk}`.slice(-20_000);
      if (!output.split('\n').some(isReadyLine)) return;
      clearTimeout(timer);
      resolve();
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`ended with ${code}: ${output}`));
    });
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  await gone;
  clearTimeout(timer);
}
