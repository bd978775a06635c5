import { randomUUID } from 'node:crypto';
import { mediaLiveEvents } from './adapters/media-services/live-events.ts';
import { lazyMediaClient } from './adapters/media-services/media-client.ts';
import { mediaAssets, mediaLocators, mediaOutputs } from './adapters/media-services/recordings.ts';
import { mediaStreamingEndpoints } from './adapters/media-services/streaming-endpoints.ts';
import { probePreview } from './adapters/preview/preview-probe.ts';
import { openReconcileQueue } from './adapters/queue/reconcile-queue.ts';
import { openStores } from './adapters/table/stores.ts';
import { type Config, readProcessConfig } from './config/config.ts';
import { coalesce } from './workflows/coalesce.ts';
import { reconcileChannel } from './workflows/reconcile-channel.ts';

export const RECONCILE_QUEUE = 'reconcile';

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
  const clock = { now: () => Date.now() };
  const media = {
    liveEvents: mediaLiveEvents(client),
    outputs: mediaOutputs(client),
    assets: mediaAssets(client),
    locators: mediaLocators(client),
    preview: { probe: probePreview },
  };
  const endpoints = mediaStreamingEndpoints(client);
  const reconcile = coalesce((channel: string) =>
    reconcileChannel(channel, { ...stores, queue, clock, media }),
  );
  return {
    ...stores,
    queue,
    clock,
    media,
    endpoints,
    reconcile,
    random: { guid: () => randomUUID() },
    streamingBaseUrl: config.streamingBaseUrl,
    /** Opens what is opened at the first use otherwise. */
    async warm(): Promise<void> {
      await Promise.all([stores.warm(), queue.warm(), endpoints.list()]);
    },
  };
}
