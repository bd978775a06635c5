import { z } from 'zod';
import { VideoPatch, videoName } from './video-body.ts';

export const IMPORT_ITEMS_MAX = 500;

/** Many videos at once. An item is a video's body with its name; what it leaves out is that of `defaults`. */
export const ImportBody = z
  .strictObject({
    description: z.string().max(1000).default(''),
    defaults: VideoPatch.default({}),
    items: z
      .array(z.strictObject({ video: videoName, ...VideoPatch.shape }))
      .min(1)
      .max(IMPORT_ITEMS_MAX)
      .refine((items) => new Set(items.map(({ video }) => video)).size === items.length, 'each video once'),
  })
  .meta({ id: 'ImportBody' });

const time = z.iso.datetime();
const count = z.number();

const counts = z.object({
  total: count,
  pending: count,
  running: count,
  succeeded: count,
  failed: count,
  canceled: count,
});

const summary = {
  id: z.string(),
  state: z.enum(['running', 'canceling', 'finished', 'canceled']),
  description: z.string(),
  counts,
  createdAt: time,
  finishedAt: time.nullable(),
  href: z.string(),
};

export const ImportAnswer = z
  .object({
    ...summary,
    items: z.array(
      z.object({
        video: z.string(),
        href: z.string(),
        state: z.enum(['pending', 'running', 'succeeded', 'failed', 'canceled']),
        error: z.object({ code: z.string(), reason: z.string() }).nullable(),
      }),
    ),
  })
  .meta({ id: 'Import' });

export const ImportSummary = z.object(summary).meta({ id: 'ImportSummary' });
