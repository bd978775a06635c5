import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { PORT_NAMES, PORTS, type PortName, type Ports } from './flags.ts';

export type PortCheck =
  | { readonly kind: 'free'; readonly ports: Ports }
  | { readonly kind: 'taken'; readonly problems: readonly string[] };

const HOST = '127.0.0.1';
/** Below what systems give to outgoing connections, one of which would else take the port before it is listened on. */
const FREE_PORTS_FROM = 20_000;
/** Every process looks in a block of its own, so that two that look at the same time do not find the same. */
const FREE_PORTS_PER_BLOCK = 100;
const FREE_PORT_BLOCKS = 120;
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is taken by another program',
  EACCES: 'needs rights that this user does not have',
};

/**
 * Looks at every port before anything is started, and turns each 0 into a free one. All are held at once, so that no
 * two of the free ones are the same.
 */
export async function checkPorts(wanted: Ports): Promise<PortCheck> {
  const held = new Map<PortName, Server>();
  const problems: string[] = [];
  const ports: Record<PortName, number> = { ...wanted };
  // Fixed ones first: a free one picked before could be one of them.
  const order = [...PORT_NAMES].sort((a, b) => Number(wanted[a] === 0) - Number(wanted[b] === 0));
  try {
    for (const name of order) {
      const outcome = wanted[name] === 0 ? await listenOnFree() : await listen(wanted[name]);
      if (typeof outcome === 'string') {
        problems.push(portProblem(name, wanted[name], outcome));
        continue;
      }
      held.set(name, outcome.server);
      ports[name] = outcome.port;
    }
  } finally {
    await Promise.all([...held.values()].map(close));
  }
  return problems.length > 0 ? { kind: 'taken', problems } : { kind: 'free', ports };
}

/** One sentence with the way out. */
export function portProblem(name: PortName, port: number, code: string): string {
  const { flag, what } = PORTS[name];
  const reason = REASONS[code] ?? `cannot be used (${code})`;
  return `Port ${port} (${what}) ${reason}; choose another with --${flag} <n>.`;
}

/** A port that nobody listens on, for a program that has to be told one. */
export async function findFreePort(): Promise<number> {
  const outcome = await listenOnFree();
  if (typeof outcome === 'string') throw new Error(`no free port: ${outcome}`);
  await close(outcome.server);
  return outcome.port;
}

let looked = 0;

async function listenOnFree(): Promise<{ server: Server; port: number } | string> {
  const first = FREE_PORTS_FROM + (process.pid % FREE_PORT_BLOCKS) * FREE_PORTS_PER_BLOCK;
  for (let attempt = 0; attempt < FREE_PORTS_PER_BLOCK; attempt += 1) {
    const port = first + (looked % FREE_PORTS_PER_BLOCK);
    looked += 1;
    const outcome = await listen(port);
    if (typeof outcome !== 'string') return outcome;
  }
  return 'EADDRINUSE';
}

async function listen(port: number): Promise<{ server: Server; port: number } | string> {
  const server = createServer();
  server.listen({ host: HOST, port, exclusive: true });
  try {
    await once(server, 'listening');
  } catch (error) {
    return errorCode(error);
  }
  const address = server.address();
  return { server, port: typeof address === 'object' && address !== null ? address.port : port };
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}

function errorCode(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error) return String(error.code);
  return String(error);
}
