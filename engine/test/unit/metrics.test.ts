import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RequestMeter } from '../../src/delivery/request-meter.ts';
import { EndpointMeter } from '../../src/metrics/endpoint-meter.ts';
import { ingestMeasurements } from '../../src/metrics/ingest-measurements.ts';
import { metricDefinitionsAnswer, metricsAnswer } from '../../src/metrics/metric-answer.ts';
import {
  ACCOUNT_METRICS,
  type MetricNamespace,
  STREAMING_ENDPOINT_METRICS,
} from '../../src/metrics/metric-definitions.ts';
import { InvalidMetricQuery, parseMetricQuery } from '../../src/metrics/metric-query.ts';
import { MetricRecorder } from '../../src/metrics/metric-recorder.ts';
import { parseMetricRow, startOfKey, timePart, writeMetricRow } from '../../src/metrics/metric-rows.ts';
import { sweepMetrics } from '../../src/metrics/metric-sweep.ts';
import { type Cell, cellOf, mergedCell, Tally } from '../../src/metrics/tally.ts';
import { metricPrefix, prefixes } from '../../src/resources/row-keys.ts';

const NOW = Date.parse('2026-11-21T10:30:30Z');
const MINUTE = 60_000;
const ENDPOINT = ['streamingendpoint', 'Default'] as const;

/** A table that keeps rows in the order of their keys, as the storage does. */
function memoryTable() {
  const rows = new Map<string, unknown>();
  let failures = 0;
  return {
    rows,
    failTimes: (times: number) => {
      failures = times;
    },
    commit(changes: readonly { readonly kind: string; readonly rowKey: string; readonly body?: unknown }[]) {
      if (failures > 0) {
        failures -= 1;
        return Promise.reject(new Error('storage does not answer'));
      }
      for (const { kind, rowKey, body } of changes) {
        if (kind === 'delete') rows.delete(rowKey);
        else rows.set(rowKey, JSON.parse(JSON.stringify(body)));
      }
      return Promise.resolve('committed');
    },
    list(prefix: string, options: { after?: string; from?: string; before?: string; limit: number }) {
      const end = options.before ?? `${prefix.slice(0, -1)}"`;
      return Promise.resolve(
        [...rows]
          .map(([rowKey, body]) => ({ rowKey, body }))
          .sort((one, other) => (one.rowKey < other.rowKey ? -1 : 1))
          .filter(({ rowKey }) => rowKey < end && rowKey >= (options.from ?? prefix))
          .filter(({ rowKey }) => options.after === undefined || rowKey > options.after)
          .slice(0, options.limit),
      );
    },
  };
}

const query = (options: Record<string, string>, namespace: MetricNamespace = STREAMING_ENDPOINT_METRICS) =>
  parseMetricQuery(new URLSearchParams(options), namespace, NOW);

const about = { resourceId: '/x', namespace: STREAMING_ENDPOINT_METRICS, region: 'local' };

