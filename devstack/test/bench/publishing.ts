import { join } from 'node:path';
import { makeCountedVideo } from '../support/counted-video.ts';
import { type ApiBody, rtmpUrl } from '../support/headend-api.ts';
import type { Stack } from '../support/stack.ts';
import { startPublisher } from './publisher.ts';
import { type Figure, quantile, spread } from './report.ts';

const GOP_SECONDS = 2;
const PUBLISHED_P99_MS_MAX = 300;
const PLAYABLE_AFTER_SEGMENT_MS_MAX = 500;
const POLL_MS = 10;
const POLLS_MAX = 3000;

/** Encoder connected → program published, and first key frame → first segment in the published playlist. */
export async function benchPublishing(stack: Stack, folder: string, rounds: number): Promise<Figure[]> {
  const file = join(folder, 'publishing.flv');
  await makeCountedVideo({
    file,
    width: 320,
    height: 180,
    bitrateKbps: 300,
    gopSeconds: GOP_SECONDS,
    seconds: 10,
  });
  await stack.api.expect(201, 'PUT', '/channels/bench', {});
  await stack.api.expect(200, 'POST', '/channels/bench/start');
  const key = await stack.api.expect(200, 'GET', '/channels/bench/stream-key');
  const published: number[] = [];
  const playable: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const figures = await oneShow(stack, `${rtmpUrl(key)}/main`, file, `show${round}`);
    published.push(figures.publishedMs);
    playable.push(figures.playableMs);
  }
  await stack.api.expect(200, 'POST', '/channels/bench/stop');
  return [
    {
      what: 'encoder connected → program published, ms',
      measured: spread(published),
      target: `p99 < ${PUBLISHED_P99_MS_MAX}`,
      met: quantile(published, 0.99) < PUBLISHED_P99_MS_MAX,
    },
    {
      what: `first key frame sent → first segment playable, ms (${GOP_SECONDS} s segments)`,
      measured: spread(playable),
      target: `< ${GOP_SECONDS * 1000 + PLAYABLE_AFTER_SEGMENT_MS_MAX}`,
      met: quantile(playable, 0.99) < GOP_SECONDS * 1000 + PLAYABLE_AFTER_SEGMENT_MS_MAX,
    },
  ];
}

async function oneShow(stack: Stack, url: string, file: string, name: string) {
  const { api } = stack;
  const path = `/channels/bench/programs/${name}`;
  const program = await api.expect(201, 'PUT', path, {});
  await api.until(path, (body) => body.state === 'armed');
  const publisher = await startPublisher(url, file);
  try {
    const playableAtMs = await firstSegmentAt(program.playback.hls);
    const after = await api.until(path, isPublished);
    const timeline = await api.expect(200, 'GET', '/channels/bench/timeline?limit=50');
    const connected = timeline.items.find(
      (entry: ApiBody) =>
        entry.type.endsWith('LiveEventEncoderConnected') &&
        Date.parse(entry.at) >= publisher.startedAtMs - 1000,
    );
    const condition = after.conditions.find((entry: ApiBody) => entry.type === 'Published');
    return {
      publishedMs: Date.parse(condition.since) - Date.parse(connected.at),
      playableMs: playableAtMs - publisher.startedAtMs,
    };
  } finally {
    await publisher.stop();
    await api.expect(200, 'POST', `${path}/finish`);
    await api.call('DELETE', `${path}?recording=delete`, undefined, { prefer: 'wait=10' });
  }
}

function isPublished(program: ApiBody): boolean {
  return program.conditions.some((entry: ApiBody) => entry.type === 'Published' && entry.status === true);
}

async function firstSegmentAt(hls: string): Promise<number> {
  for (let poll = 0; poll < POLLS_MAX; poll += 1) {
    const multivariant = await fetch(hls);
    const uri = multivariant.ok ? /^[^#\s].*$/m.exec(await multivariant.text())?.[0] : undefined;
    const playlist = uri === undefined ? '' : await (await fetch(new URL(uri, hls))).text();
    if (playlist.includes('#EXTINF')) return Date.now();
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`no segment in ${hls}`);
}
