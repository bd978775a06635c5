import { z } from 'zod';
import { parseDurationMs } from '../domain/duration.ts';

const HOUR_MS = 3_600_000;
const LABELS_MAX = 20;

/** The media service's limit for a live event's name is 32; lower case only, because it compares without case. */
export const channelName = z
  .string()
  .max(32)
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'lower-case letters, digits and single hyphens between them')
  .describe('lower-case letters, digits and single hyphens, at most 32');
export const programName = channelName
  .max(64)
  .describe('lower-case letters, digits and single hyphens, at most 64');
export const profileName = channelName
  .max(64)
  .describe('lower-case letters, digits and single hyphens, at most 64');
export const endpointName = z
  .string()
  .max(24)
  .regex(/^[a-zA-Z0-9]+(-*[a-zA-Z0-9])*$/);
export const operationId = z
  .string()
  .max(40)
  .regex(/^op_[0-9a-f]{32}$/);

export function duration({ minMs, maxMs, text }: { minMs: number; maxMs: number; text: string }) {
  return z
    .string()
    .max(32)
    .refine((value) => {
      const durationMs = parseDurationMs(value);
      return durationMs !== undefined && durationMs >= minMs && durationMs <= maxMs;
    }, `an ISO 8601 duration, ${text}`)
    .describe(`ISO 8601 duration, ${text}`);
}

export const recordingWindow = duration({ minMs: 60_000, maxMs: 25 * HOUR_MS, text: 'PT1M to PT25H' });
export const moment = z.iso.datetime({ offset: true });

export const labels = z
  .record(z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/), z.string().max(256))
  .refine((value) => Object.keys(value).length <= LABELS_MAX, `at most ${LABELS_MAX} labels`);

export const description = z.string().max(1000);
