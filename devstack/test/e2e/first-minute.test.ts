import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Browser, chromium } from 'playwright-core';
import { type Stack, startStack } from '../support/stack.ts';

const DEVSTACK = fileURLToPath(new URL('../../dist/devstack.mjs', import.meta.url));
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
    const second = spawn(process.execPath, [DEVSTACK, 'start', '--data-dir', dataDir], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    second.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const [code] = await once(second, 'exit');
    expect(code).toBe(1);
    expect(text).toContain('Headend already runs on');
  });

  it('has the same channel, address and key after a stop and a second start', async () => {
    const { ports, functionKey, playback, channel, program } = stack;
    expect(await stack.stop()).toBe(0);
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
