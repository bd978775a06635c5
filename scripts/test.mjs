// `npm test`: builds, runs every Jest project, and ends with one plain line, `N passed, N failed`.
// `--check` counts each check of `npm run check` as a test too. Other arguments go to Jest (patterns, --testNamePattern).
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { build, ROOT } from './build.mjs';
import { runChecks } from './check.mjs';
import { installTestTools } from './install-test-tools.mjs';

/** End-to-end tests start whole stacks and watch the clock: they run by themselves, one file at a time. */
const RUNS = [
  { projects: ['unit', 'integration', 'contract'], args: [] },
  { projects: ['e2e'], args: ['--runInBand'] },
];

async function main() {
  const withChecks = process.argv.includes('--check');
  const jestArguments = process.argv.slice(2).filter((argument) => argument !== '--check');
  const total = { passed: 0, failed: 0 };
  const add = ({ passed, failed }) => {
    total.passed += passed;
    total.failed += failed;
  };
  try {
    await build();
    if (withChecks) add(count(await runChecks({ unitTests: false })));
    const { missing, hint } = installTestTools();
    if (missing.length > 0) {
      console.error(
        `These tests need ${missing.join(', ')}; those that do will fail. Install with:\n  ${hint}`,
      );
    }
    const folder = await mkdtemp(path.join(os.tmpdir(), 'headend-test-'));
    try {
      for (const [index, run] of RUNS.entries())
        add(await runJest(run, path.join(folder, `${index}.json`), jestArguments));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  } catch (error) {
    console.error(error?.errors === undefined ? error : 'the build failed');
    total.failed += 1;
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
}

const count = ({ passed, failed }) => ({ passed: passed.length, failed: failed.length });

async function runJest({ projects, args }, outputFile, extraArguments) {
  const child = spawn(
    process.execPath,
    [
      '--experimental-vm-modules',
      '--no-warnings',
      'node_modules/jest/bin/jest.js',
      ...extraArguments,
      '--colors=false',
      '--passWithNoTests',
      '--json',
      `--outputFile=${outputFile}`,
      ...args,
      '--selectProjects',
      ...projects,
    ],
    // --json prints the results on stdout as well; what a person follows is on stderr.
    { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, NO_COLOR: '1' } },
  );
  const code = await new Promise((resolve) => {
    child.once('error', () => resolve(1));
    child.once('close', (exitCode) => resolve(exitCode ?? 1));
  });
  const text = await readFile(outputFile, 'utf8').catch(() => undefined);
  if (text === undefined) return { passed: 0, failed: 1 };
  const results = JSON.parse(text);
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
  // A run that ends badly without naming a test (a crash, an open handle that was fatal) is a failure all the same.
  return { passed: results.numPassedTests, failed: failed === 0 && code !== 0 ? 1 : failed };
}

await main();
