import { z } from 'zod';
import type { InvocationResponse } from './worker-protocol.ts';

export interface WebhookRequest {
  readonly method: string;
  readonly functionName: string;
  readonly eventType: string | undefined;
  readonly requestOrigin: string | undefined;
  readonly body: Uint8Array;
}

export interface WebhookAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface EventGridFunctions {
  /** What runs the function, once for these events; undefined when there is no such Event Grid function. */
  find(name: string): EventGridFunction | undefined;
}

export interface EventGridFunction {
  /** `cardinality: 'many'`: it gets all events of a delivery at once. */
  readonly takesMany: boolean;
  invoke(events: readonly object[]): Promise<InvocationResponse>;
}

const EVENTS_PER_DELIVERY_MAX = 5000;

const ValidationEvents = z.array(z.object({ data: z.looseObject({ validationCode: z.string() }) })).length(1);
const Events = z.union([
  z.array(z.record(z.string(), z.unknown())).max(EVENTS_PER_DELIVERY_MAX),
  z.record(z.string(), z.unknown()).transform((event) => [event]),
]);

/** The Event Grid extension's webhook: validation, and deliveries whose events run in parallel. */
export async function answerWebhook(
  request: WebhookRequest,
  functions: EventGridFunctions,
): Promise<WebhookAnswer> {
  const target = functions.find(request.functionName);
  if (target === undefined) return { status: 404, body: `cannot find function: '${request.functionName}'` };
  if (request.method === 'OPTIONS') {
    const headers = { 'webhook-allowed-origin': request.requestOrigin ?? 'eventgrid.azure.net' };
    return { status: 200, headers };
  }
  const payload = parseJson(request.body);
  switch (request.eventType?.toLowerCase()) {
    case 'subscriptionvalidation': {
      const events = ValidationEvents.safeParse(payload);
      const code = events.data?.[0]?.data.validationCode;
      if (code === undefined) return { status: 400 };
      const headers = { 'content-type': 'application/json; charset=utf-8' };
      return { status: 200, headers, body: JSON.stringify({ validationResponse: code }) };
    }
    case 'notification': {
      const events = Events.safeParse(payload);
      if (!events.success) return { status: 400 };
      const groups = target.takesMany ? [events.data] : events.data.map((event) => [event]);
      const results = await Promise.allSettled(groups.map((group) => target.invoke(group)));
      // One failure fails the delivery, and all of it comes again.
      const allRan = results.every(
        (result) => result.status === 'fulfilled' && result.value.result.status === 'success',
      );
      return { status: allRan ? 202 : 500 };
    }
    case 'unsubscribe':
      return { status: 202 };
    default:
      return { status: 400 };
  }
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
