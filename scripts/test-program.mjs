// Builds one of the long-running programs below a test folder and runs it with this process's arguments.
import { spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { ROOT } from './build.mjs';

/** Resolves to the exit code; `entry` is relative to the repository. */
export async function runTestProgram(entry, args = process.argv.slice(2)) {
  const { build } = await import('esbuild');
  const [part, , name] = entry.split('/');
  const outfile = path.join(ROOT, part, 'dist', name, `${path.basename(entry, '.ts')}.mjs`);
  await mkdir(path.dirname(outfile), { recursive: true });
  await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
  });
  return runScript(outfile, args);
}

/** Runs a Node program to its end; the exit code. */
export function runScript(file, args) {
  return spawnSync(process.execPath, [file, ...args], { cwd: ROOT, stdio: 'inherit' }).status ?? 1;
}
