import type { Aggregation, MetricDefinition, MetricNamespace } from './metric-definitions.ts';
import type { MetricQuery } from './metric-query.ts';
import { GRAINS } from './metric-rows.ts';
import { type Cell, mergedCell, type SeriesCell } from './tally.ts';

/** What was measured in a minute or an hour. */
export interface MeasuredPeriod {
  readonly startMs: number;
  readonly cells: readonly SeriesCell[];
}

interface Series {
  readonly values: readonly string[];
  /** By the number of the interval. */
  readonly points: Map<number, Cell>;
  whole: Cell | undefined;
}

/** The answer of Azure Monitor's `GET {resource}/providers/Microsoft.Insights/metrics`. */
export function metricsAnswer(
  query: MetricQuery,
  measured: readonly MeasuredPeriod[],
  about: { readonly resourceId: string; readonly namespace: MetricNamespace; readonly region: string },
): object {
  return {
    cost: Math.round(((query.endMs - query.startMs) / 60_000) * query.metrics.length),
    timespan: `${isoTime(query.startMs)}/${isoTime(query.endMs)}`,
    interval: query.intervalText,
    value: query.metrics.map((metric) => ({
      id: `${about.resourceId}/providers/Microsoft.Insights/metrics/${metric.name}`,
      type: 'Microsoft.Insights/metrics',
      name: { value: metric.name, localizedValue: metric.displayName },
      displayDescription: metric.description,
      unit: metric.unit,
      timeseries: timeseriesOf(query, metric, measured),
      errorCode: 'Success',
    })),
    namespace: about.namespace.name,
    resourceregion: about.region,
  };
}

function timeseriesOf(query: MetricQuery, metric: MetricDefinition, measured: readonly MeasuredPeriod[]) {
  const split = metric.dimensions.filter((name) => query.filter.has(name.toLowerCase()));
  const found = addUp(query, metric, { split, measured });
  // One without dimensions is there even when nothing was measured.
  if (split.length === 0 && found.length === 0)
    found.push({ values: [], points: new Map(), whole: undefined });
  return ordered(found, query).map((series) => ({
    metadatavalues: split.map((name, at) => ({
      name: { value: name.toLowerCase(), localizedValue: name.toLowerCase() },
      value: series.values[at] ?? '',
    })),
    ...(query.isMetadataOnly ? {} : { data: dataOf(series, query, metric) }),
  }));
}

function addUp(
  query: MetricQuery,
  metric: MetricDefinition,
  { split, measured }: { readonly split: readonly string[]; readonly measured: readonly MeasuredPeriod[] },
): Series[] {
  const all = new Map<string, Series>();
  const places = split.map((name) => metric.dimensions.indexOf(name));
  for (const { startMs, cells } of measured) {
    // An hour belongs to a timespan that begins in the middle of it.
    const at = Math.max(0, Math.floor((startMs - query.startMs) / query.intervalMs));
    for (const { metric: name, dimensions, cell } of cells) {
      if (name !== metric.name || !isWanted(query, metric, dimensions)) continue;
      const values = places.map((place) => dimensions[place] ?? '');
      const key = values.join('\u0000');
      const series = all.get(key) ?? { values, points: new Map(), whole: undefined };
      all.set(key, series);
      series.points.set(at, mergedCell(series.points.get(at), cell));
      series.whole = mergedCell(series.whole, cell);
    }
  }
  return [...all.values()];
}

function isWanted(query: MetricQuery, metric: MetricDefinition, dimensions: readonly string[]): boolean {
  return metric.dimensions.every((name, at) => {
    const wanted = query.filter.get(name.toLowerCase());
    const value = (dimensions[at] ?? '').toLowerCase();
    return wanted === undefined || ((wanted.only?.has(value) ?? true) && !wanted.not.has(value));
  });
}

/** Series are in the order of what was asked for, else the greatest total first; so many as may be. */
function ordered(series: readonly Series[], { orderBy, seriesMax }: MetricQuery): readonly Series[] {
  const { aggregation, isDescending } = orderBy ?? { aggregation: 'Total', isDescending: true };
  const measure = ({ whole }: Series): number => (whole === undefined ? 0 : aggregate(whole, aggregation));
  const sign = isDescending ? -1 : 1;
  return [...series].sort((one, other) => sign * (measure(one) - measure(other))).slice(0, seriesMax);
}

function dataOf({ points }: Series, query: MetricQuery, metric: MetricDefinition): readonly object[] {
  const count = Math.ceil((query.endMs - query.startMs) / query.intervalMs);
  const aggregations = query.aggregations ?? [metric.primaryAggregation];
  return Array.from({ length: count }, (_, at) => {
    const cell = points.get(at);
    const timeStamp = isoTime(query.startMs + at * query.intervalMs);
    if (cell === undefined) return { timeStamp };
    const values = aggregations.map((name) => [name.toLowerCase(), aggregate(cell, name)]);
    return { timeStamp, ...Object.fromEntries(values) };
  });
}

function aggregate({ count, total, min, max }: Cell, aggregation: Aggregation): number {
  switch (aggregation) {
    case 'Average':
      return count === 0 ? 0 : total / count;
    case 'Minimum':
      return min;
    case 'Maximum':
      return max;
    case 'Total':
      return total;
    case 'Count':
      return count;
  }
}

const isoTime = (timeMs: number): string => new Date(timeMs).toISOString().replace(/\.000Z$/, 'Z');

/** The answer of `GET {resource}/providers/Microsoft.Insights/metricDefinitions`. */
export function metricDefinitionsAnswer(resourceId: string, namespace: MetricNamespace): object {
  const availabilities = [
    ...['PT1M', 'PT5M', 'PT15M', 'PT30M'].map((timeGrain) => availability(timeGrain, GRAINS.minute.keptMs)),
    ...['PT1H', 'PT6H', 'PT12H', 'P1D'].map((timeGrain) => availability(timeGrain, GRAINS.hour.keptMs)),
  ];
  return {
    value: namespace.metrics.map((metric) => ({
      id: `${resourceId}/providers/microsoft.insights/metricdefinitions/${metric.name}`,
      resourceId,
      namespace: namespace.name,
      name: { value: metric.name, localizedValue: metric.displayName },
      displayDescription: metric.description,
      isDimensionRequired: false,
      unit: metric.unit,
      primaryAggregationType: metric.primaryAggregation,
      supportedAggregationTypes: ['None', 'Average', 'Minimum', 'Maximum', 'Total', 'Count'],
      metricAvailabilities: availabilities,
      dimensions: metric.dimensions.map((value) => ({ value, localizedValue: value })),
    })),
  };
}

const DAY_MS = 24 * 3_600_000;

const availability = (timeGrain: string, keptMs: number) => ({
  timeGrain,
  retention: `P${keptMs / DAY_MS}D`,
});

/** The answer of `GET {resource}/providers/microsoft.insights/metricNamespaces`. */
export function metricNamespacesAnswer(resourceId: string, { name }: MetricNamespace): object {
  return {
    value: [
      {
        id: `${resourceId}/providers/microsoft.insights/metricNamespaces/${name}`,
        name,
        type: 'Microsoft.Insights/metricNamespaces',
        classification: 'Platform',
        properties: { metricNamespaceName: name },
      },
    ],
  };
}
