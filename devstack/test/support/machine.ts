import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** An empty Node program takes 40 to 60 ms on a machine that has nothing else to do. */
const EMPTY_PROGRAM_MS = 80;

/** How many times longer everything takes here and now than on a machine with processors to spare; at least 1. */
export async function machineSlowness(): Promise<number> {
  const startedAt = performance.now();
  await promisify(execFile)(process.execPath, ['-e', '0']);
  return Math.max(1, (performance.now() - startedAt) / EMPTY_PROGRAM_MS);
}
