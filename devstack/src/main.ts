import process from 'node:process';
import { helpText } from './flags.ts';

type Program = (argv: readonly string[]) => unknown;

/** Loaded when asked for: a process pays only for what it runs. */
const PROGRAMS: Readonly<Record<string, () => Promise<Program>>> = {
  start: async () => (await import('./start.ts')).runStart,
  page: async () => (await import('./page.ts')).runPage,
  azurite: async () => (await import('./azurite.ts')).runAzurite,
  uploads: async () => (await import('./uploads/uploads.ts')).runUploads,
  broker: async () => (await import('./broker/broker.ts')).runBroker,
  host: async () => (await import('./host/host.ts')).runHost,
  'host-worker': async () => (await import('./host/worker-child.ts')).runHostWorker,
};

async function main(): Promise<void> {
  const given = process.argv.slice(2);
  const isNamed = given[0] !== undefined && !given[0].startsWith('-');
  const [name = 'start', ...argv] = isNamed ? given : ['start', ...given];
  const load = Object.hasOwn(PROGRAMS, name) ? PROGRAMS[name] : undefined;
  if (load === undefined) {
    process.stderr.write(`"${name}" is none of ${Object.keys(PROGRAMS).join(', ')}\n\n${helpText()}\n`);
    process.exitCode = 2;
    return;
  }
  const program = await load();
  await program(argv);
}

await main();
