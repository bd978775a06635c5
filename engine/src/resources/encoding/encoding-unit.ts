import { z } from 'zod';

/** A worker that has a unit says so more often than this, unless it has promised less; after it the unit is anybody's. */
export const UNIT_SILENT_MS_MAX = 9000;

/** Written by the worker that has the unit. */
export const EncodingUnitReport = z.object({
  unit: z.number(),
  worker: z.string(),
  atMs: z.number(),
  silentMsMax: z.number().optional(),
});
export type EncodingUnitReport = z.output<typeof EncodingUnitReport>;

export const isUnitAlive = (
  { atMs, silentMsMax = UNIT_SILENT_MS_MAX }: EncodingUnitReport,
  nowMs: number,
): boolean => nowMs - atMs < silentMsMax;
