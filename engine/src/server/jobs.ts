import type { JobQueue } from '../control-plane/job-queue.ts';
import { openJobQueues } from '../store/job-queues.ts';
import type { WorkerQueue } from '../worker/worker-queue.ts';
import type { EngineConfig } from './config.ts';
import type { Log } from './log.ts';

/** The queues of jobs, by account; what is sent in this process is told to the workers of this process. */
export interface Jobs {
  queueOf(account: string): JobQueue & WorkerQueue;
  onSent(account: string, listener: () => void): void;
}

export function openJobs({ storage }: Pick<EngineConfig, 'storage'>, log: Log): Jobs {
  const queues = new Map<string, JobQueue & WorkerQueue>();
  const listeners = new Map<string, () => void>();
  return {
    queueOf(account) {
      const known = queues.get(account);
      if (known !== undefined) return known;
      const opened = openJobQueues(storage.reveal(), account, log);
      const queue = {
        ...opened,
        async send(message: Parameters<JobQueue['send']>[0]) {
          await opened.send(message);
          listeners.get(account)?.();
        },
      };
      queues.set(account, queue);
      return queue;
    },
    onSent(account, listener) {
      listeners.set(account, listener);
    },
  };
}
