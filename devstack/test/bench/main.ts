import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Stack, startStack } from '../support/stack.ts';
import { benchColdImport } from './cold-import.ts';
import { benchGlassToGlass } from './glass-to-glass.ts';
import { benchIngestProcessor } from './ingest-processor.ts';
import { benchConnectionMemory, benchLiveMemory } from './memory.ts';
import { benchEventToPublished, benchUpload } from './on-demand.ts';
import { benchPublishing } from './publishing.ts';
import { type Figure, writeTable } from './report.ts';

const ROUNDS = 100;
const MINUTES = 10;
const CYCLES = 1000;
const VIDEOS = 20;
const GIBIBYTES = 2;

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    rounds: { type: 'string', default: String(ROUNDS) },
    streams: { type: 'string' },
    minutes: { type: 'string', default: String(MINUTES) },
    cycles: { type: 'string', default: String(CYCLES) },
    videos: { type: 'string', default: String(VIDEOS) },
    gibibytes: { type: 'string', default: String(GIBIBYTES) },
  },
});
const folder = await mkdtemp(join(tmpdir(), 'headend-bench-'));

const benches: Record<string, (stack: Stack) => Promise<Figure[]>> = {
  'cold-import': () => benchColdImport(),
  publishing: (stack) => benchPublishing(stack, folder, Number(values.rounds)),
  'glass-to-glass': (stack) => benchGlassToGlass(stack, folder),
  'ingest-processor': (stack) => benchIngestProcessor(stack, folder, values.streams?.split(',').map(Number)),
  'event-to-published': (stack) => benchEventToPublished(stack, folder, Number(values.videos)),
  upload: (stack) => benchUpload(stack, Number(values.gibibytes)),
  'live-memory': (stack) => benchLiveMemory(stack, folder, Number(values.minutes)),
  'connection-memory': (stack) => benchConnectionMemory(stack, folder, Number(values.cycles)),
};

const wanted = Object.entries(benches).filter(
  ([name]) => values.only === undefined || values.only.includes(name),
);
if (wanted.length > 0) process.stdout.write(`${writeTable(await run())}\n`);

async function run(): Promise<readonly Figure[]> {
  const stack = await startStack();
  const figures: Figure[] = [];
  try {
    for (const [name, bench] of wanted) {
      process.stderr.write(`${name} …\n`);
      figures.push(...(await bench(stack)));
    }
  } finally {
    await stack.stop();
    await rm(folder, { recursive: true, force: true });
  }
  return figures;
}