describe('measurements', () => {
  const cell: fc.Arbitrary<Cell> = fc
    .array(fc.integer({ min: -1_000, max: 1_000_000 }), { minLength: 1, maxLength: 20 })
    .map((values) => values.map(cellOf).reduce((one, other) => mergedCell(one, other)));

  it('are the same however they are added up', () => {
    fc.assert(
      fc.property(cell, cell, cell, (one, two, three) => {
        expect(mergedCell(mergedCell(one, two), three)).toEqual(mergedCell(one, mergedCell(two, three)));
        expect(mergedCell(one, two)).toEqual(mergedCell(two, one));
      }),
    );
  });

  it('are read from a row as they were written', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ metric: fc.string(), dimensions: fc.array(fc.string()), cell })),
        (cells) => {
          expect(parseMetricRow(JSON.parse(JSON.stringify(writeMetricRow(cells))))).toEqual(cells);
        },
      ),
    );
  });

  it('have a bounded number of series, and none is lost', () => {
    const tally = new Tally();
    for (let at = 0; at < 5_000; at += 1) tally.add('Requests', ['HLS', '200', `code-${at}`], cellOf(1));
    expect(tally.size).toBeLessThanOrEqual(401);
    expect(tally.cells().reduce((sum, { cell: { total } }) => sum + total, 0)).toBe(5_000);
  });

  it('have keys that sort as time does', () => {
    const prefix = metricPrefix(ENDPOINT, '1m');
    expect(prefix).toBe('t!streamingendpoint!default!1m!');
    expect(startOfKey(prefix, `${prefix}${timePart(NOW)}!w`)).toBe(NOW - 30_000);
    expect(startOfKey(prefix, `${prefix}x`)).toBeNaN();
  });

  it('of requests are by format, status and error, with the latency of what went well', () => {
    const meter = new RequestMeter();
    const ok = { sentBytes: 10, errorCode: 'None' };
    meter.add({ url: '/x/manifest(format=m3u8-cmaf)', status: 200, ms: 4 }, ok);
    meter.add({ url: '/x/manifest(format=m3u8-cmaf)', status: 200, ms: 2 }, { ...ok, sentBytes: 30 });
    meter.add(
      { url: '/format=mpd/x/manifest(format=mpd-time-cmaf).mpd', status: 404, ms: 1 },
      { sentBytes: 5, errorCode: 'E' },
    );
    meter.add({ url: '/time', status: 200, ms: 1 }, ok);
    const rows = meter
      .take()
      .map(({ metric, dimensions, cell }) => [metric, dimensions.join(), Object.values(cell)]);
    expect(rows).toEqual([
      ['Requests', 'HLS,200,None', [2, 2, 1, 1]],
      ['Egress', 'HLS', [2, 40, 10, 30]],
      ['SuccessE2ELatency', 'HLS', [2, 6, 2, 4]],
      ['Requests', 'DASH,404,E', [1, 1, 1, 1]],
      ['Egress', 'DASH', [1, 5, 5, 5]],
      ['Requests', 'None,200,None', [1, 1, 1, 1]],
      ['Egress', 'None', [1, 10, 10, 10]],
      ['SuccessE2ELatency', 'None', [1, 1, 1, 1]],
    ]);
    expect(meter.take()).toEqual([]);
    for (let at = 0; at < 1_000; at += 1)
      meter.add({ url: '', status: 400, ms: 1 }, { sentBytes: 1, errorCode: `e${at}` });
    const counted = meter.take().filter(({ metric }) => metric === 'Requests');
    expect(counted.length).toBeLessThanOrEqual(201);
    expect(counted.reduce((sum, { cell }) => sum + cell.total, 0)).toBe(1_000);
  });

  it('of an endpoint are those of its processes, with one sample of the whole', () => {
    const meter = new EndpointMeter(0);
    const egress = (total: number) => ({ metric: 'Egress', dimensions: ['HLS'], cell: cellOf(total) });
    meter.add({ cells: [egress(1_000_000)], processorMs: 900, wallMs: 1_000 });
    meter.add({ cells: [egress(250_000)], processorMs: 100, wallMs: 1_000 });
    expect(meter.take(5_000)).toEqual([
      {
        metric: 'Egress',
        dimensions: ['HLS'],
        cell: { count: 2, total: 1_250_000, min: 250_000, max: 1_000_000 },
      },
      { metric: 'EgressBandwidth', dimensions: [], cell: cellOf(2_000_000) },
      { metric: 'CPU', dimensions: [], cell: cellOf(50) },
    ]);
    expect(meter.take(10_000)).toEqual([{ metric: 'EgressBandwidth', dimensions: [], cell: cellOf(0) }]);
  });

  it('of a live event are those of its heartbeats', () => {
    const data = {
      ...{ trackName: 'video', bitrate: 2_500_000, incomingBitrate: 2_400_000 },
      ...{ ingestDriftValue: 'n/a', lastTimestamp: '50000000', timescale: '10000000' },
    };
    const heartbeat = { type: 'Microsoft.Media.LiveEventIngestHeartbeat', subject: 'liveEvent/show', data };
    const of = { liveEvent: 'show', dimensions: ['video_2500000'] };
    expect(ingestMeasurements(heartbeat)).toEqual([
      { ...of, metric: 'IngestBitrate', value: 2_400_000 },
      { ...of, metric: 'IngestLastTimestamp', value: 5_000 },
    ]);
    expect(ingestMeasurements({ ...heartbeat, type: 'Microsoft.Media.LiveEventEncoderConnected' })).toEqual(
      [],
    );
  });
});

