// `npm start`: on a fresh clone installs, builds, then runs everything. Only node: imports, and only syntax that old
// Nodes can parse, so that a person with one is told so instead of being shown a stack trace.
import process from 'node:process';

const NODE_MAJOR_MIN = 20;
const NODE_MINOR_MIN = 19;

function nodeIsTooOld() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major < NODE_MAJOR_MIN || (major === NODE_MAJOR_MIN && minor < NODE_MINOR_MIN);
}

async function main() {
  const { isInstalled, install } = await import('./install.mjs');
  const { step } = await import('./progress.mjs');
  if (!(await isInstalled())) await step('Installing packages (once; about a minute)', install);
  const { build } = await import('./build.mjs');
  await step('Building', () => build());

  // The rest is the laptop stack itself, in this process: signals and the terminal are its own.
  const program = new URL('../devstack/dist/devstack.mjs', import.meta.url);
  const { fileURLToPath } = await import('node:url');
  process.argv = [process.argv[0], fileURLToPath(program), 'start', ...process.argv.slice(2)];
  await import(program.href);
}

if (nodeIsTooOld()) {
  console.error(
    `Headend needs Node.js ${NODE_MAJOR_MIN}.${NODE_MINOR_MIN} or newer; this is ${process.versions.node}. Install a newer one from https://nodejs.org and run npm start again.`,
  );
  process.exitCode = 1;
} else {
  main().catch((error) => {
    // esbuild has already printed its own errors.
    const isBuildError = Array.isArray(error.errors);
    console.error(isBuildError ? 'The build failed. Nothing was started.' : error.humanMessage || error);
    process.exitCode = 1;
  });
}
