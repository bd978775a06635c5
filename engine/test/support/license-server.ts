import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** A license server that keeps what it was asked, and does as it is told. */
export interface LicenseServer {
  readonly base: string;
  readonly asked: { url: string; headers: IncomingMessage['headers']; body: string }[];
  mode: keyof typeof ANSWERS;
  close(): Promise<void>;
}

const HUGE_BYTES = 600_000;

const ANSWERS = {
  license: (response: ServerResponse) => response.writeHead(200).end('a license'),
  fault: (response: ServerResponse) => response.writeHead(500).end('a fault'),
  redirect: (response: ServerResponse) => response.writeHead(302, { location: '/elsewhere' }).end(),
  huge: (response: ServerResponse) => response.writeHead(200).end('x'.repeat(HUGE_BYTES)),
  reset: (response: ServerResponse) => response.destroy(),
};

export async function startLicenseServer(): Promise<LicenseServer> {
  const asked: LicenseServer['asked'] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { url = '', headers } = request;
      asked.push({ url, headers, body: Buffer.concat(chunks).toString() });
      ANSWERS[state.mode](response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const state: LicenseServer = {
    base: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    asked,
    mode: 'license',
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return state;
}
