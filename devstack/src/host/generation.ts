import type { Log } from '../log.ts';
import type { HostSettings } from './host-settings.ts';
import { openQueueListeners, openTimers } from './listeners.ts';
import type { Listener } from './timer-listener.ts';
import { type HttpFunction, httpFunctions, type LoadedFunction, loadFunctions } from './triggers.ts';
import type { WorkerChannel } from './worker-protocol.ts';
import { openWorkerSupervision, type WorkerSupervision } from './worker-supervision.ts';

/** The app as it was loaded once: its worker and what its functions are bound to. */
export interface Generation {
  readonly workers: WorkerSupervision;
  readonly functions: readonly LoadedFunction[];
  readonly httpFunctions: readonly HttpFunction[];
}

/** Its listeners besides HTTP; those of queues share their queue with another generation's, timers must not overlap. */
export interface GenerationListeners {
  readonly queues: readonly Listener[];
  readonly timers: readonly Listener[];
}

/** Loads the app in a worker of its own; rejects when it does not load or wants what this host does not have. */
export async function loadGeneration(
  settings: HostSettings,
  openWorker: () => WorkerChannel,
  log: Log,
): Promise<Generation> {
  const { appDir, functionTimeoutMs, logLevels } = settings;
  const workers = await openWorkerSupervision({ appDir, functionTimeoutMs, logLevels, openWorker, log });
  try {
    const functions = loadFunctions(workers, settings);
    return { workers, functions, httpFunctions: httpFunctions(functions, settings) };
  } catch (error) {
    await workers.close(0);
    throw error;
  }
}

export async function openGenerationListeners(
  { functions }: Generation,
  settings: HostSettings,
  log: Log,
  timersMayStart: Promise<unknown> = Promise.resolve(),
): Promise<GenerationListeners> {
  const queues = await openQueueListeners(functions, settings, log);
  await timersMayStart;
  return { queues, timers: await openTimers(functions, settings, log) };
}

/** Settles when all have ended what they were doing. */
export async function closeListeners(listeners: readonly Listener[]): Promise<void> {
  await Promise.allSettled(listeners.map((listener) => listener.close()));
}
