import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Stack, startStack } from '../support/stack.ts';
import { benchColdImport } from './cold-import.ts';
import { benchGlassToGlass } from './glass-to-glass.ts';
import { benchIngestProcessor } from './ingest-processor.ts';
import { benchPublishing } from './publishing.ts';
import { type Figure, writeTable } from './report.ts';

const ROUNDS = 100;

const { values } = parseArgs({
  options: { only: { type: 'string', multiple: true }, rounds: { type: 'string', default: String(ROUNDS) } },
});
const folder = await mkdtemp(join(tmpdir(), 'headend-bench-'));

const benches: Record<string, (stack: Stack) => Promise<Figure[]>> = {
  'cold-import': () => benchColdImport(),
  publishing: (stack) => benchPublishing(stack, folder, Number(values.rounds)),
  'glass-to-glass': (stack) => benchGlassToGlass(stack, folder),
  'ingest-processor': (stack) => benchIngestProcessor(stack, folder),
};

const stack = await startStack();
const figures: Figure[] = [];
try {
  for (const [name, bench] of Object.entries(benches)) {
    if (values.only !== undefined && !values.only.includes(name)) continue;
    process.stderr.write(`${name} …\n`);
    figures.push(...(await bench(stack)));
  }
} finally {
  await stack.stop();
  await rm(folder, { recursive: true, force: true });
}
process.stdout.write(`${writeTable(figures)}\n`);
