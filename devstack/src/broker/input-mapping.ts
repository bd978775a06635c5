import { z } from 'zod';
import { type GridEvent, PublishedGridEvent } from './event-schema.ts';

export interface InputMapping {
  /** The event, or what is wrong with it. Its `data` is what was published, whole. */
  apply(
    raw: unknown,
    given: { readonly topic: string; readonly id: string; readonly time: Date },
  ): GridEvent | string;
}

const SOURCE_CHARACTERS_MAX = 512;
const source = z.string().min(1).max(SOURCE_CHARACTERS_MAX).nullish();
const Field = z.object({ sourceField: source }).nullish();
const FieldWithDefault = z.object({ sourceField: source, defaultValue: z.string().nullish() }).nullish();

/** `Microsoft.EventGrid/topics`, `properties.inputSchemaMapping`. */
const InputSchemaMapping = z.object({
  inputSchemaMappingType: z.literal('Json'),
  properties: z.object({
    id: Field,
    topic: Field,
    eventTime: Field,
    eventType: FieldWithDefault,
    subject: FieldWithDefault,
    dataVersion: FieldWithDefault,
  }),
});

/** Reads a topic's mapping of a custom schema; throws when it is none. Without one, the names are Event Grid's own. */
export function parseInputMapping(text: string | undefined): InputMapping {
  const { properties } = text === undefined ? { properties: {} } : InputSchemaMapping.parse(JSON.parse(text));
  const fields: z.infer<typeof InputSchemaMapping>['properties'] = properties;
  return {
    apply(raw, given) {
      if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return 'is not an object';
      const read = (field: z.infer<typeof FieldWithDefault>, own: string) =>
        textAt(raw, field?.sourceField ?? own) ?? field?.defaultValue ?? undefined;
      const event = PublishedGridEvent.safeParse({
        id: read(fields.id, 'id') ?? given.id,
        subject: read(fields.subject, 'subject'),
        eventType: read(fields.eventType, 'eventType'),
        eventTime: read(fields.eventTime, 'eventTime') ?? given.time.toISOString(),
        dataVersion: read(fields.dataVersion, 'dataVersion'),
      });
      if (!event.success) {
        const [issue] = event.error.issues;
        return `${issue?.path.join('.')}: ${issue?.message}`;
      }
      const { id, subject, eventType, eventTime, dataVersion } = event.data;
      const topic = (fields.topic && textAt(raw, fields.topic.sourceField ?? 'topic')) ?? given.topic;
      const stamped = { id, topic, subject, eventType, eventTime, dataVersion: dataVersion ?? '' };
      return { ...stamped, metadataVersion: '1', data: raw };
    },
  };
}

function textAt(value: object, path: string): string | undefined {
  let found: unknown = value;
  for (const part of path.split('.')) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = Object.entries(found).find(([name]) => name.toLowerCase() === part.toLowerCase())?.[1];
  }
  if (typeof found === 'string') return found;
  return typeof found === 'number' || typeof found === 'boolean' ? String(found) : undefined;
}
