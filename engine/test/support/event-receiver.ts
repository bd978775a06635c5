import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedEvent {
  readonly id: string;
  readonly eventType: string;
  readonly subject: string;
  readonly eventTime: string;
  readonly dataVersion: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventReceiver {
  readonly endpoint: string;
  readonly port: number;
  /** In order of arrival, repeated deliveries included. */
  readonly events: ReceivedEvent[];
  /** What was wrong with a request, by the publish API's rules; empty unless the sender is broken. */
  readonly faults: string[];
  close(): Promise<void>;
}

/** A batch that holds an event with this subject is refused whole, as Event Grid does with one it cannot take. */
export const POISON = 'poison';

/** The publish API of an Event Grid custom topic: `POST /api/events?api-version=2018-01-01` with `aeg-sas-key`. */
export async function startEventReceiver(key: string, wantedPort = 0): Promise<EventReceiver> {
  const events: ReceivedEvent[] = [];
  const faults: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const fault = faultOf(request, key);
    const batch: unknown =
      fault === undefined ? JSON.parse(Buffer.concat(chunks).toString('utf8')) : undefined;
    if (Array.isArray(batch) && batch.some((event) => event.subject === POISON)) {
      response.writeHead(400).end();
      return;
    }
    if (Array.isArray(batch) && batch.length > 0) {
      if (batch.some((event) => 'topic' in event)) faults.push('a publisher must not set the topic');
      events.push(...batch);
      response.writeHead(200).end();
      return;
    }
    faults.push(fault ?? 'no array of events');
    response.writeHead(400).end();
  });
  await new Promise<void>((resolve) => server.listen(wantedPort, '127.0.0.1', resolve));
  // A server that listens on a TCP port has an address of this shape.
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}/api/events`,
    port,
    events,
    faults,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function faultOf(request: IncomingMessage, key: string): string | undefined {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  if (request.method !== 'POST' || url.pathname !== '/api/events') return 'wrong address';
  if (url.searchParams.get('api-version') !== '2018-01-01') return 'wrong api-version';
  return request.headers['aeg-sas-key'] === key ? undefined : 'wrong key';
}
