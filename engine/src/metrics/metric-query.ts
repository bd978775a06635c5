import type { Comparison, FilterExpression } from '../odata/filter-expression.ts';
import { parseFilter } from '../odata/filter-parser.ts';
import { MalformedQuery } from '../odata/malformed-query.ts';
import { parseIsoDurationMs } from '../resources/iso-duration.ts';
import {
  AGGREGATIONS,
  type Aggregation,
  type MetricDefinition,
  type MetricNamespace,
} from './metric-definitions.ts';
import { GRAINS, type Grain, HOUR_MS, MINUTE_MS } from './metric-rows.ts';

/** As in Azure Monitor; `FULL` is one point for the whole time. */
export const INTERVALS = ['PT1M', 'PT5M', 'PT15M', 'PT30M', 'PT1H', 'PT6H', 'PT12H', 'P1D', 'FULL'] as const;
const TIMESPAN_DEFAULT_MS = HOUR_MS;
const TIMESPAN_MS_MAX = GRAINS.hour.keptMs;
const POINTS_MAX = 11_000;
const SERIES_DEFAULT = 10;
const SERIES_MAX = 1_000;
/** Up to this long the whole of a timespan is added up from minutes, whose ends are exact. */
const FULL_OF_MINUTES_MS_MAX = 24 * HOUR_MS;

export interface MetricQuery {
  readonly metrics: readonly MetricDefinition[];
  readonly aggregations: readonly Aggregation[] | undefined;
  /** Whole intervals, the last of which may not be over yet. */
  readonly startMs: number;
  readonly endMs: number;
  readonly intervalMs: number;
  readonly intervalText: string;
  /** What is read to answer. */
  readonly grain: Grain;
  readonly filter: DimensionFilter;
  readonly seriesMax: number;
  readonly orderBy: { readonly aggregation: Aggregation; readonly isDescending: boolean } | undefined;
  /** Series are named, without their points. */
  readonly isMetadataOnly: boolean;
}

/** By dimension, in lower case: what is asked for. A dimension that is in it has a series for each of its values. */
export type DimensionFilter = ReadonlyMap<
  string,
  { readonly only?: ReadonlySet<string>; readonly not: ReadonlySet<string> }
>;

/** What is wrong with a query option. */
export class InvalidMetricQuery extends Error {
  readonly option: string;
  constructor(option: string, reason: string) {
    super(reason);
    this.name = 'InvalidMetricQuery';
    this.option = option;
  }
}

/** Reads the options of `GET …/metrics`; throws `InvalidMetricQuery`. Unknown options are ignored, as they are there. */
export function parseMetricQuery(
  options: URLSearchParams,
  namespace: MetricNamespace,
  nowMs: number,
): MetricQuery {
  const read = (name: string): string | undefined =>
    [...options].find(([key, value]) => key.toLowerCase() === name && value !== '')?.[1];
  const metrics = metricsOf(read('metricnames'), namespace);
  checkNamespace(read('metricnamespace'), namespace);
  const span = timespanOf(read('timespan'), nowMs);
  const interval = intervalOf(read('interval'), span);
  const startMs = interval.text === 'FULL' ? span.startMs : floor(span.startMs, interval.ms);
  const points = Math.ceil((span.endMs - startMs) / interval.ms);
  if (points > POINTS_MAX) {
    throw new InvalidMetricQuery(
      'interval',
      `${points} points are more than ${POINTS_MAX}; ask for longer intervals`,
    );
  }
  return {
    metrics,
    aggregations: aggregationsOf(read('aggregation')),
    startMs,
    endMs: span.endMs,
    intervalMs: interval.ms,
    intervalText: interval.text,
    grain: grainOf(interval),
    filter: filterOf(read('$filter'), metrics),
    seriesMax: topOf(read('top') ?? read('$top')),
    orderBy: orderOf(read('orderby') ?? read('$orderby')),
    isMetadataOnly: read('resulttype')?.toLowerCase() === 'metadata',
  };
}

const floor = (timeMs: number, stepMs: number): number => Math.floor(timeMs / stepMs) * stepMs;

function metricsOf(text: string | undefined, namespace: MetricNamespace): readonly MetricDefinition[] {
  if (text === undefined) {
    const [first] = namespace.metrics;
    return first === undefined ? [] : [first];
  }
  const names = text.split(',').map((name) => name.trim());
  return names.map((name) => {
    const found = namespace.metrics.find((metric) => metric.name.toLowerCase() === name.toLowerCase());
    if (found !== undefined) return found;
    const known = namespace.metrics.map((metric) => metric.name).join(',');
    throw new InvalidMetricQuery(
      'metricnames',
      `Failed to find metric configuration for provider: Microsoft.Media, resource Type: ${namespace.name.slice('Microsoft.Media/'.length)}, metric: ${name.slice(0, 100)}, Valid metrics: ${known}`,
    );
  });
}

function checkNamespace(text: string | undefined, { name }: MetricNamespace): void {
  if (text === undefined || text.toLowerCase() === name.toLowerCase()) return;
  throw new InvalidMetricQuery('metricnamespace', `it must be '${name}'`);
}

function timespanOf(text: string | undefined, nowMs: number): { startMs: number; endMs: number } {
  const [from = '', to] = (text ?? '').split('/');
  const span =
    text === undefined ? { startMs: nowMs - TIMESPAN_DEFAULT_MS, endMs: nowMs } : timesOf(from, to, nowMs);
  const { startMs, endMs } = span;
  if (!Number.isFinite(startMs) || !Number.isFinite(endMs)) {
    throw new InvalidMetricQuery(
      'timespan',
      'it must be startTime/endTime, startTime/duration, duration/endTime or a duration',
    );
  }
  if (endMs <= startMs) throw new InvalidMetricQuery('timespan', 'the end must be after the start');
  if (endMs - startMs > TIMESPAN_MS_MAX)
    throw new InvalidMetricQuery('timespan', 'it is longer than 93 days');
  return span;
}

