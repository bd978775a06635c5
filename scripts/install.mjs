// Whether node_modules is what package-lock.json says, and `npm ci` when it is not.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const OUTPUT_BYTES_MAX = 64 * 1024;

/** True when every package that the lock file names is in node_modules in that version (optional ones aside). */
export async function isInstalled() {
  const wanted = await readPackages('package-lock.json');
  const present = await readPackages('node_modules/.package-lock.json');
  if (wanted === undefined || present === undefined) return false;
  return Object.entries(wanted)
    .filter(([name, entry]) => name.includes('node_modules/') && !entry.optional && !entry.link)
    .every(([name, entry]) => present[name]?.version === entry.version);
}

/** Runs `npm ci`; rejects with an error whose `humanMessage` says what npm said. */
export async function install() {
  const npmScript = process.env.npm_execpath;
  const useScript = npmScript !== undefined && /\.c?js$/.test(npmScript);
  const [command, args] = useScript ? [process.execPath, [npmScript]] : ['npm', []];
  const child = spawn(command, [...args, 'ci', '--no-progress', '--loglevel=error'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: !useScript && process.platform === 'win32',
  });
  let output = '';
  const keep = (chunk) => {
    output = (output + chunk).slice(-OUTPUT_BYTES_MAX);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const outcome = await new Promise((resolve) => {
    child.once('error', (error) => resolve(`npm could not be started: ${error.message}`));
    child.once('close', (code, signal) =>
      resolve(code === 0 ? undefined : `npm ci ended with ${signal ?? code}`),
    );
  });
  if (outcome !== undefined) {
    const error = new Error(outcome);
    error.humanMessage = `${output.trim()}\n\n${outcome}. Nothing was started.`;
    throw error;
  }
}

async function readPackages(name) {
  try {
    return JSON.parse(await readFile(path.join(ROOT, name), 'utf8')).packages;
  } catch {
    return undefined;
  }
}
