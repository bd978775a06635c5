import { EncodingUnitReport, isUnitAlive } from '../resources/encoding/encoding-unit.ts';
import {
  EncodingCapacityRecord,
  parseEncodingUnits,
  toArmEncodingCapacity,
} from '../resources/encoding-capacity.ts';
import { armError } from '../resources/error-catalogue.ts';
import * as keys from '../resources/row-keys.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { type ControlContext, nowIso } from './control-context.ts';
import { scaleEncodingCapacity } from './encoding-capacity-operations.ts';
import { accepted, beginOrBusy, resultRoute } from './operation-routes.ts';

/** Many more than there can be. */
const UNITS_READ_MAX = 1000;
const PATH = '/encodingCapacity/:capacity';

/** How many jobs may be encoded at once: an extension of ours, scaled as a streaming endpoint is. */
export const ENCODING_CAPACITY_ROUTES: readonly ArmRoute[] = [
  { method: 'GET', path: PATH, handle: async (...call) => ({ status: 200, body: await answer(...call) }) },
  { method: 'POST', path: `${PATH}/scale`, handle: scaleCapacity },
  resultRoute(PATH, answer),
];

async function answer(context: ControlContext, request: ArmRequest): Promise<object> {
  const [{ record }, activeWorkers] = await Promise.all([
    getCapacity(context, request),
    countWorkers(context),
  ]);
  return toArmEncodingCapacity(context.scope, record, activeWorkers);
}

/** Units that a worker has said to have a moment ago. */
async function countWorkers({ store }: ControlContext): Promise<number> {
  const rows = await store.list(keys.prefixes.encodingUnits, { limit: UNITS_READ_MAX });
  const nowMs = Date.now();
  return rows.filter(({ body }) => isUnitAlive(EncodingUnitReport.parse(body), nowMs)).length;
}

async function getCapacity({ store }: ControlContext, request: ArmRequest) {
  const row = await store.find(keys.encodingCapacityKey(request.params['capacity'] ?? ''));
  if (row === undefined) throw armError('NotFound');
  return { row, record: EncodingCapacityRecord.parse(row.body) };
}

async function scaleCapacity(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const encodingUnits = parseEncodingUnits(request.body);
  const { row, record } = await getCapacity(context, request);
  if (record.pendingOperationId !== undefined) throw armError('CapacityOperationInProgress');
  const operation = context.operations.prepare(scaleEncodingCapacity, {
    target: record.name,
    resource: `encodingcapacity/${record.name}`,
  });
  const body = {
    ...record,
    encodingUnits,
    provisioningState: 'InProgress',
    lastModified: nowIso(),
    lastModifiedBy: request.caller.id,
    pendingOperationId: operation.id,
  };
  await beginOrBusy(
    context,
    operation,
    [{ kind: 'replace', rowKey: row.rowKey, etag: row.etag, body }],
    'CapacityOperationInProgress',
  );
  return accepted(context, request, { status: 202, operation });
}
