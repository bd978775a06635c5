import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { ROUTES } from '../../src/lib/contracts/routes.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

/** What a host's worker gives to the app: the module that only exists there. It prints what the app registers. */
const WORKER = `
  const registered = { functions: [], hooks: [] };
  const disposable = { dispose() {} };
  const core = {
    version: '0', hostVersion: '4', Disposable: class {}, log() {},
    setProgrammingModel() {}, getProgrammingModel() {},
    registerHook: (name) => (registered.hooks.push(name), disposable),
    registerFunction: (metadata) => (registered.functions.push(metadata), disposable),
  };
  const Module = require('node:module');
  const load = Module._load;
  Module._load = (name, ...rest) => (name === '@azure/functions-core' ? core : load(name, ...rest));
  const { main } = require(process.argv[1] + '/package.json');
  require(process.argv[1] + '/' + main);
  process.stdout.write(JSON.stringify(registered));
`;

interface Registered {
  readonly functions: {
    name: string;
    bindings: Record<string, { type: string; authLevel?: string; route?: string }>;
  }[];
  readonly hooks: string[];
}

describe('the package', () => {
  it('is three files, and registers every function without the rest of the repository', async () => {
    await run(process.execPath, ['scripts/package.mjs'], { cwd: ROOT });
    const folder = join(ROOT, 'dist', 'package');
    const entries = await readdir(folder, { recursive: true });
    expect(entries.sort()).toEqual(['dist', 'dist/app.cjs', 'host.json', 'package.json']);
    expect(JSON.parse(await readFile(join(folder, 'host.json'), 'utf8')).version).toBe('2.0');
    // An empty environment: settings are read at the first call, not when functions are listed.
    const { stdout } = await run(process.execPath, ['-e', WORKER, folder], { cwd: folder, env: {} });
    const { functions, hooks }: Registered = JSON.parse(stdout);
    const triggers = functions.flatMap(({ name, bindings }) =>
      Object.values(bindings)
        .filter(({ type }) => type.toLowerCase().endsWith('trigger'))
        .map(({ type, authLevel }) => [name, type, authLevel]),
    );
    const http = Object.entries(ROUTES).map(([name, route]) => [
      name,
      'httpTrigger',
      'anonymous' in route ? 'anonymous' : 'function',
    ]);
    const others = [
      ['carryOutScaling', 'queueTrigger', undefined],
      ['onEncoderEvent', 'eventGridTrigger', undefined],
      ['onIngestHealthEvent', 'eventGridTrigger', undefined],
      ['onJobEvent', 'eventGridTrigger', undefined],
      ['onStateEvent', 'eventGridTrigger', undefined],
      ['onUploadEvent', 'eventGridTrigger', undefined],
      ['reconcileChannel', 'queueTrigger', undefined],
      ['reportFailedScaling', 'queueTrigger', undefined],
      ['retryReconcile', 'queueTrigger', undefined],
      ['sweepAutoscale', 'timerTrigger', undefined],
      ['sweepDue', 'timerTrigger', undefined],
    ];
    expect(triggers.sort()).toEqual([...http, ...others].sort());
    expect(hooks).toEqual(['appStart']);
  });
});
