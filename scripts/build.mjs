// Bundles every program with esbuild. A bundle whose inputs have not changed since its stamp was written is left alone.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

const STAMP_NAME = '.build-stamp';
const RECIPES = ['scripts/build.mjs', 'scripts/bundles.mjs', 'package-lock.json'];

/**
 * Builds what is out of date, or of that only the bundles named in `only`; resolves to `{ built, fresh }`, the names of
 * the bundles. Rejects with esbuild's error.
 */
export async function build({ force = false, only = undefined } = {}) {
  const recipes = await import('./bundles.mjs');
  const bundles = recipes.bundles.filter(({ name }) => only?.includes(name) ?? true);
  const recipeHash = await hashFiles(RECIPES.map((name) => path.join(ROOT, name)));
  const results = await Promise.all(bundles.map((bundle) => buildOne(bundle, recipeHash, force)));
  return {
    built: results.filter((result) => result.built).map((result) => result.name),
    fresh: results.filter((result) => !result.built).map((result) => result.name),
  };
}

/** What the inputs of a bundle were when it was built; without it, it is built anew. */
export function stampFileOf({ outputFolder, name }, root = ROOT) {
  return path.join(root, outputFolder, `${STAMP_NAME}-${name}`);
}

/** What all recipes have in common. */
export const COMMON_OPTIONS = { bundle: true, logLevel: 'warning', sourcemap: 'linked', write: false };

async function buildOne(bundle, recipeHash, force) {
  const outputFolder = path.join(ROOT, bundle.outputFolder);
  const stampFile = stampFileOf(bundle);
  const inputHash = `${recipeHash}-${await hashFiles(await filesBelow(path.join(ROOT, bundle.inputFolder)))}`;
  if (!force && (await isFresh(stampFile, inputHash, bundle))) return { name: bundle.name, built: false };

  // Loaded only when there is something to build: a warm start never pays for it.
  const esbuild = await import('esbuild');
  const result = await esbuild.build({ absWorkingDir: ROOT, ...COMMON_OPTIONS, ...bundle.esbuild });
  await mkdir(outputFolder, { recursive: true });
  await Promise.all(result.outputFiles.map((file) => writeAtomically(file.path, file.contents)));
  await Promise.all((bundle.copies ?? []).map((copy) => copyInto(copy, outputFolder)));
  await writeAtomically(stampFile, inputHash);
  return { name: bundle.name, built: true };
}

async function isFresh(stampFile, inputHash, bundle) {
  const stamp = await readFile(stampFile, 'utf8').catch(() => undefined);
  if (stamp !== inputHash) return false;
  return bundle.outputs.every((name) => existsSync(path.join(ROOT, bundle.outputFolder, name)));
}

/** A program that starts while another build runs must never read half a file. */
export async function writeAtomically(file, contents) {
  await mkdir(path.dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  await writeFile(temporary, contents);
  await rename(temporary, file);
}

async function copyInto(relativeSource, outputFolder) {
  const temporary = path.join(outputFolder, `${path.basename(relativeSource)}.${process.pid}.tmp`);
  await copyFile(path.join(ROOT, relativeSource), temporary);
  await rename(temporary, path.join(outputFolder, path.basename(relativeSource)));
}

async function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
}

async function hashFiles(files) {
  const hash = createHash('sha256');
  for (const file of [...files].sort()) {
    hash.update(path.relative(ROOT, file)).update('\0');
    hash.update(await readFile(file)).update('\0');
  }
  return hash.digest('hex');
}

async function main() {
  const startedAt = performance.now();
  const { built, fresh } = await build({ force: process.argv.includes('--force') });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const notes = [
    built.length > 0 ? `built ${built.join(', ')}` : '',
    fresh.length > 0 ? `up to date: ${fresh.join(', ')}` : '',
  ];
  console.log(`${notes.filter(Boolean).join('; ')} (${seconds} s)`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main().catch((error) => {
    // esbuild has already printed its own errors.
    if (error?.errors === undefined) console.error(error);
    process.exitCode = 1;
  });
}
