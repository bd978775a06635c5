import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type Bundles,
  buildBundles,
  eventually,
  type RunningProgram,
  startProgram,
} from '../support/programs.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Typically a second; the machine may be busy. */
const WITHIN_MS = 60_000;

/** An app whose answers tell which source it was built from. */
const source = (version: string, more = '') => `
import { app } from '@azure/functions';
import { setTimeout as delay } from 'node:timers/promises';
app.http('version', { authLevel: 'anonymous', methods: ['GET'], handler: () => ({ body: '${version}' }) });
app.http('slow', {
  authLevel: 'anonymous',
  methods: ['GET'],
  handler: async () => {
    await delay(3000);
    return { body: '${version}' };
  },
});
${more}`;

let bundles: Bundles;
let folder: string;
let builder: ChildProcess;
let builderLines = '';
let host: RunningProgram;

const get = async (path: string) => {
  const response = await fetch(`http://127.0.0.1:${host.port}/api/${path}`);
  return `${response.status} ${await response.text()}`;
};
const edit = (text: string) => writeFile(join(folder, 'src', 'main.ts'), text);
const becomes = (path: string, wanted: string) =>
  eventually(async () => ((await get(path)) === wanted ? true : undefined), WITHIN_MS);

beforeAll(async () => {
  bundles = await buildBundles();
  // Inside the repository, so that the app's source finds its packages; the folder is ignored by git.
  await mkdir(join(ROOT, 'devstack', 'dist'), { recursive: true });
  folder = await mkdtemp(join(ROOT, 'devstack', 'dist', 'watch-'));
  await mkdir(join(folder, 'src'));
  await Promise.all([
    edit(source('one')),
    writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module', main: 'dist/app.cjs' })),
    writeFile(join(folder, 'host.json'), JSON.stringify({ version: '2.0' })),
  ]);
  builder = spawn(process.execPath, [join(ROOT, 'scripts', 'watch.mjs'), '--root', folder]);
  builder.stdout?.setEncoding('utf8').on('data', (text: string) => {
    builderLines += text;
  });
  await eventually(() => (builderLines.includes('"ready":true') ? true : undefined), 60_000);
  host = await startProgram(bundles.program, ['host', '--app', folder, '--port', '0', '--watch'], {
    HEADEND_MASTER_KEY: 'master-key-0123456789',
  });
}, 120_000);

afterAll(async () => {
  await host?.stop();
  builder?.kill('SIGTERM');
  if (builder?.exitCode === null) await once(builder, 'exit');
  await bundles?.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a change of the source', () => {
  it('serves anew while requests that run are finished by what they began with', async () => {
    expect(await get('version')).toBe('200 one');
    const inFlight = get('slow');
    // It has reached the worker before the source changes.
    await new Promise((resolve) => setTimeout(resolve, 200));
    const editedAt = performance.now();
    await edit(source('two'));
    const answers = new Set<string>();
    await eventually(async () => {
      const answer = await get('version');
      answers.add(answer);
      return answer === '200 two' ? true : undefined;
    }, WITHIN_MS);
    if (process.env['PRINT_FIGURES'] !== undefined) {
      process.stderr.write(`source to served: ${Math.round(performance.now() - editedAt)} ms\n`);
    }
    // Nobody was refused in between.
    expect([...answers].filter((answer) => !['200 one', '200 two'].includes(answer))).toEqual([]);
    expect(await inFlight).toBe('200 one');
    expect(host.stderr().split('"app.reloaded"')).toHaveLength(2);
  }, 150_000);

  it('brings and takes functions', async () => {
    const more = `app.http('added', { authLevel: 'anonymous', methods: ['GET'], handler: () => ({ body: 'here' }) });`;
    await edit(source('three', more));
    await becomes('added', '200 here');
    await edit(source('four'));
    await becomes('added', '404 ');
    expect(await get('version')).toBe('200 four');
  }, 150_000);

  it.each([
    { name: 'does not build', text: 'this is no TypeScript', said: 'app.notBuilt' },
    { name: 'builds and does not load', text: `throw new Error('at load');`, said: 'app.notReloaded' },
    {
      name: 'wants a trigger that this host does not have',
      text: `import { app } from '@azure/functions';
app.storageBlob('blob', { path: 'a/{b}', connection: '', handler: () => undefined });`,
      said: 'app.notReloaded',
    },
  ])(
    'that $name leaves the last one serving',
    async ({ text, said }) => {
      await edit(source(`before ${said}`));
      await becomes('version', `200 before ${said}`);
      builderLines = '';
      const logged = host.stderr().length;
      await edit(text);
      await eventually(() =>
        `${builderLines}${host.stderr().slice(logged)}`.includes(said) ? true : undefined,
      );
      expect(await get('version')).toBe(`200 before ${said}`);
      await edit(source(`after ${said}`));
      await becomes('version', `200 after ${said}`);
    },
    200_000,
  );

  it('can be had by hand, with POST /admin/host/restart', async () => {
    const before = host.stderr().split('"app.reloaded"').length;
    const restarted = await fetch(`http://127.0.0.1:${host.port}/admin/host/restart`, {
      method: 'POST',
      headers: { 'x-functions-key': 'master-key-0123456789' },
    });
    expect(restarted.status).toBe(200);
    await eventually(() => (host.stderr().split('"app.reloaded"').length > before ? true : undefined));
    expect(await get('version')).toMatch(/^200 after/);
  }, 150_000);
});
