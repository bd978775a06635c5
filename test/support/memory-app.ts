import { randomUUID } from 'node:crypto';
import { keyProviders } from '../../src/lib/adapters/key-provider/key-providers.ts';
import { jsonWebTokens } from '../../src/lib/adapters/tokens/json-web-tokens.ts';
import type { Services } from '../../src/lib/composition.ts';
import { ScaleMessage as ScaleMessageSchema } from '../../src/lib/contracts/scale.ts';
import type { Loads } from '../../src/lib/domain/autoscale.ts';
import { sweepDue } from '../../src/lib/timers/sweep-due.ts';
import type { PlaylistReading } from '../../src/lib/workflows/native-playlist.ts';
import { reconcileChannel } from '../../src/lib/workflows/reconcile-channel.ts';
import { reconcileImport } from '../../src/lib/workflows/reconcile-import.ts';
import { reconcileProfile } from '../../src/lib/workflows/reconcile-profile.ts';
import { reconcileScaling } from '../../src/lib/workflows/reconcile-scaling.ts';
import { reconcileVideo } from '../../src/lib/workflows/reconcile-video.ts';
import type { ScaleMessage } from '../../src/lib/workflows/scaling-ports.ts';
import { fakeMediaService } from './fake-media-service.ts';
import { fakeScalables } from './fake-scalables.ts';
import { fakeVideoMedia } from './fake-video-media.ts';
import { memorySecrets } from './memory-secrets.ts';
import { memoryStores } from './memory-stores.ts';

/** The app on stores and a media service in memory, with a clock by hand that goes on by itself too. */
export function openMemoryApp({ slow = false } = {}) {
  const fake = fakeMediaService({ slow });
  const stores = memoryStores();
  let aheadMs = 0;
  let queueFails = false;
  const sent: string[] = [];
  const clock = { now: () => Date.now() + aheadMs };
  const queue = {
    warm: async () => {},
    async send(channel: string) {
      if (queueFails) throw new Error('the queue cannot be reached');
      sent.push(channel);
    },
    async sendVideo(video: string) {
      if (queueFails) throw new Error('the queue cannot be reached');
      sent.push(`video ${video}`);
    },
    async sendImport(id: string) {
      if (queueFails) throw new Error('the queue cannot be reached');
      sent.push(`import ${id}`);
    },
    async sendProfile(profile: string) {
      if (queueFails) throw new Error('the queue cannot be reached');
      sent.push(`profile ${profile}`);
    },
  };
  const fakeVideos = fakeVideoMedia({ assets: fake.state.assets });
  const { scalables, scaleState, settleScaling } = fakeScalables();
  const scaleMessages: ScaleMessage[] = [];
  const poisonMessages: ScaleMessage[] = [];
  const scaleQueue = {
    warm: async () => {},
    async send(message: object) {
      if (queueFails) throw new Error('the queue cannot be reached');
      scaleMessages.push(ScaleMessageSchema.parse(message));
    },
    async giveUp(message: object) {
      poisonMessages.push(ScaleMessageSchema.parse(message));
    },
  };
  const autoscaling = { loads: {} as Loads, fails: false, asked: 0 };
  const loadMetrics = {
    async read() {
      autoscaling.asked += 1;
      if (autoscaling.fails) throw new Error('connect ECONNREFUSED');
      return autoscaling.loads;
    },
  };
  const playlists = new Map<string, PlaylistReading>();
  const secrets = memorySecrets();
  const deps = {
    ...stores,
    queue,
    scaleQueue,
    clock,
    media: fake.media,
    videoMedia: fakeVideos.videoMedia,
    random: { guid: () => randomUUID() },
    scalables,
    secrets,
    keyProviderOf: keyProviders({ secrets }),
  };
  const endpoint = { name: 'default', state: 'running', hostName: 'h', scaleUnits: 0 };
  const app: Services = {
    ...deps,
    ready: async () => {},
    warm: async () => {},
    reconcile: (name) => reconcileChannel(name, deps),
    reconcileProfile: (name) => reconcileProfile(name, deps),
    reconcileVideo: (name) => reconcileVideo(name, deps),
    reconcileImport: (id) => reconcileImport(id, deps),
    reconcileScaling: (key) => reconcileScaling(key, deps),
    loadMetrics,
    autoscaleTargets: {
      async read(target) {
        const found = await scalables.read(target);
        return (
          found && { ...found, stopped: target.kind === 'streamingEndpoint' && endpoint.state === 'stopped' }
        );
      },
    },
    streamingBaseUrl: 'http://media.example',
    keyDeliveryBaseUrl: 'http://keys.example/headend',
    livePageUrl: 'http://page.example/',
    signer: jsonWebTokens,
    readPlaylist: async (url) => playlists.get(url) ?? { kind: 'refused', status: 404 },
    encodingCapacity: {
      find: async () => ({
        units: scaleState.units.get('encodingCapacity') ?? 0,
        unitsMax: 10,
        activeWorkers: 0,
        state: 'succeeded',
      }),
    },
    endpoints: {
      list: async () => [endpoint],
      find: async (name) => (name === 'default' ? endpoint : undefined),
      run: async () => ({ kind: 'done' }),
    },
  };
  return {
    ...fake,
    videos: fakeVideos,
    secrets,
    app,
    stores,
    sent,
    scaleMessages,
    poisonMessages,
    scaleState,
    settleScaling,
    autoscaling,
    endpoint,
    playlists,
    advance: (ms: number) => {
      aheadMs += ms;
    },
    breakQueue: () => {
      queueFails = true;
    },
    /** What the sweep timer does. */
    async sweep() {
      await sweepDue(app);
    },
  };
}