describe('a recorder', () => {
  const open = (store: ReturnType<typeof memoryTable>, clock: { nowMs: number }, writer = 'w1') => {
    const warnings: string[] = [];
    const recorder = new MetricRecorder({
      ...{ store, prefix: metricPrefix, writer, clock: { now: () => clock.nowMs } },
      log: { warn: (event) => warnings.push(event) },
    });
    return { recorder, warnings };
  };

  it('writes a row a minute and one an hour, as often as it likes, and each process its own', async () => {
    const store = memoryTable();
    const clock = { nowMs: NOW };
    const [one, two] = [open(store, clock), open(store, clock, 'w2')];
    one.recorder.add(ENDPOINT, { metric: 'CPU', value: 10 });
    await one.recorder.write();
    one.recorder.add(ENDPOINT, { metric: 'CPU', value: 30 });
    two.recorder.add(ENDPOINT, { metric: 'CPU', value: Number.NaN });
    two.recorder.add(ENDPOINT, { metric: 'CPU', value: 50 });
    await Promise.all([one.recorder.write(), two.recorder.write()]);
    clock.nowMs += MINUTE;
    one.recorder.add(ENDPOINT, { metric: 'CPU', value: 20 });
    await Promise.all([one.recorder.close(), two.recorder.close()]);
    const cells = [...store.rows].map(([key, body]) => [key, parseMetricRow(body).map(({ cell }) => cell)]);
    const p = 't!streamingendpoint!default!';
    expect(Object.fromEntries(cells)).toEqual({
      [`${p}1m!202611211030!w1`]: [{ count: 2, total: 40, min: 10, max: 30 }],
      [`${p}1m!202611211030!w2`]: [cellOf(50)],
      [`${p}1m!202611211031!w1`]: [cellOf(20)],
      [`${p}1h!202611211000!w1`]: [{ count: 3, total: 60, min: 10, max: 30 }],
      [`${p}1h!202611211000!w2`]: [cellOf(50)],
    });
  });

  it('loses nothing while the storage does not answer, and says so once', async () => {
    const store = memoryTable();
    const clock = { nowMs: NOW };
    const { recorder, warnings } = open(store, clock);
    store.failTimes(3);
    for (let minute = 0; minute < 3; minute += 1) {
      recorder.add(ENDPOINT, { metric: 'CPU', value: minute });
      await recorder.write();
      clock.nowMs += MINUTE;
    }
    await recorder.close();
    expect([...store.rows.keys()].filter((key) => key.includes('!1m!'))).toHaveLength(3);
    expect(warnings).toEqual(['metrics.notWritten']);
  });

  it('is swept of what is old, resource by resource', async () => {
    const store = memoryTable();
    const day = 24 * 60 * MINUTE;
    const row = (resource: readonly [string, ...string[]], grain: string, ageDays: number) =>
      store.rows.set(`${metricPrefix(resource, grain)}${timePart(NOW - ageDays * day)}!w`, {});
    for (const resource of [['account'], ENDPOINT, ['liveevent', 'gone!']] as const) {
      for (const age of [0, 6, 8, 90, 94]) {
        row(resource, '1m', age);
        row(resource, '1h', age);
      }
    }
    store.rows.set('r!asset!x', {});
    expect(await sweepMetrics(store, prefixes.metrics, NOW)).toBe(3 * (3 + 1));
    expect(store.rows.size).toBe(1 + 3 * (2 + 4));
    expect(await sweepMetrics(store, prefixes.metrics, NOW)).toBe(0);
  });
});

