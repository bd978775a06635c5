// `npm start -- --watch`: builds the Functions app anew whenever its source changes. The host sees the new bundle and
// loads it; a build that fails leaves the old one alone. Packages stay in node_modules: a build takes a fifteenth of the
// time, and loading it twice as long. One JSON object a line, as all processes of the stack.
// `--root <folder>` watches another folder that has src/main.ts.
import { existsSync, watch } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { COMMON_OPTIONS, ROOT, stampFileOf, writeAtomically } from './build.mjs';
import { bundles } from './bundles.mjs';

/** An editor may write a file more than once, and a checkout writes many. */
const SETTLED_AFTER_MS = 30;

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function main() {
  const at = process.argv.indexOf('--root');
  const root = path.resolve(at < 0 ? ROOT : (process.argv[at + 1] ?? ROOT));
  const app = bundles.find(({ name }) => name === 'app');
  const esbuild = await import('esbuild');
  const context = await esbuild.context({
    absWorkingDir: root,
    ...COMMON_OPTIONS,
    logLevel: 'silent',
    ...app.esbuild,
    packages: 'external',
  });
  const bundleFile = path.join(root, app.esbuild.outfile);

  const build = async () => {
    const startedAt = performance.now();
    try {
      const { outputFiles } = await context.rebuild();
      // The host looks at the bundle: what it needs beside it comes first.
      const ordered = [...outputFiles].sort(
        (a, b) => Number(a.path === bundleFile) - Number(b.path === bundleFile),
      );
      // What is there now is not what the next start or the package is made of: that is built anew.
      await rm(stampFileOf(app, root), { force: true });
      for (const file of ordered) await writeAtomically(file.path, file.contents);
      say({ level: 'info', event: 'app.built', ms: Math.round(performance.now() - startedAt) });
    } catch (error) {
      say({ level: 'error', event: 'app.notBuilt', message: describe(error) });
    }
  };

  // The start has just built it; this one is only to be quick next time.
  let building = existsSync(bundleFile) ? context.rebuild().catch(() => {}) : build();
  let timer;
  const watcher = watch(path.join(root, app.inputFolder), { recursive: true }, () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      building = building.then(build);
    }, SETTLED_AFTER_MS);
  });
  const stop = async () => {
    watcher.close();
    clearTimeout(timer);
    await building;
    await context.dispose();
    process.exit(0);
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
  if (process.env.HEADEND_EXIT_WITH_PARENT === '1') process.stdin.once('end', stop).resume();
  await building;
  say({ ready: true });
}

function describe(error) {
  const [first] = error?.errors ?? [];
  if (first === undefined) return String(error?.message ?? error);
  const { file, line, column } = first.location ?? {};
  const where = file === undefined ? '' : `${file}:${line}:${column + 1}: `;
  const more = error.errors.length > 1 ? ` (and ${error.errors.length - 1} more)` : '';
  return `${where}${first.text}${more}`;
}

await main();
