import { z } from 'zod';

/** A worker that has a unit says so more often than this; after it the unit is anybody's. */
export const UNIT_SILENT_MS_MAX = 9000;

/** Written by the worker that has the unit. */
export const EncodingUnitReport = z.object({ unit: z.number(), worker: z.string(), atMs: z.number() });
export type EncodingUnitReport = z.output<typeof EncodingUnitReport>;

export const isUnitAlive = ({ atMs }: EncodingUnitReport, nowMs: number): boolean =>
  nowMs - atMs < UNIT_SILENT_MS_MAX;
