import { join } from 'node:path';
import { FRAMES_PER_SECOND, makeCountedVideo } from '../support/counted-video.ts';
import { rtmpUrl } from '../support/headend-api.ts';
import { PlayerBrowser } from '../support/player-page.ts';
import { untilSegments } from '../support/playlist.ts';
import type { Stack } from '../support/stack.ts';
import { startPublisher } from './publisher.ts';
import { type Figure, quantile, spread } from './report.ts';

const P95_SECONDS_MAX = new Map([
  [1, 5],
  [2, 8.5],
]);
const WATCH_SECONDS = 30;
const SEGMENTS_BEFORE = 5;

/** From the moment a frame is sent to the moment stock hls.js shows it, read from the number burnt into the frame. */
export async function benchGlassToGlass(stack: Stack, folder: string): Promise<Figure[]> {
  const browser = await PlayerBrowser.open();
  try {
    const figures: Figure[] = [];
    for (const gopSeconds of P95_SECONDS_MAX.keys())
      figures.push(await watch(stack, folder, browser, gopSeconds));
    return figures;
  } finally {
    await browser.close();
  }
}

async function watch(
  stack: Stack,
  folder: string,
  browser: PlayerBrowser,
  gopSeconds: number,
): Promise<Figure> {
  const channel = `glass${gopSeconds}`;
  const file = join(folder, `${channel}.flv`);
  await makeCountedVideo({
    file,
    width: 640,
    height: 360,
    bitrateKbps: 800,
    gopSeconds,
    seconds: WATCH_SECONDS + 30,
  });
  await stack.api.expect(201, 'PUT', `/channels/${channel}`, {});
  const program = await stack.api.expect(201, 'PUT', `/channels/${channel}/programs/show`, {});
  await stack.api.expect(200, 'POST', `/channels/${channel}/start`);
  const key = await stack.api.expect(200, 'GET', `/channels/${channel}/stream-key`);
  const publisher = await startPublisher(`${rtmpUrl(key)}/main`, file);
  try {
    // hls.js holds back three target durations when there are as many: a viewer of the first second sees less latency.
    await untilSegments(program.playback.hls, SEGMENTS_BEFORE);
    const page = await browser.play('hls', program.playback.hls);
    await new Promise((resolve) => setTimeout(resolve, (WATCH_SECONDS + 5) * 1000));
    const { frames, stalls } = await page.report();
    await page.close();
    const seconds = frames.map(
      ({ counter, atMs }) => (atMs - publisher.startedAtMs) / 1000 - counter / FRAMES_PER_SECOND,
    );
    const max = P95_SECONDS_MAX.get(gopSeconds) ?? 0;
    return {
      what: `glass to glass, stock hls.js, ${gopSeconds} s GOP, s (${stalls} stalls)`,
      measured: spread(seconds, 2),
      target: `p95 ≤ ${max}`,
      met: quantile(seconds, 0.95) <= max,
    };
  } finally {
    await publisher.stop();
    await stack.api.expect(200, 'POST', `/channels/${channel}/stop`, { finishPrograms: true });
  }
}
