import { z } from 'zod';

const text = z.string().max(500);
const count = z.coerce.number().catch(0);

/** The envelope and what we read of the data; anything may send one, so everything is bounded. */
export const LiveEventEvent = z.object({
  id: z.string().min(1).max(200),
  subject: z.string().max(500),
  eventType: z.string().max(200),
  eventTime: z.string().max(40),
  data: z
    .object({
      resultCode: text.optional(),
      latencyResultCode: text.optional(),
      encoderIp: text.optional(),
      encoderPort: z.coerce.string().max(20).optional(),
      streamId: text.optional(),
      trackName: text.optional(),
      trackType: text.optional(),
      bitrate: count.optional(),
      state: text.optional(),
      previousState: text.optional(),
      health: text.optional(),
      reasons: z.array(text).max(20).optional(),
      healthy: z.boolean().optional(),
      unexpectedBitrate: z.boolean().optional(),
      overlapCount: count.optional(),
      discontinuityCount: count.optional(),
      nonincreasingCount: count.optional(),
      incomingBitrate: count.optional(),
    })
    .default({}),
});

export type LiveEventEvent = z.infer<typeof LiveEventEvent>;

export const ReconcileMessage = z.union([
  z.object({ channel: z.string().max(32) }),
  z.object({ profile: z.string().max(64) }),
  z.object({ video: z.string().max(97) }),
  z.object({ import: z.string().max(40) }),
]);
