// `npm run package`: dist/package/ is what is deployed, and exactly what a host loads: one bundle, no node_modules.
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build, ROOT } from './build.mjs';

const folder = path.join(ROOT, 'dist', 'package');

await build({ only: ['app'] });
await rm(folder, { recursive: true, force: true });
await mkdir(path.join(folder, 'dist'), { recursive: true });
const { name, version, type, main, engines } = JSON.parse(
  await readFile(path.join(ROOT, 'package.json'), 'utf8'),
);
await copyFile(path.join(ROOT, 'host.json'), path.join(folder, 'host.json'));
await copyFile(path.join(ROOT, main), path.join(folder, main));
await writeFile(
  path.join(folder, 'package.json'),
  `${JSON.stringify({ name, version, private: true, type, main, engines }, null, 2)}\n`,
);
console.log(`packaged into ${path.relative(ROOT, folder)}`);
