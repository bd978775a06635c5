// `npm run soak -- --minutes 60 --channels 1`: live in real time, the memory of every process over time; fails when one
// keeps growing.
import process from 'node:process';
import { build } from './build.mjs';
import { runTestProgram } from './test-program.mjs';

await build();
process.exitCode = await runTestProgram('devstack/test/soak/main.ts');
