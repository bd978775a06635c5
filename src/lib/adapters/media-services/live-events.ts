import type { IPRange, LiveEvent } from '@azure/arm-mediaservices';
import type { LiveState } from '../../domain/channel.ts';
import type { LiveEventReading } from '../../domain/snapshot.ts';
import { type ArmOutcome, findOrNone, outcomeOf } from './arm-outcome.ts';
import type { MediaClient } from './media-client.ts';

interface Settings {
  readonly name: string;
  readonly accessToken: string;
  readonly previewLocator: string;
  readonly allowFrom: readonly string[];
  readonly description: string;
  readonly keyFrameInterval: string | null;
  readonly encoding: 'passthrough' | 'passthroughBasic';
  readonly ingest: {
    readonly protocol: 'rtmp' | 'smooth';
    readonly hostname: 'static' | 'dynamic';
    readonly hostnamePrefix: string | null;
  };
}

const STATES: Readonly<Record<string, LiveState>> = {
  Stopped: 'stopped',
  Allocating: 'allocating',
  StandBy: 'standby',
  Starting: 'starting',
  Running: 'running',
  Stopping: 'stopping',
  Deleting: 'deleting',
};

/** The engine's extension: how long a replaced access token goes on letting encoders in. */
const TOKEN_OVERLAP_HEADER = 'x-headend-access-token-overlap';

const PROTOCOLS = { rtmp: 'RTMP', smooth: 'FragmentedMP4' } as const;
const ENCODINGS = { passthrough: 'PassthroughStandard', passthroughBasic: 'PassthroughBasic' } as const;

const AFTER = {
  allocate: new Set(['Allocating', 'StandBy']),
  start: new Set(['Starting', 'Running']),
  stop: new Set(['Stopping', 'Stopped']),
} as const;

const PASSTHROUGH = new Set(['None', 'PassthroughBasic', 'PassthroughStandard']);

/** Channels as live events. `begin…` starts an operation and is never waited for: the next reading says how it went. */
export function mediaLiveEvents(client: () => Promise<MediaClient>) {
  return {
    async find(name: string): Promise<LiveEventReading | undefined> {
      const { sdk, resourceGroup, account } = await client();
      const found = await findOrNone(() => sdk.liveEvents.get(resourceGroup, account, name));
      return found === undefined ? undefined : fromArm(found);
    },
    async create(settings: Settings): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account, location } = await client();
      return outcomeOf(() =>
        sdk.liveEvents.beginCreate(resourceGroup, account, settings.name, toArm(settings, location)),
      );
    },
    /** `tokenOverlap`: how long the replaced token is good for, as an ISO 8601 duration. */
    async update(
      settings: Settings,
      { withToken, tokenOverlap }: { withToken: boolean; tokenOverlap: string },
    ): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account, location } = await client();
      const current = await sdk.liveEvents.get(resourceGroup, account, settings.name);
      const wanted = toArm(settings, location);
      const accessToken = withToken ? settings.accessToken : current.input?.accessToken;
      const input = {
        ...wanted.input,
        streamingProtocol: PROTOCOLS[settings.ingest.protocol],
        ...(accessToken === undefined ? {} : { accessToken }),
      };
      return outcomeOf(() =>
        sdk.liveEvents.beginUpdate(
          resourceGroup,
          account,
          settings.name,
          { ...wanted, input },
          withToken ? { requestOptions: { customHeaders: { [TOKEN_OVERLAP_HEADER]: tokenOverlap } } } : {},
        ),
      );
    },
    async run(name: string, verb: 'allocate' | 'start' | 'stop' | 'reset'): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      const ordered = await outcomeOf(() => {
        if (verb === 'allocate') return sdk.liveEvents.beginAllocate(resourceGroup, account, name);
        if (verb === 'start') return sdk.liveEvents.beginStart(resourceGroup, account, name);
        if (verb === 'reset') return sdk.liveEvents.beginReset(resourceGroup, account, name);
        return sdk.liveEvents.beginStop(resourceGroup, account, name, { removeOutputsOnStop: true });
      });
      if (ordered.kind !== 'refused' || verb === 'reset') return ordered;
      // A start of what runs is refused, and is what was wanted all the same: another one ordered it meanwhile.
      const found = await findOrNone(() => sdk.liveEvents.get(resourceGroup, account, name));
      const isSo = AFTER[verb].has(found?.resourceState ?? '');
      return isSo ? { kind: 'done' } : ordered;
    },
    async remove(name: string): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      return outcomeOf(() => sdk.liveEvents.beginDelete(resourceGroup, account, name), { goneIsDone: true });
    },
  };
}

function toArm(settings: Settings, location: string): LiveEvent {
  return {
    location,
    description: settings.description,
    input: {
      streamingProtocol: PROTOCOLS[settings.ingest.protocol],
      accessToken: settings.accessToken,
      accessControl: { ip: { allow: settings.allowFrom.map(toRange) } },
      ...(settings.keyFrameInterval === null ? {} : { keyFrameIntervalDuration: settings.keyFrameInterval }),
    },
    preview: { previewLocator: settings.previewLocator },
    encoding: { encodingType: ENCODINGS[settings.encoding] },
    useStaticHostname: settings.ingest.hostname === 'static',
    ...(settings.ingest.hostnamePrefix === null ? {} : { hostnamePrefix: settings.ingest.hostnamePrefix }),
  };
}

function toRange(network: string): IPRange {
  const [address = network, prefix] = network.split('/');
  return { name: network, address, ...(prefix === undefined ? {} : { subnetPrefixLength: Number(prefix) }) };
}

function fromRange({ address, subnetPrefixLength }: IPRange): string {
  return subnetPrefixLength === undefined || subnetPrefixLength === null
    ? `${address}`
    : `${address}/${subnetPrefixLength}`;
}

function fromArm(found: LiveEvent): LiveEventReading {
  return {
    state: STATES[found.resourceState ?? ''] ?? 'starting',
    accessToken: found.input?.accessToken ?? '',
    previewLocator: found.preview?.previewLocator ?? '',
    allowFrom: (found.input?.accessControl?.ip?.allow ?? []).map(fromRange),
    description: found.description ?? '',
    passthrough: PASSTHROUGH.has(found.encoding?.encodingType ?? 'None'),
    ingestUrls: (found.input?.endpoints ?? []).flatMap(({ url }) => (url === undefined ? [] : [url])),
    previewUrl: found.preview?.endpoints?.[0]?.url ?? null,
  };
}
