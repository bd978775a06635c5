import { createRequire } from 'node:module';
import { readEnvironment } from './environment.ts';

const SERVICES = ['blob', 'queue', 'table'] as const;
const INTERRUPT_ATTEMPTS_MAX = 20;
const INTERRUPT_POLL_MS = 100;

/**
 * Runs one of Azurite's services in this process, with Azurite's own arguments after the service's name. Azurite
 * knows nothing of parents, so that is added here: when stdin closes it stops as it does on SIGTERM, saving its data.
 */
export function runAzurite(argv: readonly string[]): void {
  const service = SERVICES.find((name) => name === argv[0]);
  if (service === undefined) throw new Error(`"${argv[0]}" is none of ${SERVICES.join(', ')}`);
  process.once('SIGTERM', () => {
    // Azurite ends by having nothing left to do; the pipe must not be something to do.
    process.stdin.destroy();
    // Its table service knows SIGINT only, and none of them hears anything while it loads.
    if (process.listenerCount('SIGTERM') === 0) interrupt(INTERRUPT_ATTEMPTS_MAX);
  });
  if (readEnvironment().exitWithParent) {
    process.stdin.once('end', () => process.kill(process.pid, 'SIGTERM'));
    process.stdin.once('error', () => process.kill(process.pid, 'SIGTERM'));
    process.stdin.resume();
  }
  const main = createRequire(import.meta.url).resolve(`azurite/dist/src/${service}/main.js`);
  process.argv = [process.argv[0] ?? 'node', main, ...argv.slice(1)];
  createRequire(import.meta.url)(main);
}

function interrupt(attempts: number): void {
  if (process.emit('SIGINT')) return;
  // Never ready, so nothing was written.
  if (attempts === 0) process.exit(0);
  setTimeout(() => interrupt(attempts - 1), INTERRUPT_POLL_MS);
}
