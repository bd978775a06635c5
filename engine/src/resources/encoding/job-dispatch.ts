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
  /** How often a worker has taken it and neither ended it nor given it back, since a part or an output of it was made. */
  attempts: z.number(),
  /** Undefined when nobody has it. */
  holder: z.object({ worker: z.string(), untilMs: z.number() }).optional(),
  cancelRequested: z.boolean(),
});
export type JobDispatch = z.output<typeof JobDispatch>;

export const isHeld = ({ holder }: JobDispatch, nowMs: number): boolean =>
  holder !== undefined && holder.untilMs > nowMs;

/** A part of an output that any worker may make; where its blobs are in the engine's own container of jobs. */
const JobPart = z.object({
  /** Of the job, as `jobFolder` has it. */
  folder: z.string().regex(/^[0-9a-f]{1,64}$/),
  output: z.number().int().min(0),
  /** Which of its divided steps, by the digest of what is done in it. */
  step: z.string().regex(/^[0-9a-f]{1,64}$/),
  index: z.number().int().min(0),
});
export type JobPart = z.output<typeof JobPart>;

/** What a message in the queue of its priority says: whom to look at. With `part`: for a part of it alone. */
export const JobMessage = z.object({
  transform: z.string(),
  job: z.string(),
  priority,
  part: JobPart.optional(),
});
export type JobMessage = z.output<typeof JobMessage>;

export const JOB_PRIORITIES = ['High', 'Normal', 'Low'] as const satisfies readonly JobMessage['priority'][];
