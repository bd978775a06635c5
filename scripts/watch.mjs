// `npm start -- --watch`: builds the Functions app anew whenever its source changes. The host sees the new bundle and
// loads it; a build that fails leaves the old one alone. One JSON object a line, as all processes of the stack.
// `--root <folder>` watches another folder that has src/main.ts.
import { watch } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { COMMON_OPTIONS, ROOT, writeAtomically } from './build.mjs';
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
  });

  const build = async () => {
    const startedAt = performance.now();
    try {
      const { outputFiles } = await context.rebuild();
      // The host looks at the bundle: what it needs beside it comes first.
      const last = path.join(root, app.esbuild.outfile);
      const ordered = [...outputFiles].sort((a, b) => Number(a.path === last) - Number(b.path === last));
      for (const file of ordered) await writeAtomically(file.path, file.contents);
      say({ level: 'info', event: 'app.built', ms: Math.round(performance.now() - startedAt) });
    } catch (error) {
      say({ level: 'error', event: 'app.notBuilt', message: describe(error) });
    }
  };

  let building = build();
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
