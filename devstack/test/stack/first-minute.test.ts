import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Browser, chromium } from 'playwright-core';
import { PORT_NAMES, PORTS } from '../../src/flags.ts';
import { childrenOf } from '../support/process-tree.ts';
import { type Stack, type StackPorts, startStack } from '../support/stack.ts';

const DEVSTACK = fileURLToPath(new URL('../../dist/devstack.mjs', import.meta.url));
const REFUSED_WITHIN_MS = 20_000;
const BROWSER_FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--autoplay-policy=no-user-gesture-required',
  '--mute-audio',
];

let dataDir: string;
let stack: Stack;
let browser: Browser;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'headend-first-minute-'));
  stack = await startStack({ dataDir, demo: true });
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: BROWSER_FLAGS });
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await stack?.stop();
  await rm(dataDir, { recursive: true, force: true });
}, 60_000);

/** What `window.headendPage.state()` says, as far as it is asserted on. */
const READ_STATE = 'window.headendPage?.state()';

interface PageState {
  readonly model?: { readonly status: string; readonly steps: readonly { readonly isDone: boolean }[] };
  readonly player?: string;
  readonly currentTimeSeconds: number;
  readonly framesShown: number;
  readonly latencySeconds?: number;
}

describe('npm start -- --demo', () => {
  it.each(['hls', 'dash'])(
    'shows a moving picture and every step done, by %s',
    async (kind) => {
      const page = await browser.newPage();
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(error.message));
      await page.goto(stack.pageUrl);
      await page.locator(`input[value="${kind}"]`).check({ force: true });
      const read = async () => (await page.evaluate(READ_STATE)) as PageState; // asserted on below
      const deadline = Date.now() + 60_000;
      // Polled from outside: the page's own policy forbids evaluating strings inside it.
      for (;;) {
        const { player, framesShown } = await read();
        if (player === kind && framesShown > 50) break;
        expect(Date.now()).toBeLessThan(deadline);
        await page.waitForTimeout(250);
      }
      const before = await read();
      await page.waitForTimeout(3000);
      const after = await read();
      expect(after.currentTimeSeconds).toBeGreaterThan(before.currentTimeSeconds + 1);
      expect(after.framesShown).toBeGreaterThan(before.framesShown);
      expect(after.model?.status).toBe('live');
      expect(after.model?.steps.map(({ isDone }) => isDone)).toEqual([true, true, true, true]);
      expect(after.latencySeconds).toBeGreaterThan(0);
      expect(after.latencySeconds).toBeLessThan(30);
      expect(errors).toEqual([]);
      await page.close();
    },
    120_000,
  );

  it('refuses a second instance on the same data', async () => {
    const { code, stderr } = await startAndEnd(['--data-dir', dataDir]);
    expect(code).toBe(1);
    expect(stderr).toContain('Headend already runs on');
  });

  it('names the port that is taken and the flag for another', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'headend-port-'));
    const free = PORT_NAMES.flatMap((name) => [`--${PORTS[name].flag}`, '0']);
    const { code, stderr } = await startAndEnd([
      ...['--data-dir', folder],
      ...[...free, '--functions-port', String(stack.ports.functions)],
    ]);
    await rm(folder, { recursive: true, force: true });
    expect(code).toBe(1);
    expect(stderr).toContain(
      `Port ${stack.ports.functions} (HTTP API (Functions app)) is taken by another program; choose another with --functions-port <n>.`,
    );
  });

  it('has the same channel, address and key after a stop and a second start', async () => {
    const { ports, functionKey, playback, channel, program } = stack;
    const running = await descendantsOf(stack.supervisorPid);
    // Storage's three, broker, engine, origin, host, its worker, page, publisher.
    expect(running.length).toBeGreaterThanOrEqual(10);
    expect(await stack.stop()).toBe(0);
    // Ctrl-C stops everything: whoever was there is gone, and so are its ports.
    expect(running.filter(isAlive)).toEqual([]);
    await expectAllFree(ports);
    stack = await startStack({ dataDir, demo: true, ports });
    expect({ functionKey: stack.functionKey, playback: stack.playback }).toEqual({ functionKey, playback });
    expect([stack.channel, stack.program]).toEqual([channel, program]);
    expect(stack.readySeconds).toBeLessThan(30);
    await stack.api.until(
      `/channels/${channel}/programs/${program}`,
      (body) => body.playback.status === 'live',
      60_000,
    );
  }, 120_000);
});

/** Runs `npm start` for somebody whom it refuses: it must end by itself. */
async function startAndEnd(args: readonly string[]): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, [DEVSTACK, 'start', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  const timer = setTimeout(() => child.kill('SIGTERM'), REFUSED_WITHIN_MS);
  const [code] = await once(child, 'exit');
  clearTimeout(timer);
  return { code, stderr };
}

async function descendantsOf(pid: number): Promise<readonly number[]> {
  const children = await childrenOf(pid);
  const below = await Promise.all(children.map((child) => descendantsOf(child.pid)));
  return [...children.map((child) => child.pid), ...below.flat()];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function expectAllFree(ports: StackPorts): Promise<void> {
  const listening: string[] = [];
  for (const [name, port] of Object.entries(ports)) {
    const socket = connect({ host: '127.0.0.1', port });
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) listening.push(name);
  }
  expect(listening).toEqual([]);
}
