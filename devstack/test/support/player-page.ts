import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import { READ_COUNTER_SOURCE } from './counter-reader.ts';

const require = createRequire(import.meta.url);
export const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--autoplay-policy=no-user-gesture-required',
  '--mute-audio',
];

export type PlayerKind = 'hls' | 'dash';

export interface PlayOptions {
  readonly fromStart?: boolean;
  /** Goes on after a fatal error, as pages do; without it each one is in the report's `errors`. hls.js only. */
  readonly recovers?: boolean;
}

/** What was seen of a playing video since `play` was called. */
export interface PlaybackReport {
  readonly currentTimeSeconds: number;
  /** The player has come to the end of the show. */
  readonly hasEnded: boolean;
  /** When the frame that is shown was recorded, by the playlist's own dates; hls.js only. */
  readonly playingDateMs: number | undefined;
  readonly stalls: number;
  /** What the player mended by itself. */
  readonly warnings: readonly string[];
  readonly errors: readonly string[];
  /** Burnt-in number and wall clock of every frame the browser presented. */
  readonly frames: readonly { readonly counter: number; readonly atMs: number }[];
}

const PAGE = `<!doctype html><meta charset="utf-8"><title>player</title>
<body style="margin:0;background:#000"><video id="video" muted playsinline style="display:block"></video>
<script src="/hls.js"></script><script src="/shaka.js"></script>
<script>
${READ_COUNTER_SOURCE}
const video = document.getElementById('video');
const report = { stalls: 0, warnings: [], errors: [], frames: [] };
let started = false;
video.addEventListener('playing', () => { started = true; });
video.addEventListener('waiting', () => { if (started) report.stalls += 1; });
video.addEventListener('error', () => report.errors.push('media error ' + video.error?.message));
let shownTime = -1;
const onFrame = (_, { mediaTime }) => {
  // A frame is presented again after a seek or a pause.
  if (mediaTime !== shownTime) {
    shownTime = mediaTime;
    report.frames.push({ counter: readCounter(video, video.videoWidth, video.videoHeight), atMs: Date.now() });
  }
  video.requestVideoFrameCallback(onFrame);
};
video.requestVideoFrameCallback(onFrame);
// What hls.js's own documentation has every page do after a fatal error.
const recover = (hls, url, { type, details }) => {
  if (type === Hls.ErrorTypes.MEDIA_ERROR) hls.recoverMediaError();
  else if (details.startsWith('manifest')) hls.loadSource(url);
  else hls.startLoad();
};
globalThis.play = async (kind, url, { fromStart, recovers }) => {
  if (kind === 'hls') {
    const hls = (globalThis.player = new Hls({ startPosition: fromStart ? 0 : -1 }));
    hls.on(Hls.Events.ERROR, (_, data) => {
      (data.fatal && !recovers ? report.errors : report.warnings).push(data.details + ' ' + (data.error?.message ?? ''));
      if (data.fatal && recovers) setTimeout(() => recover(hls, url, data), 1000);
    });
    hls.loadSource(url); hls.attachMedia(video);
  } else {
    shaka.polyfill.installAll();
    const player = (globalThis.player = new shaka.Player());
    await player.attach(video);
    player.addEventListener('error', (event) => report.errors.push('shaka ' + event.detail.code));
    await player.load(url, fromStart ? 0 : undefined);
  }
  // Not awaited: it settles only when the picture moves.
  video.play().catch((error) => report.errors.push(String(error)));
};
globalThis.readReport = () => ({
  ...report,
  currentTimeSeconds: video.currentTime,
  hasEnded: video.ended,
  playingDateMs: globalThis.player?.playingDate?.getTime(),
});
globalThis.readPicture = async (base64) => {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
  return readCounter(bitmap, bitmap.width, bitmap.height);
};
</script>`;

/** A real browser with a page that plays one stream by hls.js or Shaka Player and writes down every frame it shows. */
export class PlayerBrowser {
  readonly #browser: Browser;
  readonly #server: Server;

  private constructor(browser: Browser, server: Server) {
    this.#browser = browser;
    this.#server = server;
  }

  static async open(): Promise<PlayerBrowser> {
    const files: Record<string, { type: string; body: string }> = {
      '/': { type: 'text/html', body: PAGE },
      '/hls.js': {
        type: 'text/javascript',
        body: await readFile(require.resolve('hls.js/dist/hls.min.js'), 'utf8'),
      },
      '/shaka.js': {
        type: 'text/javascript',
        body: await readFile(require.resolve('shaka-player/dist/shaka-player.compiled.js'), 'utf8'),
      },
    };
    const server = createServer((request, response) => {
      const file = files[request.url ?? ''];
      response.writeHead(file === undefined ? 404 : 200, { 'content-type': file?.type ?? 'text/plain' });
      response.end(file?.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: CHROMIUM_FLAGS });
    return new PlayerBrowser(browser, server);
  }

  async play(kind: PlayerKind, url: string, options: PlayOptions = {}): Promise<PlayingPage> {
    const page = await this.#browser.newPage({ viewport: { width: 640, height: 360 } });
    const { port } = this.#server.address() as AddressInfo; // a TCP server: never a string
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.evaluate(([k, u, o]) => globalThis.play(k, u, o), [
      kind,
      url,
      { fromStart: options.fromStart === true, recovers: options.recovers === true },
    ] as const);
    return new PlayingPage(page);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export class PlayingPage {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  report(): Promise<PlaybackReport> {
    return this.#page.evaluate(() => globalThis.readReport());
  }

  /** The number that a screenshot of the video shows. */
  async counterInScreenshot(): Promise<number> {
    const picture = await this.#page.locator('#video').screenshot();
    return this.#page.evaluate((base64) => globalThis.readPicture(base64), picture.toString('base64'));
  }

  close(): Promise<void> {
    return this.#page.close();
  }
}

declare global {
  var play: (kind: PlayerKind, url: string, options: Required<PlayOptions>) => Promise<void>;
  var readReport: () => PlaybackReport;
  var readPicture: (base64: string) => Promise<number>;
}
