import { z } from 'zod';
import type { SeriesCell } from './tally.ts';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Measurements are kept by the minute for a week and by the hour for as long as Azure Monitor keeps them. */
export const GRAINS = {
  minute: { name: '1m', lengthMs: MINUTE_MS, keptMs: 7 * DAY_MS },
  hour: { name: '1h', lengthMs: HOUR_MS, keptMs: 93 * DAY_MS },
} as const;
export type Grain = keyof typeof GRAINS;

/** Rows that hold numbers only, and are read back by `parseMetricRow`. */
const MetricRow = z.object({
  cells: z.array(z.tuple([z.string(), z.array(z.string()), z.number(), z.number(), z.number(), z.number()])),
});

export function writeMetricRow(cells: readonly SeriesCell[]): object {
  return {
    cells: cells.map(({ metric, dimensions, cell: { count, total, min, max } }) => [
      metric,
      dimensions,
      count,
      round(total),
      round(min),
      round(max),
    ]),
  };
}

export function parseMetricRow(body: unknown): readonly SeriesCell[] {
  return MetricRow.parse(body).cells.map(([metric, dimensions, count, total, min, max]) => ({
    metric,
    dimensions,
    cell: { count, total, min, max },
  }));
}

/** A thousandth of a unit is more than any of them is measured with. */
const round = (value: number): number => Math.round(value * 1_000) / 1_000;

/** A resource as part of a key: its type and name, such as `['streamingendpoint', 'default']`. */
export type MetricResource = readonly [string, ...string[]];

/** Where the rows of a resource with the name of a grain begin; ends in `!`. */
export type MetricPrefix = (resource: MetricResource, grainName: string) => string;

/** Sorts as time does: `202611211035`. */
export const timePart = (startMs: number): string =>
  new Date(startMs).toISOString().slice(0, 16).replace(/\D/g, '');

/** The beginning of the period in a key that begins with `prefix`; NaN for keys that are none. */
export function startOfKey(prefix: string, rowKey: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)!/.exec(rowKey.slice(prefix.length));
  if (match === null) return Number.NaN;
  const [, year, month, day, hour, minute] = match;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:00Z`);
}
