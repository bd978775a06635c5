import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface StorageGate {
  /** The connection string with the table service behind the gate. */
  readonly connectionString: string;
  /** From now on requests whose body contains `text` wait at the gate. */
  hold(text: string): void;
  /** Resolves when a request waits. */
  waiting(): Promise<void>;
  /** Lets those that wait through, or drops them as a lost connection does, and holds no more. */
  open(fate: 'pass' | 'drop'): void;
  close(): Promise<void>;
}

/** A relay in front of a real table service that can stop a transaction on its way. */
export async function openStorageGate(connectionString: string): Promise<StorageGate> {
  const target = /TableEndpoint=([^;]+)/.exec(connectionString)?.[1] ?? '';
  const { host, origin } = new URL(target);
  let heldText: string | undefined;
  let held: { settle: (fate: 'pass' | 'drop') => void }[] = [];
  let onWaiting: (() => void)[] = [];

  const relay = (incoming: IncomingMessage, body: Buffer, response: ServerResponse): void => {
    const outgoing = request(`http://${host}${incoming.url}`, {
      method: incoming.method,
      headers: incoming.headers,
    });
    outgoing.once('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.once('error', () => response.destroy());
    outgoing.end(body);
  };

  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(Buffer.from(chunk));
    const body = Buffer.concat(chunks);
    if (heldText !== undefined && body.includes(heldText)) {
      const fate = await new Promise<'pass' | 'drop'>((settle) => {
        held.push({ settle });
        for (const notify of onWaiting.splice(0)) notify();
      });
      if (fate === 'drop') {
        response.destroy();
        return;
      }
    }
    relay(incoming, body, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A server that listens on a TCP port has an address of this shape.
  const { port } = server.address() as AddressInfo;
  const open = (fate: 'pass' | 'drop'): void => {
    heldText = undefined;
    for (const { settle } of held.splice(0)) settle(fate);
  };
  return {
    connectionString: connectionString.replace(
      `TableEndpoint=${origin}`,
      `TableEndpoint=http://127.0.0.1:${port}`,
    ),
    hold(text) {
      heldText = text;
    },
    waiting: () =>
      held.length > 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            onWaiting = [...onWaiting, resolve];
          }),
    open,
    close: () =>
      new Promise((resolve) => {
        open('drop');
        held = [];
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
