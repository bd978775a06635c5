import { z } from 'zod';

/** What we read of events about jobs and uploads; anything may send one, so everything is bounded. */
const envelope = {
  id: z.string().min(1).max(200),
  subject: z.string().max(1500),
  eventType: z.string().max(200),
};

/** https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage */
export const BlobEvent = z.object(envelope);
export const JobEvent = z.object(envelope);
