import { randomUUID } from 'node:crypto';
import { QueueServiceClient } from '@azure/storage-queue';
import { z } from 'zod';
import { expandSettings, type HostSettings, type Variables } from './host-settings.ts';
import type { BindingInfo, RpcTypedData } from './worker-protocol.ts';

/** Brings what a function returned, or set with `context.extraOutputs`, to where its binding says. */
export interface Output {
  /** Resolves when it is there; a failure fails the invocation. */
  write(data: RpcTypedData): Promise<void>;
}

const MESSAGES_MAX = 1000;
const EVENT_GRID_API_VERSION = '2018-01-01';
const PUBLISH_WITHIN_MS = 30_000;

const QueueBinding = z.object({ queueName: z.string(), connection: z.string().optional() });
const BlobBinding = z.object({ path: z.string(), connection: z.string().optional() });
const EventGridBinding = z.union([
  z.object({ topicEndpointUri: z.string(), topicKeySetting: z.string() }),
  z.object({ connection: z.string() }),
]);

type OpenOutput = (binding: BindingInfo, settings: HostSettings) => Output;

const OUTPUTS: Readonly<Record<string, OpenOutput>> = {
  queue: openQueueOutput,
  eventgrid: openEventGridOutput,
  blob: openBlobOutput,
};

/** The output of a binding; undefined for a type that this host does not have. Throws when a setting is missing. */
export function openOutput(binding: BindingInfo, settings: HostSettings): Output | undefined {
  const type = binding.type.toLowerCase();
  const open = Object.hasOwn(OUTPUTS, type) ? OUTPUTS[type] : undefined;
  return open?.(binding, settings);
}

/** The connection string of an app setting; WebJobs looks for the prefixed name first. */
export function storageConnection(connection: string | undefined, env: Variables): string {
  const name = expandSettings(connection || 'AzureWebJobsStorage', env);
  const text = env[`AzureWebJobs${name}`] ?? env[name];
  if (text === undefined || text === '') throw new Error(`the app setting "${name}" is not set`);
  return text;
}

function openQueueOutput(binding: BindingInfo, { env, queues }: HostSettings): Output {
  const { queueName, connection } = QueueBinding.parse(binding);
  const service = QueueServiceClient.fromConnectionString(storageConnection(connection, env));
  const queue = service.getQueueClient(expandSettings(queueName, env));
  const encode = (text: string) => (queues.encoding === 'none' ? text : Buffer.from(text).toString('base64'));
  let made: Promise<unknown> | undefined;
  return {
    async write(data) {
      made ??= queue.createIfNotExists();
      await made.catch((error: unknown) => {
        made = undefined;
        throw error;
      });
      for (const text of messagesOf(data)) await queue.sendMessage(encode(text));
    },
  };
}

/** An array is as many messages as it has elements, as with the real binding. */
function messagesOf(data: RpcTypedData): string[] {
  if (data.json === undefined) return [textOf(data)];
  const parsed: unknown = JSON.parse(data.json);
  if (!Array.isArray(parsed)) return [data.json];
  if (parsed.length > MESSAGES_MAX) throw new Error(`${parsed.length} messages exceed ${MESSAGES_MAX}`);
  return parsed.map((element) => (typeof element === 'string' ? element : JSON.stringify(element)));
}

function openEventGridOutput(raw: BindingInfo, { env }: HostSettings): Output {
  const binding = EventGridBinding.parse(raw);
  const setting = (name: string) => {
    const value = env[name];
    if (value === undefined || value === '') throw new Error(`the app setting "${name}" is not set`);
    return value;
  };
  const [endpoint, key] =
    'connection' in binding
      ? [setting(`${binding.connection}__topicEndpointUri`), setting(`${binding.connection}__topicKey`)]
      : [setting(binding.topicEndpointUri), setting(binding.topicKeySetting)];
  const url = new URL(endpoint);
  url.searchParams.set('api-version', EVENT_GRID_API_VERSION);
  return {
    async write(data) {
      const parsed: unknown = JSON.parse(data.json ?? data.string ?? '');
      const events: readonly unknown[] = Array.isArray(parsed) ? parsed : [parsed];
      const isCloudEvent = events.some(
        (event) => typeof event === 'object' && event !== null && 'specversion' in event,
      );
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'aeg-sas-key': key,
          'content-type': isCloudEvent ? 'application/cloudevents-batch+json' : 'application/json',
        },
        body: JSON.stringify(events),
        signal: AbortSignal.timeout(PUBLISH_WITHIN_MS),
      });
      await response.arrayBuffer();
      if (!response.ok) throw new Error(`the Event Grid topic answered ${response.status}`);
    },
  };
}

function openBlobOutput(binding: BindingInfo, { env }: HostSettings): Output {
  const { path, connection } = BlobBinding.parse(binding);
  const text = storageConnection(connection, env);
  const template = expandSettings(path, env);
  return {
    async write(data) {
      const [container = '', ...rest] = expandPath(template).split('/');
      // Few apps have one, and the SDK costs every start 150 ms.
      const { BlobServiceClient } = await import('@azure/storage-blob');
      const client = BlobServiceClient.fromConnectionString(text).getContainerClient(container);
      await client.createIfNotExists();
      const bytes = data.bytes ?? Buffer.from(textOf(data));
      await client.getBlockBlobClient(rest.join('/')).uploadData(bytes);
    },
  };
}

/** `{rand-guid}` and `{DateTime}`, the two expressions that need nothing of the trigger. */
function expandPath(template: string): string {
  return template
    .replaceAll(/\{rand-guid\}/gi, () => randomUUID())
    .replaceAll(/\{datetime\}/gi, () =>
      new Date()
        .toISOString()
        .replace(/\.\d+Z$/, 'Z')
        .replaceAll(':', '-'),
    );
}

function textOf(data: RpcTypedData): string {
  if (data.bytes !== undefined) return Buffer.from(data.bytes).toString();
  return data.string ?? data.json ?? String(data.int ?? data.double ?? '');
}
