import { metricDefinitionsAnswer, metricNamespacesAnswer, metricsAnswer } from '../metrics/metric-answer.ts';
import {
  ACCOUNT_METRICS,
  LIVE_EVENT_METRICS,
  type MetricNamespace,
  STREAMING_ENDPOINT_METRICS,
} from '../metrics/metric-definitions.ts';
import { InvalidMetricQuery, type MetricQuery, parseMetricQuery } from '../metrics/metric-query.ts';
import { GRAINS, type MetricResource, parseMetricRow, startOfKey, timePart } from '../metrics/metric-rows.ts';
import { armError } from '../resources/error-catalogue.ts';
import * as keys from '../resources/row-keys.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import type { ControlContext } from './control-context.ts';

/** Azure Monitor's own versions. */
const API_VERSIONS = ['2018-01-01', '2019-07-01', '2021-05-01', '2023-10-01', '2024-02-01'];
const NAMESPACE_API_VERSIONS = ['2017-12-01-preview', ...API_VERSIONS];
/** A week of minutes of several processes. */
const ROWS_MAX = 50_000;

/** A type of resource that has metrics. */
interface Measured {
  readonly path: string;
  readonly namespace: MetricNamespace;
  readonly resourceOf: (name: string) => MetricResource;
  /** Where the resource itself is, and its id with its name as it is written there. */
  readonly rowKey: (name: string) => string;
}

const NAME = 'resource';

const MEASURED: readonly Measured[] = [
  { path: '', namespace: ACCOUNT_METRICS, resourceOf: () => ['account'], rowKey: () => keys.accountKey },
  {
    path: '/liveEvents',
    namespace: LIVE_EVENT_METRICS,
    resourceOf: (name) => ['liveevent', name],
    rowKey: keys.liveEventKey,
  },
  {
    path: '/streamingEndpoints',
    namespace: STREAMING_ENDPOINT_METRICS,
    resourceOf: (name) => ['streamingendpoint', name],
    rowKey: keys.streamingEndpointKey,
  },
];

/** What was measured, as Azure Monitor has it below each resource. */
export const METRICS_ROUTES: readonly ArmRoute[] = MEASURED.flatMap((measured) => {
  const path = measured.path === '' ? '' : `${measured.path}/:${NAME}`;
  const below = `${path}/providers/Microsoft.Insights`;
  const define =
    (write: (resourceId: string, namespace: MetricNamespace) => object): ArmRoute['handle'] =>
    async (context, request) => ({
      status: 200,
      body: write(await existingId(context, request, measured), measured.namespace),
    });
  return [
    {
      method: 'GET' as const,
      path: `${below}/metrics`,
      apiVersions: API_VERSIONS,
      handle: (context: ControlContext, request: ArmRequest) => queryMetrics(context, request, measured),
    },
    {
      method: 'GET' as const,
      path: `${below}/metricDefinitions`,
      apiVersions: API_VERSIONS,
      handle: define(metricDefinitionsAnswer),
    },
    {
      method: 'GET' as const,
      path: `${below}/metricNamespaces`,
      apiVersions: NAMESPACE_API_VERSIONS,
      handle: define(metricNamespacesAnswer),
    },
  ];
});

async function queryMetrics(
  context: ControlContext,
  request: ArmRequest,
  measured: Measured,
): Promise<ArmAnswer> {
  const query = queryOf(request, measured);
  const resourceId = await existingId(context, request, measured);
  const periods = await readPeriods(context, query, measured.resourceOf(request.params[NAME] ?? ''));
  const { namespace } = measured;
  const region = context.scope.location;
  return { status: 200, body: metricsAnswer(query, periods, { resourceId, namespace, region }) };
}

function queryOf({ query }: ArmRequest, { namespace }: Measured): MetricQuery {
  try {
    return parseMetricQuery(query, namespace, Date.now());
  } catch (error) {
    if (error instanceof InvalidMetricQuery) {
      throw armError('InvalidQuery', { field: error.option, reason: error.message });
    }
    throw error;
  }
}

/** Without the resource there is nothing to say; what was measured before it was deleted goes with it. */
async function existingId(context: ControlContext, request: ArmRequest, measured: Measured): Promise<string> {
  // An account that is not there has no context.
  if (measured.path === '') return context.scope.accountId;
  const name = request.params[NAME] ?? '';
  const row = await context.store.find(measured.rowKey(name));
  if (row === undefined) throw armError('NotFound');
  const stored: unknown = Reflect.get(Object(row.body), 'name');
  return `${context.scope.accountId}${measured.path}/${typeof stored === 'string' ? stored : name}`;
}

async function readPeriods({ store }: ControlContext, query: MetricQuery, resource: MetricResource) {
  const { name, lengthMs } = GRAINS[query.grain];
  const prefix = keys.metricPrefix(resource, name);
  const floor = (timeMs: number) => Math.floor(timeMs / lengthMs) * lengthMs;
  const rows = await store.list(prefix, {
    from: prefix + timePart(floor(query.startMs)),
    before: prefix + timePart(floor(query.endMs - 1) + lengthMs),
    limit: ROWS_MAX + 1,
  });
  if (rows.length > ROWS_MAX) {
    throw armError('InvalidQuery', { field: 'timespan', reason: 'it holds too much to be answered at once' });
  }
  return rows.map(({ rowKey, body }) => ({
    startMs: startOfKey(prefix, rowKey),
    cells: parseMetricRow(body),
  }));
}
