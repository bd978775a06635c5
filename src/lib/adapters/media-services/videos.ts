import type {
  ClipTimeUnion,
  JobInputUnion,
  JobOutputAsset,
  JobOutputUnion,
  TrackBaseUnion,
} from '@azure/arm-mediaservices';
import type { JobOutput, JobReading, JobState } from '../../domain/video.ts';
import type { TransformOutput } from '../../domain/video-transform.ts';
import { withoutQueries } from '../../domain/without-queries.ts';
import { type ArmOutcome, findOrNone, outcomeOf } from './arm-outcome.ts';
import type { MediaClient } from './media-client.ts';
import { accountUrl, callArm } from './raw-arm.ts';

/** Presets go as they were given: the SDK's own words for them are others. */
const TRANSFORM_VERSION = '2022-07-01';
const DETAILS_CHARS_MAX = 600;

interface Clip {
  readonly from: string | null;
  readonly to: string | null;
}

type JobSource =
  | ({ readonly kind: 'asset'; readonly asset: string; readonly files: readonly string[] } & Clip)
  | { readonly kind: 'url'; readonly url: string };

interface JobSettings {
  readonly transform: string;
  readonly name: string;
  readonly priority: 'low' | 'normal' | 'high';
  readonly source: JobSource;
  readonly outputs: readonly { readonly label: string; readonly asset: string }[];
}

export function mediaTransforms(client: () => Promise<MediaClient>) {
  return {
    async ensure(name: string, outputs: readonly TransformOutput[]): Promise<ArmOutcome> {
      const media = await client();
      const { sdk, resourceGroup, account } = media;
      const found = await findOrNone(() => sdk.transforms.get(resourceGroup, account, name));
      if (found !== undefined) return { kind: 'done' };
      const url = accountUrl(media, `/transforms/${name}`, TRANSFORM_VERSION);
      const sent = outputs.map(({ onError, relativePriority, preset }) => ({
        onError,
        relativePriority,
        preset,
      }));
      return outcomeOf(() => callArm(media, 'PUT', { url, body: { properties: { outputs: sent } } }));
    },
  };
}

const STATES: Readonly<Record<string, JobState>> = {
  Queued: 'queued',
  Scheduled: 'queued',
  Processing: 'processing',
  Finished: 'finished',
  Error: 'failed',
  Canceling: 'canceling',
  Canceled: 'canceled',
};
const PRIORITIES = { low: 'Low', normal: 'Normal', high: 'High' } as const;

export function mediaJobs(client: () => Promise<MediaClient>) {
  return {
    async find(transform: string, name: string): Promise<JobReading | undefined> {
      const { sdk, resourceGroup, account } = await client();
      const found = await findOrNone(() => sdk.jobs.get(resourceGroup, account, transform, name));
      if (found === undefined) return undefined;
      return { state: stateOf(found.state), outputs: (found.outputs ?? []).map(toOutput) };
    },
    async create({ transform, name, priority, source, outputs }: JobSettings): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      const outcome = await outcomeOf(() =>
        sdk.jobs.create(resourceGroup, account, transform, name, {
          input: toInput(source),
          outputs: outputs.map(
            ({ label, asset }): JobOutputAsset => ({
              odataType: '#Microsoft.Media.JobOutputAsset',
              assetName: asset,
              label,
            }),
          ),
          priority: PRIORITIES[priority],
        }),
      );
      if (outcome.kind === 'done') return outcome;
      // Its name is that of this attempt: one that is there is ours, whoever of us made it.
      const found = await findOrNone(() => sdk.jobs.get(resourceGroup, account, transform, name));
      return found === undefined ? outcome : { kind: 'done' };
    },
    async cancel(transform: string, name: string): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      return outcomeOf(() => sdk.jobs.cancelJob(resourceGroup, account, transform, name), {
        goneIsDone: true,
      });
    },
    async remove(transform: string, name: string): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      return outcomeOf(() => sdk.jobs.delete(resourceGroup, account, transform, name), {
        goneIsDone: true,
      });
    },
  };
}

const stateOf = (state: string | undefined): JobState => STATES[state ?? ''] ?? 'queued';

