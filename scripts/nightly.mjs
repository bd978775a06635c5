// `npm run nightly -- [--minutes 60] [--only kill]`: the long forms of what `npm test` does shortly.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { build, ROOT } from './build.mjs';
import { fetchSpeechModel } from './fetch-speech-model.mjs';
import { runScript, runTestProgram } from './test-program.mjs';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    sessions: { type: 'string', default: '20000' },
    only: { type: 'string', multiple: true },
  },
});

const SPEECH_MODEL = process.env.HEADEND_TEST_SPEECH_MODEL ?? path.join(ROOT, '.cache/speech-model');

/** What each test reads to be long, beside where it is. */
const JEST = {
  kill: { pattern: 'devstack/test/e2e/kill', env: { HEADEND_KILL_ROUNDS: '50' } },
  formats: { pattern: 'devstack/test/stack/every-format', env: { HEADEND_WATCH_SECONDS: '20' } },
  outage: { pattern: 'devstack/test/stack/outage', env: {} },
  api: { pattern: 'engine/test/contract/any-request', env: { HEADEND_API_FUZZ_RUNS: '20000' } },
  lists: { pattern: 'engine/test/integration/list-costs', env: { HEADEND_LIST_SIZES: '1000,10000,50000' } },
  bad: { pattern: 'engine/test/integration/bad-inputs', env: { HEADEND_BAD_FILES: '200' } },
  workers: { pattern: 'engine/test/integration/job-kills', env: { HEADEND_WORKER_KILLS: '10' } },
  presets: { pattern: 'engine/test/integration/every-preset', env: { HEADEND_ALL_PRESETS: '1' } },
  speech: {
    pattern: 'engine/test/integration/speech-model',
    env: {
      HEADEND_TEST_SPEECH_MODEL: SPEECH_MODEL,
      HEADEND_BUILT_ENGINE: path.join(ROOT, 'engine/dist/engine.mjs'),
    },
  },
  migration: { pattern: 'engine/test/contract/migration', env: { HEADEND_MIGRATION_LONG: '1' } },
};

function runJest({ pattern, env }) {
  const flags = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js'];
  const { status } = spawnSync(
    process.execPath,
    [...flags, '--colors=false', '--runInBand', '--forceExit', pattern],
    { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env, NO_COLOR: '1' } },
  );
  return status === 0;
}

const runs = {
  ...Object.fromEntries(Object.entries(JEST).map(([name, run]) => [name, async () => runJest(run)])),
  speech: async () => {
    if (process.env.HEADEND_TEST_SPEECH_MODEL === undefined) await fetchSpeechModel(SPEECH_MODEL);
    return runJest(JEST.speech);
  },
  fuzz: async () => runScript('scripts/fuzz.mjs', ['--sessions', values.sessions]) === 0,
  soak: async () => (await runTestProgram('devstack/test/soak/main.ts', ['--minutes', values.minutes])) === 0,
};

await build();
const failed = [];
for (const [name, run] of Object.entries(runs)) {
  if (values.only !== undefined && !values.only.includes(name)) continue;
  console.log(`${name} …`);
  if (!(await run())) failed.push(name);
}
console.log(failed.length === 0 ? 'all of the long tests passed' : `failed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
