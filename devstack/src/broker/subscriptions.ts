import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { GridEvent } from './event-schema.ts';
import { EventFilter, matchesFilter } from './filters.ts';

export const SubscriptionBody = z.object({
  properties: z.object({
    destination: z.object({
      endpointType: z.literal('WebHook'),
      properties: z.object({
        endpointUrl: z
          .string()
          .max(4096)
          .refine(
            (text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol),
            'is no http(s) URL',
          ),
      }),
    }),
    filter: EventFilter.default({}),
    retryPolicy: z
      .object({
        maxDeliveryAttempts: z.int().min(1).max(30).default(30),
        eventTimeToLiveInMinutes: z.int().min(1).max(1440).default(1440),
      })
      .default({ maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }),
  }),
});

export const SUBSCRIPTION_NAME = /^[A-Za-z0-9-]{3,64}$/;
const SUBSCRIPTIONS_MAX = 500;

const Subscription = z.object({ name: z.string(), ...SubscriptionBody.shape });
export type Subscription = z.infer<typeof Subscription>;

export interface Subscriptions {
  list(): readonly Subscription[];
  find(name: string): Subscription | undefined;
  /** The names of those that want the event. */
  matching(event: GridEvent): string[];
  /** `full` when there are too many already. */
  put(subscription: Subscription): Promise<'created' | 'replaced' | 'full'>;
  remove(name: string): Promise<boolean>;
}

/** The subscriptions, kept in a file that is for its owner only: endpoints carry keys. Names compare in lower case. */
export async function openSubscriptions(file: string): Promise<Subscriptions> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const byName = new Map((await readStored(file)).map((stored) => [stored.name.toLowerCase(), stored]));
  let saving: Promise<void> = Promise.resolve();
  const save = () => {
    saving = saving
      .catch(() => undefined)
      .then(() => writeDurably(file, JSON.stringify([...byName.values()])));
    return saving;
  };
  return {
    list: () => [...byName.values()],
    find: (name) => byName.get(name.toLowerCase()),
    matching: (event) =>
      [...byName]
        .filter(([, { properties }]) => matchesFilter(event, properties.filter))
        .map(([name]) => name),
    async put(subscription) {
      const name = subscription.name.toLowerCase();
      const existed = byName.has(name);
      if (!existed && byName.size >= SUBSCRIPTIONS_MAX) return 'full';
      byName.set(name, subscription);
      await save();
      return existed ? 'replaced' : 'created';
    },
    async remove(name) {
      const existed = byName.delete(name.toLowerCase());
      if (existed) await save();
      return existed;
    },
  };
}

async function readStored(file: string): Promise<Subscription[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  return z.array(Subscription).parse(JSON.parse(text));
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(`${file}.tmp`, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.tmp`, file);
}
