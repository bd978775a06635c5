import type { StreamingEndpoint } from '@azure/arm-mediaservices';
import { type ArmOutcome, findOrNone, outcomeOf } from './arm-outcome.ts';
import type { MediaClient } from './media-client.ts';

const ENDPOINTS_MAX = 100;

export interface EndpointReading {
  readonly name: string;
  readonly state: string;
  readonly hostName: string | null;
  readonly scaleUnits: number;
}

const fromArm = (found: StreamingEndpoint): EndpointReading => ({
  name: found.name ?? '',
  state: (found.resourceState ?? 'Stopped').toLowerCase(),
  hostName: found.hostName ?? null,
  scaleUnits: found.scaleUnits ?? 0,
});

/** Streaming endpoints: the same word on both sides. */
export function mediaStreamingEndpoints(client: () => Promise<MediaClient>) {
  return {
    async list(): Promise<readonly EndpointReading[]> {
      const { sdk, resourceGroup, account } = await client();
      const endpoints: EndpointReading[] = [];
      for await (const endpoint of sdk.streamingEndpoints.list(resourceGroup, account)) {
        endpoints.push(fromArm(endpoint));
        if (endpoints.length >= ENDPOINTS_MAX) break;
      }
      return endpoints;
    },
    async find(name: string): Promise<EndpointReading | undefined> {
      const { sdk, resourceGroup, account } = await client();
      const found = await findOrNone(() => sdk.streamingEndpoints.get(resourceGroup, account, name));
      return found === undefined ? undefined : fromArm(found);
    },
    async run(name: string, verb: 'start' | 'stop'): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      const begin = verb === 'start' ? 'beginStart' : 'beginStop';
      return outcomeOf(() => sdk.streamingEndpoints[begin](resourceGroup, account, name));
    },
  };
}
