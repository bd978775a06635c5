import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import {
  type AnyEvent,
  EVENT_BYTES_MAX,
  EVENTS_PER_PUBLISH_MAX,
  type GridEvent,
  type InputSchema,
  PublishedCloudEvent,
  PublishedGridEvent,
} from './event-schema.ts';
import type { InputMapping } from './input-mapping.ts';

/** What a topic accepts, and what it stamps on it. */
export interface TopicInput {
  readonly topic: string;
  /** What else an event may say that it is of: the laptop's other sources of events. */
  readonly otherTopics: readonly string[];
  readonly schema: InputSchema;
  readonly mapping: InputMapping;
}

export type PublishResult =
  | { readonly kind: 'events'; readonly events: readonly AnyEvent[] }
  | {
      readonly kind: 'refused';
      readonly status: 400 | 413 | 415;
      readonly code: string;
      readonly message: string;
    };

/** How the body of a publish request is read: decided by content type and the topic's schema. */
export type PublishFormat =
  | { readonly kind: 'json' }
  | { readonly kind: 'cloudEvent' }
  | { readonly kind: 'cloudEventBatch' }
  | { readonly kind: 'cloudEventBinary'; readonly attributes: Readonly<Record<string, string>> };

const HEADER_ATTRIBUTES_MAX = 64;

/** The format of the request, or undefined when the topic does not take it. */
export function publishFormat(headers: IncomingHttpHeaders, schema: InputSchema): PublishFormat | undefined {
  const [type = ''] = (headers['content-type'] ?? '').toLowerCase().split(';');
  if (schema !== 'CloudEventSchemaV1_0') {
    return type.trim() === 'application/json' ? { kind: 'json' } : undefined;
  }
  if (type.trim() === 'application/cloudevents+json') return { kind: 'cloudEvent' };
  if (type.trim() === 'application/cloudevents-batch+json') return { kind: 'cloudEventBatch' };
  if (headers['ce-specversion'] === undefined) return undefined;
  // CloudEvents HTTP binding §3.1: in binary mode the attributes are headers and the body is the data.
  const given = Object.entries(headers)
    .filter(([name, value]) => name.startsWith('ce-') && typeof value === 'string')
    .slice(0, HEADER_ATTRIBUTES_MAX)
    .map(([name, value]) => [name.slice(3), decodeHeader(String(value))]);
  const attributes: Record<string, string> = Object.fromEntries(given);
  return {
    kind: 'cloudEventBinary',
    attributes: { ...attributes, datacontenttype: headers['content-type'] ?? 'application/octet-stream' },
  };
}

/** The events of a publish request, stamped with the topic; what the schema does not allow is refused. */
export function parsePublished(body: Buffer, format: PublishFormat, input: TopicInput): PublishResult {
  if (format.kind === 'cloudEventBinary') return readAll([binaryEvent(body, format.attributes)], input);
  const parsed = parseJson(body.toString());
  if (format.kind === 'cloudEvent') return readAll([parsed], input);
  if (!Array.isArray(parsed)) return refused('the body is not a JSON array of events');
  return readAll(parsed, input);
}

function readAll(raw: readonly unknown[], input: TopicInput): PublishResult {
  if (raw.length > EVENTS_PER_PUBLISH_MAX) {
    return refused(`${raw.length} events exceed ${EVENTS_PER_PUBLISH_MAX}`, 413);
  }
  const events: AnyEvent[] = [];
  for (const [index, value] of raw.entries()) {
    const read = readOne(value, input);
    if (typeof read === 'string') return refused(`event ${index}: ${read}`);
    const size = Buffer.byteLength(JSON.stringify(read));
    if (size > EVENT_BYTES_MAX)
      return refused(`event ${index}: ${size} bytes exceed ${EVENT_BYTES_MAX}`, 413);
    events.push(read);
  }
  return { kind: 'events', events };
}

/** The event, or what is wrong with it. */
function readOne(raw: unknown, { schema, mapping, topic, otherTopics }: TopicInput): AnyEvent | string {
  switch (schema) {
    case 'CloudEventSchemaV1_0': {
      const event = PublishedCloudEvent.safeParse(raw);
      return event.success ? event.data : problemOf(event.error);
    }
    case 'CustomEventSchema':
      return mapping.apply(raw, { topic, id: randomUUID(), time: new Date() });
    case 'EventGridSchema':
      return readGridEvent(raw, topic, otherTopics);
    default:
      return schema satisfies never;
  }
}

function readGridEvent(raw: unknown, topic: string, otherTopics: readonly string[]): GridEvent | string {
  const event = PublishedGridEvent.safeParse(raw);
  if (!event.success) return problemOf(event.error);
  const { topic: given, dataVersion, metadataVersion: _, data, ...rest } = event.data;
  if (given !== undefined && otherTopics.includes(given)) {
    return { ...rest, topic: given, dataVersion: dataVersion ?? '', metadataVersion: '1', data };
  }
  // A custom topic's publisher cannot choose the topic.
  if (given !== undefined && given !== '' && given !== topic) return 'topic is set';
  return { ...rest, topic, dataVersion: dataVersion ?? '', metadataVersion: '1', data };
}

function binaryEvent(body: Buffer, attributes: Readonly<Record<string, string>>): unknown {
  const type = attributes['datacontenttype'] ?? '';
  if (body.length === 0) return attributes;
  if (/^(application|text)\/([^;]*\+)?json\b/i.test(type)) {
    return { ...attributes, data: parseJson(body.toString()) };
  }
  if (/^text\//i.test(type)) return { ...attributes, data: body.toString() };
  return { ...attributes, data_base64: body.toString('base64') };
}

function problemOf(error: z.ZodError): string {
  const [issue] = error.issues;
  return `${issue?.path.join('.')}: ${issue?.message}`;
}

function refused(message: string, status: 400 | 413 = 400): PublishResult {
  return { kind: 'refused', status, code: status === 413 ? 'PayloadTooLarge' : 'BadRequest', message };
}

function decodeHeader(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
