import { z } from 'zod';

/** An event of the Event Grid schema, as it is delivered. */
export interface GridEvent {
  readonly id: string;
  readonly topic: string;
  readonly subject: string;
  readonly eventType: string;
  readonly eventTime: string;
  readonly dataVersion: string;
  readonly metadataVersion: '1';
  readonly data?: unknown;
}

/** CloudEvents 1.0, JSON format; whatever else it carries is an extension attribute. */
export interface CloudEvent {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject?: string | undefined;
  readonly time?: string | undefined;
  readonly datacontenttype?: string | undefined;
  readonly dataschema?: string | undefined;
  readonly data?: unknown;
  readonly data_base64?: string | undefined;
  readonly [extension: string]: unknown;
}

export type AnyEvent = GridEvent | CloudEvent;

/** What a topic accepts: `Microsoft.EventGrid/topics`, `properties.inputSchema`. */
export const INPUT_SCHEMAS = ['EventGridSchema', 'CloudEventSchemaV1_0', 'CustomEventSchema'] as const;
export type InputSchema = (typeof INPUT_SCHEMAS)[number];

/** What a subscription gets: `properties.eventDeliverySchema`. */
export const DELIVERY_SCHEMAS = ['EventGridSchema', 'CloudEventSchemaV1_0', 'CustomInputSchema'] as const;
export type DeliverySchema = (typeof DELIVERY_SCHEMAS)[number];

/** learn.microsoft.com, event-grid/input-mappings: what each input can be delivered as, the default first. */
export const DELIVERABLE: Readonly<Record<InputSchema, readonly DeliverySchema[]>> = {
  EventGridSchema: ['EventGridSchema', 'CloudEventSchemaV1_0'],
  CloudEventSchemaV1_0: ['CloudEventSchemaV1_0'],
  CustomEventSchema: ['EventGridSchema', 'CloudEventSchemaV1_0', 'CustomInputSchema'],
};

/** Event Grid's limits: 1 MB for an event, 1.5 MB for a request. */
export const PUBLISH_BYTES_MAX = 1_536_000;
export const EVENT_BYTES_MAX = 1_049_600;
export const EVENTS_PER_PUBLISH_MAX = 5000;

const IDENTIFIER_CHARACTERS_MAX = 1024;
const SUBJECT_CHARACTERS_MAX = 4096;

const time = z.string().refine((text) => !Number.isNaN(Date.parse(text)), 'is not a time');
const identifier = z.string().min(1).max(IDENTIFIER_CHARACTERS_MAX);

/** What a publisher sends in the Event Grid schema. */
export const PublishedGridEvent = z.object({
  id: identifier,
  subject: z.string().min(1).max(SUBJECT_CHARACTERS_MAX),
  eventType: identifier,
  eventTime: time,
  dataVersion: z.string().optional(),
  metadataVersion: z.literal('1').optional(),
  topic: z.string().optional(),
  data: z.unknown().optional(),
});

const ATTRIBUTES = [
  'specversion',
  'id',
  'source',
  'type',
  'subject',
  'time',
  'datacontenttype',
  'dataschema',
  'data',
  'data_base64',
];
// CloudEvents 1.0 §3.1: attribute names are lower-case ASCII letters and digits.
const EXTENSION_NAME = /^[a-z0-9]{1,40}$/;

const optional = <T extends z.ZodType>(type: T) =>
  type.nullish().transform((value): z.output<T> | undefined => value ?? undefined);

/** What a publisher sends as a CloudEvent, and what is kept of it; absent and null are the same (JSON format §2.1). */
export const PublishedCloudEvent = z
  .looseObject({
    specversion: z.literal('1.0'),
    id: identifier,
    source: identifier,
    type: identifier,
    subject: optional(z.string().max(SUBJECT_CHARACTERS_MAX)),
    time: optional(time),
    datacontenttype: optional(z.string().max(256)),
    dataschema: optional(z.string().max(IDENTIFIER_CHARACTERS_MAX)),
    data: z.unknown().optional(),
    data_base64: optional(z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/)),
  })
  .refine((event) => event.data_base64 === undefined || event.data === undefined, 'has data and data_base64')
  .superRefine((event, context) => {
    for (const name of Object.keys(event)) {
      if (ATTRIBUTES.includes(name) || EXTENSION_NAME.test(name)) continue;
      context.addIssue({ code: 'custom', message: `"${name.slice(0, 50)}" is not an attribute name` });
    }
  });

/** An event as the journal keeps it. */
export const StoredEvent = z.union([
  PublishedCloudEvent,
  z.object({
    id: z.string(),
    topic: z.string(),
    subject: z.string(),
    eventType: z.string(),
    eventTime: z.string(),
    dataVersion: z.string(),
    metadataVersion: z.literal('1'),
    data: z.unknown().optional(),
  }),
]);
