// `npm run bench`: builds, packages, and measures on this machine. Ratios are taken within one run.
// Needs FFmpeg and Chromium; compares with nginx's RTMP module where it is installed.
import { spawnSync } from 'node:child_process';

const run = (...args) => {
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
};

run('scripts/build.mjs');
run('scripts/package.mjs');
const { build } = await import('esbuild');
await build({
  entryPoints: ['devstack/test/bench/main.ts'],
  outfile: 'devstack/dist/bench/main.mjs',
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  packages: 'external',
  logLevel: 'error',
});
run('devstack/dist/bench/main.mjs', ...process.argv.slice(2));
