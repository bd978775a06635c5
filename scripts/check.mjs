// `npm run check`: everything that can be said about the code without running the whole of it.
import { spawn } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { ROOT } from './build.mjs';

const PARALLEL_MAX = 2;

const bin = (name) => path.join(ROOT, 'node_modules', '.bin', name);
const tsc = (project) => ({ name: `types: ${project}`, command: bin('tsc'), args: ['-p', project] });

const CHECKS = [
  {
    name: 'format and lint',
    command: bin('biome'),
    args: ['ci', '.', '--colors=off', '--max-diagnostics=50'],
  },
  tsc('.'),
  tsc('engine'),
  tsc('devstack'),
  tsc('web'),
  {
    name: 'layers and cycles',
    command: bin('depcruise'),
    args: ['--config', '.dependency-cruiser.cjs', 'src', 'engine/src', 'devstack/src', 'web/src'],
  },
  { name: 'unused files, exports and packages', command: bin('knip'), args: [] },
];

const UNIT_TESTS = {
  name: 'unit tests',
  command: process.execPath,
  args: [
    '--experimental-vm-modules',
    '--no-warnings',
    'node_modules/jest/bin/jest.js',
    '--colors=false',
    '--selectProjects=unit',
  ],
};

/** Runs every check, two at a time, printing each as it ends; resolves to `{ passed, failed }`, the names. */
export async function runChecks({ unitTests }) {
  const waiting = unitTests ? [...CHECKS, UNIT_TESTS] : [...CHECKS];
  const passed = [];
  const failed = [];
  const worker = async () => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      const { ok, output, seconds } = await run(check);
      console.log(`${ok ? 'ok  ' : 'FAIL'} ${check.name} (${seconds} s)`);
      if (!ok) console.log(`${output.trimEnd()}\n`);
      (ok ? passed : failed).push(check.name);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_MAX }, worker));
  return { passed, failed };
}

async function run({ command, args }) {
  const startedAt = performance.now();
  const child = spawn(command, args, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
    shell: process.platform === 'win32',
  });
  const chunks = [];
  child.stdout.on('data', (chunk) => chunks.push(chunk));
  child.stderr.on('data', (chunk) => chunks.push(chunk));
  const ok = await new Promise((resolve) => {
    child.once('error', (error) => {
      chunks.push(Buffer.from(String(error)));
      resolve(false);
    });
    child.once('close', (code) => resolve(code === 0));
  });
  return {
    ok,
    output: Buffer.concat(chunks).toString('utf8'),
    seconds: ((performance.now() - startedAt) / 1000).toFixed(1),
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { passed, failed } = await runChecks({ unitTests: true });
  console.log(failed.length === 0 ? `all ${passed.length} checks passed` : `failed: ${failed.join(', ')}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}
