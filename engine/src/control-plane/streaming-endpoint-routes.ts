import { armError } from '../resources/error-catalogue.ts';
import * as keys from '../resources/row-keys.ts';
import { StreamingEndpointRecord, toArmStreamingEndpoint } from '../resources/streaming-endpoint.ts';
import { decideStreamingEndpointCommand } from '../resources/streaming-endpoint-state.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { type ControlContext, nowIso } from './control-context.ts';
import { accepted, beginOrBusy, resultRoute } from './operation-routes.ts';
import { answerPage } from './paging.ts';

/** The account's streaming endpoints, which are started and stopped. */
export function streamingEndpointRoutes(context: ControlContext): readonly ArmRoute[] {
  const { scope, store, addresses } = context;
  const path = '/streamingEndpoints/:endpoint';
  const hostName = `${addresses.host}:${addresses.streamingPort}`;
  const get = async (request: ArmRequest) =>
    toArmStreamingEndpoint(scope, (await getStreamingEndpoint(context, request)).record, {
      hostName,
      single: true,
    });
  return [
    {
      method: 'GET',
      path: '/streamingEndpoints',
      handle: (request) =>
        answerPage(request, store, {
          prefix: keys.prefixes.streamingEndpoints,
          toArm: (row) =>
            toArmStreamingEndpoint(scope, StreamingEndpointRecord.parse(row.body), {
              hostName,
              single: false,
            }),
        }),
    },
    { method: 'GET', path, handle: async (request) => ({ status: 200, body: await get(request) }) },
    {
      method: 'POST',
      path: `${path}/start`,
      handle: (request) => commandEndpoint(context, request, 'start'),
    },
    {
      method: 'POST',
      path: `${path}/stop`,
      handle: (request) => commandEndpoint(context, request, 'stop'),
    },
    resultRoute(context, path, get),
  ];
}

async function getStreamingEndpoint({ store, scope }: ControlContext, request: ArmRequest) {
  const name = request.params['endpoint'] ?? '';
  const row = await store.find(keys.streamingEndpointKey(name));
  if (row !== undefined) return { row, record: StreamingEndpointRecord.parse(row.body) };
  const { account, resourceGroup } = scope;
  throw armError('ResourceNotFound', { account, resourceGroup, type: 'streamingEndpoints', name });
}

async function commandEndpoint(
  context: ControlContext,
  request: ArmRequest,
  command: 'start' | 'stop',
): Promise<ArmAnswer> {
  const { row, record } = await getStreamingEndpoint(context, request);
  const { name, state, scaleUnits } = record;
  const decision = decideStreamingEndpointCommand(
    { name, state, busy: record.pendingOperationId !== undefined },
    command,
  );
  if (decision.kind === 'refuse') throw armError(decision.errorName, decision.about);
  const kind = command === 'start' ? 'startStreamingEndpoint' : 'stopStreamingEndpoint';
  const operation = context.operations.prepare(kind, name);
  const body = {
    ...record,
    state: decision.via,
    provisioningState: 'InProgress',
    lastModified: nowIso(),
    pendingOperationId: operation.id,
  };
  await beginOrBusy(context, operation, [
    { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body },
    context.events.change({
      type: 'Headend.Media.StreamingEndpointStateChanged',
      subject: `streamingEndpoint/${name}`,
      data: { previousState: state, state: decision.via, scaleUnits },
    }),
  ]);
  return accepted(context, request, {
    status: 202,
    type: 'streamingendpoint',
    resource: `streamingendpoints/${name}`,
    operation,
  });
}
