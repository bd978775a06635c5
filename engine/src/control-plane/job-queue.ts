import type { JobMessage } from '../resources/encoding/job-dispatch.ts';

/** One queue for each priority. A message may be lost, late or there twice: rows are the truth. */
export interface JobQueue {
  send(message: JobMessage): Promise<void>;
  /** Whether there is no message, not even one that a worker is looking at. */
  isEmpty(priority: JobMessage['priority']): Promise<boolean>;
}
