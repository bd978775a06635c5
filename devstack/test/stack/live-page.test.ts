import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { unzipSync } from 'fflate';
import { type Browser, chromium, type Page } from 'playwright-core';
import { Encoder } from '../support/encoder.ts';
import { CHROMIUM_FLAGS } from '../support/player-page.ts';
import { type Stack, startStack } from '../support/stack.ts';

const LOOP = fileURLToPath(new URL('../../media/demo-loop.flv', import.meta.url));

let stack: Stack;
let browser: Browser;
let page: Page;
let downloads: string;
let encoder: Encoder | undefined;
const faults: string[] = [];

beforeAll(async () => {
  downloads = await mkdtemp(join(tmpdir(), 'headend-page-'));
  [stack, browser] = await Promise.all([
    startStack(),
    chromium.launch({ executablePath: '/usr/bin/chromium', args: CHROMIUM_FLAGS }),
  ]);
  page = await browser.newPage();
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('dialog', (dialog) => void dialog.accept());
}, 120_000);

afterAll(async () => {
  await encoder?.stop();
  await browser?.close();
  await stack?.stop();
  await rm(downloads, { recursive: true, force: true });
}, 60_000);

interface PageState {
  readonly model?: {
    readonly status: string;
    readonly scaleUnits?: number;
    readonly programs: readonly string[];
  };
  readonly framesShown: number;
  readonly tracks: readonly {
    readonly track: { readonly title: string };
    readonly points: readonly { readonly bitsPerSecond: number }[];
  }[];
}

/** Polled from outside: the page's own policy forbids evaluating strings inside it. */
async function until(what: string, holds: (state: PageState) => boolean): Promise<PageState> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    // Undefined while the page is on its way to another address.
    const seen = await page.evaluate('window.headendPage?.state()').catch(() => undefined);
    const state = seen as PageState | undefined; // asserted on below
    if (state !== undefined && holds(state)) return state;
    if (Date.now() > deadline) throw new Error(`not within a minute: ${what}; ${JSON.stringify(state)}`);
    await page.waitForTimeout(200);
  }
}

async function press(action: string): Promise<string> {
  await page.locator(`#do-${action}:enabled`).click({ timeout: 30_000 });
  const ended = page.locator('#operation[data-state="done"], #operation[data-state="failed"]');
  await ended.waitFor({ timeout: 60_000 });
  return (await ended.textContent()) ?? '';
}

describe('the live page', () => {
  it('makes a channel with its first program, started', async () => {
    await page.goto(`${new URL(stack.pageUrl).origin}/#key=${encodeURIComponent(stack.functionKey)}`);
    await page.fill('input[name="channel"]', 'arena');
    await page.fill('#channel-form input[name="program"]', 'final');
    await page.click('text=Create channel');
    await page.waitForURL(/channel=arena&program=final/, { timeout: 30_000 });
    const state = await until('the program', ({ model }) => model?.status === 'waiting');
    expect(state.model?.programs).toEqual(['final']);
    expect(new URL(page.url()).hash).not.toContain('key=');
  }, 90_000);

  it('gives an OBS profile that has the channel’s address and key', async () => {
    const started = page.waitForEvent('download');
    await page.click('text=Download');
    const download = await started;
    const file = join(downloads, 'profile.zip');
    await download.saveAs(file);
    const files = unzipSync(await readFile(file));
    const service: unknown = JSON.parse(Buffer.from(files['Headend_arena/service.json'] ?? []).toString());
    const { body } = await stack.api.call('GET', '/channels/arena/stream-key');
    expect(service).toMatchObject({
      type: 'rtmp_custom',
      settings: {
        key: body.streamKey,
        server: expect.stringMatching(`^rtmp://127\\.0\\.0\\.1:${stack.ports.rtmp}/live$`),
      },
    });
  }, 60_000);

  it('plots what an encoder sends with that key, and shows the picture', async () => {
    const { body } = await stack.api.call('GET', '/channels/arena/stream-key');
    const url = `rtmp://127.0.0.1:${stack.ports.rtmp}/live/${body.streamKey}`;
    encoder = new Encoder([{ file: LOOP, url, loop: true }]);
    const { tracks } = await until(
      'two tracks over some seconds',
      (state) =>
        state.framesShown > 25 &&
        state.tracks.length === 2 &&
        state.tracks.every(({ points }) => points.length > 2),
    );
    expect(tracks.map(({ track }) => track.title)).toEqual(['Video 360p', 'Audio']);
    const rates = tracks.map(({ points }) => Math.round((points.at(-1)?.bitsPerSecond ?? 0) / 1000));
    // Of the loop that comes with the repository: about 500 and 67 kbit/s.
    expect(rates[0]).toBeGreaterThan(400);
    expect(rates[0]).toBeLessThan(600);
    expect(rates[1]).toBeGreaterThan(50);
    expect(rates[1]).toBeLessThan(90);
    await expect(page.locator('#bitrates canvas').count()).resolves.toBe(1);
  }, 90_000);

  it('scales, unpublishes, publishes, finishes and stops', async () => {
    await page.fill('#scale-units', '2');
    await expect(press('scale')).resolves.toBe('Scaled.');
    await until('two units', ({ model }) => model?.scaleUnits === 2);
    await expect(press('unpublish')).resolves.toBe('No longer published.');
    await until('not published', ({ model }) => model?.status === 'notPublished');
    await expect(press('publish')).resolves.toBe('Published.');
    await until('published', ({ model }) => model?.status === 'live');
    await expect(press('finish')).resolves.toContain('Finished');
    await until('on demand', ({ model }) => model?.status === 'onDemand');
    await expect(press('stop')).resolves.toBe('Stopped.');
    const { body } = await stack.api.call('GET', '/channels/arena');
    expect(body).toMatchObject({ state: 'stopped' });
    expect(faults).toEqual([]);
  }, 120_000);
});
