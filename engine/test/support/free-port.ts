import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below what systems give to outgoing connections, one of which would else take the port before it is listened on. */
const PORTS_FROM = 20_000;
/** Every process looks in a block of its own, so that two that look at the same time do not find the same. */
const PORTS_PER_BLOCK = 100;
const BLOCKS = 120;

let looked = 0;

/** A port of loopback that nobody listens on, for a program that has to be told one. */
export async function freePort(): Promise<number> {
  const first = PORTS_FROM + (process.pid % BLOCKS) * PORTS_PER_BLOCK;
  for (let attempt = 0; attempt < PORTS_PER_BLOCK; attempt += 1) {
    const port = first + (looked % PORTS_PER_BLOCK);
    looked += 1;
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port from ${first} on`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen({ host: '127.0.0.1', port, exclusive: true });
  const outcome = await once(server, 'listening').then(
    () => true,
    () => false,
  );
  if (outcome) await new Promise((resolve) => server.close(resolve));
  return outcome;
}
