import { FunctionWorker } from './function-worker.ts';
import type { WorkerChannel } from './worker-protocol.ts';

/**
 * A worker in the host's own process: fast, and for tests only, since a crash of the app is a crash of
 * the host. Not inside Jest, which puts its own module system in front of `require`.
 */
export function openInProcessWorker(): WorkerChannel {
  const channel: WorkerChannel = {
    start: (appDir) => worker.start(appDir),
    invoke: (request) => worker.invoke(request),
    stop: () => worker.stop(),
  };
  const worker = new FunctionWorker((record) => channel.onLog?.(record));
  return channel;
}
