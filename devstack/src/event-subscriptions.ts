import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

export interface SubscriptionTargets {
  /** `http://127.0.0.1:6060` */
  readonly broker: string;
  readonly eventGridKey: string;
  /** `http://127.0.0.1:7071` */
  readonly functions: string;
  readonly systemKey: string;
}

/** What the Azure templates read too. */
const FILE = new URL('../../infra/event-subscriptions.json', import.meta.url);
const SUBSCRIPTIONS_MAX = 100;
const ATTEMPTS_MAX = 20;
const RETRY_MS = 500;
const CALL_WITHIN_MS = 15_000;

const EventSubscriptions = z
  .array(
    z.object({
      name: z.string().min(3).max(64),
      functionName: z.string().min(1),
      includedEventTypes: z.array(z.string()).min(1),
      advancedFilters: z.array(z.unknown()).optional(),
    }),
  )
  .max(SUBSCRIPTIONS_MAX);

/** Subscribes the app's functions at the broker; the same again changes nothing. Needs the host: the broker validates. */
export async function subscribeFunctions(targets: SubscriptionTargets): Promise<void> {
  const subscriptions = EventSubscriptions.parse(JSON.parse(await readFile(FILE, 'utf8')));
  await Promise.all(subscriptions.map((subscription) => put(subscription, targets)));
}

async function put(
  subscription: z.infer<typeof EventSubscriptions>[number],
  targets: SubscriptionTargets,
): Promise<void> {
  const webhook = new URL('/runtime/webhooks/eventgrid', targets.functions);
  webhook.searchParams.set('functionName', subscription.functionName);
  webhook.searchParams.set('code', targets.systemKey);
  const { name, includedEventTypes, advancedFilters } = subscription;
  const body = JSON.stringify({
    properties: {
      destination: { endpointType: 'WebHook', properties: { endpointUrl: webhook.href } },
      filter: { includedEventTypes, ...(advancedFilters === undefined ? {} : { advancedFilters }) },
    },
  });
  let problem = '';
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    const response = await fetch(`${targets.broker}/eventSubscriptions/${encodeURIComponent(name)}`, {
      method: 'PUT',
      headers: { 'aeg-sas-key': targets.eventGridKey, 'content-type': 'application/json' },
      body,
      signal: AbortSignal.timeout(CALL_WITHIN_MS),
    });
    if (response.ok) return;
    problem = `${response.status} ${(await response.text()).slice(0, 300)}`;
    await delay(RETRY_MS);
  }
  throw new Error(`the event subscription "${name}" was refused: ${problem}`);
}
