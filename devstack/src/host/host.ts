import type { Server } from 'node:http';
import { parseArgs } from 'node:util';
import { readEnvironment } from '../environment.ts';
import { describeError, type Log, openLog } from '../log.ts';
import { openChildWorker } from './child-worker.ts';
import { type HostSettings, readHostSettings } from './host-settings.ts';
import { createHostServer } from './http-server.ts';
import { httpFunctions, loadFunctions, openListeners } from './triggers.ts';
import type { WorkerChannel } from './worker-protocol.ts';
import { openWorkerSupervision } from './worker-supervision.ts';

export interface FunctionsHost {
  readonly port: number;
  readonly functionNames: readonly string[];
  /** Stops accepting, lets what runs finish for up to 5 s, stops the worker. */
  close(): Promise<void>;
}

const DRAIN_MS = 5000;

/** Serves a deployable Functions folder; resolves once its functions are loaded and the port listens. */
export async function openHost(
  settings: HostSettings,
  openWorker: () => WorkerChannel,
  log: Log,
): Promise<FunctionsHost> {
  const { appDir, functionTimeoutMs } = settings;
  const workers = await openWorkerSupervision({ appDir, functionTimeoutMs, openWorker, log });
  try {
    const functions = loadFunctions(workers, settings.env);
    const http = httpFunctions(functions, settings);
    const server = createHostServer({ settings, workers, functions, httpFunctions: http, log });
    const port = await listen(server, settings.port);
    const listeners = await openListeners(functions, settings, log);
    return {
      port,
      functionNames: functions.map(({ info }) => info.name),
      async close() {
        const closed = new Promise((resolve) => server.close(resolve));
        server.closeIdleConnections();
        const listenersClosed = Promise.allSettled(listeners.map((listener) => listener.close()));
        await workers.close(DRAIN_MS);
        server.closeIdleConnections();
        await listenersClosed;
        setTimeout(() => server.closeAllConnections(), DRAIN_MS).unref();
        await closed;
      },
    };
  } catch (error) {
    await workers.close(0);
    throw error;
  }
}

/** The program `devstack.mjs host`: flags over environment, `{"ready":true,"port":…}` when it serves. */
export async function runHost(argv: readonly string[]): Promise<void> {
  const log = openLog('host');
  const { variables, exitWithParent } = readEnvironment();
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        app: { type: 'string' },
        port: { type: 'string' },
        secrets: { type: 'string' },
        state: { type: 'string' },
        cors: { type: 'string' },
        'queue-lease-ms': { type: 'string' },
      },
    });
    const settings = readHostSettings(values, variables);
    const entry = { path: process.argv[1] ?? '', args: ['host-worker'] };
    const host = await openHost(settings, () => openChildWorker({ entry, env: settings.env }), log);
    process.stdout.write(
      `${JSON.stringify({ ready: true, port: host.port, functions: host.functionNames.length })}\n`,
    );
    stopOnSignal(host, exitWithParent, log);
  } catch (error) {
    const cause = typeof error === 'object' && error !== null && 'cause' in error ? error.cause : undefined;
    log.error('host.notStarted', { ...describeError(error), cause: cause && String(cause).slice(0, 2000) });
    process.exit(1);
  }
}

function stopOnSignal(host: FunctionsHost, exitWithParent: boolean, log: Log): void {
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    host.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error('host.notStopped', describeError(error));
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  if (!exitWithParent) return;
  process.stdin.once('end', stop).once('error', stop);
  process.stdin.resume();
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
