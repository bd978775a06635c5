// `npm run bench -- [--only NAME]…`: builds, packages, and measures on this machine. Ratios are taken within one run.
// Needs FFmpeg and Chromium; compares with nginx and its RTMP module where they are installed.
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { build, ROOT } from './build.mjs';
import { runScript, runTestProgram } from './test-program.mjs';

/** The whole stack's, and the engine's alone; each runs those of its benches that `--only` names, or all. */
const PROGRAMS = ['devstack/test/bench/main.ts', 'engine/test/bench/main.ts'];

await build();
let exitCode = runScript('scripts/package.mjs', []);
for (const program of PROGRAMS) {
  if (exitCode !== 0 || !existsSync(path.join(ROOT, program))) continue;
  exitCode = await runTestProgram(program);
}
process.exitCode = exitCode;
