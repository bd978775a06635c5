import type { MediaClient } from './media-client.ts';
import { accountUrl, callArm, listField, numberField, objectField, textField } from './raw-arm.ts';

/** Azure Monitor's own. */
const API_VERSION = '2019-07-01';
const MINUTE_MS = 60_000;
const MEGABIT = 1_000_000;
/** A rate over less than this says nothing. */
const RATE_SECONDS_MIN = 10;

interface Target {
  readonly kind: 'streamingEndpoint' | 'encodingCapacity';
  readonly name: string;
}

interface Load {
  readonly recent: number;
  readonly highest: number;
}

type Point = { readonly startMs: number; readonly average: number; readonly total: number };

/** What the media service measures, read from its metrics as Azure Monitor answers them. */
export const mediaLoadMetrics = (client: () => Promise<MediaClient>) => ({
  async read(
    { kind, name }: Target,
    { windowMs, nowMs }: { readonly windowMs: number; readonly nowMs: number },
  ): Promise<Partial<Record<string, Load>>> {
    const open = await client();
    const isEndpoint = kind === 'streamingEndpoint';
    const names = isEndpoint
      ? ['CPU', 'EgressBandwidth', 'Requests']
      : ['JobsQueued', 'JobsScheduled', 'JobsProcessing'];
    const path = isEndpoint ? `/streamingEndpoints/${encodeURIComponent(name)}` : '';
    const url = new URL(accountUrl(open, `${path}/providers/Microsoft.Insights/metrics`));
    url.search = new URLSearchParams({
      'api-version': API_VERSION,
      metricnames: names.join(','),
      aggregation: 'Average,Total',
      interval: 'PT1M',
      timespan: `${new Date(nowMs - windowMs).toISOString()}/${new Date(nowMs).toISOString()}`,
    }).toString();
    const { body } = await callArm(open, 'GET', { url: url.href });
    const points = (metric: string): readonly Point[] =>
      // A minute that began before the window is not of it.
      pointsOf(body, metric).filter(({ startMs }) => startMs > nowMs - windowMs);
    if (!isEndpoint) return withLoad('jobsPerUnit', summed(names.map(points)));
    return {
      ...withLoad(
        'cpuPercent',
        points('CPU').map(({ average }) => average),
      ),
      ...withLoad(
        'egressMbpsPerUnit',
        points('EgressBandwidth').map(({ average }) => average / MEGABIT),
      ),
      ...withLoad('requestsPerSecondPerUnit', rates(points('Requests'), points('CPU'), nowMs)),
    };
  },
});

/** Nothing when nothing was measured; the newest value is the last. */
function withLoad(measure: string, values: readonly number[]): Record<string, Load> {
  const recent = values.at(-1);
  return recent === undefined ? {} : { [measure]: { recent, highest: Math.max(...values) } };
}

/** Per second. A minute without requests is one with 0 when the endpoint was there, which its other metrics tell. */
function rates(requests: readonly Point[], present: readonly Point[], nowMs: number): readonly number[] {
  return present.flatMap(({ startMs }) => {
    const seconds = (Math.min(nowMs, startMs + MINUTE_MS) - startMs) / 1000;
    const total = requests.find((point) => point.startMs === startMs)?.total ?? 0;
    return seconds < RATE_SECONDS_MIN ? [] : [total / seconds];
  });
}

/** Of jobs in several states, minute by minute. */
function summed(series: readonly (readonly Point[])[]): readonly number[] {
  const sums = new Map<number, number>();
  for (const { startMs, average } of series.flat()) sums.set(startMs, (sums.get(startMs) ?? 0) + average);
  return [...sums].sort(([one], [other]) => one - other).map(([, sum]) => sum);
}

function pointsOf(body: unknown, metric: string): readonly Point[] {
  const found = listField(body, 'value').find(
    (item) => textField(objectField(item, 'name'), 'value') === metric,
  );
  return listField(found, 'timeseries')
    .flatMap((series) => listField(series, 'data'))
    .flatMap((point) => {
      const startMs = Date.parse(textField(point, 'timeStamp') ?? '');
      const average = numberField(point, 'average');
      return Number.isNaN(startMs) || average === undefined
        ? []
        : [{ startMs, average, total: numberField(point, 'total') ?? 0 }];
    });
}
