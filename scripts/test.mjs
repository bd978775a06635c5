// `npm test`: builds, runs every Jest project, and ends with one plain line, `N passed, N failed`.
// `--check` counts each check of `npm run check` as a test too; `--node22` runs the unit and contract tests a second time
// on Node 22, `--node22=app` those of the Functions app only, which is what Azure runs on it. Other arguments go to Jest
// (patterns, --testNamePattern).
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { build, ROOT } from './build.mjs';
import { runChecks } from './check.mjs';
import { installTestTools } from './install-test-tools.mjs';
import { fetchNode22 } from './node-22.mjs';

/** They wait for encoders, storage and players more than they work: Jest's own choice leaves one of two cores idle. */
const WORKERS = '--maxWorkers=4';
/** What a test of a whole stack leaves behind must not keep the others from being counted. */
const FORCE_EXIT = '--forceExit';
const FIRST = { projects: ['unit', 'integration', 'contract'], args: [WORKERS] };
/** Whole stacks, beside each other: they wait for what is to come, however long it takes, and leave the processors idle. */
const STACKS = { projects: ['stack'], args: ['--maxWorkers=3', FORCE_EXIT] };
/** Beside those that watch the clock, which leave a core idle, it takes only what they do not want. */
const ON_NODE_22 = {
  projects: ['unit', 'contract'],
  args: ['--maxWorkers=1'],
  niceness: os.constants.priority.PRIORITY_LOW,
};
const APP_TESTS = path.join(ROOT, 'test', path.sep);
/** Those that watch the clock run by themselves, one file at a time. */
const LAST = { projects: ['e2e'], args: ['--runInBand', FORCE_EXIT] };
const TEST_ENV = { NO_COLOR: '1', HEADEND_BUILT_ENGINE: path.join(ROOT, 'engine/dist/engine.mjs') };
const OUR_FLAGS = new Set(['--check', '--node22', '--node22=app']);

async function main() {
  const withChecks = process.argv.includes('--check');
  const onNode22 = process.argv.includes('--node22')
    ? ON_NODE_22
    : process.argv.includes('--node22=app') && { ...ON_NODE_22, args: [...ON_NODE_22.args, APP_TESTS] };
  const jestArguments = process.argv.slice(2).filter((argument) => !OUR_FLAGS.has(argument));
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
      for (const runs of [[FIRST], [STACKS], [LAST, ...(onNode22 ? runsOnNode22(onNode22) : [])]]) {
        const results = runs.map((run) =>
          runJest(run, path.join(folder, `${randomUUID()}.json`), jestArguments),
        );
        for (const result of await Promise.all(results)) add(result);
      }
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

function runsOnNode22(run) {
  const { node, reason } = fetchNode22();
  if (node === undefined) console.error(`not run on Node 22: ${reason}`);
  else console.error(`once more on Node 22, beside the last: ${run.projects.join(', ')}`);
  return node === undefined ? [] : [{ ...run, node }];
}

const count = ({ passed, failed }) => ({ passed: passed.length, failed: failed.length });

async function runJest({ projects, args, node = process.execPath, niceness }, outputFile, extraArguments) {
  const child = spawn(
    node,
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
    { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...TEST_ENV } },
  );
  if (niceness !== undefined && child.pid !== undefined) os.setPriority(child.pid, niceness);
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
