// `npm run fuzz -- --sessions 20000 [--seed n] [--only rtmp]`: damaged sessions against the ingest's listeners, in a process
// that may collect its garbage before it measures what is left.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { build } from 'esbuild';

const outfile = 'engine/dist/fuzz/main.mjs';
await build({
  entryPoints: ['engine/test/support/fuzz/main.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  packages: 'external',
  // The recorded sessions are found from where the sources are.
  define: {
    'import.meta.url': JSON.stringify(new URL('../engine/test/support/fuzz/main.ts', import.meta.url).href),
  },
  logLevel: 'error',
});
const { status } = spawnSync(process.execPath, ['--expose-gc', outfile, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
