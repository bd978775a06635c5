import { resolve } from 'node:path';
import { z } from 'zod';
import type { TopicInput } from './event-input.ts';
import { INPUT_SCHEMAS } from './event-schema.ts';
import { parseInputMapping } from './input-mapping.ts';

export interface BrokerSettings {
  readonly port: number;
  readonly dataDir: string;
  /** Publishes and administers. */
  readonly key: string;
  readonly input: TopicInput;
  /** Connection string of the account that dead letters go to. */
  readonly storage: string | undefined;
  /** Retry delays, times to live and the delay of dead letters pass this many times faster. */
  readonly timeScale: number;
  readonly deliveryTimeoutMs: number;
  readonly pendingEventsMax: number;
  readonly pendingBytesMax: number;
}

const PORT_DEFAULT = 6060;
// Event Grid waits this long for an endpoint's answer.
const DELIVERY_TIMEOUT_MS = 30_000;
const PENDING_EVENTS_MAX = 20_000;
const OTHER_TOPICS_MAX = 20;
const PENDING_BYTES_MAX = 64 * 1024 * 1024;

const Given = z.object({
  port: z.coerce.number().int().min(0).max(65_535).default(PORT_DEFAULT),
  data: z.string().min(1),
  key: z.string().min(16),
  topic: z.string().min(1).default('headend'),
  otherTopics: z
    .string()
    .default('')
    .transform((text) => text.split(',').filter((topic) => topic !== ''))
    .pipe(z.array(z.string().max(1024)).max(OTHER_TOPICS_MAX)),
  inputSchema: z.enum(INPUT_SCHEMAS).default('EventGridSchema'),
  inputMapping: z.string().min(1).optional(),
  storage: z.string().min(1).optional(),
  timeScale: z.coerce.number().min(1).max(1_000_000).default(1),
  pendingEventsMax: z.coerce.number().int().min(1).default(PENDING_EVENTS_MAX),
});

export interface BrokerFlags {
  readonly port?: string | undefined;
  readonly data?: string | undefined;
  readonly topic?: string | undefined;
  readonly 'input-schema'?: string | undefined;
  readonly 'input-mapping'?: string | undefined;
  readonly 'time-scale'?: string | undefined;
  readonly 'max-pending'?: string | undefined;
}

/** Flags win over the environment; the key is taken from the environment only. Throws with all that is wrong. */
export function readBrokerSettings(
  flags: BrokerFlags,
  variables: Readonly<Record<string, string | undefined>>,
): BrokerSettings {
  const given = Given.parse({
    port: flags.port ?? variables['HEADEND_BROKER_PORT'],
    data: flags.data ?? variables['HEADEND_BROKER_DATA'],
    key: variables['HEADEND_EVENTGRID_KEY'],
    topic: flags.topic ?? variables['HEADEND_EVENTGRID_TOPIC'],
    otherTopics: variables['HEADEND_BROKER_OTHER_TOPICS'],
    inputSchema: flags['input-schema'] ?? variables['HEADEND_BROKER_INPUT_SCHEMA'],
    inputMapping: flags['input-mapping'] ?? variables['HEADEND_BROKER_INPUT_MAPPING'],
    storage: variables['HEADEND_STORAGE'],
    timeScale: flags['time-scale'] ?? variables['HEADEND_BROKER_TIME_SCALE'],
    pendingEventsMax: flags['max-pending'],
  });
  return {
    port: given.port,
    dataDir: resolve(given.data),
    key: given.key,
    input: {
      topic: given.topic,
      otherTopics: given.otherTopics,
      schema: given.inputSchema,
      mapping: parseInputMapping(given.inputMapping),
    },
    storage: given.storage,
    timeScale: given.timeScale,
    deliveryTimeoutMs: DELIVERY_TIMEOUT_MS,
    pendingEventsMax: given.pendingEventsMax,
    pendingBytesMax: PENDING_BYTES_MAX,
  };
}
