import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RequestMeter } from '../../src/delivery/request-meter.ts';
import { writeMpd } from '../../src/packager/dash-packager.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/programs.ts';
import { makeSmallShow, rulesOf, startShowOrigin } from '../support/protected-origin.ts';

const VIEWERS = 1_000;
const CONNECTIONS = 100;

/** What the origin was asked for. */
class AskedUrls extends RequestMeter {
  readonly urls: string[] = [];
  override add(...of: Parameters<RequestMeter['add']>): void {
    this.urls.push(of[0].url);
    super.add(...of);
  }
}

const asked = new AskedUrls();
const closing: (() => Promise<unknown>)[] = [];
let served: Awaited<ReturnType<typeof startShowOrigin>>;
let cache: string;
let ticks: number;

beforeAll(async () => {
  const show = await makeSmallShow();
  ticks = show.tracks[0]?.fragments[1]?.decodeTimeTicks ?? 0;
  served = await startShowOrigin(show, { writeMpd, meter: asked });
  closing.push(() => served.origin.close({ idleMs: 10 }));
  const keys = [
    {
      tracks: [],
      key: { id: '0f0e0d0c-0b0a-4908-8706-050403020100', value: new Uint8Array(16), keyUrl: 'https://k/' },
    },
  ];
  const enabledProtocols = { download: false, dash: true, hls: true, smoothStreaming: true };
  const envelopeEncryption = { enabledProtocols, clearTracks: [], contentKeys: { keyToTrackMappings: [] } };
  served.world.rules = rulesOf({ envelopeEncryption }, () => keys);
  const folder = await mkdtemp(join(tmpdir(), 'headend-varnish-'));
  closing.push(() => rm(folder, { recursive: true, force: true }));
  // Its processes run as another user.
  await chmod(folder, 0o755);
  const port = await freePort();
  cache = `http://127.0.0.1:${port}`;
  const vcl = await readFile(new URL('../../../infra/varnish/headend.vcl', import.meta.url), 'utf8');
  const file = join(folder, 'headend.vcl');
  await writeFile(file, vcl.replace('.port = "8888"', `.port = "${served.origin.port}"`));
  const varnish = spawn('varnishd', [
    ...['-F', '-n', join(folder, 'work'), '-a', `127.0.0.1:${port}`, '-f', file, '-s', 'malloc,64m'],
    ...['-p', 'thread_pool_min=50', '-p', 'thread_pool_max=300'],
  ]);
  varnish.stdout.resume();
  varnish.stderr.resume();
  closing.push(async () => {
    if (varnish.exitCode !== null) return;
    const ended = once(varnish, 'exit');
    varnish.kill('SIGTERM');
    await ended;
  });
  await until(
    () =>
      fetch(`${cache}/time`).then(
        ({ ok }) => ok,
        () => false,
      ),
    'Varnish',
  );
}, 60_000);

afterAll(async () => {
  for (const close of closing.reverse()) await close();
}, 30_000);

const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
afterAll(() => agent.destroy());

function look(path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(`${cache}${served.path}/${path}`, { agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    }).once('error', reject);
  });
}

const FORM = 'format=m3u8-cmaf,encryption=cbc';

describe('behind Varnish', () => {
  it('the origin sees each object once however many ask, each with a token of its own, and never the token', async () => {
    asked.urls.length = 0;
    const before = served.origin.packagings;
    const paths = [
      `manifest(${FORM})`,
      `QualityLevels(1000000)/Manifest(video,${FORM})`,
      `QualityLevels(1000000)/Fragments(video=i,${FORM})`,
      `QualityLevels(1000000)/Fragments(video=${ticks},${FORM})`,
    ];
    const viewers = Array.from({ length: VIEWERS }, async (_, viewer) => {
      const statuses = [];
      for (const path of paths) statuses.push(await look(`${path}?token=secret-${viewer}`));
      return statuses.every((status) => status === 200);
    });
    expect((await Promise.all(viewers)).every(Boolean)).toBe(true);
    expect(asked.urls.toSorted()).toEqual(paths.map((path) => `${served.path}/${path}`).toSorted());
    expect(served.origin.packagings - before).toBe(1);
  }, 30_000);

  it('what is taken back is refused, and given again, without a purge', async () => {
    const manifest = `manifest(format=mpd-time-cmaf,encryption=cbc)`;
    expect(await look(manifest)).toBe(200);
    served.world.isPublished = false;
    // Never asked for before: the cache has nothing to answer with.
    const path = `QualityLevels(1000000)/Fragments(audio=0,${FORM})`;
    // The origin may go on for as long as it remembers the locator; what it says then is not kept for longer.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await look(path)).toBe(404);
    served.world.isPublished = true;
    await until(async () => (await look(path)) === 200, 'the segments are back');
  }, 30_000);
});
