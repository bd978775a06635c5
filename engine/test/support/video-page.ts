import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { type Browser, chromium, type Page } from 'playwright-core';

const FLAGS = [
  ...['--no-sandbox', '--no-first-run', '--disable-gpu', '--disable-dev-shm-usage', '--mute-audio'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  '--autoplay-policy=no-user-gesture-required',
];
const PLAYED_MS_MAX = 180_000;

/** What was seen of a file that was played from its beginning to its end, at double speed. */
export interface Played {
  readonly hasEnded: boolean;
  readonly error: string | undefined;
  readonly durationSeconds: number;
  readonly width: number;
  readonly height: number;
  /** Decoded, those that came too late to be shown included. */
  readonly frames: number;
  /** Times of the frames that were shown, in the order in which they were. */
  readonly shownSeconds: readonly number[];
}

/** Chromium with one page that plays files by itself, without a player. */
export class VideoPage {
  readonly #browser: Browser;
  readonly #server: Server;
  readonly #page: Page;
  readonly #files: Map<string, string>;

  private constructor(browser: Browser, server: Server, page: Page, files: Map<string, string>) {
    this.#browser = browser;
    this.#server = server;
    this.#page = page;
    this.#files = files;
  }

  static async open(): Promise<VideoPage> {
    const files = new Map<string, string>();
    const server = createServer((request, response) => {
      answer(files.get(request.url ?? ''), request.headers.range, response).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
    const page = await browser.newPage();
    const address = server.address();
    await page.goto(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`);
    return new VideoPage(browser, server, page, files);
  }

  play(path: string, type: 'video/mp4' | 'audio/mp4'): Promise<Played> {
    const url = `/${this.#files.size}.mp4`;
    this.#files.set(url, path);
    return this.#page.evaluate(([u, t, ms]) => globalThis.playFile(u, t, ms), [
      url,
      type,
      PLAYED_MS_MAX,
    ] as const);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const PAGE = `<!doctype html><meta charset="utf-8"><title>video</title><body><script>
globalThis.playFile = (url, type, withinMs) => new Promise((resolve) => {
  const video = document.createElement('video');
  const shownSeconds = [];
  const onFrame = (_, { mediaTime }) => {
    shownSeconds.push(mediaTime);
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
  const done = () => {
    clearTimeout(timer);
    resolve({
      hasEnded: video.ended,
      error: video.error?.message,
      durationSeconds: video.duration,
      width: video.videoWidth,
      height: video.videoHeight,
      frames: video.getVideoPlaybackQuality().totalVideoFrames,
      shownSeconds,
    });
    video.remove();
  };
  const timer = setTimeout(done, withinMs);
  video.addEventListener('ended', done);
  video.addEventListener('error', done);
  video.muted = true;
  video.playbackRate = 2;
  const source = document.createElement('source');
  source.addEventListener('error', done);
  source.type = type;
  source.src = url;
  video.append(source);
  document.body.append(video);
  video.play().catch(() => undefined);
});
</script>`;

declare global {
  var playFile: (url: string, type: string, withinMs: number) => Promise<Played>;
}

async function answer(path: string | undefined, range: string | undefined, response: ServerResponse) {
  if (path === undefined) {
    response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    return;
  }
  const { size } = await stat(path);
  const [, first = '0', last = ''] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(size - 1, Number(last));
  response.writeHead(range === undefined ? 200 : 206, {
    'content-type': 'video/mp4',
    'accept-ranges': 'bytes',
    'content-length': end - start + 1,
    ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
  });
  await pipeline(createReadStream(path, { start, end }), response);
}
