import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** `lostRequest`: storage never hears of it. `lostAnswer`: it takes effect and the caller does not know. */
export type Fate = 'pass' | 'lostRequest' | 'lostAnswer';

export interface BlobRelay {
  /** The connection string with the blob service behind the relay. */
  readonly connectionString: string;
  close(): Promise<void>;
}

/** A relay in front of a real blob service that loses requests or answers as it is told. */
export async function openBlobRelay(
  connectionString: string,
  fateOf: (method: string, url: string) => Fate,
): Promise<BlobRelay> {
  const { host, origin } = new URL(/BlobEndpoint=([^;]+)/.exec(connectionString)?.[1] ?? '');
  const server = createServer((incoming, response) => {
    const { method = '', url = '', headers } = incoming;
    const fate = fateOf(method, url);
    if (fate === 'lostRequest') {
      incoming.resume().once('end', () => response.destroy());
      return;
    }
    const outgoing = request(`http://${host}${url}`, { method, headers });
    outgoing.once('error', () => response.destroy());
    outgoing.once('response', (answer) => {
      if (fate === 'lostAnswer') {
        answer.resume().once('end', () => response.destroy());
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A server that listens on a TCP port has an address of this shape.
  const { port } = server.address() as AddressInfo;
  return {
    connectionString: connectionString.replace(
      `BlobEndpoint=${origin}`,
      `BlobEndpoint=http://127.0.0.1:${port}`,
    ),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
