import { AzureKeyCredential, EventGridPublisherClient } from '@azure/eventgrid';
import type { SendEvents } from './outbox.ts';

const SEND_TIMEOUT_MS = 10_000;

/** Publishes to an Event Grid custom topic. `topic` is never set: a publisher may not (Event Grid refuses it). */
export function createEventGridSender(endpoint: string, key: string): SendEvents {
  const client = new EventGridPublisherClient(endpoint, 'EventGrid', new AzureKeyCredential(key), {
    // The laptop's broker is plain HTTP on loopback; a real topic's endpoint is https and stays so.
    allowInsecureConnection: endpoint.startsWith('http:'),
    // The outbox retries, with its own back-off.
    retryOptions: { maxRetries: 0 },
  });
  return async (batch) => {
    await client.send(
      batch.map((stored) => ({
        id: stored.id,
        eventType: stored.type,
        subject: stored.subject,
        eventTime: new Date(stored.eventTimeMs),
        data: stored.data,
        dataVersion: '1.0',
      })),
      { abortSignal: AbortSignal.timeout(SEND_TIMEOUT_MS) },
    );
  };
}