function toOutput({ label = '', state, progress = 0, error }: JobOutputUnion): JobOutput {
  const details = (error?.details ?? []).map((detail) => detail.message ?? '');
  const said = [error?.message ?? '', ...details].filter((text) => text !== '');
  const message = [...new Set(said)].join(' ');
  return {
    label,
    state: stateOf(state),
    progress,
    problem:
      error == null
        ? null
        : {
            code: error.code ?? 'ServiceError',
            category: error.category ?? 'Service',
            message: withoutQueries(message).slice(0, DETAILS_CHARS_MAX),
            mayRetry: error.retry === 'MayRetry',
          },
  };
}

function toInput(source: JobSource): JobInputUnion {
  if (source.kind === 'url') return { odataType: '#Microsoft.Media.JobInputHttp', files: [source.url] };
  const { asset, files, from, to } = source;
  return {
    odataType: '#Microsoft.Media.JobInputAsset',
    assetName: asset,
    ...(files.length === 0 ? {} : { files: [...files] }),
    ...(from === null ? {} : { start: toClipTime(from) }),
    ...(to === null ? {} : { end: toClipTime(to) }),
  };
}

const toClipTime = (point: string): ClipTimeUnion =>
  point.startsWith('P')
    ? { odataType: '#Microsoft.Media.AbsoluteClipTime', time: point }
    : { odataType: '#Microsoft.Media.UtcClipTime', time: new Date(point) };

const TRACK_STATES: Readonly<Record<string, 'inProgress' | 'succeeded' | 'failed'>> = {
  InProgress: 'inProgress',
  Succeeded: 'succeeded',
  Failed: 'failed',
};

/** Captions as text tracks of an asset. */
export function mediaTracks(client: () => Promise<MediaClient>) {
  return {
    async find(asset: string, name: string): Promise<'inProgress' | 'succeeded' | 'failed' | undefined> {
      const { sdk, resourceGroup, account } = await client();
      const found = await findOrNone(() => sdk.tracks.get(resourceGroup, account, asset, name));
      return found === undefined ? undefined : (TRACK_STATES[found.provisioningState ?? ''] ?? 'inProgress');
    },
    async add({
      asset,
      name,
      file,
      language,
    }: {
      asset: string;
      name: string;
      file: string;
      language: string;
    }): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      const track: TrackBaseUnion = {
        odataType: '#Microsoft.Media.TextTrack',
        fileName: file,
        displayName: language,
        playerVisibility: 'Visible',
      };
      return outcomeOf(() => sdk.tracks.beginCreateOrUpdate(resourceGroup, account, asset, name, { track }));
    },
  };
}

type Permissions = 'Read' | 'ReadWrite' | 'ReadWriteDelete';

/** A signed address of an asset's container, a secret; undefined: there is no such asset. */
export async function containerUrl(
  client: () => Promise<MediaClient>,
  { asset, permissions, expiresAtMs }: { asset: string; permissions: Permissions; expiresAtMs: number },
): Promise<string | undefined> {
  const { sdk, resourceGroup, account } = await client();
  const answer = await findOrNone(() =>
    sdk.assets.listContainerSas(resourceGroup, account, asset, {
      permissions,
      expiryTime: new Date(expiresAtMs),
    }),
  );
  return answer?.assetContainerSasUrls?.[0];
}

/** Assets that are uploaded to; their containers have names by which storage events are told apart. */
export function mediaInputs(client: () => Promise<MediaClient>) {
  return {
    async create(
      name: string,
      { owner, container }: { owner: string; container: string },
    ): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      return outcomeOf(() =>
        sdk.assets.createOrUpdate(resourceGroup, account, name, { alternateId: owner, container }),
      );
    },
    async exists(name: string): Promise<boolean> {
      const { sdk, resourceGroup, account } = await client();
      return (await findOrNone(() => sdk.assets.get(resourceGroup, account, name))) !== undefined;
    },
    uploadUrl: (asset: string, expiresAtMs: number): Promise<string | undefined> =>
      containerUrl(client, { asset, permissions: 'ReadWrite', expiresAtMs }),
  };
}
