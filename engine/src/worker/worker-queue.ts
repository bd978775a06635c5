import type { JobMessage } from '../resources/encoding/job-dispatch.ts';

/** What a worker needs of the queues of jobs. */
export interface WorkerQueue {
  /** The next message, of the highest priority that has one; nobody else sees it for `heldMs` milliseconds. */
  receive(heldMs: number): Promise<ReceivedJob | undefined>;
}

export interface ReceivedJob {
  readonly message: JobMessage;
  /** Keeps it for `ms` milliseconds from now; with 0 it is seen by others at once. */
  hold(ms: number): Promise<void>;
  remove(): Promise<void>;
}