describe('a query', () => {
  it('has the defaults of Azure Monitor', () => {
    expect(query({})).toMatchObject({
      ...{ startMs: NOW - 60 * MINUTE - 30_000, endMs: NOW, intervalMs: MINUTE, grain: 'minute' },
      ...{ seriesMax: 10, aggregations: undefined, metrics: [{ name: 'CPU' }] },
    });
  });

  it.each([
    ['start and end', '2026-11-21T08:00:00Z/2026-11-21T09:00:00.5Z', '08:00:00.000', '09:00:00.500'],
    ['no zone, no seconds', '2026-11-21T08:00/2026-11-21T09:00', '08:00:00.000', '09:00:00.000'],
    [
      'an offset whose plus became a space',
      '2026-11-21T08:00:00 01:00/PT30M',
      '07:00:00.000',
      '07:30:00.000',
    ],
    ['a duration and an end', 'PT1H/2026-11-21T09:00:00Z', '08:00:00.000', '09:00:00.000'],
    ['a duration alone', 'PT1H', '09:30:00.000', '10:30:30.000'],
  ])('takes a timespan with %s', (_name, timespan, start, end) => {
    const { startMs, endMs } = query({ timespan });
    expect([startMs, endMs].map((ms) => new Date(ms).toISOString().slice(11, -1))).toEqual([start, end]);
  });

  it.each([
    ['PT5M', 'PT3H', 'minute', 37],
    ['PT1H', 'PT3H', 'hour', 4],
    ['P1D', 'P30D', 'hour', 31],
    ['FULL', 'PT3H', 'minute', 1],
    ['full', 'P8D', 'hour', 1],
  ])('of %s for %s reads what was measured by the %s', (interval, timespan, grain, points) => {
    const found = query({ interval, timespan });
    expect(found.grain).toBe(grain);
    expect(Math.ceil((found.endMs - found.startMs) / found.intervalMs)).toBe(points);
  });

  it.each<[string, Record<string, string>, string]>([
    ['an unknown metric', { metricnames: 'CPU,Nothing' }, 'metricnames'],
    ['another namespace', { metricnamespace: 'Microsoft.Compute/virtualMachines' }, 'metricnamespace'],
    ['a timespan that is none', { timespan: 'yesterday' }, 'timespan'],
    [
      'a timespan that ends before it begins',
      { timespan: '2026-11-21T08:00Z/2026-11-21T07:00Z' },
      'timespan',
    ],
    ['a timespan that is too long', { timespan: 'P94D' }, 'timespan'],
    ['an unknown interval', { interval: 'PT2M' }, 'interval'],
    ['too many points', { timespan: 'P30D', interval: 'PT1M' }, 'interval'],
    ['an unknown aggregation', { aggregation: 'Average,Median' }, 'aggregation'],
    ['an unknown dimension', { metricnames: 'CPU', $filter: "OutputFormat eq 'HLS'" }, '$filter'],
    ['an operator without meaning', { metricnames: 'Egress', $filter: "OutputFormat gt 'HLS'" }, '$filter'],
    [
      'an or of two dimensions',
      { metricnames: 'Requests', $filter: "OutputFormat eq 'x' or ErrorCode eq 'y'" },
      '$filter',
    ],
    ['a filter that is none', { metricnames: 'Egress', $filter: 'OutputFormat eq' }, '$filter'],
    ['a top that is none', { top: '0' }, 'top'],
    ['an order that is none', { orderby: 'size desc' }, 'orderby'],
  ])('with %s is refused', (_name, options, option) => {
    expect(() => query(options)).toThrow(expect.objectContaining({ option }));
  });

  it('of any text is answered or refused', () => {
    const names = [
      'metricnames',
      'timespan',
      'interval',
      'aggregation',
      '$filter',
      'top',
      'orderby',
      'resultType',
    ];
    const values = fc.oneof(
      fc.string(),
      fc.constantFrom('PT1M', 'CPU', 'Requests', 'P1D', 'Average', "OutputFormat eq '*'"),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), values), (options) => {
        try {
          const parsed = query(options);
          expect(metricsAnswer(parsed, [], about)).toHaveProperty('value');
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidMetricQuery);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('an answer', () => {
  const request = (format: string, status: string, total: number) => ({
    metric: 'Requests',
    dimensions: [format, status, status === '200' ? 'None' : 'MPE_BAD_URL_SYNTAX'],
    cell: { count: total, total, min: 1, max: 1 },
  });
  const start = Date.parse('2026-11-21T10:00:00Z');
  const measured = [
    {
      startMs: start,
      cells: [request('HLS', '200', 10), request('DASH', '200', 5), request('HLS', '404', 1)],
    },
    { startMs: start + MINUTE, cells: [request('HLS', '200', 20)] },
    {
      startMs: start + MINUTE,
      cells: [request('HLS', '200', 2), { metric: 'CPU', dimensions: [], cell: cellOf(70) }],
    },
  ];
  const timespan = '2026-11-21T10:00:00Z/2026-11-21T10:03:00Z';
  const series = (options: Record<string, string>) =>
    Object(metricsAnswer(query({ timespan, metricnames: 'Requests', ...options }), measured, about)).value[0]
      .timeseries;
  const dataOf = (options: Record<string, string>) =>
    series(options).map((one: { metadatavalues: { value: string }[]; data: Record<string, unknown>[] }) => [
      one.metadatavalues.map(({ value }) => value).join(' '),
      ...one.data.map(({ timeStamp: _timeStamp, ...values }) => values),
    ]);

  it('is whole', () => {
    expect(
      metricsAnswer(query({ timespan, metricnames: 'CPU', aggregation: 'average,count' }), measured, about),
    ).toEqual({
      cost: 3,
      timespan,
      interval: 'PT1M',
      value: [
        {
          id: '/x/providers/Microsoft.Insights/metrics/CPU',
          type: 'Microsoft.Insights/metrics',
          name: { value: 'CPU', localizedValue: 'CPU usage' },
          displayDescription: 'How busy the serving processes are: 100 is a processor core for each.',
          unit: 'Percent',
          timeseries: [
            {
              metadatavalues: [],
              data: [
                { timeStamp: '2026-11-21T10:00:00Z' },
                { timeStamp: '2026-11-21T10:01:00Z', average: 70, count: 1 },
                { timeStamp: '2026-11-21T10:02:00Z' },
              ],
            },
          ],
          errorCode: 'Success',
        },
      ],
      namespace: 'Microsoft.Media/mediaservices/streamingEndpoints',
      resourceregion: 'local',
    });
  });

  it('adds processes and dimensions up', () => {
    expect(dataOf({})).toEqual([['', { total: 16 }, { total: 22 }, {}]]);
  });

  it('has a series for each value that is asked for', () => {
    expect(dataOf({ $filter: "OutputFormat eq '*'" })).toEqual([
      ['HLS', { total: 11 }, { total: 22 }, {}],
      ['DASH', { total: 5 }, {}, {}],
    ]);
    expect(
      dataOf({ $filter: "(outputformat eq 'hls' or outputformat eq 'x') and HttpStatusCode ne '200'" }),
    ).toEqual([['HLS 404', { total: 1 }, {}, {}]]);
    expect(dataOf({ $filter: "OutputFormat eq '*'", top: '1', orderby: 'sum asc' })).toEqual([
      ['DASH', { total: 5 }, {}, {}],
    ]);
    expect(dataOf({ $filter: "OutputFormat eq 'Smooth'" })).toEqual([]);
  });

  it('adds minutes up to longer intervals, and names series without points', () => {
    expect(dataOf({ interval: 'PT5M' })).toEqual([['', { total: 38 }]]);
    expect(dataOf({ interval: 'FULL', aggregation: 'Count' })).toEqual([['', { count: 38 }]]);
    expect(series({ resultType: 'metadata', $filter: "HttpStatusCode eq '404'" })).toEqual([
      {
        metadatavalues: [
          { name: { value: 'httpstatuscode', localizedValue: 'httpstatuscode' }, value: '404' },
        ],
      },
    ]);
  });

  it('of the definitions names every metric', () => {
    const { value } = Object(metricDefinitionsAnswer('/x', ACCOUNT_METRICS));
    expect(value.map(({ name }: { name: { value: string } }) => name.value)).toEqual(
      ACCOUNT_METRICS.metrics.map(({ name }) => name),
    );
  });
});
