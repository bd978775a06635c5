import type { HttpResponseInit } from '@azure/functions';
import type { Services } from '../composition.ts';
import { endpointName } from '../contracts/fields.ts';
import { Problem } from '../domain/errors.ts';
import { newOperation } from '../workflows/api-channels.ts';
import { type Call, json, parameter } from './handle.ts';
import { answerOperation } from './operations.ts';

type Endpoint = NonNullable<Awaited<ReturnType<Services['endpoints']['find']>>>;

const view = (endpoint: Endpoint, { streamingBaseUrl }: Services) => ({
  ...endpoint,
  baseUrl: streamingBaseUrl,
  href: `/api/v1/streaming-endpoints/${endpoint.name}`,
});

export async function findEndpoint(call: Call, app: Services): Promise<Endpoint> {
  const name = parameter(call, 'endpoint', endpointName);
  const endpoint = await app.endpoints.find(name);
  if (endpoint === undefined)
    throw new Problem('streamingEndpointNotFound', { detail: `There is no streaming endpoint ${name}.` });
  return endpoint;
}

export async function listStreamingEndpointsCall(_call: Call, app: Services): Promise<HttpResponseInit> {
  return json(200, { items: (await app.endpoints.list()).map((endpoint) => view(endpoint, app)) });
}

export async function getStreamingEndpointCall(call: Call, app: Services): Promise<HttpResponseInit> {
  return json(200, view(await findEndpoint(call, app), app));
}

/** Starts or stops; over when the media service has taken the order, whose progress the endpoint's state shows. */
export async function runStreamingEndpointCall(
  verb: 'start' | 'stop',
  call: Call,
  app: Services,
): Promise<HttpResponseInit> {
  const endpoint = await findEndpoint(call, app);
  const outcome =
    endpoint.state === (verb === 'start' ? 'running' : 'stopped')
      ? { kind: 'done' as const }
      : await app.endpoints.run(endpoint.name, verb);
  if (outcome.kind === 'later') throw new Problem('mediaServiceUnavailable', { detail: outcome.message });
  if (outcome.kind === 'refused') throw new Problem('mediaServiceRefused', { detail: outcome.message });
  const operation = await newOperation(
    { kind: `streamingEndpoint.${verb}`, streamingEndpoint: endpoint.name },
    app,
  );
  const accepted = {
    ...operation,
    status: 'Succeeded' as const,
    percentComplete: 100,
    step: 'accepted',
    finishedAtMs: app.clock.now(),
  };
  await app.operations.save(accepted);
  return answerOperation(call, accepted, app);
}
