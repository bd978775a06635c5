import { z } from 'zod';

const priority = z.enum(['Low', 'Normal', 'High']);

/** Beside a job that has not ended: where its message is and which worker has it. */
export const JobDispatch = z.object({
  transform: z.string(),
  job: z.string(),
  priority,
  createdMs: z.number(),
  /** The message that was sent for it last; none yet when undefined. */
  enqueuedAtMs: z.number().optional(),
  /** Raised by each worker that takes the job: what an earlier one writes is refused. */
  epoch: z.number(),
  /** How often a worker has taken it and neither ended it nor given it back. */
  attempts: z.number(),
  /** Undefined when nobody has it. */
  holder: z.object({ worker: z.string(), untilMs: z.number() }).optional(),
  cancelRequested: z.boolean(),
});
export type JobDispatch = z.output<typeof JobDispatch>;

export const isHeld = ({ holder }: JobDispatch, nowMs: number): boolean =>
  holder !== undefined && holder.untilMs > nowMs;

/** What a message in the queue of its priority says: whom to look at. */
export const JobMessage = z.object({ transform: z.string(), job: z.string(), priority });
export type JobMessage = z.output<typeof JobMessage>;

export const JOB_PRIORITIES = ['High', 'Normal', 'Low'] as const satisfies readonly JobMessage['priority'][];
