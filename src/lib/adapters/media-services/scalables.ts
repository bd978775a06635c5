import { type ArmOutcome, findOrNone, outcomeOf } from './arm-outcome.ts';
import type { MediaClient } from './media-client.ts';
import { accountUrl, callArm, errorOf, numberField, objectField, textField } from './raw-arm.ts';

export interface EncodingCapacityReading {
  readonly units: number;
  readonly unitsMax: number;
  readonly activeWorkers: number;
  readonly state: string;
}

interface Target {
  readonly kind: 'streamingEndpoint' | 'encodingCapacity';
  readonly name: string;
}

type Order =
  | { readonly kind: 'done'; readonly status: string | null }
  | Exclude<ArmOutcome, { kind: 'done' }>;

type Status =
  | { readonly kind: 'running' | 'succeeded' | 'unknown' }
  | { readonly kind: 'failed'; readonly error: { readonly code: string; readonly message: string } };

type Client = () => Promise<MediaClient>;

/** How much the media service can encode at the same time: an extension of the engine, which others do not have. */
export const mediaEncodingCapacity = (client: Client) => ({
  async find(): Promise<EncodingCapacityReading | undefined> {
    const open = await client();
    const answer = await findOrNone(() =>
      callArm(open, 'GET', { url: accountUrl(open, '/encodingCapacity/default') }),
    );
    const properties = objectField(answer?.body, 'properties');
    if (properties === undefined) return undefined;
    const units = numberField(properties, 'encodingUnits') ?? 0;
    return {
      units,
      unitsMax: numberField(properties, 'encodingUnitsMax') ?? units,
      activeWorkers: numberField(properties, 'activeWorkers') ?? 0,
      state: (textField(properties, 'provisioningState') ?? 'Succeeded').toLowerCase(),
    };
  },
});

/** Streaming endpoints and the encoding capacity, as what can be scaled. An order is never waited for. */
export function mediaScalables(client: Client) {
  const capacity = mediaEncodingCapacity(client);
  return {
    async read({ kind, name }: Target): Promise<{ units: number; busy: boolean } | undefined> {
      if (kind === 'encodingCapacity') {
        const found = await capacity.find();
        return found === undefined ? undefined : { units: found.units, busy: found.state === 'inprogress' };
      }
      const { sdk, resourceGroup, account } = await client();
      const found = await findOrNone(() => sdk.streamingEndpoints.get(resourceGroup, account, name));
      if (found === undefined) return undefined;
      const busy = found.resourceState === 'Scaling' || found.provisioningState === 'InProgress';
      return { units: found.scaleUnits ?? 0, busy };
    },

    async order({ kind, name }: Target, units: number): Promise<Order> {
      const open = await client();
      const { sdk, resourceGroup, account } = open;
      let status: string | null = null;
      const outcome = await outcomeOf(async () => {
        if (kind === 'encodingCapacity') {
          const url = accountUrl(open, '/encodingCapacity/default/scale');
          status = (await callArm(open, 'POST', { url, body: { encodingUnits: units } })).operation;
          return;
        }
        const onResponse = ({ headers }: { headers: { get(name: string): string | undefined } }) => {
          status ??= headers.get('azure-asyncoperation') ?? null;
        };
        await sdk.streamingEndpoints.beginScale(
          resourceGroup,
          account,
          name,
          { scaleUnit: units },
          { onResponse },
        );
      });
      return outcome.kind === 'done' ? { kind: 'done', status } : outcome;
    },

    /** Whatever cannot be read says nothing: the resource itself is read as well. */
    async follow(_target: Target, status: string): Promise<Status> {
      const open = await client();
      // The token goes to the media service only, whatever an answer named.
      if (new URL(status).origin !== new URL(open.sdk.$host).origin) return { kind: 'unknown' };
      try {
        const { body } = await callArm(open, 'GET', { url: status });
        switch (textField(body, 'status')) {
          case 'Succeeded':
            return { kind: 'succeeded' };
          case 'Failed':
          case 'Canceled':
            return { kind: 'failed', error: errorOf(body) };
          case undefined:
            return { kind: 'unknown' };
          default:
            return { kind: 'running' };
        }
      } catch {
        return { kind: 'unknown' };
      }
    },
  };
}

/** How a target of the autoscaler is now. */
export function mediaAutoscaleTargets(client: Client) {
  const capacity = mediaEncodingCapacity(client);
  return {
    async read({ kind, name }: Target) {
      if (kind === 'encodingCapacity') {
        const found = await capacity.find();
        return found && { units: found.units, busy: found.state === 'inprogress', stopped: false };
      }
      const { sdk, resourceGroup, account } = await client();
      const found = await findOrNone(() => sdk.streamingEndpoints.get(resourceGroup, account, name));
      if (found === undefined) return undefined;
      const { resourceState: state = 'Stopped' } = found;
      const isServing = state === 'Running' || state === 'Scaling';
      return { units: found.scaleUnits ?? 0, busy: state === 'Scaling', stopped: !isServing };
    },
  };
}