function timesOf(from: string, to: string | undefined, nowMs: number) {
  const fromMs = parseIsoDurationMs(from);
  const toMs = to === undefined ? undefined : parseIsoDurationMs(to);
  if (to === undefined) return { startMs: fromMs === undefined ? Number.NaN : nowMs - fromMs, endMs: nowMs };
  if (fromMs !== undefined) return { startMs: timeOf(to) - fromMs, endMs: timeOf(to) };
  return { startMs: timeOf(from), endMs: toMs === undefined ? timeOf(to) : timeOf(from) + toMs };
}

const DATE_TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,7})?)?)?(Z|[+-]\d\d:\d\d)?$/;

/** Without a zone it is UTC. */
function timeOf(text: string): number {
  // A `+` in a query is a space, unless somebody has thought of that.
  const time = text.replace(' ', '+');
  if (!DATE_TIME.test(time)) return Number.NaN;
  return Date.parse(/(Z|[+-]\d\d:\d\d)$/.test(time) || !time.includes('T') ? time : `${time}Z`);
}

function intervalOf(text: string | undefined, span: { startMs: number; endMs: number }) {
  const name = (text ?? 'PT1M').toUpperCase().replace('PT24H', 'P1D').replace('PT60M', 'PT1H');
  const known = INTERVALS.find((interval) => interval === name);
  if (known === undefined) {
    throw new InvalidMetricQuery('interval', `it must be one of ${INTERVALS.join(', ')}`);
  }
  return {
    text: known,
    ms: known === 'FULL' ? span.endMs - span.startMs : (parseIsoDurationMs(known) ?? MINUTE_MS),
  };
}

function grainOf({ text, ms }: { readonly text: string; readonly ms: number }): Grain {
  if (text === 'FULL') return ms > FULL_OF_MINUTES_MS_MAX ? 'hour' : 'minute';
  return ms % HOUR_MS === 0 ? 'hour' : 'minute';
}

const aggregationNamed = (name: string): Aggregation | undefined =>
  AGGREGATIONS.find((known) => known.toLowerCase() === name.trim().toLowerCase());

function aggregationsOf(text: string | undefined): readonly Aggregation[] | undefined {
  return text?.split(',').map((name) => {
    const found = aggregationNamed(name);
    if (found !== undefined) return found;
    throw new InvalidMetricQuery('aggregation', `it must be of ${AGGREGATIONS.join(', ')}`);
  });
}

function topOf(text: string | undefined): number {
  if (text === undefined) return SERIES_DEFAULT;
  const top = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (top >= 1 && top <= SERIES_MAX) return top;
  throw new InvalidMetricQuery('top', `it must be a whole number from 1 to ${SERIES_MAX}`);
}

/** `sum asc`, `maximum desc`: what the series are put in order by. */
function orderOf(text: string | undefined): MetricQuery['orderBy'] {
  if (text === undefined) return undefined;
  const match = /^(\w+)(?:\s+(asc|desc))?$/i.exec(text.trim());
  const name = (match?.[1] ?? '').replace(/^sum$/i, 'Total');
  const aggregation = aggregationNamed(name);
  if (aggregation === undefined)
    throw new InvalidMetricQuery('orderby', 'it must be an aggregation with asc or desc');
  return { aggregation, isDescending: match?.[2]?.toLowerCase() === 'desc' };
}

function filterOf(text: string | undefined, metrics: readonly MetricDefinition[]): DimensionFilter {
  const wanted = new Map<string, { only?: Set<string>; not: Set<string> }>();
  if (text === undefined) return wanted;
  for (const { field, operator, literal } of comparisonsOf(parsedFilter(text))) {
    const dimension = field.toLowerCase();
    for (const metric of metrics) {
      if (metric.dimensions.some((name) => name.toLowerCase() === dimension)) continue;
      throw new InvalidMetricQuery('$filter', `the metric ${metric.name} has no dimension '${field}'`);
    }
    const entry = wanted.get(dimension) ?? { not: new Set<string>() };
    wanted.set(dimension, entry);
    const value = literal.text.toLowerCase();
    if (operator === 'ne') entry.not.add(value);
    else if (operator !== 'eq')
      throw new InvalidMetricQuery('$filter', 'dimensions are compared by eq and ne');
    else if (value !== '*') {
      entry.only ??= new Set();
      entry.only.add(value);
    }
  }
  return wanted;
}

function parsedFilter(text: string): FilterExpression {
  try {
    return parseFilter(text);
  } catch (error) {
    if (error instanceof MalformedQuery) throw new InvalidMetricQuery('$filter', error.message);
    throw error;
  }
}

/** `and` of dimensions, `or` of the values of one: whatever else could be said has no series of its own. */
function comparisonsOf(expression: FilterExpression): readonly Comparison[] {
  if (expression.kind === 'comparison') return [expression];
  const comparisons = expression.operands.flatMap((operand) => comparisonsOf(operand));
  const isOfOne = new Set(comparisons.map(({ field }) => field.toLowerCase())).size === 1;
  if (expression.kind === 'or' && !isOfOne) {
    throw new InvalidMetricQuery('$filter', "'or' joins values of one dimension only");
  }
  return comparisons;
}
