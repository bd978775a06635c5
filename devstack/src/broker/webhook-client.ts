import { randomUUID } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { GridEvent } from './event-schema.ts';
import type { Subscription } from './subscriptions.ts';

export interface WebhookAnswer {
  /** Undefined when there was none: refused, reset, timed out. */
  readonly status: number | undefined;
  readonly outcome: string;
  readonly body: string;
}

export interface WebhookClient {
  deliver(subscription: Subscription, event: GridEvent, attempt: number): Promise<WebhookAnswer>;
  /** Whether the endpoint proves that it wants the events. */
  validate(subscription: Subscription, topic: string): Promise<WebhookAnswer & { readonly isValid: boolean }>;
  close(): void;
}

const ANSWER_BYTES_MAX = 64 * 1024;
const SOCKETS_PER_ENDPOINT_MAX = 64;

/** Posts events to endpoints over connections that are kept open. Never rejects. */
export function openWebhookClient(timeoutMs: number): WebhookClient {
  const agentOptions = { keepAlive: true, maxSockets: SOCKETS_PER_ENDPOINT_MAX };
  const agents = { http: new http.Agent(agentOptions), https: new https.Agent(agentOptions) };

  const post = (subscription: Subscription, event: GridEvent, eventType: string, attempt: number) =>
    new Promise<WebhookAnswer>((resolve) => {
      const url = new URL(subscription.properties.destination.properties.endpointUrl);
      const isTls = url.protocol === 'https:';
      const body = Buffer.from(JSON.stringify([event]));
      const request = (isTls ? https : http).request(url, {
        method: 'POST',
        agent: isTls ? agents.https : agents.http,
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          'content-type': 'application/json; charset=utf-8',
          'content-length': body.length,
          'aeg-event-type': eventType,
          'aeg-subscription-name': subscription.name.toUpperCase(),
          'aeg-delivery-count': String(attempt),
          'aeg-data-version': event.dataVersion,
          'aeg-metadata-version': event.metadataVersion,
        },
      });
      const failed = (error: Error & { code?: string }) =>
        resolve({
          status: undefined,
          outcome: error.name === 'AbortError' ? 'TimedOut' : (error.code ?? 'Failed'),
          body: '',
        });
      request.on('error', failed);
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
          if (length > ANSWER_BYTES_MAX) response.destroy(new Error('the answer is too long'));
          else chunks.push(chunk);
        });
        response.on('error', failed);
        response.on('end', () => {
          const status = response.statusCode ?? 0;
          resolve({ status, outcome: outcomeOf(status), body: Buffer.concat(chunks).toString() });
        });
      });
      request.end(body);
    });

  return {
    deliver: (subscription, event, attempt) => post(subscription, event, 'Notification', attempt),
    async validate(subscription, topic) {
      const validationCode = randomUUID().toUpperCase();
      const event: GridEvent = {
        id: randomUUID(),
        topic,
        subject: '',
        eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
        eventTime: new Date().toISOString(),
        dataVersion: '2',
        metadataVersion: '1',
        data: { validationCode },
      };
      const answer = await post(subscription, event, 'SubscriptionValidation', 0);
      return { ...answer, isValid: answer.status === 200 && echoes(answer.body, validationCode) };
    },
    close() {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

function echoes(body: string, validationCode: string): boolean {
  try {
    const parsed: unknown = JSON.parse(body);
    return (
      typeof parsed === 'object' &&
      parsed !== null &&
      'validationResponse' in parsed &&
      parsed.validationResponse === validationCode
    );
  } catch {
    return false;
  }
}

function outcomeOf(status: number): string {
  if (status >= 200 && status <= 204) return 'Delivered';
  return http.STATUS_CODES[status]?.replaceAll(' ', '') ?? String(status);
}
