import type { Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { readEnvironment } from '../environment.ts';
import { describeError, type Log, openLog } from '../log.ts';
import { watchApp } from './app-watch.ts';
import { openChildWorker } from './child-worker.ts';
import {
  closeListeners,
  type Generation,
  type GenerationListeners,
  loadGeneration,
  openGenerationListeners,
} from './generation.ts';
import { type HostSettings, readHostSettings } from './host-settings.ts';
import { createHostServer } from './http-server.ts';
import type { WorkerChannel } from './worker-protocol.ts';

export interface FunctionsHost {
  readonly port: number;
  readonly functionNames: readonly string[];
  /** Stops accepting, lets what runs finish for up to 5 s, stops the worker. */
  close(): Promise<void>;
}

const DRAIN_MS = 5000;
/** What runs when the app is loaded anew may take this long to end. */
const RELOAD_DRAIN_MS = 60_000;
const LISTENERS_RETRY_MS = 1000;

/** Serves a deployable Functions folder; resolves once its functions are loaded and the port listens. */
export async function openHost(
  settings: HostSettings,
  openWorker: () => WorkerChannel,
  log: Log,
): Promise<FunctionsHost> {
  const app = new ServedApp(settings, openWorker, log, await loadGeneration(settings, openWorker, log));
  try {
    const server = createHostServer({
      settings,
      generation: () => app.generation,
      isReloading: () => app.isReloading,
      reload: () => app.reload(),
      log,
    });
    const port = await listen(server, settings.port);
    await app.openListeners();
    const watch = settings.watch ? await watchApp(settings.appDir, () => void app.reload()) : undefined;
    return {
      port,
      functionNames: app.generation.functions.map(({ info }) => info.name),
      async close() {
        watch?.close();
        const closed = new Promise((resolve) => server.close(resolve));
        server.closeIdleConnections();
        await app.close();
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), DRAIN_MS).unref();
        await closed;
      },
    };
  } catch (error) {
    await app.generation.workers.close(0);
    throw error;
  }
}

/** The loaded app, and how it is replaced by a newer one without a request that fails. */
class ServedApp {
  generation: Generation;
  isReloading = false;
  readonly #settings: HostSettings;
  readonly #openWorker: () => WorkerChannel;
  readonly #log: Log;
  #listeners: Promise<GenerationListeners> = Promise.resolve({ queues: [], timers: [] });
  #reloading: Promise<void> = Promise.resolve();
  readonly #draining = new Set<Promise<void>>();
  #isReloadWanted = false;
  #closed = false;

  constructor(settings: HostSettings, openWorker: () => WorkerChannel, log: Log, first: Generation) {
    this.#settings = settings;
    this.#openWorker = openWorker;
    this.#log = log;
    this.generation = first;
  }

  async openListeners(): Promise<void> {
    this.#listeners = openGenerationListeners(this.generation, this.#settings, this.#log);
    await this.#listeners;
  }

  /** Never rejects. However often it is called meanwhile, one more reload follows. */
  reload(): Promise<void> {
    if (this.#isReloadWanted || this.#closed) return this.#reloading;
    this.#isReloadWanted = true;
    this.#reloading = this.#reloading.then(async () => {
      this.#isReloadWanted = false;
      if (this.#closed) return;
      this.isReloading = true;
      const startedAt = performance.now();
      try {
        await this.#replace();
        const { functions } = this.generation;
        const ms = Math.round(performance.now() - startedAt);
        this.#log.info('app.reloaded', { functions: functions.length, ms });
      } catch (error) {
        // What was loaded goes on serving.
        this.#log.error('app.notReloaded', describeError(error));
      } finally {
        this.isReloading = false;
      }
    });
    return this.#reloading;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#reloading;
    const listenersClosed = this.#listeners.then(({ queues, timers }) =>
      closeListeners([...queues, ...timers]),
    );
    await this.generation.workers.close(DRAIN_MS);
    await withinMs(Promise.all([listenersClosed, ...this.#draining]), DRAIN_MS);
  }

  async #replace(): Promise<void> {
    const next = await loadGeneration(this.#settings, this.#openWorker, this.#log);
    const previous = this.generation;
    const { queues, timers } = await this.#listeners;
    // From here on requests go to the new one.
    this.generation = next;
    const timersClosed = closeListeners(timers);
    this.#listeners = this.#openListenersOf(next, timersClosed);
    // A message that was received runs in the old one still; only then is that one asked to end.
    const ended = Promise.all([timersClosed, closeListeners(queues)])
      .then(() => previous.workers.close(RELOAD_DRAIN_MS))
      .catch((error: unknown) => this.#log.warn('worker.notStopped', describeError(error)))
      .finally(() => this.#draining.delete(ended));
    this.#draining.add(ended);
  }

  /** Tries until it succeeds, or the generation is not the one that serves any more: storage may be down. */
  async #openListenersOf(
    generation: Generation,
    timersMayStart: Promise<unknown>,
  ): Promise<GenerationListeners> {
    while (!this.#closed && this.generation === generation) {
      try {
        return await openGenerationListeners(generation, this.#settings, this.#log, timersMayStart);
      } catch (error) {
        this.#log.error('app.listenersFailed', describeError(error));
        await delay(LISTENERS_RETRY_MS);
      }
    }
    return { queues: [], timers: [] };
  }
}

async function withinMs(promise: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([promise.catch(() => undefined), late]);
  clearTimeout(timer);
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
        watch: { type: 'boolean' },
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
