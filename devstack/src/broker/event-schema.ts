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

export type PublishResult =
  | { readonly kind: 'events'; readonly events: readonly GridEvent[] }
  | { readonly kind: 'refused'; readonly status: 400 | 413; readonly code: string; readonly message: string };

/** Event Grid's limits: 1 MB for an event, 1.5 MB for a request. */
export const PUBLISH_BYTES_MAX = 1_536_000;
const EVENT_BYTES_MAX = 1_049_600;
const EVENTS_PER_PUBLISH_MAX = 5000;

const PublishedEvent = z.object({
  id: z.string().min(1).max(1024),
  subject: z.string().min(1).max(4096),
  eventType: z.string().min(1).max(1024),
  eventTime: z.string().refine((text) => !Number.isNaN(Date.parse(text)), 'is not a time'),
  dataVersion: z.string().optional(),
  metadataVersion: z.literal('1').optional(),
  topic: z.string().optional(),
  data: z.unknown().optional(),
});

/** The events of a publish request, stamped with the topic; what the schema does not allow is refused. */
export function parsePublished(body: string, topic: string): PublishResult {
  const refused = (message: string, status: 400 | 413 = 400): PublishResult => ({
    kind: 'refused',
    status,
    code: status === 413 ? 'PayloadTooLarge' : 'BadRequest',
    message,
  });
  const parsed = parseJson(body);
  if (!Array.isArray(parsed)) return refused('the body is not a JSON array of events');
  if (parsed.length > EVENTS_PER_PUBLISH_MAX) {
    return refused(`${parsed.length} events exceed ${EVENTS_PER_PUBLISH_MAX}`, 413);
  }
  const events: GridEvent[] = [];
  for (const [index, raw] of parsed.entries()) {
    const event = PublishedEvent.safeParse(raw);
    if (!event.success) {
      const [issue] = event.error.issues;
      return refused(`event ${index}: ${issue?.path.join('.')}: ${issue?.message}`);
    }
    const { topic: given, dataVersion, metadataVersion: _, data, ...rest } = event.data;
    // A custom topic's publisher cannot choose the topic.
    if (given !== undefined && given !== '' && given !== topic)
      return refused(`event ${index}: topic is set`);
    const stamped = { ...rest, topic, dataVersion: dataVersion ?? '', metadataVersion: '1' as const, data };
    const size = Buffer.byteLength(JSON.stringify(stamped));
    if (size > EVENT_BYTES_MAX)
      return refused(`event ${index}: ${size} bytes exceed ${EVENT_BYTES_MAX}`, 413);
    events.push(stamped);
  }
  return { kind: 'events', events };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
