import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import type { Log } from '../log.ts';
import { type Answer, failure } from './answer.ts';
import type { BrokerSettings } from './broker-settings.ts';
import type { Delivery } from './delivery.ts';
import { DELIVERABLE } from './event-schema.ts';
import { type Subscription, SubscriptionBody, type Subscriptions } from './subscriptions.ts';
import type { WebhookClient } from './webhook-client.ts';

export interface SubscriptionResourceOptions {
  readonly settings: BrokerSettings;
  readonly subscriptions: Subscriptions;
  readonly delivery: Delivery;
  readonly webhooks: WebhookClient;
  readonly log: Log;
  readonly now: () => number;
}

/** Event Grid: "the validationUrl is valid for 10 minutes". */
const MANUAL_VALIDATION_MS = 10 * 60_000;

/** `PUT`: validates the endpoint, and stores the subscription when it wants the events or may yet be made to. */
export async function putSubscription(
  options: SubscriptionResourceOptions,
  name: string,
  body: unknown,
  /** `http://127.0.0.1:6060` as the caller named it. */
  base: string,
): Promise<Answer> {
  const { settings, subscriptions, webhooks, log, now } = options;
  const parsed = SubscriptionBody.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return failure(400, 'InvalidRequest', `${issue?.path.join('.')}: ${issue?.message}`);
  }
  const deliverable = DELIVERABLE[settings.input.schema];
  const wanted = parsed.data.properties.eventDeliverySchema;
  if (wanted !== undefined && !deliverable.includes(wanted)) {
    const message = `a topic of ${settings.input.schema} delivers ${deliverable.join(', ')}; not ${wanted}`;
    return failure(400, 'InvalidRequest', message);
  }
  const id = randomUUID();
  const given: Subscription = { name, ...parsed.data };
  const validationUrl = `${base}/eventSubscriptions/${name}/validate?id=${id}`;
  const validation = await webhooks.validate(given, settings.input.topic, validationUrl);
  if (validation.kind === 'refused') {
    log.warn('subscription.notValidated', { subscription: name, outcome: validation.outcome });
    const message = `the endpoint ${validation.why} to the SubscriptionValidationEvent`;
    return failure(400, 'Url validation', message);
  }
  const untilMs = now() + MANUAL_VALIDATION_MS / settings.timeScale;
  const subscription =
    validation.kind === 'valid' ? given : { ...given, awaiting: { id: digest(id), untilMs } };
  const result = await subscriptions.put(subscription);
  if (result === 'full') return failure(400, 'QuotaExceeded', 'too many subscriptions');
  return { status: result === 'created' ? 201 : 200, body: describe(subscription, settings, now()) };
}

/** `GET …/validate?id=…`, without a key: the id is one, and only the endpoint was told it. */
export async function validateByHand(
  { subscriptions, log, now }: SubscriptionResourceOptions,
  name: string,
  id: string,
): Promise<Answer> {
  const subscription = subscriptions.find(name);
  const awaiting = subscription?.awaiting;
  const isKnown = awaiting !== undefined && equalDigests(awaiting.id, digest(id));
  if (subscription === undefined || !isKnown || awaiting.untilMs < now()) {
    return failure(404, 'NotFound', 'this validation URL is not valid, or not any more');
  }
  const { awaiting: _, ...validated } = subscription;
  await subscriptions.put(validated);
  log.info('subscription.validatedByHand', { subscription: name });
  return { status: 200, body: { message: `the endpoint of "${name}" is validated` } };
}

export async function removeSubscription(
  { settings, subscriptions, delivery, webhooks }: SubscriptionResourceOptions,
  subscription: Subscription,
): Promise<Answer> {
  await subscriptions.remove(subscription.name);
  delivery.forget(subscription.name);
  // Not waited for: an endpoint that is gone is often why somebody deletes a subscription.
  void webhooks.unsubscribe(subscription, settings.input.topic);
  return { status: 200 };
}

/** Without the endpoint's query: keys are in it, and Azure does not show them either. */
export function describe(
  { name, properties, awaiting }: Subscription,
  settings: BrokerSettings,
  nowMs: number,
): object {
  const { endpointUrl, ...destination } = properties.destination.properties;
  const state = awaiting === undefined ? 'Succeeded' : 'AwaitingManualAction';
  return {
    name,
    properties: {
      ...properties,
      eventDeliverySchema: properties.eventDeliverySchema ?? DELIVERABLE[settings.input.schema][0],
      provisioningState: awaiting !== undefined && awaiting.untilMs < nowMs ? 'Failed' : state,
      destination: {
        endpointType: 'WebHook',
        properties: { ...destination, endpointBaseUrl: endpointUrl.replace(/\?.*$/s, '') },
      },
    },
  };
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function equalDigests(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
