import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { type AnyEvent, DELIVERY_SCHEMAS } from './event-schema.ts';
import { EventFilter, matchesFilter } from './filters.ts';

// learn.microsoft.com, event-grid/delivery-and-retry, "Output batching".
const EVENTS_PER_BATCH_MAX = 5000;
const BATCH_KILOBYTES_MAX = 1024;
const BATCH_KILOBYTES_DEFAULT = 64;

const WebHook = z.object({
  endpointType: z.literal('WebHook'),
  properties: z.object({
    endpointUrl: z
      .string()
      .max(4096)
      .refine((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), 'is no http(s) URL'),
    maxEventsPerBatch: z.int().min(1).max(EVENTS_PER_BATCH_MAX).default(1),
    preferredBatchSizeInKilobytes: z.int().min(1).max(BATCH_KILOBYTES_MAX).default(BATCH_KILOBYTES_DEFAULT),
  }),
});

const DeadLetterDestination = z.object({
  endpointType: z.literal('StorageBlob'),
  properties: z.object({
    /** Of the storage account; here there is only one. */
    resourceId: z.string().max(4096).default(''),
    blobContainerName: z.string().regex(/^[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]$/, 'is no container name'),
  }),
});

export const SubscriptionBody = z.object({
  properties: z.object({
    destination: WebHook,
    filter: EventFilter.default({}),
    eventDeliverySchema: z.enum(DELIVERY_SCHEMAS).optional(),
    deadLetterDestination: DeadLetterDestination.nullish(),
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

const Subscription = z.object({
  name: z.string(),
  ...SubscriptionBody.shape,
  /** The endpoint has not yet proved that it wants the events: whoever owns it may open the validation URL. */
  awaiting: z.object({ id: z.string(), untilMs: z.number() }).optional(),
});
export type Subscription = z.infer<typeof Subscription>;

export interface Subscriptions {
  list(): readonly Subscription[];
  find(name: string): Subscription | undefined;
  /** The names of those that want the event. */
  matching(event: AnyEvent): string[];
  /** `full` when there are too many already. */
  put(subscription: Subscription): Promise<'created' | 'replaced' | 'full'>;
  remove(name: string): Promise<boolean>;
}

/**
 * The subscriptions, kept in a file that is for its owner only: endpoints carry keys. Names compare in lower case. One
 * that this version cannot read is left out, and named to `onUnreadable`.
 */
export async function openSubscriptions(
  file: string,
  onUnreadable: (problem: string) => void,
): Promise<Subscriptions> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const stored = await readStored(file, onUnreadable);
  const byName = new Map(stored.map((subscription) => [subscription.name.toLowerCase(), subscription]));
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
        .filter(
          ([, { properties, awaiting }]) => awaiting === undefined && matchesFilter(event, properties.filter),
        )
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

async function readStored(file: string, onUnreadable: (problem: string) => void): Promise<Subscription[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  return z
    .array(z.unknown())
    .parse(JSON.parse(text))
    .flatMap((raw) => {
      const parsed = Subscription.safeParse(raw);
      if (parsed.success) return [parsed.data];
      const [issue] = parsed.error.issues;
      onUnreadable(`${issue?.path.join('.')}: ${issue?.message}`);
      return [];
    });
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
