import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type ProcessObserver, type ProcessSpec, SupervisedProcess } from '../../src/supervised-process.ts';

const SERVES = `
process.stdin.once('end', () => process.exit(0)).resume();
process.on('SIGTERM', () => { console.error('bye'); process.exit(0); });
console.log(JSON.stringify({ ready: true }));
setInterval(() => undefined, 1000);`;

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const running: SupervisedProcess[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((child) => child.stop()));
});

interface Seen {
  readonly lines: string[];
  readonly readyAfterRestarts: number[];
  readonly exits: { readonly reason: string; readonly restartInMs: number }[];
}

function supervise(
  script: string,
  extra: Partial<ProcessSpec> = {},
): { child: SupervisedProcess; seen: Seen } {
  const seen: Seen = { lines: [], readyAfterRestarts: [], exits: [] };
  const observer: ProcessObserver = {
    output: (_spec, line) => seen.lines.push(line),
    ready: (_spec, { restarts }) => seen.readyAfterRestarts.push(restarts),
    exited: (_spec, info) => seen.exits.push(info),
  };
  const spec = {
    name: 'part',
    args: ['-e', script],
    env: { PATH: process.env['PATH'] },
    isReady: (line: string) => line.startsWith('{"ready":true'),
    stopWithinMs: 5000,
    ...extra,
  };
  const child = new SupervisedProcess(spec, observer);
  running.push(child);
  return { child, seen };
}

async function until(isTrue: () => boolean, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`not true after ${timeoutMs} ms: ${isTrue}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("Azurite's services", () => {
  it.each(['blob', 'queue', 'table'])(
    'save their data and end when the %s one is asked to, or is left alone',
    async (service) => {
      const { buildSync } = await import('esbuild');
      const source = new URL('../../src/azurite.ts', import.meta.url).pathname;
      const built = buildSync({
        stdin: {
          contents: `import { runAzurite } from ${JSON.stringify(source)}; runAzurite(process.argv.slice(1));`,
          resolveDir: new URL('.', import.meta.url).pathname,
        },
        bundle: true,
        write: false,
        platform: 'node',
        format: 'esm',
      });
      const folder = await mkdtemp(join(tmpdir(), 'headend-azurite-'));
      for (const leave of ['signal', 'pipe'] as const) {
        const child = spawn(
          process.execPath,
          [
            ...['--input-type=module', '-e', built.outputFiles[0]?.text ?? '', '--', service],
            ...[`--${service}Port`, '0', '--location', folder, '--silent', '--disableTelemetry'],
          ],
          { cwd: ROOT, env: { PATH: process.env['PATH'], HEADEND_EXIT_WITH_PARENT: '1' }, stdio: 'pipe' },
        );
        let output = '';
        child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
          output += chunk;
        });
        await until(() => /successfully (listens|started) on/.test(output));
        if (leave === 'signal') child.kill('SIGTERM');
        else child.stdin.end();
        const [code] = await once(child, 'exit');
        expect({ leave, code, closed: output.includes('successfully closed') }).toEqual({
          leave,
          code: 0,
          closed: true,
        });
      }
      expect((await readdir(folder)).filter((name) => name.endsWith('.json'))).not.toEqual([]);
      await rm(folder, { recursive: true, force: true });
    },
  );
});

describe('a supervised process', () => {
  it('is back at once after it was killed', async () => {
    const { child, seen } = supervise(SERVES);
    await child.start();
    const first = child.pid ?? 0;
    const killedAt = performance.now();
    process.kill(first, 'SIGKILL');
    await until(() => seen.readyAfterRestarts.length === 2);
    expect(performance.now() - killedAt).toBeLessThan(5000);
    expect(child.pid).not.toBe(first);
    expect(seen.exits).toEqual([{ reason: 'SIGKILL', restartInMs: 0 }]);
  });

  it('is asked to stop, and stays stopped', async () => {
    const { child, seen } = supervise(SERVES);
    await child.start();
    await child.stop();
    expect(seen.lines).toEqual(['{"ready":true}', 'bye']);
    expect(child.pid).toBeUndefined();
    expect(seen.exits).toEqual([]);
  });

  it('is killed with what it started when it does not stop in time', async () => {
    const { child, seen } = supervise(
      `const { spawn } = require('node:child_process');
       process.on('SIGTERM', () => undefined);
       const own = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
       console.log('worker ' + own.pid);
       console.log(JSON.stringify({ ready: true }));
       setInterval(() => undefined, 1000);`,
      { stopWithinMs: 200 },
    );
    await child.start();
    const worker = Number(seen.lines.find((line) => line.startsWith('worker '))?.slice(7));
    expect(isAlive(worker)).toBe(true);
    await child.stop();
    await until(() => !isAlive(worker));
  });

  it('fails to start after three attempts, with its last words', async () => {
    const { child, seen } = supervise("console.error('no disk'); process.exit(3);");
    await expect(child.start()).rejects.toMatchObject({
      code: 'StartFailed',
      message: 'part could not be started: exit code 3',
      lastLines: ['no disk', 'no disk', 'no disk'],
    });
    expect(seen.exits.map(({ restartInMs }) => restartInMs)).toEqual([0, 500]);
  });

  it('waits longer before each restart when it keeps crashing', async () => {
    const { child, seen } = supervise(
      'console.log(JSON.stringify({ ready: true })); setTimeout(() => process.exit(1), 50);',
    );
    await child.start();
    await until(() => seen.exits.length >= 3);
    expect(seen.exits.slice(0, 3).map(({ restartInMs }) => restartInMs)).toEqual([0, 500, 1000]);
  });

  it('ends when its supervisor is killed', async () => {
    const source = new URL('../../src/supervised-process.ts', import.meta.url);
    const splitter = new URL('../../src/line-splitter.ts', import.meta.url);
    const { buildSync } = await import('esbuild');
    const built = buildSync({
      stdin: {
        contents: `import { SupervisedProcess } from ${JSON.stringify(source.pathname)};
          const child = new SupervisedProcess(
            { name: 'part', args: ['-e', ${JSON.stringify(SERVES)}], env: {}, isReady: (line) => line.includes('ready'), stopWithinMs: 1000 },
            { output() {}, ready() { console.log(child.pid); }, exited() {} },
          );
          child.start();`,
        resolveDir: new URL('.', splitter).pathname,
      },
      bundle: true,
      write: false,
      platform: 'node',
      format: 'cjs',
    });
    const supervisor = spawn(process.execPath, ['-e', built.outputFiles[0]?.text ?? ''], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [chunk] = await once(supervisor.stdout, 'data');
    const pid = Number(String(chunk));
    expect(isAlive(pid)).toBe(true);
    supervisor.kill('SIGKILL');
    await until(() => !isAlive(pid));
  });
});
