import { randomUUID } from 'node:crypto';
import type { Services } from '../../src/lib/composition.ts';
import { reconcileChannel } from '../../src/lib/workflows/reconcile-channel.ts';
import { fakeMediaService } from './fake-media-service.ts';
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
  };
  const deps = { ...stores, queue, clock, media: fake.media };
  const endpoint = { name: 'default', state: 'running', hostName: 'h', scaleUnits: 0 };
  const app: Services = {
    ...deps,
    ready: async () => {},
    warm: async () => {},
    reconcile: (name) => reconcileChannel(name, deps),
    random: { guid: () => randomUUID() },
    streamingBaseUrl: 'http://media.example',
    endpoints: {
      list: async () => [endpoint],
      find: async (name) => (name === 'default' ? endpoint : undefined),
      run: async () => ({ kind: 'done' }),
    },
  };
  return {
    ...fake,
    app,
    stores,
    sent,
    advance: (ms: number) => {
      aheadMs += ms;
    },
    breakQueue: () => {
      queueFails = true;
    },
    /** What the sweep timer does. */
    async sweep() {
      for (const name of await app.due.due(clock.now())) await app.reconcile(name);
    },
  };
}
