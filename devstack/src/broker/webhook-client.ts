import { randomUUID } from 'node:crypto';
import { deliveryBody } from './event-output.ts';
import type { AnyEvent, DeliverySchema, GridEvent } from './event-schema.ts';
import type { Subscription } from './subscriptions.ts';
import { openWebhookCaller, type WebhookAnswer, type WebhookCall } from './webhook-call.ts';

export interface WebhookClient {
  /** One request with all of the events. */
  deliver(subscription: Subscription, events: readonly AnyEvent[], attempt: number): Promise<WebhookAnswer>;
  /** Asks the endpoint to prove that it wants the events; `validationUrl` is for a person who can open it later. */
  validate(subscription: Subscription, topic: string, validationUrl: string): Promise<Validation>;
  /** Tells the endpoint that the subscription is gone; whatever it answers. */
  unsubscribe(subscription: Subscription, topic: string): Promise<void>;
  close(): void;
}

export type Validation =
  | { readonly kind: 'valid' }
  /** It took the request and proved nothing: whoever owns it may still open the URL. */
  | { readonly kind: 'awaitingManualAction' }
  | { readonly kind: 'refused'; readonly outcome: string; readonly why: string };

/** Who asks, in the handshake of CloudEvents' HTTP 1.1 Web Hooks §4.1. */
const REQUEST_ORIGIN = 'eventgrid.azure.net';

/** Posts events to endpoints over connections that are kept open. Never rejects. */
export function openWebhookClient(timeoutMs: number, inputDelivery: DeliverySchema): WebhookClient {
  const caller = openWebhookCaller(timeoutMs);
  const schemaOf = ({ properties }: Subscription) => properties.eventDeliverySchema ?? inputDelivery;

  const call = (subscription: Subscription, post: WebhookCall) =>
    caller.call(subscription.properties.destination.properties.endpointUrl, post);

  /** The broker's own events are in the Event Grid schema, whatever the topic's is. */
  const postSystemEvent = (subscription: Subscription, event: GridEvent, eventType: string) =>
    call(subscription, {
      method: 'POST',
      headers: {
        'content-type': 'application/json; charset=utf-8',
        ...gridHeaders(subscription, eventType, 0),
        ...versionHeaders(event),
      },
      body: JSON.stringify([event]),
    });

  return {
    deliver(subscription, events, attempt) {
      const schema = schemaOf(subscription);
      const isBatched = subscription.properties.destination.properties.maxEventsPerBatch > 1;
      const { contentType, text } = deliveryBody(events, schema, isBatched);
      const [first] = events;
      const headers = {
        'content-type': contentType,
        ...gridHeaders(subscription, 'Notification', attempt),
        ...(first === undefined || schema === 'CloudEventSchemaV1_0' ? {} : versionHeaders(first)),
      };
      return call(subscription, { method: 'POST', headers, body: text });
    },
    async validate(subscription, topic, validationUrl) {
      if (schemaOf(subscription) === 'CloudEventSchemaV1_0') {
        return validateByOptions(await call(subscription, optionsRequest(validationUrl)));
      }
      const validationCode = randomUUID().toUpperCase();
      const event = systemEvent(topic, 'SubscriptionValidationEvent', { validationCode, validationUrl });
      const answer = await postSystemEvent(subscription, event, 'SubscriptionValidation');
      return validateByCode(answer, validationCode);
    },
    async unsubscribe(subscription, topic) {
      const eventSubscriptionId = `${topic}/providers/Microsoft.EventGrid/eventSubscriptions/${subscription.name}`;
      const event = systemEvent(topic, 'SubscriptionDeletedEvent', { eventSubscriptionId });
      await postSystemEvent(subscription, event, 'Unsubscribe');
    },
    close: () => caller.close(),
  };
}

function gridHeaders(
  subscription: Subscription,
  eventType: string,
  attempt: number,
): Readonly<Record<string, string>> {
  return {
    'aeg-event-type': eventType,
    'aeg-subscription-name': subscription.name.toUpperCase(),
    'aeg-delivery-count': String(attempt),
  };
}

function versionHeaders(event: AnyEvent): Readonly<Record<string, string>> {
  if ('specversion' in event) return {};
  return { 'aeg-data-version': event.dataVersion, 'aeg-metadata-version': event.metadataVersion };
}

function optionsRequest(validationUrl: string): WebhookCall {
  const headers = {
    'webhook-request-origin': REQUEST_ORIGIN,
    'webhook-request-callback': validationUrl,
  };
  return { method: 'OPTIONS', headers, body: '' };
}

function validateByOptions(answer: WebhookAnswer): Validation {
  if (answer.status === undefined || answer.status >= 300) return refused(answer);
  const allowed = String(answer.headers['webhook-allowed-origin'] ?? '');
  if (allowed === '') return { kind: 'awaitingManualAction' };
  const origins = allowed.split(',').map((origin) => origin.trim().toLowerCase());
  if (origins.includes('*') || origins.includes(REQUEST_ORIGIN)) return { kind: 'valid' };
  return { kind: 'refused', outcome: answer.outcome, why: 'does not allow this origin' };
}

function validateByCode(answer: WebhookAnswer, validationCode: string): Validation {
  if (answer.status === undefined || answer.status < 200 || answer.status > 204) return refused(answer);
  const response = readResponse(answer.body);
  if (response === undefined) return { kind: 'awaitingManualAction' };
  if (response === validationCode) return { kind: 'valid' };
  return { kind: 'refused', outcome: answer.outcome, why: 'did not echo the validation code' };
}

function refused({ outcome }: WebhookAnswer): Validation {
  return { kind: 'refused', outcome, why: `answered ${outcome}` };
}

function systemEvent(topic: string, name: string, data: object): GridEvent {
  return {
    id: randomUUID(),
    topic,
    subject: '',
    eventType: `Microsoft.EventGrid.${name}`,
    eventTime: new Date().toISOString(),
    dataVersion: '2',
    metadataVersion: '1',
    data,
  };
}

function readResponse(body: string): unknown {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== 'object' || parsed === null) return undefined;
    return Object.entries(parsed).find(([name]) => name.toLowerCase() === 'validationresponse')?.[1];
  } catch {
    return undefined;
  }
}
