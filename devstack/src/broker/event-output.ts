import type { AnyEvent, CloudEvent, DeliverySchema, GridEvent } from './event-schema.ts';

export interface DeliveryBody {
  readonly contentType: string;
  readonly text: string;
}

export interface DeadLetterProperties {
  readonly deadLetterReason: string;
  readonly deliveryAttempts: number;
  readonly lastDeliveryOutcome: string;
  readonly publishTime: string;
  readonly lastDeliveryAttemptTime: string;
}

/** The body of a delivery: an array, but for a CloudEvent that is alone and not part of a batched subscription. */
export function deliveryBody(
  events: readonly AnyEvent[],
  schema: DeliverySchema,
  isBatched: boolean,
): DeliveryBody {
  const shaped = events.map((event) => toSchema(event, schema));
  if (schema !== 'CloudEventSchemaV1_0') {
    return { contentType: 'application/json; charset=utf-8', text: JSON.stringify(shaped) };
  }
  const [only] = shaped;
  if (!isBatched && shaped.length === 1) {
    return { contentType: 'application/cloudevents+json; charset=utf-8', text: JSON.stringify(only) };
  }
  return { contentType: 'application/cloudevents-batch+json; charset=utf-8', text: JSON.stringify(shaped) };
}

/** The shape of Azure's dead-letter blobs: the event, and beside its own fields what became of it. */
export function deadLetterOf(
  event: AnyEvent,
  schema: DeliverySchema,
  properties: DeadLetterProperties,
): object {
  // A custom event is dead-lettered as the Event Grid event that it was mapped to.
  const shaped = toSchema(event, schema === 'CustomInputSchema' ? 'EventGridSchema' : schema);
  if (schema !== 'CloudEventSchemaV1_0') return { ...asObject(shaped), ...properties };
  const lowerCased = Object.entries(properties).map(([name, value]) => [name.toLowerCase(), value]);
  return { ...asObject(shaped), ...Object.fromEntries(lowerCased) };
}

function toSchema(event: AnyEvent, schema: DeliverySchema): unknown {
  if ('specversion' in event) return event;
  if (schema === 'CloudEventSchemaV1_0') return toCloudEvent(event);
  return schema === 'CustomInputSchema' ? event.data : event;
}

/** event-grid/cloud-event-schema: `dataschema` is the data version behind a "#". */
function toCloudEvent(event: GridEvent): CloudEvent {
  return {
    specversion: '1.0',
    id: event.id,
    source: event.topic,
    type: event.eventType,
    subject: event.subject,
    time: event.eventTime,
    dataschema: `#${event.dataVersion}`,
    datacontenttype: 'application/json',
    data: event.data,
  };
}

function asObject(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : { data: value };
}
