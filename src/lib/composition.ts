import { randomUUID } from 'node:crypto';
import { openAssetFiles } from './adapters/blob/asset-files.ts';
import { keyProviders } from './adapters/key-provider/key-providers.ts';
import { mediaLiveEvents } from './adapters/media-services/live-events.ts';
import { mediaLoadMetrics } from './adapters/media-services/load-metrics.ts';
import { lazyMediaClient } from './adapters/media-services/media-client.ts';
import { mediaDeliveryPolicies, mediaKeyPolicies } from './adapters/media-services/protection.ts';
import { mediaAssets, mediaLocators, mediaOutputs } from './adapters/media-services/recordings.ts';
import {
  mediaAutoscaleTargets,
  mediaEncodingCapacity,
  mediaScalables,
} from './adapters/media-services/scalables.ts';
import { mediaStreamingEndpoints } from './adapters/media-services/streaming-endpoints.ts';
import {
  containerUrl,
  mediaInputs,
  mediaJobs,
  mediaTracks,
  mediaTransforms,
} from './adapters/media-services/videos.ts';
import { readPlaylist } from './adapters/origin/read-playlist.ts';
import { probePreview } from './adapters/preview/preview-probe.ts';
import { openReconcileQueue } from './adapters/queue/reconcile-queue.ts';
import { openScaleQueue } from './adapters/queue/scale-queue.ts';
import { cachedSecrets } from './adapters/secret-store/cached-secrets.ts';
import { folderSecrets } from './adapters/secret-store/folder-secrets.ts';
import { keyVaultSecrets } from './adapters/secret-store/key-vault-secrets.ts';
import { openStores } from './adapters/table/stores.ts';
import { jsonWebTokens } from './adapters/tokens/json-web-tokens.ts';
import { type Config, readProcessConfig, type SecretStoreConfig } from './config/config.ts';
import { coalesce } from './workflows/coalesce.ts';
import { reconcileChannel } from './workflows/reconcile-channel.ts';
import { reconcileImport } from './workflows/reconcile-import.ts';
import { reconcileProfile } from './workflows/reconcile-profile.ts';
import { reconcileScaling } from './workflows/reconcile-scaling.ts';
import { reconcileVideo } from './workflows/reconcile-video.ts';
import type { SecretStore } from './workflows/secret-store.ts';

export const RECONCILE_QUEUE = 'reconcile';
export const SCALE_QUEUE = 'scale-requests';

export type Services = ReturnType<typeof compose>;

let composed: Services | undefined;

/** Everything the functions use, wired at the first call and kept for the life of the process. */
export function services(): Services {
  composed ??= compose(readProcessConfig());
  return composed;
}

/** Wires the app; nothing connects until it is used. */
export function compose(config: Config, client = lazyMediaClient(config.media)) {
  const stores = openStores(config.storage);
  const queue = openReconcileQueue(config.storage, RECONCILE_QUEUE);
  const scaleQueue = openScaleQueue(config.storage, SCALE_QUEUE);
  const clock = { now: () => Date.now() };
  const media = {
    liveEvents: mediaLiveEvents(client),
    outputs: mediaOutputs(client),
    assets: mediaAssets(client),
    locators: mediaLocators(client),
    keyPolicies: mediaKeyPolicies(client),
    deliveryPolicies: mediaDeliveryPolicies(client),
    preview: { probe: probePreview },
  };
  const videoMedia = {
    transforms: mediaTransforms(client),
    jobs: mediaJobs(client),
    tracks: mediaTracks(client),
    inputs: mediaInputs(client),
    files: openAssetFiles((request) => containerUrl(client, request), clock),
  };
  const secrets = openSecrets(config.secretStore);
  const keyProviderOf = keyProviders({ secrets });
  const endpoints = mediaStreamingEndpoints(client);
  const scalables = mediaScalables(client);
  const random = { guid: () => randomUUID() };
  const ports = { ...stores, queue, clock, media, videoMedia, secrets, keyProviderOf, random };
  const reconcile = coalesce((channel: string) => reconcileChannel(channel, ports));
  return {
    ...stores,
    queue,
    scaleQueue,
    clock,
    media,
    videoMedia,
    secrets,
    signer: jsonWebTokens,
    readPlaylist,
    endpoints,
    encodingCapacity: mediaEncodingCapacity(client),
    scalables,
    autoscaleTargets: mediaAutoscaleTargets(client),
    loadMetrics: mediaLoadMetrics(client),
    reconcile,
    reconcileProfile: coalesce((profile: string) => reconcileProfile(profile, ports)),
    reconcileVideo: coalesce((video: string) => reconcileVideo(video, ports)),
    reconcileImport: coalesce((id: string) => reconcileImport(id, ports)),
    reconcileScaling: (key: string) => reconcileScaling(key, { ...stores, scaleQueue, clock, scalables }),
    random,
    streamingBaseUrl: config.streamingBaseUrl,
    keyDeliveryBaseUrl: config.keyDeliveryBaseUrl,
    livePageUrl: config.livePageUrl,
    /** Opens what is opened at the first use otherwise. */
    async warm(): Promise<void> {
      await Promise.all([stores.warm(), queue.warm(), scaleQueue.warm(), endpoints.list()]);
    },
  };
}

const openSecrets = (store: SecretStoreConfig): SecretStore =>
  cachedSecrets(store.kind === 'vault' ? keyVaultSecrets(store.url) : folderSecrets(store.path));
