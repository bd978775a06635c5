import type { HttpResponseInit } from '@azure/functions';
import type { Services } from '../composition.ts';
import { EncodingScaleBody, StreamingScaleBody } from '../contracts/scale.ts';
import { Problem } from '../domain/errors.ts';
import type { ScaleTarget } from '../domain/scaling.ts';
import { errorFields, log } from '../log.ts';
import { requestScaling } from '../workflows/api-scaling.ts';
import { type Call, json, readBody } from './handle.ts';
import { answerOperation } from './operations.ts';
import { findEndpoint } from './streaming-endpoints.ts';

const CAPACITY = { kind: 'encodingCapacity', name: 'default' } as const;

export async function findCapacity(app: Services) {
  const found = await app.encodingCapacity.find();
  if (found === undefined)
    throw new Problem('encodingCapacityNotFound', {
      detail: 'This media service has no encoding capacity that can be scaled.',
    });
  return found;
}

export async function getEncodingCapacityCall(_call: Call, app: Services): Promise<HttpResponseInit> {
  return json(200, { ...(await findCapacity(app)), href: '/api/v1/encoding-capacity' });
}

export async function scaleStreamingEndpointCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const { units } = await readBody(call.request, StreamingScaleBody);
  const { name } = await findEndpoint(call, app);
  return ask({ kind: 'streamingEndpoint', name }, units, { call, app });
}

export async function scaleEncodingCapacityCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const { units } = await readBody(call.request, EncodingScaleBody);
  const { unitsMax } = await findCapacity(app);
  if (units > unitsMax)
    throw new Problem('invalidBody', {
      detail: 'More units than there can be.',
      errors: [{ pointer: '/units', message: `at most ${unitsMax}` }],
    });
  return ask(CAPACITY, units, { call, app });
}

/** Only puts a message on the queue; what is wanted is stored, so a message that cannot be sent makes it later, not wrong. */
async function ask(
  target: ScaleTarget,
  units: number,
  { call, app }: { call: Call; app: Services },
): Promise<HttpResponseInit> {
  const operation = await requestScaling(target, units, app);
  try {
    await app.scaleQueue.send({ ...target, operation: operation.id }, 0);
  } catch (error) {
    log('warn', 'scale.notAsked', { operation: operation.id, ...errorFields(error) });
  }
  return answerOperation(call, operation, app);
}
